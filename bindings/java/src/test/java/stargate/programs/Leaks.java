package stargate.programs;

import java.time.Duration;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import stargate.Client;
import stargate.Consumer;
import stargate.Message;
import stargate.Producer;
import stargate.Reader;

/**
 * Opens and closes again and again, then sends and receives: {@code Leaks [CYCLES [MESSAGES [URL]]]}. It fails if the
 * process then holds more than after the first fifth.
 */
public final class Leaks {
    private Leaks() {}

    private interface Work {
        void run(int count) throws Exception;
    }

    /** Runs them. */
    public static void main(String[] arguments) throws Exception {
        Logger.getLogger("stargate").setLevel(Level.WARNING);
        int cycles = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 10_000;
        int messages = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1_000_000;
        if (arguments.length > 2) {
            run(arguments[2], cycles, messages);
            return;
        }
        try (Broker broker = Broker.start()) {
            run(broker.url, cycles, messages);
        }
    }

    private static void run(String url, int cycles, int messages) throws Exception {
        steady("cycles", cycles, count -> {
            for (int n = 0; n < count; n++) cycle(url);
        });
        try (Client client = Client.of(url);
                Producer producer = client.producer("leaks").open();
                Consumer consumer = client.consumer("leaks", "s").open()) {
            steady("messages", messages, count -> pass(producer, consumer, count));
        }
    }

    private static void cycle(String url) {
        try (Client client = Client.of(url);
                Producer producer = client.producer("cycles").open();
                Consumer consumer = client.consumer("cycles", "s").onStateChange(change -> {}).open();
                Reader reader = client.reader("cycles").open()) {
            producer.send("x");
            consumer.ack(consumer.receive());
            reader.receive();
        }
    }

    private static void pass(Producer producer, Consumer consumer, int count) {
        for (int n = 0; n < count; n += 500) {
            for (int sent = 0; sent < 500; sent++) producer.sendAsync(new byte[100]);
            for (int received = 0; received < 500; ) {
                List<Message> some = consumer.receiveMany(100, Duration.ofSeconds(10));
                some.forEach(consumer::ack);
                received += some.size();
            }
        }
    }

    private static void steady(String what, int count, Work work) throws Exception {
        Held first = null;
        Held last = null;
        for (int fifth = 1; fifth <= 5; fifth++) {
            work.run(count / 5);
            last = Held.now();
            if (first == null) first = last;
            System.out.printf("%d %s: %s%n", count / 5 * fifth, what, last);
        }
        if (last.isMoreThan(first)) throw new AssertionError(what + ": the process holds more than before");
    }
}
