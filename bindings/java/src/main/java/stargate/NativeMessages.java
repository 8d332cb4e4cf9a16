package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/**
 * The native messages of one receive. Each is freed when it is acknowledged. The others are freed once the
 * application refers to no message of that receive any more.
 */
final class NativeMessages {
    private static final VarHandle ELEMENT = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] pointers;
    private final Cleaner.Cleanable rest;
    private final AtomicInteger left;

    private NativeMessages(long[] pointers) {
        this.pointers = pointers;
        left = new AtomicInteger(pointers.length);
        rest = Handle.CLEANER.register(this, () -> free(pointers));
    }

    /** Reads an array of pointers to messages, which then belong to the result. */
    static List<Message> take(MemorySegment array, int count) {
        return read(array, count, new NativeMessages(pointers(array, count)));
    }

    /** Reads messages that need no acknowledgement, and frees them. */
    static List<Message> takeCopies(MemorySegment array, int count) {
        try {
            return read(array, count, null);
        } finally {
            Abi.stargate_messages_free(array, count);
        }
    }

    /** Reads a message that stays the library's. */
    static Message copy(MemorySegment message) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment array = arena.allocate(ADDRESS);
            array.set(ADDRESS, 0, message);
            return read(arena, array, 1, null).getFirst();
        }
    }

    /** A copy of a message that stays the library's, to acknowledge it after its handler returned. */
    static NativeMessages clone(MemorySegment message) {
        return new NativeMessages(new long[] {Abi.stargate_message_clone(message).address()});
    }

    private static long[] pointers(MemorySegment array, int count) {
        long[] pointers = new long[count];
        for (int at = 0; at < count; at++) pointers[at] = Memory.longAt(array.address() + at * 8L);
        return pointers;
    }

    private static List<Message> read(MemorySegment array, int count, NativeMessages natives) {
        try (Arena arena = Arena.ofConfined()) {
            return read(arena, array, count, natives);
        }
    }

    private static List<Message> read(Arena arena, MemorySegment array, int count, NativeMessages natives) {
        MemorySegment fields = arena.allocate(Abi.stargate_message_fields.LAYOUT, count);
        Abi.stargate_messages_view(array, count, fields, Abi.stargate_message_fields.SIZE, MemorySegment.NULL);
        List<Message> messages = new ArrayList<>(count);
        long topicAt = 0;
        String topic = null;
        for (int n = 0; n < count; n++) {
            long at = fields.address() + n * Abi.stargate_message_fields.SIZE;
            long sameTopic = Memory.longAt(at + Abi.stargate_message_fields.topic);
            if (topic == null || sameTopic != topicAt) {
                topicAt = sameTopic;
                topic = Memory.text(topicAt, Memory.longAt(at + Abi.stargate_message_fields.topic_len));
            }
            messages.add(new Message(at, topic, natives, n));
        }
        return messages;
    }

    /** Takes one out, for one acknowledgement; NULL if it was taken before. {@link #free(MemorySegment)} ends it. */
    MemorySegment take(int index) {
        return MemorySegment.ofAddress((long) ELEMENT.getAndSet(pointers, index, 0L));
    }

    /** Frees one that was taken. */
    void free(MemorySegment message) {
        Abi.stargate_message_free(message);
        if (left.decrementAndGet() == 0) rest.clean();
    }

    private static void free(long[] pointers) {
        for (int index = 0; index < pointers.length; index++) {
            long pointer = (long) ELEMENT.getAndSet(pointers, index, 0L);
            if (pointer != 0) Abi.stargate_message_free(MemorySegment.ofAddress(pointer));
        }
    }
}
