package stargate.testing;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import stargate.MessageId;
import stargate.ffi.Abi;
import stargate.ffi.Abi.stargate_bytes;
import stargate.ffi.Abi.stargate_mock_options;
import stargate.ffi.Abi.stargate_outgoing;
import stargate.ffi.Call;
import stargate.ffi.Json;
import stargate.ffi.Library;
import stargate.ffi.Memory;

/**
 * A Pulsar broker in memory, on a real socket at 127.0.0.1: no second JVM, no network, no waiting. It produces on request
 * the faults of a real one. Any WebSocket client can use it, other processes too.
 *
 * <p>Topics are names as clients take them. The operations are "connect", "send", "ack", "nack", "permit", "receive",
 * "ping", "close", "unsubscribe", "end_of_topic" and "http", and to wait for also "disconnect".
 */
public final class MockBroker implements AutoCloseable {
    private final MemorySegment mock;
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private boolean closed;

    private MockBroker(MemorySegment mock) {
        this.mock = mock;
    }

    /** What a mock broker is to be; what is not set is as with a real one. */
    public static final class Builder {
        private final Map<Long, Object> fields = new LinkedHashMap<>();

        private Builder() {}

        private Builder set(long field, Object value) {
            fields.put(field, value);
            return this;
        }

        /**
         * Sets the port at 127.0.0.1.
         *
         * @param port the port; any free one if this is not set
         * @return this
         */
        public Builder port(int port) {
            return set(stargate_mock_options.port, (short) port);
        }

        /**
         * Creates no topic when a client connects to one that is missing.
         *
         * @return this
         */
        public Builder noAutoCreateTopics() {
            return set(stargate_mock_options.no_auto_create_topics, 1);
        }

        /**
         * Sets the token that may do everything.
         *
         * @param token the token
         * @return this
         */
        public Builder token(String token) {
            return set(stargate_mock_options.token, token);
        }

        /**
         * Sets a token that is known and may do nothing.
         *
         * @param token the token
         * @return this
         */
        public Builder forbiddenToken(String token) {
            return set(stargate_mock_options.forbidden_token, token);
        }

        /**
         * Serves TLS.
         *
         * @param certFile the certificate chain (PEM)
         * @param keyFile the private key (PEM)
         * @return this
         */
        public Builder tls(String certFile, String keyFile) {
            return set(stargate_mock_options.tls_cert_file, certFile).set(stargate_mock_options.tls_key_file, keyFile);
        }

        /**
         * Accepts client certificates in place of a token.
         *
         * @param caFile the certificate authority (PEM)
         * @return this
         */
        public Builder tlsClientCa(String caFile) {
            return set(stargate_mock_options.tls_client_ca_file, caFile);
        }

        /**
         * Sets the user of HTTP Basic authentication that may do everything.
         *
         * @param user the name
         * @param password the password
         * @return this
         */
        public Builder basic(String user, String password) {
            return set(stargate_mock_options.basic_user, user).set(stargate_mock_options.basic_password, password);
        }

        /**
         * Is an OAuth2 issuer with this client too, and accepts its tokens.
         *
         * @param clientId the client
         * @param clientSecret its secret
         * @return this
         */
        public Builder oauth2(String clientId, String clientSecret) {
            return set(stargate_mock_options.oauth2_client_id, clientId)
                    .set(stargate_mock_options.oauth2_client_secret, clientSecret);
        }

        /**
         * Sets the largest message, as Pulsar's webSocketMaxTextFrameSize.
         *
         * @param bytes the size; 1,048,576 if this is not set
         * @return this
         */
        public Builder maxTextSize(long bytes) {
            return set(stargate_mock_options.max_text_size, bytes);
        }

        /**
         * Sets how long a connection may be silent.
         *
         * @param time the time; five minutes if this is not set
         * @return this
         */
        public Builder idleTimeout(Duration time) {
            return set(stargate_mock_options.idle_timeout_ms, time.toMillis());
        }

        /**
         * Sets the version of Pulsar that it plays.
         *
         * @param version the version; 4.0.8 if this is not set
         * @return this
         */
        public Builder pulsarVersion(String version) {
            return set(stargate_mock_options.pulsar_version, version);
        }

        /**
         * Starts the broker.
         *
         * @return the broker
         */
        public MockBroker start() {
            Library.load();
            return new MockBroker(Call.handle((arena, out, error) ->
                    Abi.stargate_mock_start(write(arena), out, error)));
        }

        private MemorySegment write(Arena arena) {
            MemorySegment options = arena.allocate(stargate_mock_options.LAYOUT);
            options.set(JAVA_LONG, stargate_mock_options.struct_size, stargate_mock_options.SIZE);
            fields.forEach((field, value) -> {
                switch (value) {
                    case Short number -> options.set(JAVA_SHORT, field, number);
                    case Integer number -> options.set(JAVA_INT, field, number);
                    case Long number -> options.set(JAVA_LONG, field, number);
                    default -> options.set(ADDRESS, field, Memory.text(arena, "an option", (String) value));
                }
            });
            return options;
        }
    }

