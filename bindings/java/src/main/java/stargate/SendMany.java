package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Errors;
import stargate.ffi.Memory;

/** A send of many messages: as many at a time as there is room for, in their order. */
final class SendMany {
    /** The most messages that are written for one call of C. */
    private static final int PART = 1000;

    private final Producer producer;
    private final List<OutgoingMessage> messages;
    private final List<CompletableFuture<List<SendResult>>> parts = new ArrayList<>();
    private final CompletableFuture<List<SendResult>> all = new CompletableFuture<>();
    private int part = PART;
    private int next;

    SendMany(Producer producer, List<OutgoingMessage> messages) {
        this.producer = producer;
        this.messages = messages;
    }

    CompletableFuture<List<SendResult>> start() {
        acceptMore();
        return all;
    }

    /** Goes on until all are accepted or refused, or there is no room; then again when there is. */
    private void acceptMore() {
        while (next < messages.size()) {
            try {
                int accepted = accept(messages.subList(next, Math.min(messages.size(), next + part)));
                next += accepted;
                // What finds no room is written again: so no more than about twice of what found some.
                part = Math.clamp(accepted * 2L, 8, PART);
            } catch (StargateException refused) {
                if (refused.kind() == ErrorKind.QUEUE_FULL && !producer.failsWhenFull) {
                    producer.roomAsync(messages.get(next).size()).whenComplete((room, failure) -> {
                        if (failure != null) refuse(messages.size() - next, (StargateException) failure);
                        acceptMore();
                    });
                    return;
                }
                // Only a size is a fault of the one message.
                refuse(refused.kind() == ErrorKind.TOO_BIG ? 1 : messages.size() - next, refused);
            }
        }
        CompletableFuture.allOf(parts.toArray(CompletableFuture<?>[]::new))
                .thenRun(() -> all.complete(parts.stream().flatMap(part -> part.join().stream()).toList()));
    }

    private void refuse(int count, StargateException error) {
        parts.add(CompletableFuture.completedFuture(Collections.nCopies(count, new SendResult(null, error))));
        next += count;
    }

    /** Returns how many were accepted, at least one. */
    private int accept(List<OutgoingMessage> some) {
        CompletableFuture<List<SendResult>> part = new CompletableFuture<>();
        MemorySegment entry = Callbacks.add((Callbacks.SentMany) (results, count) -> {
            part.complete(read(results, count));
            Reference.reachabilityFence(producer);
        });
        boolean accepted = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment array = write(arena, some);
            MemorySegment count = arena.allocate(JAVA_LONG);
            MemorySegment error = arena.allocate(ADDRESS);
            Call.check(
                    Abi.stargate_producer_send_many_async(
                            producer.handle.pointer,
                            array,
                            some.size(),
                            0,
                            count,
                            Callbacks.sentManyFunction(),
                            entry,
                            MemorySegment.NULL,
                            error),
                    error);
            accepted = true;
            parts.add(part);
            return (int) count.get(JAVA_LONG, 0);
        } finally {
            if (!accepted) Callbacks.remove(entry);
        }
    }

    /** Writes an array of {@code stargate_outgoing}. */
    static MemorySegment write(Arena arena, List<OutgoingMessage> messages) {
        MemorySegment array = arena.allocate(Abi.stargate_outgoing.LAYOUT, Math.max(1, messages.size()));
        for (int at = 0; at < messages.size(); at++) {
            messages.get(at).write(arena, array.asSlice(at * Abi.stargate_outgoing.SIZE, Abi.stargate_outgoing.SIZE));
        }
        return array;
    }

    /** Reads an array of {@code stargate_send_result}. */
    static List<SendResult> read(MemorySegment results, long count) {
        List<SendResult> read = new ArrayList<>((int) count);
        for (long n = 0; n < count; n++) {
            long at = results.address() + n * Abi.stargate_send_result.SIZE;
            int status = Memory.intAt(at + Abi.stargate_send_result.status);
            MemorySegment id = MemorySegment.ofAddress(Memory.longAt(at + Abi.stargate_send_result.message_id));
            MemorySegment error = MemorySegment.ofAddress(Memory.longAt(at + Abi.stargate_send_result.error));
            read.add(status == Abi.STARGATE_OK
                    ? new SendResult(MessageId.of(Memory.text(id)), null)
                    : new SendResult(null, Errors.read(status, error)));
        }
        return read;
    }

    /** Tells whether any of the results is one: where nothing was sent, none has an id or an error. */
    static boolean anyEnded(MemorySegment results, long count) {
        for (long n = 0; n < count; n++) {
            long at = results.address() + n * Abi.stargate_send_result.SIZE;
            if (Memory.intAt(at + Abi.stargate_send_result.status) == Abi.STARGATE_OK) return true;
            if (Memory.longAt(at + Abi.stargate_send_result.error) != 0) return true;
        }
        return false;
    }
}
