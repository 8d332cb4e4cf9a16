package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.time.Duration;
import java.time.Instant;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.function.Supplier;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Json;
import stargate.ffi.Memory;

/**
 * What a {@link Consumer} and a {@link Reader} have in common. Messages come by one way only: to receives (the iterator
 * and the publisher receive, too), or to a handler.
 */
public abstract sealed class Receiver extends Handle implements Iterable<Message> permits Consumer, Reader {
    /** The functions of C that both have. */
    record Calls(
            Receive receiveMany,
            ReceiveAsync receiveAsync,
            Plain interrupt,
            Listen listen,
            Seek seek,
            SeekTime seekTime,
            WithTimeout lastMessageIds,
            WithTimeout isEndOfTopic,
            Topic topic,
            java.util.function.ToIntFunction<MemorySegment> isConnected,
            Close waitConnected) {
        interface Receive {
            int call(MemorySegment of, long max, long timeout, MemorySegment out, MemorySegment count, MemorySegment error);
        }

        interface ReceiveAsync {
            int call(
                    MemorySegment of,
                    long max,
                    long timeout,
                    MemorySegment received,
                    MemorySegment data,
                    MemorySegment destroy,
                    MemorySegment error);
        }

        interface Plain {
            int call(MemorySegment of, MemorySegment error);
        }

        interface Listen {
            int call(
                    MemorySegment of,
                    MemorySegment handler,
                    MemorySegment data,
                    MemorySegment destroy,
                    MemorySegment error);
        }

        interface Seek {
            int call(MemorySegment of, MemorySegment position, int after, long timeout, MemorySegment error);
        }

        interface SeekTime {
            int call(MemorySegment of, long time, long timeout, MemorySegment error);
        }

        interface WithTimeout {
            int call(MemorySegment of, long timeout, MemorySegment out, MemorySegment error);
        }

        interface Topic {
            MemorySegment of(Arena arena, MemorySegment of);
        }

        interface Close {
            int call(MemorySegment of, long timeout, MemorySegment error);
        }
    }

    private final Calls calls;
    final Receives receives = new Receives(new Source());

    Receiver(
            Functions functions,
            Calls calls,
            MemorySegment pointer,
            Client client,
            String what,
            Options.Registered registered) {
        super(functions, pointer, client, what, registered);
        this.calls = calls;
    }

    /** Makes messages of an array that is the application's now. */
    abstract List<Message> take(MemorySegment array, int count);

