package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Errors;
import stargate.ffi.Memory;

/**
 * Sends messages to one topic. It reconnects by itself, and sends accepted messages that have no receipt again. Open one
 * with {@link Client#producer}.
 *
 * <p>A send copies the message. At most {@code maxPendingMsg} messages are in flight; further sends wait for room, or
 * fail with {@link ErrorKind#QUEUE_FULL} if the option {@code whenFull} is {@link WhenFull#FAIL}.
 *
 * <p>Futures complete on the callback thread of the client, in order. What runs long or waits goes on another thread:
 * {@code thenAcceptAsync}.
 */
public final class Producer extends Handle {
    private static final Functions FUNCTIONS = new Functions(
            "producer",
            Abi::stargate_producer_close_async,
            Abi::stargate_producer_close,
            Abi::stargate_producer_release,
            Abi::stargate_producer_stats_json);

    final boolean failsWhenFull;

    Producer(MemorySegment pointer, Client client, String topic, Options.Registered registered, boolean failsWhenFull) {
        super(FUNCTIONS, pointer, client, "a producer of " + topic, registered);
        this.failsWhenFull = failsWhenFull;
    }

    /**
     * Sends a message, and waits for its receipt. After {@link ErrorKind#INTERRUPTED} the message may be stored.
     *
     * @param message the message
     * @return its id; null for a duplicate, which the broker had already
     */
    public MessageId send(OutgoingMessage message) {
        return Waits.join(sendAsync(message));
    }

    /**
     * Sends bytes, and waits for the receipt.
     *
     * @param payload the content
     * @return the id of the message; null for a duplicate, which the broker had already
     */
    public MessageId send(byte[] payload) {
        return send(OutgoingMessage.of(payload));
    }

    /**
     * Sends text as UTF-8, and waits for the receipt.
     *
     * @param payload the content
     * @return the id of the message; null for a duplicate, which the broker had already
     */
    public MessageId send(String payload) {
        return send(OutgoingMessage.of(payload));
    }

    /**
     * Accepts a message, and sends it in the background. Messages accepted one after the other are stored in that order.
     * A message that is not accepted is an exception of this call, so the future is always about one that was. While there
     * is no room it waits; in a continuation on the callback thread it fails with {@link ErrorKind#QUEUE_FULL} instead.
     *
     * @param message the message
     * @return its id, once the broker has it; null for a duplicate
     */
    public CompletableFuture<MessageId> sendAsync(OutgoingMessage message) {
        Sending sending = new Sending(this);
        while (!accept(message, sending)) Waits.join(roomAsync(message.size()));
        return sending;
    }

    /**
     * Accepts bytes, and sends them in the background, as {@link #sendAsync(OutgoingMessage)} does.
     *
     * @param payload the content
     * @return the id of the message, once the broker has it
     */
    public CompletableFuture<MessageId> sendAsync(byte[] payload) {
        return sendAsync(OutgoingMessage.of(payload));
    }

    /**
     * Accepts text, and sends it as UTF-8 in the background, as {@link #sendAsync(OutgoingMessage)} does.
     *
     * @param payload the content
     * @return the id of the message, once the broker has it
     */
    public CompletableFuture<MessageId> sendAsync(String payload) {
        return sendAsync(OutgoingMessage.of(payload));
    }

    /** A send in flight. It keeps the producer from being collected. */
    private static final class Sending extends CompletableFuture<MessageId>
            implements Callbacks.Sent, Callbacks.SentMany {
        private final Producer producer;

        Sending(Producer producer) {
            this.producer = producer;
        }

        @Override
        public void sent(int status, String id, MemorySegment error) {
            if (status == Abi.STARGATE_OK) complete(MessageId.of(id));
            else completeExceptionally(Errors.read(status, error));
            Reference.reachabilityFence(producer);
        }

        @Override
        public void sent(MemorySegment results, long count) {
            SendResult result = SendMany.read(results, count).getFirst();
            if (result.error() == null) complete(result.id());
            else completeExceptionally(result.error());
            Reference.reachabilityFence(producer);
        }

        @Override
        public <U> CompletableFuture<U> newIncompleteFuture() {
            return new CompletableFuture<>();
        }
    }

