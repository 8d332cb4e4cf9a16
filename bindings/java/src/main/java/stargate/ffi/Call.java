package stargate.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Calls of functions that return a status, and write their result and error to where their last parameters point. */
public final class Call {
    /** A call without a result. */
    @FunctionalInterface
    public interface Plain {
        /** Calls C, which writes to {@code error}, and returns the status. */
        int run(Arena arena, MemorySegment error);
    }

    /** A call with a result of 8 bytes at most. */
    @FunctionalInterface
    public interface WithResult {
        /** Calls C, which writes to {@code out} and {@code error}, and returns the status. */
        int run(Arena arena, MemorySegment out, MemorySegment error);
    }

    private interface Read<T> {
        T read(MemorySegment out);
    }

    private Call() {}

    /** Calls, and throws what went wrong. */
    public static void run(Plain call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment error = arena.allocate(ADDRESS);
            check(call.run(arena, error), error);
        }
    }

    /** Throws the error at {@code error} unless the status is that of success. */
    public static void check(int status, MemorySegment error) {
        if (status != Abi.STARGATE_OK) throw Errors.taken(status, error.get(ADDRESS, 0));
    }

    /** Calls, and returns a handle. */
    public static MemorySegment handle(WithResult call) {
        return result(call, out -> out.get(ADDRESS, 0));
    }

    /** Calls, and returns a text that the library gave; null if it gave none. */
    public static String text(WithResult call) {
        return result(call, out -> Memory.taken(out.get(ADDRESS, 0)));
    }

    /** Calls, and returns the list of texts that the library gave. */
    public static List<String> texts(WithResult call) {
        return result(call, out -> strings(out.get(ADDRESS, 0)));
    }

    /** Calls, and returns a 64-bit number. */
    public static long number(WithResult call) {
        return result(call, out -> out.get(JAVA_LONG, 0));
    }

    /** Calls, and returns a 32-bit number. */
    public static int smallNumber(WithResult call) {
        return result(call, out -> out.get(JAVA_INT, 0));
    }

    /** Calls, and returns whether the result is not 0. */
    public static boolean truth(WithResult call) {
        return smallNumber(call) != 0;
    }

    /** Returns a timeout in milliseconds. C takes -1 as no limit, so less than 0 is 0. */
    public static long millis(Duration timeout) {
        if (timeout.isNegative()) return 0;
        try {
            return timeout.toMillis();
        } catch (ArithmeticException ages) {
            return Long.MAX_VALUE;
        }
    }

    private static <T> T result(WithResult call, Read<T> read) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            MemorySegment error = arena.allocate(ADDRESS);
            check(call.run(arena, out, error), error);
            return read.read(out);
        }
    }

    private static List<String> strings(MemorySegment strings) {
        try (Arena arena = Arena.ofConfined()) {
            long count = Abi.stargate_strings_count(strings);
            List<String> texts = new ArrayList<>((int) count);
            for (long at = 0; at < count; at++) {
                texts.add(Memory.text(Abi.stargate_strings_get(arena, strings, at)));
            }
            return texts;
        } finally {
            Abi.stargate_strings_free(strings);
        }
    }
}
