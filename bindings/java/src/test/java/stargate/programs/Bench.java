package stargate.programs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import stargate.Client;
import stargate.Consumer;
import stargate.Message;
import stargate.Producer;

/** CPU time a message of 100 bytes, the library included and the broker not: {@code Bench [URL [MESSAGES]]}. */
public final class Bench {
    private Bench() {}

    private interface Work {
        void run(int messages) throws Exception;
    }

    /** Runs it. */
    public static void main(String[] arguments) throws Exception {
        int messages = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 500_000;
        if (arguments.length > 0 && !arguments[0].isEmpty()) {
            run(arguments[0], messages);
            return;
        }
        try (Broker broker = Broker.start()) {
            run(broker.url, messages);
        }
    }

    private static void run(String url, int messages) throws Exception {
        byte[] payload = new byte[100];
        try (Client client = Client.of(url);
                Producer producer = client.producer("bench").open();
                Producer feeder = client.producer("bench-received").open();
                Consumer consumer = client.consumer("bench-received", "bench").open()) {
            measure("send", messages, count -> {
                for (int sent = 0; sent < count; sent++) producer.sendAsync(payload);
                producer.flush(Duration.ofMinutes(1));
            });
            measure("receive", messages, count -> {
                for (int received = 0; received < count; ) {
                    List<Message> some = consumer.receiveMany(256, Duration.ofSeconds(10));
                    if (some.isEmpty()) throw new AssertionError("nothing comes");
                    consumer.ackMany(some);
                    received += some.size();
                }
            }, count -> {
                for (int sent = 0; sent < count; sent++) feeder.sendAsync(payload);
                feeder.flush(Duration.ofMinutes(1));
            });
        }
    }

    private static void measure(String what, int messages, Work work) throws Exception {
        measure(what, messages, work, count -> {});
    }

    private static void measure(String what, int messages, Work work, Work before) throws Exception {
        before.run(messages / 2);
        work.run(messages / 2); // until it is compiled
        before.run(messages);
        long from = System.nanoTime();
        double cpu = cpuSeconds();
        work.run(messages);
        double micros = (cpuSeconds() - cpu) * 1e6 / messages;
        System.out.printf("%s: %.2f us of CPU a message, %d messages a second%n",
                what, micros, messages * 1_000_000_000L / (System.nanoTime() - from));
    }

    /** Reads user and system time, which the kernel counts in hundredths of a second. */
    private static double cpuSeconds() throws IOException {
        String[] fields = Files.readString(Path.of("/proc/self/stat")).replaceFirst("^.*\\) ", "").split(" ");
        return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0;
    }
}
