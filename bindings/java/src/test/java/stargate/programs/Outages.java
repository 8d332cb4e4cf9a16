package stargate.programs;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import stargate.Client;
import stargate.Consumer;
import stargate.MessageId;
import stargate.Outcome;
import stargate.Producer;
import stargate.SubscriptionType;
import stargate.testing.MockBroker;

/**
 * Messages with receipts and a handler, while the broker is killed again and again: {@code Outages [MESSAGES [KILLS]]}.
 */
public final class Outages {
    private Outages() {}

    /** Runs them. */
    public static void main(String[] arguments) throws Exception {
        int messages = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 10_000;
        int kills = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 5;
        run(messages, kills);
        System.out.println(messages + " messages stored and handled over " + kills + " kills");
    }

    /** Throws if a message was lost. */
    public static void run(int messages, int kills) throws Exception {
        try (MockBroker broker = MockBroker.start();
                Client client = Client.builder(broker.url()).backoffMin(Duration.ofMillis(5))
                        .backoffMax(Duration.ofMillis(50)).build();
                Producer producer = client.producer("outages").open();
                Consumer consumer = client.consumer("outages", "s").subscriptionType(SubscriptionType.SHARED)
                        .processors(2).open()) {
            Set<String> handled = ConcurrentHashMap.newKeySet();
            CompletableFuture<Void> all = new CompletableFuture<>();
            consumer.listen(message -> {
                handled.add(message.text());
                if (handled.size() == messages) all.complete(null);
                return Outcome.ACK;
            });
            List<CompletableFuture<MessageId>> sends = new ArrayList<>();
            for (int n = 0; n < messages; n++) {
                if (kills > 0 && n % (messages / kills) == messages / kills / 2) kill(broker);
                sends.add(producer.sendAsync("m" + n));
            }
            for (CompletableFuture<MessageId> send : sends) send.get(30, TimeUnit.SECONDS);
            all.get(60, TimeUnit.SECONDS);
        }
    }

    private static void kill(MockBroker broker) throws InterruptedException {
        broker.down();
        Thread.sleep(20);
        broker.up();
    }
}
