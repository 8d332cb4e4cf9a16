package stargate.testing;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import stargate.MessageId;

/**
 * A message as the mock broker stored it.
 *
 * @param topic the full name of the topic; of a partitioned one, the partition
 * @param id the id as a consumer gets it
 * @param data the content; null for a tombstone
 * @param key the key, if it has one
 * @param properties the properties, in the order of their names
 * @param eventTime the application's time, if it set one
 * @param publishTime when it was stored
 * @param deliverAt before this time shared and key_shared subscriptions do not deliver it, if it has one
 * @param producerName the producer's name, given or generated
 * @param sequenceId the sequence id that the broker keeps for it
 */
public record MockMessage(
        String topic,
        MessageId id,
        byte[] data,
        Optional<String> key,
        Map<String, String> properties,
        Optional<Instant> eventTime,
        Instant publishTime,
        Optional<Instant> deliverAt,
        String producerName,
        long sequenceId) {

    @SuppressWarnings("unchecked")
    static MockMessage of(Map<String, Object> json) {
        String payload = (String) json.get("payload");
        return new MockMessage(
                (String) json.get("topic"),
                MessageId.parse((String) json.get("message_id")),
                payload == null ? null : Base64.getDecoder().decode(payload),
                Optional.ofNullable((String) json.get("key")),
                (Map<String, String>) json.get("properties"),
                time(json.get("event_time_ms")),
                Instant.ofEpochMilli((Long) json.get("publish_time_ms")),
                time(json.get("deliver_at_ms")),
                (String) json.get("producer_name"),
                (Long) json.get("sequence_id"));
    }

    private static Optional<Instant> time(Object millis) {
        return millis instanceof Long time && time != 0 ? Optional.of(Instant.ofEpochMilli(time)) : Optional.empty();
    }

    /**
     * Returns the content as text.
     *
     * @return the content read as UTF-8
     */
    public String text() {
        return new String(data, StandardCharsets.UTF_8);
    }
}
