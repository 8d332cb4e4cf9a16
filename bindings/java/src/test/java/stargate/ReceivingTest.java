package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReceivingTest extends WithMock {
    private Consumer consumer() {
        return client.consumer("orders", "billing").subscriptionType(SubscriptionType.SHARED).open();
    }

    private void publish(int count) {
        for (int n = 0; n < count; n++) mock.publish("orders", "m" + n);
    }

    private static List<String> texts(List<Message> messages) {
        return messages.stream().map(Message::text).toList();
    }

    private static List<String> numbered(int count) {
        return IntStream.range(0, count).mapToObj(n -> "m" + n).toList();
    }

    @Test
    void aReceiveEndsWithItsTime() {
        try (Consumer consumer = consumer()) {
            assertTrue(consumer.receive(Duration.ZERO).isEmpty());
            assertTrue(consumer.receive(Duration.ofMillis(30)).isEmpty());
            assertTrue(consumer.receiveMany(5, Duration.ofMillis(30)).isEmpty());
            assertEquals(ErrorKind.INVALID_ARGUMENT,
                    assertThrows(StargateException.class, () -> consumer.receiveMany(0, SOON)).kind());
        }
    }

    /** There is memory for each message that is asked for. */
    @Test
    void noReceiveAsksForMoreThanThereCanBe() {
        List<Integer> asked = new ArrayList<>();
        Receives receives = new Receives(new Receives.Source() {
            @Override
            public List<Message> receiveNow(int max) {
                asked.add(max);
                return null;
            }

            @Override
            public void receiveLater(int max, MemorySegment entry) {
                asked.add(max);
            }

            @Override
            public void interrupt() {}

            @Override
            public List<Message> take(MemorySegment messages, int count) {
                return List.of();
            }
        });
        receives.receive(Integer.MAX_VALUE, null);
        assertEquals(List.of(10_000, 10_000), asked);
    }

    @Test
    void whatTimedOutOrWasCancelledLosesNothingAndKeepsTheOrder() throws Exception {
        try (Consumer consumer = consumer()) {
            List<Message> received = new ArrayList<>();
            for (int round = 0; round < 40; round++) {
                CompletableFuture<Message> cancelled = consumer.receiveAsync();
                int number = round;
                Thread sender = Thread.startVirtualThread(() -> mock.publish("orders", "m" + number));
                Thread.sleep(round % 5);
                if (!cancelled.cancel(true)) received.add(cancelled.join());
                sender.join();
                consumer.receiveAsync().orTimeout(round % 3, TimeUnit.MILLISECONDS)
                        .handle((message, late) -> message == null || received.add(message)).join();
                while (received.size() <= round) received.addAll(consumer.receiveMany(10, SOON));
            }
            assertEquals(numbered(40), texts(received));
        }
    }

    @Test
    void anInterruptEndsAReceiveAtOnce() throws Exception {
        try (Consumer consumer = consumer()) {
            for (Thread.Builder threads : List.<Thread.Builder>of(Thread.ofVirtual(), Thread.ofPlatform())) {
                CompletableFuture<Object> end = new CompletableFuture<>();
                Thread thread = threads.start(() -> {
                    try {
                        end.complete(consumer.receive());
                    } catch (StargateException interrupted) {
                        end.complete(interrupted.kind() + " " + Thread.interrupted());
                    }
                });
                Thread.sleep(50);
                long from = System.nanoTime();
                thread.interrupt();
                assertEquals("INTERRUPTED true", end.get(10, TimeUnit.SECONDS));
                assertTrue(System.nanoTime() - from < 1_000_000_000L);
            }
            mock.publish("orders", "m0");
            assertEquals("m0", consumer.receive().text());
        }
    }

    @Test
    void anInterruptThatComesWithTheResultLosesNothing() {
        CompletableFuture<String> both = new CompletableFuture<>() {
            @Override
            public String get() throws InterruptedException, java.util.concurrent.ExecutionException {
                if (complete("here")) throw new InterruptedException();
                return super.get();
            }
        };
        assertEquals("here", Waits.join(both));
        assertTrue(Thread.interrupted());
    }

    @Test
    void anInterruptOfTheStreamLosesNothing() throws Exception {
        publish(2);
        mock.fault("receive", "orders", "delay:900"); // within the second that a wait in C takes
        try (Reader reader = client.reader("orders").startingMessage(MessageId.EARLIEST).open()) {
            CompletableFuture<Object> end = new CompletableFuture<>();
            Thread reads = Thread.ofPlatform().start(() -> {
                try {
                    end.complete(reader.untilCaughtUp().toList());
                } catch (StargateException interrupted) {
                    end.complete(interrupted.kind() + " " + Thread.interrupted());
                }
            });
            Thread.sleep(300);
            reads.interrupt();
            assertEquals("INTERRUPTED true", end.get(500, TimeUnit.MILLISECONDS));
            assertEquals(numbered(2), texts(reader.untilCaughtUp().toList()));
        }
    }

    @Test
    void theStreamHasWhatACancelledReceiveTook() throws Exception {
        try (Reader reader = client.reader("orders").startingMessage(MessageId.EARLIEST).open();
                Producer producer = client.producer("others").open()) {
            CompletableFuture<Message> cancelled = reader.receiveAsync();
            CompletableFuture<Void> held = new CompletableFuture<>();
            mock.fault("send", "others", "delay:100");
            producer.sendAsync("x").thenRun(() -> {
                held.complete(null); // what is received now waits for this thread
                java.util.concurrent.locks.LockSupport.parkNanos(1_000_000_000);
            });
            held.join();
            publish(1);
            Thread.sleep(100);
            assertTrue(cancelled.cancel(true));
            assertEquals(numbered(1), texts(reader.untilCaughtUp().toList()));
        }
    }

    @Test
    void theStreamTakesWhatIsAskedFor() {
        publish(3);
        try (Reader reader = client.reader("orders").startingMessage(MessageId.EARLIEST).open()) {
            assertEquals("m0", reader.untilCaughtUp().iterator().next().text());
            assertEquals("m1", reader.receive(Duration.ofSeconds(1)).orElseThrow().text());
        }
    }

    @Test
    void manyReceivesWaitWithoutHoldingThreads() throws Exception {
        try (Consumer consumer = consumer(); ExecutorService virtual = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> receives = new ArrayList<>();
            for (int n = 0; n < 100; n++) {
                receives.add(virtual.submit(() -> {
                    Message message = consumer.receive();
                    consumer.ack(message);
                    return message.text();
                }));
            }
            // More than there are carriers wait; another virtual thread runs all the same.
            assertEquals("runs", virtual.submit(() -> "runs").get(5, TimeUnit.SECONDS));
            publish(100);
            List<String> texts = new ArrayList<>();
            for (Future<String> receive : receives) texts.add(receive.get(10, TimeUnit.SECONDS));
            texts.sort(null);
            assertEquals(numbered(100).stream().sorted().toList(), texts);
        }
        mock.await("ack", "orders", 100, SOON);
    }

    @Test
    void aCloseEndsWhatWaits() throws Exception {
        Consumer consumer = consumer();
        CompletableFuture<Message> waiting = consumer.receiveAsync();
        consumer.close();
        var end = assertThrows(java.util.concurrent.ExecutionException.class, () -> waiting.get(5, TimeUnit.SECONDS));
        assertEquals(ErrorKind.CLOSED, ((StargateException) end.getCause()).kind());
        for (Message message : consumer) throw new AssertionError(message);
    }

    @Test
    void whatIsNotAcknowledgedIsRedelivered() {
        Message first;
        try (Consumer consumer = client.consumer("orders", "billing")
                .subscriptionType(SubscriptionType.SHARED).negativeAckDelay(Duration.ofMillis(50)).open()) {
            publish(4);
            List<Message> messages = new ArrayList<>();
            while (messages.size() < 4) messages.addAll(consumer.receiveMany(4, SOON));
            first = messages.get(0);
            consumer.ack(first);
            consumer.ack(first); // twice is harmless
            consumer.ack(messages.get(1).id());
            consumer.nack(messages.get(2));
            consumer.ackMany(List.of(messages.get(3)));
            Message again = consumer.receive(SOON).orElseThrow();
            assertEquals("m2", again.text());
            assertEquals(1, again.redeliveryCount());
            consumer.ack(again);
            mock.await("ack", "orders", 4, SOON);
            assertEquals("billing", consumer.subscription());
        }
        assertEquals(0, mock.backlog("orders", "billing"));
        assertEquals("m0", first.text()); // a message outlives its consumer
    }

    @Test
    void aCumulativeAcknowledgementCoversAllBefore() {
        try (Consumer consumer = client.consumer("orders", "billing").open()) {
            publish(5);
            List<Message> messages = new ArrayList<>();
            while (messages.size() < 5) messages.addAll(consumer.receiveMany(5, SOON));
            consumer.ackCumulative(messages.get(3));
            mock.await("ack", "orders", 4, SOON);
            assertEquals(1, consumer.backlog());
            consumer.ackCumulative(messages.get(4).id());
            mock.await("ack", "orders", 5, SOON);
            assertEquals(0, consumer.backlog());
        }
    }

    @Test
    void aReaderReadsToTheEndAndSeeks() {
        publish(5);
        try (Reader reader = client.reader("orders").startingMessage(MessageId.EARLIEST).open()) {
            assertTrue(reader.hasMessageAvailable());
            List<Message> all = reader.untilCaughtUp().toList();
            assertEquals(numbered(5), texts(all));
            assertFalse(reader.hasMessageAvailable());
            assertEquals(List.of(all.get(4).id()), reader.lastMessageIds());
            reader.seekAfter(all.get(2).id());
            assertEquals("m3", reader.receive(SOON).orElseThrow().text());
            reader.seek(all.get(1).id());
            assertEquals("m1", reader.receive(SOON).orElseThrow().text());
            reader.seek(Instant.EPOCH);
            assertEquals("m0", reader.receive(SOON).orElseThrow().text());
            assertFalse(reader.isEndOfTopic());
        }
    }

    @Test
    void anIteratorEndsWithTheConsumer() throws Exception {
        publish(0);
        Consumer consumer = consumer();
        publish(3);
        List<String> seen = new ArrayList<>();
        for (Message message : consumer) {
            seen.add(message.text());
            consumer.ack(message);
            if (seen.size() == 3) consumer.closeAsync(SOON);
        }
        assertEquals(numbered(3), seen);
    }

    @Test
    void aPublisherGivesWhatIsRequestedAndNoMore() throws Exception {
        Consumer consumer = consumer();
        LinkedBlockingQueue<String> events = new LinkedBlockingQueue<>();
        CompletableFuture<Flow.Subscription> subscribed = new CompletableFuture<>();
        consumer.publisher().subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                subscribed.complete(subscription);
            }

            @Override
            public void onNext(Message message) {
                events.add(message.text());
            }

            @Override
            public void onError(Throwable failure) {
                events.add(failure.toString());
            }

            @Override
            public void onComplete() {
                events.add("complete");
            }
        });
        Flow.Subscription subscription = subscribed.get(10, TimeUnit.SECONDS);
        publish(5);
        subscription.request(2);
        assertEquals("m0", events.poll(10, TimeUnit.SECONDS));
        assertEquals("m1", events.poll(10, TimeUnit.SECONDS));
        assertEquals(null, events.poll(100, TimeUnit.MILLISECONDS));
        subscription.request(Long.MAX_VALUE);
        for (int n = 2; n < 5; n++) assertEquals("m" + n, events.poll(10, TimeUnit.SECONDS));
        consumer.close();
        assertEquals("complete", events.poll(10, TimeUnit.SECONDS));
    }

    @Test
    void aTimeoutOfAFutureIsItsOwn() {
        try (Consumer consumer = consumer()) {
            var late = assertThrows(java.util.concurrent.CompletionException.class,
                    () -> consumer.receiveAsync().orTimeout(20, TimeUnit.MILLISECONDS).join());
            assertTrue(late.getCause() instanceof TimeoutException);
        }
    }

    @Test
    void severalTopicsAndPatterns() {
        mock.publish("a", "before");
        try (Consumer both = client.consumer(List.of("a", "b"), "s").open();
                Consumer pattern = client.patternConsumer("persistent://public/default/a.*", "p").open()) {
            mock.publish("a", "of a");
            mock.publish("b", "of b");
            List<String> seen = new ArrayList<>(List.of(both.receive().text(), both.receive().text()));
            seen.sort(null);
            assertEquals(List.of("of a", "of b"), seen);
            assertEquals("of a", pattern.receive(SOON).orElseThrow().text());
        }
    }
}
