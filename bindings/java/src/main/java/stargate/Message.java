package stargate;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/** A received message. It is a value of the application's, which may keep it as long as it likes. */
public final class Message {
    private final byte[] data;
    private final String id;
    private final String topic;
    private final String key;
    private final Map<String, String> properties;
    private final String encryptionContext;
    private final long publishTime;
    private final long eventTime;
    private final int redeliveryCount;
    private final int reconsumeTimes;
    private final boolean encrypted;

    /** The native messages with the one of this, with which it is acknowledged; null if that is the library's. */
    volatile NativeMessages natives;

    /** Its place among them. */
    final int index;

    /** Reads a {@code stargate_message_fields} at an address. */
    Message(long at, String topic, NativeMessages natives, int index) {
        data = Memory.bytes(
                Memory.longAt(at + Abi.stargate_message_fields.payload),
                Memory.longAt(at + Abi.stargate_message_fields.payload_len));
        id = Memory.text(
                Memory.longAt(at + Abi.stargate_message_fields.id),
                Memory.longAt(at + Abi.stargate_message_fields.id_len));
        this.topic = topic;
        key = Memory.text(
                Memory.longAt(at + Abi.stargate_message_fields.key),
                Memory.longAt(at + Abi.stargate_message_fields.key_len));
        properties = properties(
                Memory.longAt(at + Abi.stargate_message_fields.properties),
                Memory.longAt(at + Abi.stargate_message_fields.property_count));
        encryptionContext = Memory.text(
                Memory.longAt(at + Abi.stargate_message_fields.encryption_context),
                Memory.longAt(at + Abi.stargate_message_fields.encryption_context_len));
        publishTime = Memory.longAt(at + Abi.stargate_message_fields.publish_time_ms);
        eventTime = Memory.longAt(at + Abi.stargate_message_fields.event_time_ms);
        redeliveryCount = Memory.intAt(at + Abi.stargate_message_fields.redelivery_count);
        reconsumeTimes = Memory.intAt(at + Abi.stargate_message_fields.reconsume_times);
        encrypted = Memory.intAt(at + Abi.stargate_message_fields.is_encrypted) != 0;
        this.natives = natives;
        this.index = index;
    }

    private static Map<String, String> properties(long at, long count) {
        if (count == 0) return Map.of();
        Map<String, String> properties = LinkedHashMap.newLinkedHashMap((int) count);
        for (long n = 0; n < count; n++, at += Abi.stargate_property_fields.SIZE) {
            properties.put(
                    Memory.text(
                            Memory.longAt(at + Abi.stargate_property_fields.key),
                            Memory.longAt(at + Abi.stargate_property_fields.key_len)),
                    Memory.text(
                            Memory.longAt(at + Abi.stargate_property_fields.value),
                            Memory.longAt(at + Abi.stargate_property_fields.value_len)));
        }
        return java.util.Collections.unmodifiableMap(properties);
    }

    /**
     * Returns the content.
     *
     * @return the bytes themselves, not a copy
     */
    public byte[] data() {
        return data;
    }

    /**
     * Returns the content as text.
     *
     * @return the content read as UTF-8
     */
    public String text() {
        return new String(data, StandardCharsets.UTF_8);
    }

    /**
     * Returns the id, to acknowledge the message later or to start a reader after it.
     *
     * @return the id
     */
    public MessageId id() {
        return new MessageId(id);
    }

    /**
     * Returns the full name of the topic that was subscribed to or read. For several topics or a pattern the server does
     * not say which topic it was; this is the first topic, or the pattern.
     *
     * @return the topic
     */
    public String topic() {
        return topic;
    }

    /**
     * Returns the key.
     *
     * @return the key, if the message has one
     */
    public Optional<String> key() {
        return Optional.ofNullable(key);
    }

    /**
     * Returns the properties.
     *
     * @return the properties in the order of their names
     */
    public Map<String, String> properties() {
        return properties;
    }

    /**
     * Returns when the broker stored the message.
     *
     * @return the time, if the server sent one
     */
    public Optional<Instant> publishTime() {
        return time(publishTime);
    }

    /**
     * Returns the time of the event.
     *
     * @return the time, if the sender set one
     */
    public Optional<Instant> eventTime() {
        return time(eventTime);
    }

    private static Optional<Instant> time(long millis) {
        return millis == 0 ? Optional.empty() : Optional.of(Instant.ofEpochMilli(millis));
    }

    /**
     * Returns how often it was delivered before. The broker counts on shared and key_shared subscriptions only.
     *
     * @return the count
     */
    public int redeliveryCount() {
        return redeliveryCount;
    }

    /**
     * Returns how often the retry letter topic has redelivered it.
     *
     * @return the count
     */
    public int reconsumeTimes() {
        return reconsumeTimes;
    }

    /**
     * Returns how the payload was encrypted, for a message that arrived encrypted, where the server passes it on.
     *
     * @return the server's JSON
     */
    public Optional<String> encryptionContext() {
        return Optional.ofNullable(encryptionContext);
    }

    /**
     * Tells whether the payload is still encrypted. Only {@link CryptoFailureAction#CONSUME} lets such messages through.
     *
     * @return whether it is
     */
    public boolean isEncrypted() {
        return encrypted;
    }

    @Override
    public String toString() {
        return "Message[" + topic + " " + id + ", " + data.length + " bytes" + (key == null ? "" : ", key " + key) + "]";
    }
}
