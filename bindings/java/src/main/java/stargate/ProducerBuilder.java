package stargate;

import java.util.concurrent.CompletableFuture;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/** Opens a producer; see {@link Client#producer}. */
public final class ProducerBuilder extends ProducerOptions<ProducerBuilder> {
    private final Client client;
    private final String topic;

    ProducerBuilder(Client client, String topic) {
        this.client = client;
        this.topic = topic;
    }

    /**
     * Supplies the public keys of end-to-end encryption, instead of {@code encryptionPublicKeyFile}. It needs {@code
     * encryptionKey} too.
     *
     * @param reader supplies the keys
     * @return this
     */
    @Override
    public ProducerBuilder keyReader(KeyReader reader) {
        return super.keyReader(reader);
    }

    /**
     * Opens the producer, and waits until it is connected unless the option {@code lazy} is set.
     *
     * @return the producer
     */
    public Producer open() {
        return Waits.join(openAsync());
    }

    /**
     * Opens the producer without waiting.
     *
     * @return the producer, once it is connected
     */
    public CompletableFuture<Producer> openAsync() {
        boolean failsWhenFull = isSet("when_full", "fail");
        return client.open(
                this,
                (arena, pointer, options, done, data, error) -> Abi.stargate_producer_open_async(
                        pointer, Memory.text(arena, "the topic", topic), options, -1, done, data, java.lang.foreign.MemorySegment.NULL, error),
                (pointer, registered) -> new Producer(pointer, client, topic, registered, failsWhenFull));
    }
}
