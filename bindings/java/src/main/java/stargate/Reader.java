package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.Iterator;
import java.util.List;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import stargate.ffi.Abi;
import stargate.ffi.Call;

/**
 * Reads a topic from the option {@code startingMessage}, without a subscription. After a reconnect it continues after the
 * last message, with neither a gap nor a replay. Open one with {@link Client#reader}.
 */
public final class Reader extends Receiver {
    private static final Functions FUNCTIONS = new Functions(
            "reader",
            Abi::stargate_reader_close_async,
            Abi::stargate_reader_close,
            Abi::stargate_reader_release,
            Abi::stargate_reader_stats_json);
    private static final Calls CALLS = new Calls(
            Abi::stargate_reader_receive_many,
            Abi::stargate_reader_receive_async,
            Abi::stargate_reader_interrupt,
            Abi::stargate_reader_listen,
            Abi::stargate_reader_seek,
            Abi::stargate_reader_seek_time,
            Abi::stargate_reader_last_message_ids_json,
            Abi::stargate_reader_is_end_of_topic,
            Abi::stargate_reader_topic,
            Abi::stargate_reader_is_connected,
            Abi::stargate_reader_wait_connected);

    Reader(MemorySegment pointer, Client client, String topic, Options.Registered registered) {
        super(FUNCTIONS, CALLS, pointer, client, "a reader of " + topic, registered);
    }

    @Override
    List<Message> take(MemorySegment array, int count) {
        return NativeMessages.takeCopies(array, count);
    }

    /**
     * Asks the broker whether the topic has a message that the application has not received yet.
     *
     * @return whether it has
     */
    public boolean hasMessageAvailable() {
        return receives.hasSurplus() || Waits.call(() -> truth(Abi::stargate_reader_has_message_available));
    }

    /**
     * Reads to where the topic ends now. The stream asks the broker for that end when it begins, and waits for messages.
     *
     * @return the messages up to there
     */
    public Stream<Message> untilCaughtUp() {
        int characteristics = Spliterator.ORDERED | Spliterator.NONNULL;
        return StreamSupport.stream(() -> {
            Waits.run(() -> run((arena, pointer, error) -> Abi.stargate_reader_mark_end(pointer, -1, error)));
            return Spliterators.spliteratorUnknownSize(beforeEnd(), characteristics);
        }, characteristics, false);
    }

    private Iterator<Message> beforeEnd() {
        return new Iterator<>() {
            private Message next;

            @Override
            public boolean hasNext() {
                if (next == null) next = receiveBeforeEnd();
                return next != null;
            }

            @Override
            public Message next() {
                if (!hasNext()) throw new java.util.NoSuchElementException();
                Message message = next;
                next = null;
                return message;
            }
        };
    }

    /** Returns the next message before the end, null at the end. What is here comes without another thread. */
    private Message receiveBeforeEnd() {
        List<Message> here = receives.takeSurplus();
        if (here.isEmpty()) here = receiveBeforeEnd(0);
        while (here == null) {
            here = Waits.stoppable(() -> receiveBeforeEnd(1000), this::interrupt);
            if (here == null && Thread.currentThread().isInterrupted()) throw Waits.interrupted();
        }
        return here.isEmpty() ? null : here.getFirst();
    }

    private void interrupt() {
        run((arena, pointer, error) -> Abi.stargate_reader_interrupt(pointer, error));
    }

    /** Returns one message, none at the end, or null when the time is over. */
    private List<Message> receiveBeforeEnd(long timeout) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment array = arena.allocate(ADDRESS);
            MemorySegment error = arena.allocate(ADDRESS);
            int status = Abi.stargate_reader_receive_before_end(handle.pointer, timeout, array, error);
            if (status == Abi.STARGATE_TIMEOUT || status == Abi.STARGATE_INTERRUPTED) return null;
            Call.check(status, error);
            return array.get(ADDRESS, 0).address() == 0 ? List.of() : take(array, 1);
        } finally {
            Reference.reachabilityFence(this);
        }
    }
}
