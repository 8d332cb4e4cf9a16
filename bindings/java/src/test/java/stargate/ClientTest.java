package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import stargate.ffi.Abi;
import stargate.ffi.Callbacks;
import stargate.ffi.Errors;
import stargate.testing.MockBroker;

class ClientTest extends WithMock {
    @Test
    void anOptionThatIsNoneIsNamedByTheLibrary() {
        var wrong = assertThrows(StargateException.class, () -> client.producer("orders").option("max_pending_mgs", 5).open());
        assertEquals(ErrorKind.INVALID_ARGUMENT, wrong.kind());
        assertTrue(wrong.getMessage().contains("the nearest is \"max_pending_msg\""), wrong.getMessage());
        assertThrows(StargateException.class, () -> Client.of("nonsense"));
    }

    /** Each method of the builders passes an option that the library knows, in a form that it takes. */
    @Test
    void everyOptionIsOneOfTheLibrary() throws Exception {
        for (Options<?> builder : List.of(
                Client.builder("ws://localhost:1"), client.producer("a"), client.consumer("a", "s"), client.reader("a"))) {
            for (var method : builder.getClass().getMethods()) {
                if (method.getParameterCount() != 1 || !method.getDeclaringClass().getName().endsWith("Options")) continue;
                Object value = switch (method.getParameterTypes()[0].getSimpleName()) {
                    case "String" -> method.getName().matches("tlsC.*|tlsK.*") ? "-----BEGIN X-----\n-----END X-----" : "none";
                    case "boolean" -> true;
                    case "long" -> 1024L;
                    case "double" -> 0.5;
                    case "Duration" -> Duration.ofSeconds(1);
                    case "Path" -> Path.of("file");
                    case "MessageId" -> MessageId.EARLIEST;
                    default -> method.getParameterTypes()[0].isEnum()
                            ? method.getParameterTypes()[0].getEnumConstants()[0] : null;
                };
                if (value == null) continue;
                method.invoke(builder, value);
            }
            String wrong = "";
            try {
                builder.with(opened -> null);
            } catch (StargateException refused) {
                wrong = refused.getMessage();
            }
            // The numbers above are too large for some; a name or a form is never wrong.
            assertTrue(wrong.isEmpty() || wrong.contains("expected a whole number from"), wrong);
        }
    }

    @Test
    void statesAreReported() throws Exception {
        LinkedBlockingQueue<StateChange> changes = new LinkedBlockingQueue<>();
        Producer producer = client.producer("orders").backoffMin(Duration.ofMillis(10)).onStateChange(changes::add).open();
        assertEquals(ConnectionState.CONNECTING, changes.poll(10, TimeUnit.SECONDS).state());
        assertEquals(ConnectionState.CONNECTED, changes.poll(10, TimeUnit.SECONDS).state());
        mock.dropConnections("orders");
        StateChange lost = changes.poll(10, TimeUnit.SECONDS);
        assertEquals(ConnectionState.DISCONNECTED, lost.state());
        assertTrue(lost.error().isPresent() && lost.retryIn().isPresent());
        producer.close();
        assertEquals(producer.topic(), lost.topic());
    }

    @Test
    void tokensAndHeadersAreAskedFor() {
        try (MockBroker guarded = MockBroker.builder().token("secret").start();
                Client right = Client.builder(guarded.url()).token(() -> "secret").headers(() -> Map.of("X-A", "b")).build();
                Client wrong = Client.builder(guarded.url()).token(() -> "guess").build()) {
            right.producer("a").open().send("x");
            var refused = assertThrows(StargateException.class, () -> wrong.producer("a").open());
            assertEquals(ErrorKind.AUTHENTICATION, refused.kind());
            assertEquals(401, refused.httpStatus());
        }
    }

