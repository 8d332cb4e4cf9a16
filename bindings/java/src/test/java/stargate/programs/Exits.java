package stargate.programs;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import stargate.Client;
import stargate.Consumer;
import stargate.Outcome;
import stargate.OutgoingMessage;
import stargate.Producer;
import stargate.testing.MockBroker;

/** Processes that end with work pending, each within its time: {@code Exits [COUNT]}. */
public final class Exits {
    private static final String[] ENDS = {"return", "exit", "throw", "halt"};

    private Exits() {}

    /** Runs them, or is one of them. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 1) {
            work(arguments[0], arguments[1]);
            return;
        }
        int count = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 100;
        System.out.println(run(count) + " of " + count + " ended in time");
    }

    /** Runs some at a time, and returns how many ended in time, with the status that they should have. */
    public static int run(int count) throws Exception {
        int good = 0;
        try (MockBroker broker = MockBroker.start();
                ExecutorService some = Executors.newFixedThreadPool(ENDS.length)) {
            List<Future<Boolean>> all = new ArrayList<>();
            for (int n = 0; n < count; n++) {
                String end = ENDS[n % ENDS.length];
                all.add(some.submit(() -> endsInTime(broker.url(), end)));
            }
            for (Future<Boolean> one : all) if (one.get()) good++;
        }
        return good;
    }

    private static boolean endsInTime(String url, String end) throws Exception {
        Path errors = Files.createTempFile("exits", ".log");
        Process process = new ProcessBuilder(Java.command(Exits.class.getName(), url, end))
                .redirectError(errors.toFile()).start();
        boolean began = "leaving".equals(process.inputReader().readLine());
        boolean ended = began && process.waitFor(30, TimeUnit.SECONDS);
        process.destroyForcibly();
        int wanted = end.equals("throw") ? 1 : end.equals("return") ? 0 : 7;
        boolean good = ended && process.exitValue() == wanted;
        if (!good) {
            System.out.println(end + (began ? " did not end in time, or with a wrong status: " : " did not begin: ") + process);
            System.out.println(Files.readString(errors));
        }
        Files.delete(errors);
        return good;
    }

    /** Leaves sends, receives, handlers and waits of every kind behind. */
    private static void work(String url, String end) {
        Client client = Client.of(url);
        String topic = "exits-" + ProcessHandle.current().pid();
        Producer producer = client.producer(topic).open();
        Consumer handled = client.consumer(topic, "handled").open();
        handled.listen(message -> {
            Thread.sleep(2);
            return Outcome.ACK;
        });
        Consumer waiting = client.consumer(topic + "-nothing", "waiting").open();
        Thread.startVirtualThread(waiting::receive);
        Thread.ofPlatform().daemon().start(waiting::receive);
        waiting.receiveAsync();
        client.consumer(topic, "opening").openAsync();
        for (int n = 0; n < 500; n++) producer.sendAsync(new byte[100]);
        producer.sendManyAsync(List.of(OutgoingMessage.of("a"), OutgoingMessage.of("b")));
        producer.flushAsync(Duration.ofSeconds(5));
        System.out.println("leaving");
        switch (end) {
            case "exit" -> System.exit(7);
            case "halt" -> Runtime.getRuntime().halt(7);
            case "throw" -> throw new IllegalStateException("on purpose");
            default -> {}
        }
    }
}
