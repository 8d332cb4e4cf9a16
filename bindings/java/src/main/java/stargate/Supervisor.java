package stargate;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Json;
import stargate.ffi.Library;
import stargate.ffi.Memory;

/**
 * Holds producers, consumers and readers under their topics, from one configuration. Connections reconnect by themselves.
 * A supervisor also reopens what ended with a permanent error, and gives up what fails too often.
 *
 * <pre>{@code
 * Supervisor shop = Supervisor.start("""
 *         {"name": "shop", "host": "localhost:8080", "producer": {"topic": "orders"}}
 *         """);
 * Supervisor.find("shop").producer("orders").send("one pizza");
 * }</pre>
 *
 * <p>Times in the configuration are milliseconds. A supervisor works until it is closed, also if the program keeps no
 * reference. Close it at the end: it closes all that it holds.
 */
public final class Supervisor implements AutoCloseable {
    /** Those that were started here and not closed, by name: the library ends one whose last handle is given up. */
    private static final Map<String, Supervisor> STARTED = new ConcurrentHashMap<>();

    /** Gives the handle up when the object is collected. */
    private record Release(MemorySegment pointer) implements Runnable {
        @Override
        public void run() {
            Abi.stargate_supervisor_release(pointer);
        }
    }

    private final String name;
    private final MemorySegment pointer;

    private Supervisor(String name, MemorySegment pointer) {
        this.name = name;
        this.pointer = pointer;
        Handle.CLEANER.register(this, new Release(pointer));
    }

    /** Starts a supervisor with options of connections that a configuration cannot express, such as functions. */
    public static final class Builder extends ConnectionOptions<Builder> {
        private final String configuration;

        private Builder(String configuration) {
            this.configuration = configuration;
        }

        /**
         * Starts the supervisor, and opens everything. If one component cannot be opened, all are closed.
         *
         * @return the supervisor
         */
        public Supervisor start() {
            Library.load();
            return Waits.call(() -> with(this::open), Supervisor::close);
        }

        private Supervisor open(Opening set) {
            MemorySegment pointer = Call.handle((arena, out, error) -> {
                int status = Log.register(set.options(), error);
                return status != Abi.STARGATE_OK
                        ? status
                        : Abi.stargate_supervisor_start(
                                Memory.text(arena, "the configuration", configuration), set.options(), -1, out, error);
            });
            // The library has read the configuration, so it is JSON.
            String name = (String) Json.object(configuration).getOrDefault("name", "default");
            Supervisor started = new Supervisor(name, pointer);
            STARTED.put(name, started);
            return started;
        }
    }

    /**
     * Starts a supervisor, and opens everything. If one component cannot be opened, all are closed.
     *
     * @param configuration JSON, as in docs/coming-from-elixir.md
     * @return the supervisor
     */
    public static Supervisor start(String configuration) {
        return builder(configuration).start();
    }

    /**
     * Starts to build a supervisor with further options.
     *
     * @param configuration JSON, as in docs/coming-from-elixir.md
     * @return the builder
     */
    public static Builder builder(String configuration) {
        return new Builder(configuration);
    }

    /**
     * Finds the running supervisor of a name.
     *
     * @param name the name
     * @return the supervisor
     */
    public static Supervisor find(String name) {
        Library.load();
        Supervisor found = new Supervisor(name, Call.handle((arena, out, error) ->
                Abi.stargate_supervisor_find(Memory.text(arena, "the name", name), out, error)));
        return STARTED.getOrDefault(name, found);
    }

    private interface Get {
        int call(Arena arena, MemorySegment out, MemorySegment error);
    }

