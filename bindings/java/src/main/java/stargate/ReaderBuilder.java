package stargate;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/** Opens a reader; see {@link Client#reader}. */
public final class ReaderBuilder extends ReaderOptions<ReaderBuilder> {
    private final Client client;
    private final String topic;

    ReaderBuilder(Client client, String topic) {
        this.client = client;
        this.topic = topic;
    }

    /**
     * Opens the reader, and waits until it is connected unless the option {@code lazy} is set.
     *
     * @return the reader
     */
    public Reader open() {
        return Waits.join(openAsync());
    }

    /**
     * Opens the reader without waiting.
     *
     * @return the reader, once it is connected
     */
    public CompletableFuture<Reader> openAsync() {
        return client.open(
                this,
                (arena, pointer, options, done, data, error) -> Abi.stargate_reader_open_async(
                        pointer, Memory.text(arena, "the topic", topic), options, -1, done, data, MemorySegment.NULL, error),
                (pointer, registered) -> new Reader(pointer, client, topic, registered));
    }
}
