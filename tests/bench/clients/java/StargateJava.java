import java.time.Duration;
import java.util.List;
import stargate.Client;
import stargate.Consumer;
import stargate.InitialPosition;
import stargate.Message;
import stargate.Producer;

/** Stargate through its Java package: {@code sendAsync}, and {@code receiveMany} with {@code ackMany}. */
final class StargateJava {
    public static void main(String[] arguments) {
        Workload workload = new Workload(arguments);
        Client client = Client.of(workload.url);
        if (workload.role.equals("send")) send(client, workload);
        else receive(client, workload);
    }

    private static void send(Client client, Workload workload) {
        Producer producer = client.producer(workload.topic)
                .maxPendingMsg(workload.window)
                .batchEnabled(workload.batched)
                .open();
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

    private static void receive(Client client, Workload workload) {
        Consumer consumer = client.consumer(workload.topic, workload.subscription)
                .queueSize(workload.window)
                .initialPosition(InitialPosition.EARLIEST)
                .open();
        Meter meter = new Meter(workload);
        while (true) {
            List<Message> messages = consumer.receiveMany(256, Duration.ofSeconds(10));
            consumer.ackMany(messages);
            meter.received(messages.size());
        }
    }
}
