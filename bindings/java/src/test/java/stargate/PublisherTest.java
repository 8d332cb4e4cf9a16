package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class PublisherTest extends WithMock {
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void endThreads() {
        threads.shutdown();
    }

    /** A subscriber that records its calls in their order; tests add what it does in each. */
    private static class Told implements Flow.Subscriber<Message> {
        final LinkedBlockingQueue<String> events = new LinkedBlockingQueue<>();
        Flow.Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(10);
        }

        @Override
        public void onNext(Message message) {
            events.add(message.text());
        }

        @Override
        public void onError(Throwable failure) {
            events.add(failure.getClass().getSimpleName());
        }

        @Override
        public void onComplete() {
            events.add("complete");
        }

        String next() throws InterruptedException {
            return events.poll(10, TimeUnit.SECONDS);
        }
    }

    /** Publishes three messages, and waits until all are here, so that they come with one receive. */
    private <T extends Receiver> T withThree(T receiver) throws InterruptedException {
        for (int n = 0; n < 3; n++) mock.publish("orders", "m" + n);
        for (int n = 0; n < 500 && receiver.stats().queued() < 3; n++) Thread.sleep(10);
        assertEquals(3, receiver.stats().queued());
        return receiver;
    }

    private Consumer consumer() {
        return client.consumer("orders", "billing").subscriptionType(SubscriptionType.SHARED).open();
    }

    /** Subscribes one that cancels with its first message, and returns when what is left was put back. */
    private void takeOne(Receiver receiver) throws InterruptedException {
        LinkedBlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
        receiver.publisher(tasks::add).subscribe(new Told() {
            @Override
            public void onNext(Message message) {
                subscription.cancel();
            }
        });
        for (int n = 0; n < 2; n++) tasks.poll(10, TimeUnit.SECONDS).run();
    }

    @Test
    void nothingComesBeforeOnSubscribeReturned() throws Exception {
        try (Consumer consumer = withThree(consumer())) {
            Told told = new Told() {
                @Override
                public void onSubscribe(Flow.Subscription subscription) {
                    super.onSubscribe(subscription);
                    pause();
                    events.add("subscribed");
                }
            };
            consumer.publisher(threads).subscribe(told);
            for (String event : List.of("subscribed", "m0", "m1", "m2")) assertEquals(event, told.next());
        }
    }

    @Test
    void aRequestOfNothingIsAnErrorAfterTheMessage() throws Exception {
        try (Consumer consumer = withThree(consumer())) {
            Told told = new Told() {
                @Override
                public void onNext(Message message) {
                    subscription.request(0);
                    pause();
                    super.onNext(message);
                }
            };
            consumer.publisher(threads).subscribe(told);
            assertEquals("m0", told.next());
            assertEquals("IllegalArgumentException", told.next());
            assertEquals("m1", consumer.receive(SOON).orElseThrow().text());
        }
    }

    @Test
    void aRequestOfNothingEndsAWait() throws Exception {
        try (Consumer consumer = consumer()) {
            Told told = new Told();
            consumer.publisher(threads).subscribe(told);
            Thread.sleep(50);
            told.subscription.request(-1);
            assertEquals("IllegalArgumentException", told.next());
        }
    }

    @Test
    void whatASubscriberThatThrowsDidNotGetIsStillThere() throws Exception {
        try (Consumer consumer = withThree(consumer())) {
            Told told = new Told() {
                @Override
                public void onNext(Message message) {
                    super.onNext(message);
                    throw new IllegalStateException("on purpose");
                }
            };
            consumer.publisher(threads).subscribe(told);
            assertEquals("m0", told.next());
            assertEquals("m1", consumer.receive(SOON).orElseThrow().text());
            assertEquals("m2", consumer.receive(SOON).orElseThrow().text());
        }
    }

    @Test
    void whatIsPutBackComesToAReceiveThatWaits() throws Exception {
        try (Consumer consumer = withThree(consumer())) {
            CompletableFuture<CompletableFuture<Message>> waiting = new CompletableFuture<>();
            consumer.publisher(threads).subscribe(new Told() {
                @Override
                public void onNext(Message message) {
                    waiting.complete(consumer.receiveAsync());
                    subscription.cancel();
                }
            });
            assertEquals("m1", waiting.get(10, TimeUnit.SECONDS).get(10, TimeUnit.SECONDS).text());
        }
    }

    @Test
    void whatWasPutBackIsAvailableToAReader() throws Exception {
        try (Reader reader = withThree(client.reader("orders").startingMessage(MessageId.EARLIEST).open())) {
            takeOne(reader);
            assertTrue(reader.hasMessageAvailable());
            assertEquals(List.of("m1", "m2"), reader.untilCaughtUp().map(Message::text).toList());
            assertFalse(reader.hasMessageAvailable());
        }
    }

    private static void pause() {
        try {
            Thread.sleep(200);
        } catch (InterruptedException hurried) {
            Thread.currentThread().interrupt();
        }
    }
}
