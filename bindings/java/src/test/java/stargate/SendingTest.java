package stargate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SendingTest extends WithMock {
    @Test
    void everythingThatGoesWithAMessageIsStored() {
        Instant time = Instant.ofEpochMilli(1_700_000_000_123L);
        try (Producer producer = client.producer("orders").name("till").open()) {
            MessageId id = producer.send(OutgoingMessage.of("one pizza").key("anna").property("size", "l")
                    .property("note", "").eventTime(time));
            producer.send(OutgoingMessage.of(new byte[0]).deliverAfter(Duration.ofHours(1)));
            producer.send(OutgoingMessage.of("kept here").disableReplication());
            var stored = mock.messages("orders");
            assertEquals(3, stored.size());
            assertEquals(id, stored.get(0).id());
            assertEquals("one pizza", stored.get(0).text());
            assertEquals("anna", stored.get(0).key().orElseThrow());
            assertEquals("l", stored.get(0).properties().get("size"));
            assertEquals("", stored.get(0).properties().get("note"));
            assertEquals(time, stored.get(0).eventTime().orElseThrow());
            assertEquals("till", stored.get(0).producerName());
            assertArrayEquals(new byte[0], stored.get(1).data());
            assertTrue(stored.get(1).deliverAt().isPresent());
            assertEquals("kept here", stored.get(2).text());
            assertEquals("persistent://public/default/orders", producer.topic());
        }
    }

    @Test
    void manyMessagesWaitForRoomAndKeepTheirOrder() {
        mock.fault("send", "orders", "delay:50", 3);
        try (Producer producer = client.producer("orders").maxPendingMsg(7).open()) {
            List<OutgoingMessage> messages = IntStream.range(0, 2500).mapToObj(n -> OutgoingMessage.of("m" + n)).toList();
            List<SendResult> results = producer.sendMany(messages);
            assertEquals(2500, results.size());
            assertTrue(results.stream().allMatch(SendResult::isStored));
            var stored = mock.messages("orders");
            for (int n = 0; n < 2500; n++) {
                assertEquals("m" + n, stored.get(n).text());
                assertEquals(stored.get(n).id(), results.get(n).id());
            }
        }
    }

    @Test
    void aListTellsWhichMessageWasTooBig() {
        try (Producer producer = client.producer("orders").open()) {
            var results = producer.sendMany(List.of(
                    OutgoingMessage.of("a"), OutgoingMessage.of(new byte[2_000_000]), OutgoingMessage.of("c")));
            assertTrue(results.get(0).isStored());
            assertEquals(ErrorKind.TOO_BIG, results.get(1).error().kind());
            assertTrue(results.get(2).isStored());
        }
    }

    @Test
    void aSendOfManyOnAClosedProducerHasAnErrorForEach() {
        Producer producer = client.producer("orders").open();
        producer.close();
        var results = producer.sendMany(List.of(OutgoingMessage.of("a"), OutgoingMessage.of("b")));
        assertEquals(2, results.size());
        assertTrue(results.stream().allMatch(result -> result.error().kind() == ErrorKind.CLOSED));
    }

    @Test
    void sendsInTheBackgroundWaitForRoomAndCompleteInOrder() {
        try (Producer producer = client.producer("orders").maxPendingMsg(10).open()) {
            List<Integer> order = new ArrayList<>();
            List<CompletableFuture<Void>> sends = new ArrayList<>();
            for (int n = 0; n < 500; n++) {
                int number = n;
                sends.add(producer.sendAsync("m" + n).thenAccept(id -> order.add(number)));
            }
            producer.flush(SOON);
            CompletableFuture.allOf(sends.toArray(CompletableFuture<?>[]::new)).join();
            assertEquals(IntStream.range(0, 500).boxed().toList(), order);
        }
    }

    @Test
    void aQueueThatIsFullFailsIfThatIsWanted() {
        mock.fault("send", "orders", "no-receipt", 2);
        try (Producer producer = client.producer("orders").maxPendingMsg(2).whenFull(WhenFull.FAIL).open()) {
            producer.sendAsync("a");
            producer.sendAsync("b");
            var full = assertThrows(StargateException.class, () -> producer.sendAsync("c"));
            assertEquals(ErrorKind.QUEUE_FULL, full.kind());
            var results = producer.sendMany(List.of(OutgoingMessage.of("c"), OutgoingMessage.of("d")));
            assertEquals(ErrorKind.QUEUE_FULL, results.get(0).error().kind());
            assertEquals(ErrorKind.QUEUE_FULL, results.get(1).error().kind());
            mock.await("send", "orders", 2, SOON);
            mock.dropConnections("orders"); // both are sent again, and stored
        }
    }

    /** Messages with replication have a call of C of their own. */
    @Test
    void aMessageThatStaysHereIsAcceptedAsOthersAre() {
        try (Producer producer = client.producer("orders").maxPendingMsg(2).open()) {
            for (int n = 0; n < 20; n++) {
                byte[] payload = {(byte) n};
                OutgoingMessage message = OutgoingMessage.of(payload);
                producer.sendAsync(n % 3 == 0 ? message : message.disableReplication());
                payload[0] = -1; // a send has copied it
            }
            producer.flush(SOON);
            var stored = mock.messages("orders");
            for (int n = 0; n < 20; n++) assertEquals(n, stored.get(n).data()[0]);
        }
        mock.fault("send", "full", "no-receipt");
        try (Producer producer = client.producer("full").maxPendingMsg(1).whenFull(WhenFull.FAIL).open()) {
            producer.sendAsync(OutgoingMessage.of("a").disableReplication());
            var full = assertThrows(StargateException.class,
                    () -> producer.sendAsync(OutgoingMessage.of("b").disableReplication()));
            assertEquals(ErrorKind.QUEUE_FULL, full.kind());
            mock.await("send", "full", 1, SOON);
            mock.dropConnections("full");
        }
    }

    @Test
    void aTimeBelowZeroIsNoTime() {
        mock.fault("send", "orders", "no-receipt");
        Producer producer = client.producer("orders").open();
        producer.sendAsync("a");
        for (int millis = -1; millis >= -2; millis--) {
            Duration none = Duration.ofMillis(millis);
            var late = assertThrows(ExecutionException.class, () -> producer.flushAsync(none).get(5, TimeUnit.SECONDS));
            assertEquals(ErrorKind.TIMEOUT, ((StargateException) late.getCause()).kind());
        }
        mock.await("send", "orders", 1, SOON);
        mock.dropConnections("orders");
        producer.close(ChronoUnit.FOREVER.getDuration());
    }

    @Test
    void aContinuationMaySendAndIsToldNotToWait() throws Exception {
        try (Producer producer = client.producer("orders").maxPendingMsg(1).open()) {
            mock.fault("send", "orders", "delay:50");
            mock.fault("send", "orders", "no-receipt"); // for "b", so that there is no room for "c"
            CompletableFuture<List<ErrorKind>> refused = producer.sendAsync("a").thenApply(id -> {
                producer.sendAsync("b");
                var full = assertThrows(StargateException.class, () -> producer.sendAsync("c"));
                var wait = assertThrows(StargateException.class, () -> client.producer("more").open());
                return List.of(full.kind(), wait.kind());
            });
            assertEquals(List.of(ErrorKind.QUEUE_FULL, ErrorKind.WOULD_DEADLOCK), refused.get(10, TimeUnit.SECONDS));
            mock.await("send", "orders", 2, SOON);
            mock.dropConnections("orders");
            producer.flush(SOON);
            assertEquals("b", mock.messages("orders").getLast().text());
        }
    }

    @Test
    void aContinuationMayClose() throws Exception {
        Producer producer = client.producer("orders").open();
        producer.sendAsync("a").thenRun(producer::close).get(10, TimeUnit.SECONDS);
        assertEquals(ErrorKind.CLOSED, assertThrows(StargateException.class, () -> producer.send("b")).kind());
    }

    @Test
    void aFutureFailsWithTheErrorOfTheLibrary() {
        mock.fault("send", "orders", "send-error:2:no space left");
        try (Producer producer = client.producer("orders").open()) {
            var failed = assertThrows(CompletionException.class, () -> producer.sendAsync("a").join());
            StargateException error = (StargateException) failed.getCause();
            assertEquals("persistent://public/default/orders", error.topic());
            assertTrue(error.getMessage().contains("no space left"), error.getMessage());
            assertEquals("no space left", error.brokerText());
        }
    }

    @Test
    void aTextWithU0000IsRefused() {
        try (Producer producer = client.producer("orders").open()) {
            for (OutgoingMessage message : List.of(
                    OutgoingMessage.of("x").property("a\0b", "c"), OutgoingMessage.of("x").property("a", "b\0c"))) {
                var refused = assertThrows(StargateException.class, () -> producer.sendAsync(message));
                assertEquals(ErrorKind.INVALID_ARGUMENT, refused.kind());
            }
            assertThrows(StargateException.class, () -> client.producer("a\0b").open());
            assertTrue(mock.messages("orders").isEmpty());
        }
    }

    @Test
    void statisticsCount() {
        try (Producer producer = client.producer("orders").open()) {
            producer.send("12345");
            assertEquals(1, producer.stats().sent());
            assertEquals(5, producer.stats().sentBytes());
            assertEquals(1, client.stats().receipts());
            assertTrue(producer.isConnected());
            producer.awaitConnected(SOON);
        }
        assertFalse(client.stats().connections() == 0);
    }
}
