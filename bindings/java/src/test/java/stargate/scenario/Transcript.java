package stargate.scenario;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import stargate.ErrorKind;
import stargate.Message;
import stargate.StargateException;

/** How things are written in a transcript. */
final class Transcript {
    static final String DEFAULT = "persistent://public/default/";

    private Transcript() {}

    static String kind(ErrorKind kind) {
        return kind.name().toLowerCase(java.util.Locale.ROOT);
    }

    static String error(StargateException error) {
        return "error " + kind(error.kind()) + ": " + error.getMessage();
    }

    static String quoted(byte[] data) {
        StringBuilder shown = new StringBuilder("\"");
        for (byte one : data) {
            int value = one & 0xff;
            if (value == '"' || value == '\\') shown.append('\\').append((char) value);
            else if (value < 0x20 || value >= 0x7f) shown.append(String.format("\\x%02x", value));
            else shown.append((char) value);
        }
        return shown.append('"').toString();
    }

    static String quoted(String text) {
        return quoted(text.getBytes(UTF_8));
    }

    static String payload(byte[] data) {
        if (data.length <= 64) return quoted(data);
        int hash = 0;
        for (byte one : data) hash = hash * 31 + (one & 0xff);
        return String.format("<%d bytes, hash %08x>", data.length, hash);
    }

    static String payload(String bytes) {
        return payload(bytes.getBytes(ISO_8859_1));
    }

    static String message(Message message) {
        StringBuilder line = new StringBuilder("  ").append(message.topic().replaceFirst("^" + DEFAULT, ""));
        line.append(": ").append(payload(message.data()));
        message.key().ifPresent(key -> line.append(" key=").append(quoted(key)));
        message.eventTime().ifPresent(time -> line.append(" event_time=").append(time.toEpochMilli()));
        if (message.redeliveryCount() > 0) line.append(" redelivered=").append(message.redeliveryCount());
        if (message.reconsumeTimes() > 0) line.append(" reconsumed=").append(message.reconsumeTimes());
        message.properties().forEach((key, value) -> {
            boolean ofBroker = key.charAt(0) >= 'A' && key.charAt(0) <= 'Z';
            if (!ofBroker) line.append(" property.").append(key).append('=').append(quoted(value));
        });
        return line.toString();
    }
}
