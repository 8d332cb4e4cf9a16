package stargate;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.Serializable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Base64;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Library;
import stargate.ffi.Memory;

/**
 * The position of a message in its topic. Ids are equal when they name the same message, also when their texts differ
 * because they came by different connections. Across the partitions of a topic their order is fixed, but not one of time.
 */
public final class MessageId implements Comparable<MessageId>, Serializable {
    private static final long serialVersionUID = 1;

    /** Where a topic begins, for {@code startingMessage} and {@code seek}. */
    public static final MessageId EARLIEST = new MessageId("earliest");

    /** Where a topic ends, for {@code startingMessage} and {@code seek}. */
    public static final MessageId LATEST = new MessageId("latest");

    /** What an id names. */
    private record Parts(long ledger, long entry, int partition, int batchIndex) {}

    /** The id in base64. */
    private final String text;

    private transient volatile Parts parts;

    MessageId(String text) {
        this.text = text;
    }

    /** The id with this text, null for null. */
    static MessageId of(String text) {
        return text == null ? null : new MessageId(text);
    }

    /**
     * Restores an id from what {@link #toString} returned.
     *
     * @param text the id in base64, or "earliest" or "latest"
     * @return the id
     * @throws StargateException with {@link ErrorKind#INVALID_ARGUMENT} if it is none
     */
    public static MessageId parse(String text) {
        MessageId id = new MessageId(text);
        if (!id.isEnd()) id.parts();
        return id;
    }

    /**
     * Restores an id from what {@link #toByteArray} returned.
     *
     * @param bytes the bytes
     * @return the id
     * @throws StargateException with {@link ErrorKind#INVALID_ARGUMENT} if it is none
     */
    public static MessageId fromByteArray(byte[] bytes) {
        return parse(Base64.getEncoder().encodeToString(bytes));
    }

    /**
     * Returns the bytes of the id, to store it.
     *
     * @return the bytes
     */
    public byte[] toByteArray() {
        return Base64.getDecoder().decode(text);
    }

    /**
     * Returns the ledger that holds the message.
     *
     * @return the ledger
     */
    public long ledger() {
        return parts().ledger;
    }

    /**
     * Returns the entry in the ledger.
     *
     * @return the entry
     */
    public long entry() {
        return parts().entry;
    }

    /**
     * Returns the partition of the topic.
     *
     * @return the partition, -1 if there is none
     */
    public int partition() {
        return parts().partition;
    }

    /**
     * Returns the place of the message in its batch.
     *
     * @return the place, -1 if there is no batch
     */
    public int batchIndex() {
        return parts().batchIndex;
    }

    private boolean isEnd() {
        return text.equals(EARLIEST.text) || text.equals(LATEST.text);
    }

    private Parts parts() {
        Parts known = parts;
        if (known != null) return known;
        Library.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = Memory.text(arena, "a message id", text);
            MemorySegment out = arena.allocate(JAVA_LONG, 3);
            Call.run((inner, error) -> Abi.stargate_message_id_parts(
                    id, out, out.asSlice(8), out.asSlice(16), out.asSlice(20), error));
            parts = new Parts(
                    out.get(JAVA_LONG, 0), out.get(JAVA_LONG, 8), out.get(JAVA_INT, 16), out.get(JAVA_INT, 20));
            return parts;
        }
    }

    /**
     * Compares the positions that two ids name.
     *
     * @param other the other id
     * @return below 0, 0 or above 0, as this id is before, at or after the other
     */
    @Override
    public int compareTo(MessageId other) {
        if (text.equals(other.text)) return 0;
        if (isEnd() || other.isEnd()) {
            return text.equals(EARLIEST.text) || other.text.equals(LATEST.text) ? -1 : 1;
        }
        Library.load();
        return Call.smallNumber((arena, out, error) -> Abi.stargate_message_id_compare(
                Memory.text(arena, "a message id", text), Memory.text(arena, "a message id", other.text), out, error));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MessageId id && compareTo(id) == 0;
    }

    @Override
    public int hashCode() {
        return isEnd() ? text.hashCode() : Long.hashCode(ledger()) * 31 + Long.hashCode(entry());
    }

    /** Returns the id in base64. */
    @Override
    public String toString() {
        return text;
    }
}