    @Test
    void keysAreAskedFor() throws Exception {
        String publicKey = Files.readString(Path.of("../../tests/keys/rsa.pub.pem"));
        String privateKey = Files.readString(Path.of("../../tests/keys/rsa.pem"));
        KeyReader keys = new KeyReader() {
            @Override
            public PublicKey publicKey(String name) {
                return new PublicKey(publicKey, Map.of("version", "7"));
            }

            @Override
            public String privateKey(String name, Map<String, String> metadata) {
                return metadata.get("version").equals("7") ? privateKey : "none";
            }
        };
        try (Consumer consumer = client.consumer("secrets", "friends").keyReader(keys).open();
                Producer producer = client.producer("secrets").encryptionKey("billing").keyReader(keys).open()) {
            producer.send("hidden");
            assertEquals("hidden", consumer.receive(SOON).orElseThrow().text());
            assertNotEquals("hidden", mock.messages("secrets").getFirst().text());
            var refused = assertThrows(StargateException.class,
                    () -> client.producer("secrets").encryptionKey("billing").keyReader(new KeyReader() {}).open());
            assertEquals(ErrorKind.CRYPTO, refused.kind());
        }
    }

    @Test
    void anOpenThatIsCancelledLeavesNothingOpen() throws Exception {
        mock.fault("connect", "orders", "delay:200");
        CompletableFuture<Producer> opening = client.producer("orders").openAsync();
        Thread.sleep(20);
        opening.cancel(true);
        mock.await("disconnect", "orders", 1, SOON);
        for (int n = 0; n < 200 && mock.connections() > 0; n++) Thread.sleep(20);
        assertEquals(0, mock.connections());
    }

    @Test
    void aProducerThatIsForgottenIsGivenUp() throws Exception {
        WeakReference<Producer> forgotten = new WeakReference<>(client.producer("orders").open());
        for (int n = 0; n < 200 && mock.count("disconnect", "orders") == 0; n++) {
            System.gc();
            Thread.sleep(20);
        }
        assertEquals(null, forgotten.get());
        mock.await("disconnect", "orders", 1, SOON);
    }

    @Test
    void whatIsOpenKeepsItsClient() throws Exception {
        try (MockBroker guarded = MockBroker.builder().token("secret").start();
                Producer producer = Client.builder(guarded.url()).token(() -> "secret")
                        .backoffMin(Duration.ofMillis(10)).build().producer("orders").open()) {
            for (int n = 0; n < 10; n++) {
                System.gc();
                Thread.sleep(20);
            }
            guarded.fault("send", "orders", "delay:200");
            guarded.dropConnections("orders");
            CompletableFuture<MessageId> sent = producer.sendAsync("x");
            producer.flush(SOON);
            assertTrue(sent.isDone() && sent.join() != null);
        }
    }

    @Test
    void aKeyFileMayBeText() {
        try (MockBroker issuer = MockBroker.builder().oauth2("till", "secret").start()) {
            String secrets = "{\"client_id\": \"till\", \"client_secret\": \"secret\"}";
            String file = Base64.getEncoder().encodeToString(secrets.getBytes());
            try (Client till = Client.builder(issuer.url()).oauth2IssuerUrl(issuer.oauth2IssuerUrl())
                    .oauth2KeyFile("data:application/json;base64," + file).build()) {
                till.producer("orders").open().send("x");
            }
        }
    }

