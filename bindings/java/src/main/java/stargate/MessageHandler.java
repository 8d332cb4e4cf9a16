package stargate;

/** Handles the messages of a consumer or reader, one at a time for each processor. */
@FunctionalInterface
public interface MessageHandler {
    /**
     * Handles a message. It runs on a thread of the library, may block, and may call everything. A reader acknowledges
     * nothing, so for a reader every outcome means "continue".
     *
     * @param message the message, which is the application's to keep
     * @return what becomes of the message
     * @throws Exception what {@link #onError} decides about
     */
    Outcome handle(Message message) throws Exception;

    /**
     * Decides about a message for which {@link #handle} threw. What it threw has been logged.
     *
     * @param message the message
     * @param error what was thrown
     * @return what becomes of the message; {@link Outcome#NACK} unless overridden
     */
    default Outcome onError(Message message, Throwable error) {
        return Outcome.NACK;
    }
}