    /**
     * Starts a broker on any free port, without authentication or TLS.
     *
     * @return the broker
     */
    public static MockBroker start() {
        return builder().start();
    }

    /**
     * Starts to build a broker.
     *
     * @return the builder
     */
    public static Builder builder() {
        return new Builder();
    }

    private String view(java.util.function.BiFunction<Arena, MemorySegment, MemorySegment> view) {
        return use(() -> {
            try (Arena arena = Arena.ofConfined()) {
                return Memory.text(view.apply(arena, mock));
            }
        });
    }

    private void run(Call.Plain call) {
        use(() -> {
            Call.run(call);
            return null;
        });
    }

    private long number(Call.WithResult call) {
        return use(() -> Call.number(call));
    }

    private String text(Call.WithResult call) {
        return use(() -> Call.text(call));
    }

    /** Calls the broker, which is not freed meanwhile. */
    private <T> T use(Supplier<T> call) {
        lock.readLock().lock();
        try {
            if (closed) throw new IllegalStateException("the mock broker is closed");
            return call.get();
        } finally {
            lock.readLock().unlock();
        }
    }

    private static MemorySegment text(Arena arena, String text) {
        return Memory.text(arena, "an argument", text);
    }

    /**
     * Returns the URL for clients.
     *
     * @return "ws://127.0.0.1:PORT" or "wss://..."
     */
    public String url() {
        return view(Abi::stargate_mock_url);
    }

    /**
     * Returns the URL of the REST API.
     *
     * @return "http://127.0.0.1:PORT"
     */
    public String httpUrl() {
        return view(Abi::stargate_mock_http_url);
    }

    /**
     * Returns the URL of the OAuth2 issuer.
     *
     * @return "http://127.0.0.1:PORT/oauth2"
     */
    public String oauth2IssuerUrl() {
        return view(Abi::stargate_mock_oauth2_issuer_url);
    }

    /**
     * Stores a message as if a producer had sent it.
     *
     * @param topic the topic, which is created if it does not exist
     * @param payload the content, as UTF-8
     * @return its id
     */
    public MessageId publish(String topic, String payload) {
        return publish(topic, payload.getBytes(StandardCharsets.UTF_8), null, Map.of());
    }

    /**
     * Stores a message as if a producer had sent it.
     *
     * @param topic the topic, which is created if it does not exist
     * @param payload the content; null makes a tombstone
     * @param key the key, or null
     * @param properties the properties
     * @return its id
     */
    public MessageId publish(String topic, byte[] payload, String key, Map<String, String> properties) {
        return MessageId.parse(text((arena, out, error) -> {
            MemorySegment message = arena.allocate(stargate_outgoing.LAYOUT);
            message.set(JAVA_LONG, stargate_outgoing.struct_size, stargate_outgoing.SIZE);
            if (payload != null) {
                message.set(ADDRESS, stargate_outgoing.payload + stargate_bytes.ptr, Memory.bytes(arena, payload));
                message.set(JAVA_LONG, stargate_outgoing.payload + stargate_bytes.len, payload.length);
            }
            message.set(ADDRESS, stargate_outgoing.key, text(arena, key));
            message.set(ADDRESS, stargate_outgoing.properties, Memory.properties(arena, properties));
            message.set(JAVA_LONG, stargate_outgoing.property_count, properties.size());
            return Abi.stargate_mock_publish(mock, text(arena, topic), message, out, error);
        }));
    }

    /**
     * Returns everything that a topic holds, acknowledged or not, partition after partition and in order.
     *
     * @param topic the topic
     * @return the messages
     */
    public List<MockMessage> messages(String topic) {
        String json = text((arena, out, error) ->
                Abi.stargate_mock_messages_json(mock, text(arena, topic), out, error));
        return Json.<Map<String, Object>>list(json).stream().map(MockMessage::of).toList();
    }

    /**
     * Returns how many messages a subscription has not acknowledged.
     *
     * @param topic the topic
     * @param subscription the subscription
     * @return the number; a batch counts as one
     */
    public long backlog(String topic, String subscription) {
        return number((arena, out, error) -> Abi.stargate_mock_backlog(
                mock, text(arena, topic), text(arena, subscription), out, error));
    }

    /**
     * Creates a namespace and its tenant. "public/default" is there from the start.
     *
     * @param name "tenant/namespace"
     */
    public void createNamespace(String name) {
        run((arena, error) -> Abi.stargate_mock_create_namespace(mock, text(arena, name), error));
    }

    /**
     * Creates a topic with partitions.
     *
     * @param topic the topic
     * @param partitions how many
     */
    public void createPartitioned(String topic, int partitions) {
        run((arena, error) -> Abi.stargate_mock_create_partitioned(mock, text(arena, topic), partitions, error));
    }