    @Test
    void wordsAreEnglishInEveryLocale() {
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.of("tr"));
        try {
            assertEquals("timeout", Errors.read(Abi.STARGATE_TIMEOUT, MemorySegment.NULL).getMessage());
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void aHandlerKeepsItsConsumer() throws Exception {
        client.consumer("orders", "billing").open().listen(message -> Outcome.ACK);
        for (int n = 0; n < 5; n++) {
            System.gc();
            Thread.sleep(20);
        }
        mock.publish("orders", "x");
        mock.await("ack", "orders", 1, SOON);
    }

    @Test
    void aCloseLeavesNoCallbacks() {
        int before = Callbacks.pending();
        try (Client other = Client.builder(mock.url()).onStateChange(change -> {}).build()) {
            Producer producer = other.producer("orders").onStateChange(change -> {}).open();
            producer.sendAsync("x");
            other.consumer("orders", "s").open().listen(message -> Outcome.ACK);
            producer.close();
        }
        assertEquals(before, Callbacks.pending());
    }

    @Test
    void idsAreOrderedAndStored() {
        try (Producer producer = client.producer("orders").open()) {
            MessageId first = producer.send("a");
            MessageId second = producer.send("b");
            assertTrue(first.compareTo(second) < 0);
            assertEquals(first, MessageId.parse(first.toString()));
            assertEquals(first.hashCode(), MessageId.fromByteArray(first.toByteArray()).hashCode());
            assertTrue(MessageId.EARLIEST.compareTo(first) < 0 && MessageId.LATEST.compareTo(first) > 0);
            assertEquals(0, first.entry());
            assertEquals(-1, first.batchIndex());
            assertThrows(StargateException.class, () -> MessageId.parse("nonsense"));
        }
    }

    @Test
    void theClusterIsAdministered() {
        Admin admin = client.admin();
        assertTrue(admin.ensurePartitionedTopic("parts", 3));
        assertEquals(3, admin.partitions("parts"));
        admin.createSubscription("orders", "audit", MessageId.EARLIEST, false);
        mock.publish("orders", "m0");
        assertEquals(List.of("audit"), admin.subscriptions("orders"));
        assertEquals("m0", admin.peek("orders", "audit", Integer.MAX_VALUE).getFirst().text());
        var negative = assertThrows(StargateException.class, () -> admin.peek("orders", "audit", -1));
        assertEquals(ErrorKind.INVALID_ARGUMENT, negative.kind());
        assertEquals(admin.lastMessageId("orders"), mock.messages("orders").getFirst().id());
        assertTrue(admin.walkTopics("public").contains("persistent://public/default/orders"), admin.walkTopics(null).toString());
        assertEquals(200, admin.request("GET", "clusters", null).status());
        assertEquals(0, admin.uploadSchema("orders", "{\"type\": \"STRING\"}"));
        assertEquals("[" + admin.schema("orders", 0) + "]", admin.schemas("orders"));
        assertTrue(admin.testSchemaCompatibility("orders", "{\"type\": \"INT8\"}").contains("exists schema type STRING"));
        admin.deleteSchema("orders");
        var missing = assertThrows(StargateException.class, () -> admin.partitions("no/such/topic"));
        assertEquals(ErrorKind.NOT_FOUND, missing.kind());
    }

    @Test
    void aUrlIsEnoughToSend() {
        String url = mock.url() + "/ws/v2/producer/persistent/public/default/orders";
        var results = Client.produce(url).sendTimeout(SOON).send(List.of(OutgoingMessage.of("a"), OutgoingMessage.of("b")));
        assertEquals(List.of("a", "b"), mock.messages("orders").stream().map(stored -> stored.text()).toList());
        assertEquals(mock.messages("orders").get(1).id(), results.get(1).id());
        String nowhere = mock.url() + "/ws/v2/producer/persistent/public/missing/orders";
        var refused = assertThrows(StargateException.class,
                () -> Client.produce(nowhere).send(List.of(OutgoingMessage.of("a"))));
        assertEquals(ErrorKind.NOT_FOUND, refused.kind());
    }

    @Test
    void aSupervisorOpensWhatItsConfigurationNames() throws Exception {
        String configuration = """
                {"name": "shop", "host": "%s", "producer": {"topic": "orders", "send_timeout": 5000}}
                """.formatted(mock.url().replace("ws://", ""));
        LinkedBlockingQueue<String> billed = new LinkedBlockingQueue<>();
        try (Supervisor shop = Supervisor.start(configuration)) {
            shop.addConsumer("{\"topic\": \"orders\", \"subscription\": \"billing\"}", () -> message -> {
                billed.add(message.text());
                return Outcome.ACK;
            });
            Supervisor.find("shop").producer("orders").send("one pizza");
            assertEquals("one pizza", billed.poll(10, TimeUnit.SECONDS));
            assertEquals("billing", shop.consumer("orders", null).subscription());
            assertEquals(2, shop.keys().size());
            assertEquals(ErrorKind.BUSY, assertThrows(StargateException.class, () -> Supervisor.start(configuration)).kind());
        }
        assertEquals(ErrorKind.NOT_FOUND, assertThrows(StargateException.class, () -> Supervisor.find("shop")).kind());
    }
}