    private MemorySegment get(Get get) {
        try {
            return Call.handle(get::call);
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** What was handed out is the supervisor's to close. */
    private static <T extends Handle> T supervised(T handle) {
        handle.handle.supervised();
        return handle;
    }

    /**
     * Returns the producer of a topic, as it is now; after a restart it is another one. Its sends wait for room, whatever
     * {@code when_full} is in the configuration.
     *
     * @param topic the topic
     * @return the producer
     */
    public Producer producer(String topic) {
        MemorySegment found = get((arena, out, error) ->
                Abi.stargate_supervisor_producer(pointer, Memory.text(arena, "the topic", topic), out, error));
        return supervised(new Producer(found, null, topic, Options.Registered.NONE, false));
    }

    /**
     * Returns the consumer of a topic and subscription, as it is now; after a restart it is another one.
     *
     * @param topic the topic
     * @param subscription the subscription; null when the topic has one consumer
     * @return the consumer
     */
    public Consumer consumer(String topic, String subscription) {
        MemorySegment found = get((arena, out, error) -> Abi.stargate_supervisor_consumer(
                pointer,
                Memory.text(arena, "the topic", topic),
                Memory.text(arena, "the subscription", subscription),
                out,
                error));
        return supervised(new Consumer(found, null, topic, Options.Registered.NONE));
    }

    /**
     * Returns the reader of a topic, as it is now; after a restart it is another one.
     *
     * @param topic the topic
     * @return the reader
     */
    public Reader reader(String topic) {
        MemorySegment found = get((arena, out, error) ->
                Abi.stargate_supervisor_reader(pointer, Memory.text(arena, "the topic", topic), out, error));
        return supervised(new Reader(found, null, topic, Options.Registered.NONE));
    }

    private interface Add {
        int call(Arena arena, MemorySegment handler, MemorySegment entry, MemorySegment destroy, MemorySegment error);
    }

    private void add(String what, Supplier<? extends MessageHandler> handlers, Add add) {
        Waits.run(() -> {
            try {
                Call.run((arena, error) -> handlers == null
                        ? add.call(arena, MemorySegment.NULL, MemorySegment.NULL, MemorySegment.NULL, error)
                        : add.call(
                                arena,
                                Callbacks.handler(),
                                Callbacks.add(new Listening(handlers, what + " of a supervisor", null)),
                                Callbacks.destroyFunction(),
                                error));
            } finally {
                Reference.reachabilityFence(this);
            }
        });
    }

    /**
     * Opens one more producer, and supervises it.
     *
     * @param configuration JSON, an object as under "producer"
     */
    public void addProducer(String configuration) {
        add("a producer", null, (arena, handler, entry, destroy, error) -> Abi.stargate_supervisor_add_producer(
                pointer, Memory.text(arena, "the configuration", configuration), -1, error));
    }

    /**
     * Opens one more consumer, gives it a handler, and supervises it: after a restart it has the handler again.
     *
     * @param configuration JSON, an object as under "consumer"
     * @param handlers makes the handler of a processor; null for a consumer to receive from
     */
    public void addConsumer(String configuration, Supplier<? extends MessageHandler> handlers) {
        add("a consumer", handlers, (arena, handler, entry, destroy, error) -> Abi.stargate_supervisor_add_consumer(
                pointer, Memory.text(arena, "the configuration", configuration), handler, entry, destroy, -1, error));
    }

    /**
     * Opens one more reader, gives it a handler, and supervises it. After a restart it begins at its start again.
     *
     * @param configuration JSON, an object as under "reader"
     * @param handlers makes the handler of a processor; null for a reader to receive from
     */
    public void addReader(String configuration, Supplier<? extends MessageHandler> handlers) {
        add("a reader", handlers, (arena, handler, entry, destroy, error) -> Abi.stargate_supervisor_add_reader(
                pointer, Memory.text(arena, "the configuration", configuration), handler, entry, destroy, -1, error));
    }

    /**
     * Returns what the supervisor holds.
     *
     * @return maps with "supervisor", "component", "topic" and, of consumers, "subscription"
     */
    public List<Map<String, String>> keys() {
        try {
            return Json.list(Call.text((arena, out, error) ->
                    Abi.stargate_supervisor_keys_json(pointer, out, error)));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** Closes as {@link #close(Duration)} does, within ten seconds. */
    @Override
    public void close() {
        close(Duration.ofSeconds(10));
    }

    /**
     * Stops restarting, and closes everything that the supervisor holds. Its name can then be used again.
     *
     * @param timeout the longest time to wait
     */
    public void close(Duration timeout) {
        Waits.run(() -> {
            try {
                Call.run((arena, error) -> Abi.stargate_supervisor_close(pointer, Call.millis(timeout), error));
                STARTED.remove(name, this);
            } finally {
                Reference.reachabilityFence(this);
            }
        });
    }
}