    /**
     * Creates a durable subscription; messages then wait for a consumer that is opened later.
     *
     * @param topic the topic
     * @param subscription the subscription
     * @param earliest whether it is at the beginning of the topic, otherwise at its end
     */
    public void createSubscription(String topic, String subscription, boolean earliest) {
        run((arena, error) -> Abi.stargate_mock_create_subscription(
                mock, text(arena, topic), text(arena, subscription), earliest ? 1 : 0, error));
    }

    /**
     * Turns deduplication in a namespace on or off. With it the broker drops messages whose sequence id it has seen.
     *
     * @param namespace such as "public/default"
     * @param on whether it is on
     */
    public void setDeduplication(String namespace, boolean on) {
        run((arena, error) ->
                Abi.stargate_mock_set_deduplication(mock, text(arena, namespace), on ? 1 : 0, error));
    }

    /**
     * Ends a topic: nothing more can be sent to it, and consumers learn that it has ended once they have everything.
     *
     * @param topic the topic
     */
    public void terminate(String topic) {
        run((arena, error) -> Abi.stargate_mock_terminate(mock, text(arena, topic), error));
    }

    /**
     * Deletes a topic by force. Connected clients are not notified, and the next message to it creates it again.
     *
     * @param topic the topic
     */
    public void deleteTopic(String topic) {
        run((arena, error) -> Abi.stargate_mock_delete_topic(mock, text(arena, topic), error));
    }

    /**
     * Scripts a fault for the next time that an operation happens.
     *
     * @param operation such as "send"
     * @param topic the topic; null for any
     * @param fault such as "no-receipt", "drop" or "delay:MS"; docs/testing.md has all
     */
    public void fault(String operation, String topic, String fault) {
        fault(operation, topic, fault, 1);
    }

    /**
     * Scripts a fault for several times, first in first out.
     *
     * @param operation such as "send"
     * @param topic the topic; null for any
     * @param fault such as "no-receipt", "drop" or "delay:MS"; docs/testing.md has all
     * @param count how often; {@link Long#MAX_VALUE} means without limit
     */
    public void fault(String operation, String topic, String fault, long count) {
        run((arena, error) -> Abi.stargate_mock_fault(
                mock,
                text(arena, operation),
                text(arena, topic),
                text(arena, fault),
                count == Long.MAX_VALUE ? -1 : count,
                error));
    }

    /**
     * Returns how many faults have not happened yet.
     *
     * @return the number
     */
    public long faultsLeft() {
        return use(() -> Abi.stargate_mock_faults_left(mock));
    }

    /** Forgets the faults that have not happened yet. */
    public void clearFaults() {
        run((arena, error) -> Abi.stargate_mock_clear_faults(mock, error));
    }

    /** Takes the broker down: connections are dropped and new ones refused. Its data and its port stay. */
    public void down() {
        run((arena, error) -> Abi.stargate_mock_set_up(mock, 0, error));
    }

    /** Takes the broker up again. */
    public void up() {
        run((arena, error) -> Abi.stargate_mock_set_up(mock, 1, error));
    }

    /**
     * Drops the connections about a topic, without a close frame.
     *
     * @param topic the topic; null for all
     * @return how many there were
     */
    public long dropConnections(String topic) {
        return number((arena, out, error) ->
                Abi.stargate_mock_drop_connections(mock, text(arena, topic), out, error));
    }

    /**
     * Returns how many WebSocket connections are open.
     *
     * @return the number
     */
    public long connections() {
        return use(() -> Abi.stargate_mock_connections(mock));
    }

    /**
     * Waits until an operation has happened so often since the start, or since {@link #clearRequests}. It replaces sleeps
     * in tests.
     *
     * @param operation such as "ack"
     * @param topic the topic; null for any
     * @param atLeast how often
     * @param timeout the longest time to wait
     */
    public void await(String operation, String topic, long atLeast, Duration timeout) {
        run((arena, error) -> Abi.stargate_mock_wait(
                mock, text(arena, operation), text(arena, topic), atLeast, Call.millis(timeout), error));
    }

    /**
     * Returns how often an operation has happened.
     *
     * @param operation such as "ack"
     * @param topic the topic; null for any
     * @return the number
     */
    public long count(String operation, String topic) {
        return number((arena, out, error) ->
                Abi.stargate_mock_count(mock, text(arena, operation), text(arena, topic), out, error));
    }

    /** Forgets what has happened. */
    public void clearRequests() {
        run((arena, error) -> Abi.stargate_mock_clear_requests(mock, error));
    }

    /** Ends the broker, after the calls that run. Later ones throw {@link IllegalStateException}. */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (!closed) Abi.stargate_mock_free(mock);
            closed = true;
        } finally {
            lock.writeLock().unlock();
        }
    }
}
