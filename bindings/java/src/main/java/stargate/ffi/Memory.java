package stargate.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import stargate.ErrorKind;
import stargate.StargateException;

/** Reads and writes what C points to. */
@SuppressWarnings("restricted")
public final class Memory {
    /** All of memory, so that a read at an address makes no object. */
    private static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    private static final byte[] NOTHING = {};

    private Memory() {}

    /** Reads a 64-bit number or a pointer. */
    public static long longAt(long address) {
        return ALL.get(JAVA_LONG, address);
    }

    /** Reads a 32-bit number. */
    public static int intAt(long address) {
        return ALL.get(JAVA_INT, address);
    }

    /** Copies bytes. */
    public static byte[] bytes(long address, long length) {
        if (length == 0) return NOTHING;
        byte[] copy = new byte[Math.toIntExact(length)];
        MemorySegment.copy(ALL, JAVA_BYTE, address, copy, 0, copy.length);
        return copy;
    }

    /** Writes bytes. None have a pointer, too. */
    public static MemorySegment bytes(Arena arena, byte[] bytes) {
        return bytes.length == 0 ? arena.allocate(1) : arena.allocateFrom(JAVA_BYTE, bytes);
    }

    /** Copies UTF-8 text; null where the pointer is NULL. */
    public static String text(long address, long length) {
        return address == 0 ? null : new String(bytes(address, length), StandardCharsets.UTF_8);
    }

    /** Copies a {@code stargate_str}. */
    public static String text(MemorySegment view) {
        if (view.byteSize() == Abi.stargate_str.SIZE) {
            return textAt(view.address());
        }
        return view.address() == 0 ? null : view.reinterpret(Long.MAX_VALUE).getString(0);
    }

    /** Copies the {@code stargate_str} at an address. */
    public static String textAt(long address) {
        return text(longAt(address + Abi.stargate_str.ptr), longAt(address + Abi.stargate_str.len));
    }

    /** Copies a text that the library gave, and frees it. */
    public static String taken(MemorySegment text) {
        try {
            return text(text);
        } finally {
            Abi.stargate_string_free(text);
        }
    }

    /** Writes text for C, which ends at its first 0; so text with one is refused. NULL for null. */
    public static MemorySegment text(Arena arena, String what, String text) {
        if (text == null) return MemorySegment.NULL;
        if (text.indexOf(0) >= 0) {
            throw new StargateException(ErrorKind.INVALID_ARGUMENT, what + " has a character U+0000 in it");
        }
        return arena.allocateFrom(text);
    }

    /** Writes an array of texts. */
    public static MemorySegment texts(Arena arena, String what, List<String> texts) {
        MemorySegment array = arena.allocate(ADDRESS, Math.max(1, texts.size()));
        for (int at = 0; at < texts.size(); at++) {
            array.setAtIndex(ADDRESS, at, text(arena, what, texts.get(at)));
        }
        return array;
    }

    /** Writes an array of {@code stargate_property}. */
    public static MemorySegment properties(Arena arena, Map<String, String> properties) {
        if (properties.isEmpty()) return MemorySegment.NULL;
        MemorySegment array = arena.allocate(Abi.stargate_property.LAYOUT, properties.size());
        long at = 0;
        for (Map.Entry<String, String> property : properties.entrySet()) {
            array.set(ADDRESS, at + Abi.stargate_property.key, text(arena, "the name of a property", property.getKey()));
            array.set(ADDRESS, at + Abi.stargate_property.value, text(arena, "a property", property.getValue()));
            at += Abi.stargate_property.SIZE;
        }
        return array;
    }
}
