import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import stargate.Client;
import stargate.MessageId;
import stargate.Producer;
import stargate.testing.MockBroker;

/** Tests an application against an outage that happens on command. */
class OrdersTest {
    /** The application: sends an order, and tells when the broker has it. */
    private static CompletableFuture<MessageId> order(Producer producer, String what) {
        return producer.sendAsync(what);
    }

    @Test
    void anOrderSurvivesAnOutage() throws Exception {
        try (MockBroker broker = MockBroker.start();
                Client client = Client.of(broker.url());
                Producer producer = client.producer("orders").open()) {
            broker.fault("send", "orders", "no-receipt"); // the broker stores it, and the receipt is lost
            CompletableFuture<MessageId> stored = order(producer, "one pizza");
            broker.await("send", "orders", 1, Duration.ofSeconds(10));
            broker.dropConnections("orders");
            stored.get(10, TimeUnit.SECONDS);
            assertEquals("one pizza", broker.messages("orders").getFirst().text());
        }
    }
}
