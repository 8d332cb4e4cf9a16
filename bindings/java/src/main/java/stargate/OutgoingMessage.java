package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/** A message to send: its content, and what goes with it. */
public final class OutgoingMessage {
    final byte[] payload;
    String key;
    Map<String, String> properties = Map.of();
    long eventTime;
    long deliverAt;
    long deliverAfter;
    List<String> replicationClusters = List.of();

    private OutgoingMessage(byte[] payload) {
        this.payload = payload;
    }

    /**
     * Makes a message of bytes. A send copies them.
     *
     * @param payload the content
     * @return the message
     */
    public static OutgoingMessage of(byte[] payload) {
        return new OutgoingMessage(payload);
    }

    /**
     * Makes a message of text, which is sent as UTF-8.
     *
     * @param payload the content
     * @return the message
     */
    public static OutgoingMessage of(String payload) {
        return new OutgoingMessage(payload.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Sets the key: it decides the partition, and the consumer of a key_shared subscription.
     *
     * @param key the key
     * @return this
     */
    public OutgoingMessage key(String key) {
        this.key = key;
        return this;
    }

    /**
     * Sets a property.
     *
     * @param name its name
     * @param value its value
     * @return this
     */
    public OutgoingMessage property(String name, String value) {
        if (properties.isEmpty()) properties = new LinkedHashMap<>();
        properties.put(name, value);
        return this;
    }

    /**
     * Sets properties.
     *
     * @param more names and values
     * @return this
     */
    public OutgoingMessage properties(Map<String, String> more) {
        more.forEach(this::property);
        return this;
    }

    /**
     * Sets the application's time of the event.
     *
     * @param time the time
     * @return this
     */
    public OutgoingMessage eventTime(Instant time) {
        eventTime = time.toEpochMilli();
        return this;
    }

    /**
     * Asks for delivery not before a time. It works on shared and key_shared subscriptions.
     *
     * @param time the time
     * @return this
     */
    public OutgoingMessage deliverAt(Instant time) {
        deliverAt = time.toEpochMilli();
        return this;
    }

    /**
     * Asks for delivery after a delay; not together with {@link #deliverAt}.
     *
     * @param delay the delay
     * @return this
     */
    public OutgoingMessage deliverAfter(Duration delay) {
        deliverAfter = delay.toMillis();
        return this;
    }

    /**
     * Replicates the message to these clusters and to no others.
     *
     * @param clusters their names
     * @return this
     */
    public OutgoingMessage replicationClusters(List<String> clusters) {
        replicationClusters = List.copyOf(clusters);
        return this;
    }

    /**
     * Keeps the message in the cluster that it is sent to.
     *
     * @return this
     */
    public OutgoingMessage disableReplication() {
        return replicationClusters(List.of("__local__"));
    }

    /** Returns the bytes of payload, key and properties together. */
    long size() {
        long size = payload.length + (key == null ? 0 : key.length());
        for (Map.Entry<String, String> property : properties.entrySet()) {
            size += property.getKey().length() + property.getValue().length();
        }
        return size;
    }

    /** Writes it as a {@code stargate_outgoing}. */
    void write(Arena arena, MemorySegment to) {
        to.set(JAVA_LONG, Abi.stargate_outgoing.struct_size, Abi.stargate_outgoing.SIZE);
        to.set(ADDRESS, Abi.stargate_outgoing.payload + Abi.stargate_bytes.ptr, Memory.bytes(arena, payload));
        to.set(JAVA_LONG, Abi.stargate_outgoing.payload + Abi.stargate_bytes.len, payload.length);
        to.set(ADDRESS, Abi.stargate_outgoing.key, Memory.text(arena, "the key", key));
        to.set(ADDRESS, Abi.stargate_outgoing.properties, Memory.properties(arena, properties));
        to.set(JAVA_LONG, Abi.stargate_outgoing.property_count, properties.size());
        to.set(JAVA_LONG, Abi.stargate_outgoing.event_time_ms, eventTime);
        to.set(JAVA_LONG, Abi.stargate_outgoing.deliver_at_ms, deliverAt);
        to.set(JAVA_LONG, Abi.stargate_outgoing.deliver_after_ms, deliverAfter);
        if (!replicationClusters.isEmpty()) {
            to.set(
                    ADDRESS,
                    Abi.stargate_outgoing.replication_clusters,
                    Memory.texts(arena, "the name of a cluster", replicationClusters));
            to.set(JAVA_LONG, Abi.stargate_outgoing.replication_cluster_count, replicationClusters.size());
        }
    }
}