    private final class Source implements Receives.Source {
        @Override
        public List<Message> receiveNow(int max) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment array = arena.allocate(ADDRESS, max);
                MemorySegment count = arena.allocate(JAVA_LONG);
                MemorySegment error = arena.allocate(ADDRESS);
                int status = calls.receiveMany.call(handle.pointer, max, 0, array, count, error);
                if (status == Abi.STARGATE_TIMEOUT || status == Abi.STARGATE_INTERRUPTED) return null;
                Call.check(status, error);
                return Receiver.this.take(array, (int) count.get(JAVA_LONG, 0));
            } finally {
                Reference.reachabilityFence(Receiver.this);
            }
        }

        @Override
        public void receiveLater(int max, MemorySegment entry) {
            run((arena, pointer, error) -> calls.receiveAsync.call(
                    pointer, max, -1, Callbacks.receivedFunction(), entry, MemorySegment.NULL, error));
        }

        @Override
        public void interrupt() {
            run((arena, pointer, error) -> calls.interrupt.call(pointer, error));
        }

        @Override
        public List<Message> take(MemorySegment messages, int count) {
            return Receiver.this.take(messages, count);
        }
    }

    /**
     * Waits for the next message.
     *
     * @return the message
     */
    public Message receive() {
        return Waits.join(receives.receive(1, null)).getFirst();
    }

    /**
     * Waits for the next message, for a time.
     *
     * @param timeout the longest time to wait
     * @return the message; empty if none arrives in time
     */
    public Optional<Message> receive(Duration timeout) {
        return Waits.join(receives.receive(1, timeout)).stream().findFirst();
    }

    /**
     * Waits for the next message, and returns it with those that have already arrived.
     *
     * @param max the most to return; no more than 10,000 are
     * @param timeout the longest time to wait for the first
     * @return the messages; none if none arrives in time
     */
    public List<Message> receiveMany(int max, Duration timeout) {
        return Waits.join(receives.receive(max, timeout));
    }

    /**
     * Receives the next message in the background. A cancel, or a timeout of the future, loses no message.
     *
     * @return the message
     */
    public CompletableFuture<Message> receiveAsync() {
        CompletableFuture<List<Message>> one = receives.receive(1, null);
        CompletableFuture<Message> message = new CompletableFuture<>();
        one.whenComplete((messages, failure) -> {
            if (failure != null) message.completeExceptionally(failure);
            else if (!message.complete(messages.getFirst())) receives.putBack(messages);
        });
        message.whenComplete((result, failure) -> one.cancel(false));
        return message;
    }

    /**
     * Receives the next message in the background, with those that have already arrived.
     *
     * @param max the most to return; no more than 10,000 are
     * @return the messages, one at least
     */
    public CompletableFuture<List<Message>> receiveManyAsync(int max) {
        return receives.receive(max, null);
    }

    /**
     * Iterates over the messages as they arrive, until this is closed.
     *
     * @return the iterator, which waits
     */
    @Override
    public Iterator<Message> iterator() {
        return new Iterator<>() {
            private Message next;

            @Override
            public boolean hasNext() {
                try {
                    if (next == null) next = receive();
                    return true;
                } catch (StargateException ended) {
                    if (ended.kind() == ErrorKind.CLOSED || ended.kind() == ErrorKind.END_OF_TOPIC) return false;
                    throw ended;
                }
            }

            @Override
            public Message next() {
                if (!hasNext()) throw new NoSuchElementException();
                Message message = next;
                next = null;
                return message;
            }
        };
    }

    /**
     * Publishes the messages on the common pool; see {@link #publisher(Executor)}.
     *
     * @return the publisher
     */
    public Flow.Publisher<Message> publisher() {
        return publisher(ForkJoinPool.commonPool());
    }

    /**
     * Publishes the messages to one subscriber at a time, or shares them among several. It receives what was requested,
     * and no more, so messages wait at the broker for a subscriber that is slow. It completes when this is closed.
     *
     * @param executor runs the methods of subscribers
     * @return the publisher
     */
    public Flow.Publisher<Message> publisher(Executor executor) {
        return new MessagePublisher(this, executor);
    }

    /**
     * Runs a handler on every message until this is closed.
     *
     * @param handler handles the messages of all processors
     * @return completes when this is closed and no handler runs any more
     */
    public CompletableFuture<Void> listen(MessageHandler handler) {
        return listen(() -> handler);
    }

    /**
     * Runs handlers on all messages until this is closed, one for each of the {@code processors}.
     *
     * @param handlers makes the handler of a processor, on its thread
     * @return completes when this is closed and no handler runs any more
     */
    public CompletableFuture<Void> listen(Supplier<? extends MessageHandler> handlers) {
        Listening listening = new Listening(handlers, handle.what, this);
        run((arena, pointer, error) -> calls.listen.call(
                pointer, Callbacks.handler(), Callbacks.add(listening), Callbacks.destroyFunction(), error));
        return listening.ended;
    }

    /**
     * Moves to a message: it comes next. Once this returns, no message from before is delivered. Other consumers of the
     * subscription move with it.
     *
     * @param position a message, {@link MessageId#EARLIEST} or {@link MessageId#LATEST}
     */
    public void seek(MessageId position) {
        seek(position, false);
    }

    /**
     * Moves behind a message, as {@link #seek(MessageId)} moves to it.
     *
     * @param position a message
     */
    public void seekAfter(MessageId position) {
        seek(position, true);
    }

    private void seek(MessageId position, boolean after) {
        seek((arena, pointer, error) -> calls.seek.call(
                pointer, Memory.text(arena, "the position", position.toString()), after ? 1 : 0, -1, error));
    }

    /**
     * Moves to the first message that was published at a time or later.
     *
     * @param time the time
     */
    public void seek(Instant time) {
        seek((arena, pointer, error) -> calls.seekTime.call(pointer, time.toEpochMilli(), -1, error));
    }

    private void seek(CallWith call) {
        Waits.run(() -> {
            run(call);
            receives.dropSurplus();
        });
    }

    /**
     * Returns the ids of the last messages of the topic.
     *
     * @return one for each partition that has any
     */
    public List<MessageId> lastMessageIds() {
        return Waits.call(() -> Json.<String>list(text(calls.lastMessageIds)).stream().map(MessageId::of).toList());
    }

    /**
     * Asks the server whether the topic was terminated and is done with: everything in it has been acknowledged, or read.
     *
     * @return whether it is
     */
    public boolean isEndOfTopic() {
        return Waits.call(() -> truth(calls.isEndOfTopic));
    }

    /** Calls with a timeout, and returns the text. */
    final String text(Calls.WithTimeout call) {
        try {
            return Call.text((arena, out, error) -> call.call(handle.pointer, -1, out, error));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Calls with a timeout, and returns whether the result is not 0. */
    final boolean truth(Calls.WithTimeout call) {
        try {
            return Call.truth((arena, out, error) -> call.call(handle.pointer, -1, out, error));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Returns the full name of the topic. For several topics it is that of the first; for a pattern, a name that stands
     * for it.
     *
     * @return the topic
     */
    public String topic() {
        return view(calls.topic);
    }

    /** Reads a text that belongs to the handle. */
    final String view(Calls.Topic call) {
        try (Arena arena = Arena.ofConfined()) {
            return Memory.text(call.of(arena, handle.pointer));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Tells whether all connections are up now.
     *
     * @return whether they are
     */
    public boolean isConnected() {
        try {
            return calls.isConnected.applyAsInt(handle.pointer) != 0;
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Waits until this is connected, for example after an open with the option {@code lazy}.
     *
     * @param timeout the longest time to wait
     */
    public void awaitConnected(Duration timeout) {
        Waits.run(() -> run((arena, pointer, error) ->
                calls.waitConnected.call(pointer, Call.millis(timeout), error)));
    }
}
