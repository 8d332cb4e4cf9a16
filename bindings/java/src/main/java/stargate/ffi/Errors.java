package stargate.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Locale;
import stargate.ErrorKind;
import stargate.StargateException;

/** Turns errors of the library into exceptions, words unchanged. */
public final class Errors {
    private Errors() {}

    /** Reads an error that stays the library's. NULL where the status says everything. */
    public static StargateException read(int status, MemorySegment error) {
        if (error.address() == 0) return new StargateException(ErrorKind.of(status), words(status));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment fields = arena.allocate(Abi.stargate_error_fields.LAYOUT);
            Abi.stargate_error_view(error, fields, Abi.stargate_error_fields.SIZE);
            long at = fields.address();
            return new StargateException(
                    ErrorKind.of(status),
                    Memory.text(
                            Memory.longAt(at + Abi.stargate_error_fields.message),
                            Memory.longAt(at + Abi.stargate_error_fields.message_len)),
                    Memory.text(
                            Memory.longAt(at + Abi.stargate_error_fields.topic),
                            Memory.longAt(at + Abi.stargate_error_fields.topic_len)),
                    Memory.text(
                            Memory.longAt(at + Abi.stargate_error_fields.broker_text),
                            Memory.longAt(at + Abi.stargate_error_fields.broker_text_len)),
                    Memory.intAt(at + Abi.stargate_error_fields.http_status),
                    Memory.intAt(at + Abi.stargate_error_fields.is_retriable) != 0);
        }
    }

    /** Reads an error that the library gave, and frees it. */
    public static StargateException taken(int status, MemorySegment error) {
        try {
            return read(status, error);
        } finally {
            Abi.stargate_error_free(error);
        }
    }

    private static String words(int status) {
        return Memory.text(Abi.stargate_status_name(status)).replaceFirst("^STARGATE_", "").toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
