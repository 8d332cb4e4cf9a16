package stargate;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import stargate.ffi.Abi;
import stargate.ffi.Memory;

/** Opens a consumer; see {@link Client#consumer}. */
public final class ConsumerBuilder extends ConsumerOptions<ConsumerBuilder> {
    private final Client client;
    private final List<String> topics;
    private final boolean pattern;
    private final String subscription;

    ConsumerBuilder(Client client, List<String> topics, boolean pattern, String subscription) {
        this.client = client;
        this.topics = topics;
        this.pattern = pattern;
        this.subscription = subscription;
    }

    /**
     * Supplies the private keys of end-to-end encryption, instead of {@code encryptionPrivateKeyFile}.
     *
     * @param reader supplies the keys
     * @return this
     */
    @Override
    public ConsumerBuilder keyReader(KeyReader reader) {
        return super.keyReader(reader);
    }

    /**
     * Opens the consumer, and waits until it is connected unless the option {@code lazy} is set.
     *
     * @return the consumer
     */
    public Consumer open() {
        return Waits.join(openAsync());
    }

    /**
     * Opens the consumer without waiting.
     *
     * @return the consumer, once it is connected
     */
    public CompletableFuture<Consumer> openAsync() {
        return client.open(
                this,
                this::open,
                (pointer, registered) ->
                        new Consumer(pointer, client, String.join(", ", topics), registered));
    }

    private int open(
            Arena arena,
            MemorySegment client,
            MemorySegment options,
            MemorySegment done,
            MemorySegment data,
            MemorySegment error) {
        MemorySegment name = Memory.text(arena, "the subscription", subscription);
        MemorySegment first = topics.isEmpty() ? MemorySegment.NULL : Memory.text(arena, "the topic", topics.getFirst());
        MemorySegment none = MemorySegment.NULL;
        if (pattern) {
            return Abi.stargate_consumer_open_pattern_async(client, first, name, options, -1, done, data, none, error);
        }
        if (topics.size() == 1) {
            return Abi.stargate_consumer_open_async(client, first, name, options, -1, done, data, none, error);
        }
        MemorySegment all = Memory.texts(arena, "a topic", topics);
        return Abi.stargate_consumer_open_topics_async(
                client, all, topics.size(), name, options, -1, done, data, none, error);
    }
}
