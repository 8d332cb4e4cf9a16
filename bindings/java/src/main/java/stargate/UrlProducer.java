package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.List;
import stargate.ffi.Abi;
import stargate.ffi.Errors;
import stargate.ffi.Library;
import stargate.ffi.Memory;

/** Sends messages to the URL of a producer, over a connection of their own; see {@link Client#produce}. */
public final class UrlProducer extends ProducerOptions<UrlProducer> {
    private final String url;

    UrlProducer(String url) {
        this.url = url;
    }

    /**
     * Opens a connection, sends the messages in their order, waits for all receipts, and closes the connection in any
     * case.
     *
     * @param messages the messages
     * @return how each ended, in the same order
     */
    public List<SendResult> send(Collection<OutgoingMessage> messages) {
        Library.load();
        List<OutgoingMessage> all = List.copyOf(messages);
        return Waits.call(() -> with(set -> send(set.options(), all)));
    }

    private List<SendResult> send(MemorySegment options, List<OutgoingMessage> messages) {
        int count = messages.size();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment results = arena.allocate(Abi.stargate_send_result.LAYOUT, Math.max(1, count));
            MemorySegment error = arena.allocate(ADDRESS);
            int status = Abi.stargate_produce(
                    Memory.text(arena, "the URL", url), SendMany.write(arena, messages), count, options, -1, results, error);
            List<SendResult> ended = SendMany.read(results, count);
            boolean sent = SendMany.anyEnded(results, count);
            Abi.stargate_send_results_free(results, count);
            StargateException failure = status == Abi.STARGATE_OK ? null : Errors.taken(status, error.get(ADDRESS, 0));
            if (failure != null && !sent) throw failure;
            return ended;
        }
    }
}
