package stargate;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Library;
import stargate.ffi.Memory;

/**
 * A client of a Pulsar cluster, over Pulsar's WebSocket API. It opens no connection itself: each producer, consumer and
 * reader has its own. Close it at the end; a client that is still open when the JVM shuts down is closed then, within two
 * seconds.
 */
public final class Client extends Handle {
    private static final Functions FUNCTIONS = new Functions(
            "client",
            Abi::stargate_client_close_async,
            Abi::stargate_client_close,
            Abi::stargate_client_release,
            Abi::stargate_client_stats_json);

    private Client(MemorySegment pointer, String url, Options.Registered registered) {
        super(FUNCTIONS, pointer, null, "a client of " + url, registered);
        AtExit.add(handle);
    }

    /** Closes what is open when the JVM shuts down. */
    private static final class AtExit {
        private static final Duration PATIENCE = Duration.ofSeconds(2);
        private static final Set<Native> OPEN = ConcurrentHashMap.newKeySet();

        static {
            Runtime.getRuntime().addShutdownHook(new Thread(AtExit::closeAll, "stargate-exit"));
        }

        static void add(Native client) {
            OPEN.removeIf(Native::isClosed);
            OPEN.add(client);
        }

        private static void closeAll() {
            OPEN.removeIf(Native::isClosed);
            CountDownLatch closing = new CountDownLatch(OPEN.size());
            for (Native client : OPEN) {
                client.closeAsync(PATIENCE.toMillis(), (status, nothing, error) -> closing.countDown());
            }
            try {
                closing.await(PATIENCE.toMillis() + 200, TimeUnit.MILLISECONDS);
            } catch (InterruptedException hurried) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Builds a client; see {@link Client#builder}. */
    public static final class Builder extends ConnectionOptions<Builder> {
        private final String url;

        private Builder(String url) {
            this.url = url;
        }

        /**
         * Creates the client. It does not connect.
         *
         * @return the client
         */
        public Client build() {
            Library.load();
            return with(set -> {
                MemorySegment pointer = Call.handle((arena, out, error) -> {
                    int status = Log.register(set.options(), error);
                    return status != Abi.STARGATE_OK
                            ? status
                            : Abi.stargate_client_new(Memory.text(arena, "the URL", url), set.options(), out, error);
                });
                return new Client(pointer, url, set.registered());
            });
        }
    }

    /**
     * Creates a client with default options. It does not connect.
     *
     * @param url "ws://host:port" or "wss://host:port", several hosts separated by commas
     * @return the client
     */
    public static Client of(String url) {
        return builder(url).build();
    }

    /**
     * Starts to build a client with options.
     *
     * @param url "ws://host:port" or "wss://host:port", several hosts separated by commas
     * @return the builder
     */
    public static Builder builder(String url) {
        return new Builder(url);
    }

    /**
     * Starts to send to the URL of a producer, without a client.
     *
     * @param url "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic", with the server's parameters if any
     * @return what sends, with options of connections and producers
     */
    public static UrlProducer produce(String url) {
        return new UrlProducer(url);
    }

    /**
     * Starts to build a producer.
     *
     * @param topic "topic", "tenant/namespace/topic" or a full name
     * @return the builder
     */
    public ProducerBuilder producer(String topic) {
        return new ProducerBuilder(this, topic);
    }

    /**
     * Starts to build a consumer of one topic.
     *
     * @param topic "topic", "tenant/namespace/topic" or a full name
     * @param subscription the subscription, which the broker creates if it does not exist
     * @return the builder
     */
    public ConsumerBuilder consumer(String topic, String subscription) {
        return new ConsumerBuilder(this, List.of(topic), false, subscription);
    }

    /**
     * Starts to build a consumer of several topics on one connection.
     *
     * @param topics the topics
     * @param subscription the subscription
     * @return the builder
     */
    public ConsumerBuilder consumer(List<String> topics, String subscription) {
        return new ConsumerBuilder(this, List.copyOf(topics), false, subscription);
    }

    /**
     * Starts to build a consumer of every persistent topic whose full name matches a regular expression, now and later.
     *
     * @param pattern such as "persistent://public/default/orders-.*"
     * @param subscription the subscription
     * @return the builder
     */
    public ConsumerBuilder patternConsumer(String pattern, String subscription) {
        return new ConsumerBuilder(this, List.of(pattern), true, subscription);
    }

    /**
     * Starts to build a reader.
     *
     * @param topic "topic", "tenant/namespace/topic" or a full name
     * @return the builder
     */
    public ReaderBuilder reader(String topic) {
        return new ReaderBuilder(this, topic);
    }

    /**
     * Returns what administers the cluster.
     *
     * @return the administration
     */
    public Admin admin() {
        return new Admin(this);
    }

    /**
     * Returns the proxy of this client's connections.
     *
     * @return the proxy, such as "http://squid:3128"; empty if every host is reached directly
     */
    public String proxy() {
        try {
            return Call.text((arena, out, error) -> Abi.stargate_client_proxy(handle.pointer, out, error));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** How C opens a handle. */
    interface Open {
        int call(
                Arena arena,
                MemorySegment client,
                MemorySegment options,
                MemorySegment done,
                MemorySegment data,
                MemorySegment error);
    }

    /** Makes the object of a handle. */
    interface Opened<T> {
        T make(MemorySegment pointer, Options.Registered registered);
    }

    /** Opens a handle. If the future was completed in the meantime, by a cancel, the handle is closed again. */
    <T extends Handle> CompletableFuture<T> open(Options<?> options, Open open, Opened<T> opened) {
        try {
            return options.with(set -> start(
                    (arena, client, done, data, error) -> open.call(arena, client, set.options(), done, data, error),
                    (future, pointer) -> {
                        T handle = opened.make(pointer, set.registered());
                        if (!future.complete(handle)) handle.closeAsync(Duration.ZERO);
                    }));
        } catch (StargateException refused) {
            return CompletableFuture.failedFuture(refused);
        }
    }
}
