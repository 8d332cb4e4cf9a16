import java.time.Duration;
import stargate.Client;
import stargate.Consumer;
import stargate.InitialPosition;
import stargate.Message;
import stargate.MessageHandler;
import stargate.Ordering;
import stargate.Outcome;
import stargate.OutgoingMessage;
import stargate.Producer;
import stargate.SubscriptionType;

/**
 * A service: takes orders from one topic, and sends the bills to another. {@code Worker [URL]}
 *
 * <p>It runs until Ctrl-C or SIGTERM, finishes what it has begun, and loses nothing: an order is acknowledged after its
 * bill is stored, and an order whose bill fails is redelivered.
 */
public final class Worker {
    /** Turns an order into a bill. Each of the four processors has one of its own. */
    private record Billing(Producer bills) implements MessageHandler {
        @Override
        public Outcome handle(Message order) {
            int pizzas = Integer.parseInt(order.text());
            // The key keeps the bills of one customer in order.
            bills.send(OutgoingMessage.of(pizzas * 8 + " euros").key(order.key().orElse("")));
            return Outcome.ACK;
        }

        @Override
        public Outcome onError(Message order, Throwable error) {
            // What can never be billed is skipped; everything else is tried again.
            return error instanceof NumberFormatException ? Outcome.ACK : Outcome.NACK;
        }
    }

    private Worker() {}

    /**
     * Runs until the process is asked to end.
     *
     * @param arguments the URL of a broker; ws://localhost:8080 by default
     */
    public static void main(String[] arguments) {
        Client client = Client.of(arguments.length > 0 ? arguments[0] : "ws://localhost:8080");
        Producer bills = client.producer("bills").open();
        Consumer orders = client.consumer("orders", "billing")
                .subscriptionType(SubscriptionType.SHARED)
                .initialPosition(InitialPosition.EARLIEST)
                .processors(4)
                .ordering(Ordering.KEY)
                .negativeAckDelay(Duration.ofSeconds(1))
                .open();
        // A signal closes the client: handlers finish, and their acknowledgements are sent.
        orders.listen(() -> new Billing(bills)).join();
    }
}