    /**
     * Returns whether the message was accepted, or throws why it was not. It is not if there is no room and it may wait for
     * some; on the callback thread it may not, for messages have their room until their callbacks have run.
     */
    private boolean accept(OutgoingMessage message, Sending sending) {
        MemorySegment entry = Callbacks.add(sending);
        boolean accepted = false;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment error = arena.allocate(ADDRESS);
            int status = message.replicationClusters.isEmpty()
                    ? sendFlat(arena, message, entry, error)
                    : sendStruct(arena, message, entry, error);
            accepted = status == Abi.STARGATE_OK;
            if (status == Abi.STARGATE_QUEUE_FULL && !failsWhenFull && !Callbacks.onCallbackThread()) {
                Abi.stargate_error_free(error.get(ADDRESS, 0));
            } else {
                Call.check(status, error);
            }
            return accepted;
        } finally {
            if (!accepted) Callbacks.remove(entry);
            Reference.reachabilityFence(this);
        }
    }

    private int sendFlat(Arena arena, OutgoingMessage message, MemorySegment entry, MemorySegment error) {
        byte[] key = message.key == null ? null : message.key.getBytes(StandardCharsets.UTF_8);
        MemorySegment properties = flat(arena, message.properties);
        return Abi.stargate_producer_send_flat_async(
                handle.pointer,
                arena.allocateFrom(JAVA_BYTE, message.payload),
                message.payload.length,
                key == null ? MemorySegment.NULL : arena.allocateFrom(JAVA_BYTE, key),
                key == null ? 0 : key.length,
                properties,
                properties.byteSize(),
                message.eventTime,
                message.deliverAt,
                message.deliverAfter,
                0,
                Callbacks.sentFunction(),
                entry,
                MemorySegment.NULL,
                error);
    }

    /** For what the flat send has no place for. */
    private int sendStruct(Arena arena, OutgoingMessage message, MemorySegment entry, MemorySegment error) {
        return Abi.stargate_producer_send_many_async(
                handle.pointer,
                SendMany.write(arena, List.of(message)),
                1,
                0,
                arena.allocate(JAVA_LONG),
                Callbacks.sentManyFunction(),
                entry,
                MemorySegment.NULL,
                error);
    }

    /** Writes names and values in turn, each with a 0 at its end. */
    private static MemorySegment flat(Arena arena, Map<String, String> properties) {
        if (properties.isEmpty()) return MemorySegment.NULL;
        StringBuilder flat = new StringBuilder();
        properties.forEach((name, value) -> {
            if (name.indexOf(0) >= 0 || value.indexOf(0) >= 0) {
                throw new StargateException(
                        ErrorKind.INVALID_ARGUMENT, "the property " + name.replace('\0', ' ') + " has a character U+0000 in it");
            }
            flat.append(name).append('\0').append(value).append('\0');
        });
        return arena.allocateFrom(JAVA_BYTE, flat.toString().getBytes(StandardCharsets.UTF_8));
    }

    CompletableFuture<Void> roomAsync(long bytes) {
        return start(
                (arena, pointer, done, data, error) -> Abi.stargate_producer_room_async(
                        pointer, bytes, -1, done, data, MemorySegment.NULL, error),
                (future, nothing) -> future.complete(null));
    }

    /**
     * Sends messages in their order, many in flight at a time, and waits for all receipts. This is the fastest way. It
     * throws nothing for a message that was not stored: see its result.
     *
     * @param messages the messages
     * @return how each ended, in the same order
     */
    public List<SendResult> sendMany(Collection<OutgoingMessage> messages) {
        return Waits.join(sendManyAsync(messages));
    }

    /**
     * Sends messages in their order in the background, as many at a time as there is room for. It copies each when there
     * is, so change none of them before it completes.
     *
     * @param messages the messages
     * @return how each ended, in the same order
     */
    public CompletableFuture<List<SendResult>> sendManyAsync(Collection<OutgoingMessage> messages) {
        return new SendMany(this, List.copyOf(messages)).start();
    }

    /**
     * Waits until every message accepted before has its receipt or has failed.
     *
     * @param timeout the longest time to wait
     */
    public void flush(Duration timeout) {
        Waits.join(flushAsync(timeout));
    }

    /**
     * Completes once every message accepted before has its receipt or has failed, after their futures.
     *
     * @param timeout the longest time
     * @return completes then
     */
    public CompletableFuture<Void> flushAsync(Duration timeout) {
        // A close leaves nothing to flush.
        if (handle.isClosed()) return CompletableFuture.completedFuture(null);
        return start(
                (arena, pointer, done, data, error) -> Abi.stargate_producer_flush_async(
                        pointer, Call.millis(timeout), done, data, MemorySegment.NULL, error),
                (future, nothing) -> future.complete(null));
    }

    /**
     * Returns the full name of the topic.
     *
     * @return the topic
     */
    public String topic() {
        try (Arena arena = Arena.ofConfined()) {
            return Memory.text(Abi.stargate_producer_topic(arena, handle.pointer));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Tells whether the producer is connected now.
     *
     * @return whether it is
     */
    public boolean isConnected() {
        try {
            return Abi.stargate_producer_is_connected(handle.pointer) != 0;
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Waits until the producer is connected, for example after an open with the option {@code lazy}.
     *
     * @param timeout the longest time to wait
     */
    public void awaitConnected(Duration timeout) {
        Waits.run(() -> run((arena, pointer, error) ->
                Abi.stargate_producer_wait_connected(pointer, Call.millis(timeout), error)));
    }
}
