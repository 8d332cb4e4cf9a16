package stargate;

/**
 * Why a call failed. The text, on one line, names the operation, the topic, the host and every cause that is known; it is
 * the library's own.
 */
public final class StargateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The kind of failure, for programs to act on. */
    private final ErrorKind kind;

    /** The full name of the topic, or null. */
    private final String topic;

    /** The server's own words, or null. */
    private final String brokerText;

    /** The HTTP status, or 0. */
    private final int httpStatus;

    /** Whether the same call may succeed later. */
    private final boolean retriable;

    /**
     * Makes an exception as the library does, for tests of applications too.
     *
     * @param kind the kind of failure
     * @param message the text
     * @param topic the full name of the topic concerned, or null
     * @param brokerText the server's own words, or null
     * @param httpStatus the HTTP status with which the server refused, or 0
     * @param retriable whether the same call may succeed later
     */
    public StargateException(
            ErrorKind kind, String message, String topic, String brokerText, int httpStatus, boolean retriable) {
        super(message);
        this.kind = kind;
        this.topic = topic;
        this.brokerText = brokerText;
        this.httpStatus = httpStatus;
        this.retriable = retriable;
    }

    /**
     * Makes an exception of a kind and a text.
     *
     * @param kind the kind of failure
     * @param message the text
     */
    public StargateException(ErrorKind kind, String message) {
        this(kind, message, null, null, 0, false);
    }

    /** The same exception with the stack of the calling thread. */
    StargateException here() {
        var copy = new StargateException(kind, getMessage(), topic, brokerText, httpStatus, retriable);
        copy.initCause(getCause());
        return copy;
    }

    /**
     * Returns the kind of failure.
     *
     * @return the kind
     */
    public ErrorKind kind() {
        return kind;
    }

    /**
     * Returns the full name of the topic concerned.
     *
     * @return the topic, null if there is none
     */
    public String topic() {
        return topic;
    }

    /**
     * Returns the server's own words.
     *
     * @return the words, null if there are none
     */
    public String brokerText() {
        return brokerText;
    }

    /**
     * Returns the HTTP status with which the server refused the connection or the request.
     *
     * @return the status, 0 if there is none
     */
    public int httpStatus() {
        return httpStatus;
    }

    /**
     * Tells whether the same call may succeed later without a change by the caller. After {@link ErrorKind#TIMEOUT} and
     * {@link ErrorKind#OUTCOME_UNKNOWN} a second send can store the message twice.
     *
     * @return whether it may
     */
    public boolean isRetriable() {
        return retriable;
    }
}
