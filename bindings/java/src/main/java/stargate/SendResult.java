package stargate;

/**
 * How the send of one message ended.
 *
 * @param id the id of the message; null after an error, and for a duplicate, which the broker had already
 * @param error why the message has no receipt; null if the broker has it
 */
public record SendResult(MessageId id, StargateException error) {
    /**
     * Tells whether the broker has the message.
     *
     * @return whether it has
     */
    public boolean isStored() {
        return error == null;
    }
}
