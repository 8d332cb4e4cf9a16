package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class HandlersTest extends WithMock {
    private ConsumerBuilder builder() {
        return client.consumer("orders", "billing").subscriptionType(SubscriptionType.SHARED)
                .negativeAckDelay(Duration.ofMillis(50));
    }

    @Test
    void anOutcomeDecidesAboutTheMessage() throws Exception {
        Consumer consumer = builder().open();
        LinkedBlockingQueue<String> seen = new LinkedBlockingQueue<>();
        LinkedBlockingQueue<Message> kept = new LinkedBlockingQueue<>();
        Set<String> before = ConcurrentHashMap.newKeySet();
        CompletableFuture<Void> ended = consumer.listen(message -> {
            boolean first = before.add(message.text());
            seen.add(message.text() + (first ? "" : " again"));
            return switch (message.text()) {
                case "throw" -> {
                    if (first) throw new java.io.IOException("once");
                    yield Outcome.ACK;
                }
                case "null" -> first ? null : Outcome.ACK;
                case "nack" -> first ? Outcome.NACK : Outcome.ACK;
                case "continue" -> {
                    kept.add(message);
                    yield Outcome.CONTINUE;
                }
                default -> Outcome.ACK;
            };
        });
        for (String text : List.of("ack", "throw", "null", "nack", "continue")) {
            mock.publish("orders", text);
            assertEquals(text, seen.poll(10, TimeUnit.SECONDS));
        }
        for (int n = 0; n < 3; n++) assertTrue(seen.poll(10, TimeUnit.SECONDS).endsWith(" again"));
        mock.await("ack", "orders", 4, SOON);
        assertEquals(1, mock.backlog("orders", "billing"));
        consumer.ack(kept.poll(10, TimeUnit.SECONDS));
        mock.await("ack", "orders", 5, SOON);
        assertEquals(ErrorKind.INVALID_ARGUMENT, assertThrows(StargateException.class, consumer::receive).kind());
        consumer.close();
        ended.get(1, TimeUnit.SECONDS);
    }

    @Test
    void onErrorMayDecideOtherwise() throws Exception {
        Consumer consumer = builder().open();
        consumer.listen(new MessageHandler() {
            @Override
            public Outcome handle(Message message) {
                throw new IllegalStateException("poison");
            }

            @Override
            public Outcome onError(Message message, Throwable error) {
                return error.getMessage().equals("poison") ? Outcome.ACK : Outcome.NACK;
            }
        });
        mock.publish("orders", "x");
        mock.await("ack", "orders", 1, SOON);
    }

    @Test
    void eachProcessorHasAHandlerOfItsOwnAndMayWait() throws Exception {
        Consumer consumer = builder().processors(3).open();
        Set<MessageHandler> made = ConcurrentHashMap.newKeySet();
        Producer results = client.producer("results").open();
        consumer.listen(() -> {
            MessageHandler handler = message -> {
                results.send(message.data()); // waits for the receipt
                return Outcome.ACK;
            };
            made.add(handler);
            return handler;
        });
        for (int n = 0; n < 30; n++) mock.publish("orders", "m" + n);
        mock.await("ack", "orders", 30, SOON);
        assertEquals(30, mock.messages("results").size());
        assertTrue(made.size() >= 1);
    }

    @Test
    void aHandlerMayCloseItsConsumer() throws Exception {
        Consumer consumer = builder().open();
        CompletableFuture<Void> ended = consumer.listen(message -> {
            consumer.close();
            return Outcome.ACK;
        });
        mock.publish("orders", "x");
        ended.get(10, TimeUnit.SECONDS);
        consumer.close(); // in its handler a close does not wait; this one does
        assertEquals(ErrorKind.CLOSED, assertThrows(StargateException.class, consumer::unsubscribe).kind());
    }

    @Test
    void aHandlerThatCannotBeMadeIsAnErrorOfListen() {
        Consumer consumer = builder().open();
        assertThrows(StargateException.class, () -> consumer.listen(() -> {
            throw new IllegalStateException("no handler today");
        }));
    }

    @Test
    void aMessageComesLaterAndIsCounted() throws Exception {
        Consumer consumer = builder().enableRetry(true).open();
        LinkedBlockingQueue<Integer> times = new LinkedBlockingQueue<>();
        consumer.listen(message -> {
            times.add(message.reconsumeTimes());
            return message.reconsumeTimes() == 0 ? Outcome.reconsumeLater(Duration.ofMillis(50)) : Outcome.ACK;
        });
        mock.publish("orders", "x");
        assertEquals(0, times.poll(10, TimeUnit.SECONDS));
        assertEquals(1, times.poll(10, TimeUnit.SECONDS));
    }
}
