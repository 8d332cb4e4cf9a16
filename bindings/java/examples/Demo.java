import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import stargate.Client;
import stargate.Consumer;
import stargate.MessageId;
import stargate.Outcome;
import stargate.OutgoingMessage;
import stargate.Producer;
import stargate.Reader;
import stargate.SendResult;
import stargate.StargateException;
import stargate.SubscriptionType;

/** The main job: produce a thousand messages, consume them with a handler, read them again. {@code Demo [URL]} */
public final class Demo {
    private static final int COUNT = 1000;

    private Demo() {}

    /**
     * Runs it.
     *
     * @param arguments the URL of a broker; ws://localhost:8080 by default
     * @throws InterruptedException if the thread is interrupted
     */
    public static void main(String[] arguments) throws InterruptedException {
        String url = arguments.length > 0 ? arguments[0] : "ws://localhost:8080";
        String topic = "demo-java-" + ProcessHandle.current().pid();
        try (Client client = Client.of(url)) {
            CountDownLatch handled = new CountDownLatch(COUNT);
            Consumer consumer =
                    client.consumer(topic, "billing").subscriptionType(SubscriptionType.SHARED).processors(2).open();
            consumer.listen(message -> {
                handled.countDown();
                return Outcome.ACK;
            });

            try (Producer producer = client.producer(topic).open()) {
                MessageId first = producer.send(OutgoingMessage.of("order 0").key("anna"));
                System.out.println("stored the first as " + first);
                List<SendResult> results = producer.sendMany(
                        IntStream.range(1, COUNT).mapToObj(number -> OutgoingMessage.of("order " + number)).toList());
                System.out.println("stored " + results.stream().filter(SendResult::isStored).count() + " more");
            }

            handled.await();
            System.out.println("handled all " + COUNT);

            try (Reader reader = client.reader(topic).startingMessage(MessageId.EARLIEST).open()) {
                System.out.println("read again: " + reader.untilCaughtUp().count());
            }

            try {
                client.producer("no/such/topic").open();
            } catch (StargateException missing) {
                System.out.println(missing.kind() + ": " + missing.getMessage());
            }
        }
    }
}
