import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.PulsarClientException;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;

/** The peer of Pulsar itself: its Java client, on the binary protocol. */
final class PulsarJava {
    public static void main(String[] arguments) throws PulsarClientException {
        Workload workload = new Workload(arguments);
        Configurator.setRootLevel(Level.ERROR);
        PulsarClient client =
                PulsarClient.builder().serviceUrl(workload.url).build();
        String topic = "persistent://public/default/" + workload.topic;
        if (workload.role.equals("send")) send(client, topic, workload);
        else receive(client, topic, workload);
    }

    private static void send(PulsarClient client, String topic, Workload workload) throws PulsarClientException {
        Producer<byte[]> producer = client.newProducer()
                .topic(topic)
                .enableBatching(workload.batched)
                .batchingMaxMessages(1000)
                .batchingMaxPublishDelay(1, TimeUnit.MILLISECONDS)
                .maxPendingMessages(workload.window)
                .blockIfQueueFull(true)
                .create();
        byte[][] payloads = workload.payloads();
        Meter meter = new Meter(workload);
        for (long number = 0; ; number++) {
            long begun = meter.begun(number);
            producer.sendAsync(payloads[(int) (number % payloads.length)]).whenComplete((id, error) -> {
                if (error != null) Workload.fail(error);
                meter.confirmed(begun);
            });
        }
    }

    private static void receive(PulsarClient client, String topic, Workload workload) throws PulsarClientException {
        Consumer<byte[]> consumer = client.newConsumer()
                .topic(topic)
                .subscriptionName(workload.subscription)
                .subscriptionType(SubscriptionType.Exclusive)
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest)
                .receiverQueueSize(workload.window)
                .subscribe();
        Meter meter = new Meter(workload);
        while (true) {
            Message<byte[]> message = consumer.receive();
            message.getData();
            consumer.acknowledgeAsync(message);
            meter.received(1);
        }
    }
}
