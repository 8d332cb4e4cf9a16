package stargate;

import java.time.Duration;
import stargate.ffi.Abi;

/** What a handler decides about a message. */
public final class Outcome {
    /** The message is done: acknowledge it. */
    public static final Outcome ACK = new Outcome(Abi.STARGATE_ACK, Duration.ZERO);

    /** The message stays the application's, which acknowledges it later. */
    public static final Outcome CONTINUE = new Outcome(Abi.STARGATE_CONTINUE, Duration.ZERO);

    /** The message could not be handled: the broker redelivers it after the option {@code negativeAckDelay}. */
    public static final Outcome NACK = new Outcome(Abi.STARGATE_NACK, Duration.ZERO);

    /** The number of C. */
    final int code;

    /** The time until the message is redelivered. */
    final Duration delay;

    private Outcome(int code, Duration delay) {
        this.code = code;
        this.delay = delay;
    }

    /**
     * The retry letter topic redelivers the message after a delay, and counts. The consumer needs the option {@code
     * enableRetry}; without it, and when the copy cannot be stored, it is as {@link #NACK}.
     *
     * @param delay when
     * @return the outcome
     */
    public static Outcome reconsumeLater(Duration delay) {
        return new Outcome(Abi.STARGATE_RECONSUME_LATER, delay);
    }

    @Override
    public String toString() {
        return switch (code) {
            case Abi.STARGATE_ACK -> "ack";
            case Abi.STARGATE_CONTINUE -> "continue";
            case Abi.STARGATE_NACK -> "nack";
            default -> "reconsume later (" + delay + ")";
        };
    }
}
