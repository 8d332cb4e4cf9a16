package stargate.scenario;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import stargate.Client;
import stargate.Consumer;
import stargate.ErrorKind;
import stargate.Handle;
import stargate.Message;
import stargate.MessageId;
import stargate.Options;
import stargate.Outcome;
import stargate.OutgoingMessage;
import stargate.Producer;
import stargate.Reader;
import stargate.Receiver;
import stargate.StargateException;
import stargate.Stats;
import stargate.testing.MockBroker;

/**
 * Carries out a scenario of tests/scenarios/table: {@code Scenario FILE [URL]}. The README there describes the steps and
 * what each of them prints.
 */
public final class Scenario {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /** A step that this interpreter does not know. */
    private static final class UnknownStepException extends Exception {
        private static final long serialVersionUID = 1;

        UnknownStepException(String reason) {
            super(reason);
        }
    }

    /** A producer, consumer or reader under its name in the scenario. */
    private static final class Named {
        final List<String> states = new ArrayList<>();
        final List<CompletableFuture<MessageId>> sends = new ArrayList<>();
        final Map<String, Message> last = new HashMap<>();
        final List<Message> inHand = new ArrayList<>();
        final Seen seen = new Seen();
        Handle handle;

        Producer producer() {
            return (Producer) handle;
        }

        Receiver receiver() {
            return (Receiver) handle;
        }

        Consumer consumer() {
            return (Consumer) handle;
        }

        Reader reader() {
            return (Reader) handle;
        }

        void note(Message message) {
            last.put(new String(message.data(), ISO_8859_1), message);
            inHand.add(message);
        }
    }

    private interface Receive {
        List<Message> receive(Receiver receiver, int most);
    }

    private final Path folder;
    private final PrintStream out;
    private final String run = Long.toHexString(ProcessHandle.current().pid()) + "-" + Long.toHexString(System.nanoTime()) + "-";
    private final MockBroker mock;
    private final String url;
    private final Client client;
    private final Map<String, Named> handles = new HashMap<>();
    private final Map<String, MessageId> ids = new HashMap<>();

    private Scenario(Path folder, String url, PrintStream out) {
        this.folder = folder;
        this.out = out;
        mock = url == null ? MockBroker.start() : null;
        this.url = url == null ? mock.url() : url;
        client = Client.of(this.url);
    }

    /** Carries out the scenario, on the mock broker if the URL is null. */
    public static void run(Path file, String url, PrintStream out) throws Exception {
        Scenario scenario = new Scenario(file.toAbsolutePath().getParent(), url, out);
        try {
            for (Step step : Step.parse(Files.readString(file))) scenario.carryOut(step);
            scenario.close();
            scenario.show("end");
        } finally {
            scenario.close();
            if (scenario.mock != null) scenario.mock.close();
        }
    }

    /** Closes the client. A close right after a producer failed may report that failure once. */
    private void close() {
        try {
            client.close();
        } catch (StargateException failed) {
            client.close();
        }
    }

    /** Prints the transcript; exits with 2 for a step that is not known. */
    public static void main(String[] arguments) throws Exception {
        try {
            run(Path.of(arguments[0]), arguments.length > 1 ? arguments[1] : null, System.out);
        } catch (UnknownStepException unknown) {
            System.err.println(arguments[0] + ": " + unknown.getMessage());
            System.exit(2);
        }
    }

    private void carryOut(Step step) throws Exception {
        if (step.verb().equals("on")) return;
        String outcome;
        try {
            outcome = outcome(step);
        } catch (StargateException error) {
            outcome = Transcript.error(error);
        }
        show((step.verb() + " " + step.handle()).stripTrailing() + ": " + (outcome == null ? "ok" : outcome));
    }

    private void show(String line) {
        out.print(line.replace(run, "").replace(url.split("://")[1], "BROKER") + "\n");
    }

    /** Carries out a step; null is "ok". */
    private String outcome(Step step) throws Exception {
        return switch (step.verb()) {
            case "producer" -> open(step, on -> options(step, on, client.producer(topic(step))).open());
            case "consumer" -> open(step, on -> options(step, on, client.consumer(topics(step), step.text("subscription"))).open());
            case "reader" -> open(step, on -> options(step, on, client.reader(topic(step))).open());
            case "close" -> ok(() -> named(step).handle.close(step.timeout()));
            case "close_client" -> ok(client::close);
            case "states" -> states(named(step).states, step.number("count"));
            case "stats" -> stats(named(step).handle.stats(), step.text("counters"));
            case "send" -> ok(() -> ids.put(step.given().get("payload"), named(step).producer().send(message(step))));
            case "send_async" -> sendAsync(step);
            case "receipts" -> receipts(named(step));
            case "flush" -> ok(() -> named(step).producer().flush(PATIENCE));
            case "receive" -> receiving(step, (from, most) ->
                    from.receive(step.timeout()).map(List::of).orElse(List.of()));
            case "receive_many" -> receiving(step, (from, most) -> from.receiveMany(most, step.timeout()));
            case "interrupt" -> interrupt(named(step).receiver());
            case "read_to_end" -> readToEnd(step);
            case "drain" -> drain(step);
            case "available" -> yes(named(step).reader().hasMessageAvailable());
            case "compare" -> message(step, "payload").id().equals(ids.get(step.given().get("payload"))) ? "same id" : "different id";
            case "seek" -> seek(step);
            case "ack" -> ack(step);
            case "ack_cumulative" -> ok(() -> named(step).consumer().ackCumulative(message(step, "payload")));
            case "nack" -> settle(step, message -> named(step).consumer().nack(message));
            case "reconsume_later" -> settle(step, message ->
                    named(step).consumer().reconsumeLater(message, Step.duration(step.text("delay"))));
            case "backlog" -> Long.toString(until(named(step).consumer()::backlog, step.number("count")));
            case "end_of_topic" -> yes(until(() -> named(step).receiver().isEndOfTopic() ? 1 : 0, 1) == 1);
            case "unsubscribe" -> ok(() -> named(step).consumer().unsubscribe());
            case "listen" -> listen(step);
            case "handled" -> step.has("calls")
                    ? named(step).seen.calls(step.number("calls"))
                    : named(step).seen.awaitAll(step.given().get("payload"), step.number("count"));
            default -> ofMock(step);
        };
    }

    private String ofMock(Step step) throws UnknownStepException {
        if (mock == null) throw new UnknownStepException("the step " + step.verb() + " needs a mock broker");
        String topic = step.has("topic") ? topic(step) : null;
        return switch (step.verb()) {
            case "fault" -> ok(() -> mock.fault(
                    step.text("op"), topic, step.text("fault"),
                    "all".equals(step.given().get("count")) ? Long.MAX_VALUE : step.number("count", 1)));
            case "down" -> ok(mock::down);
            case "up" -> ok(mock::up);
            case "cut" -> ok(() -> mock.dropConnections(topic));
            case "wait" -> ok(() -> mock.await(step.text("op"), topic, step.number("count"), PATIENCE));
            case "stored" -> Integer.toString(mock.messages(topic).size());
            case "partitions" -> ok(() -> mock.createPartitioned(topic, step.number("count")));
            case "deduplicate" -> ok(() -> mock.setDeduplication(step.text("namespace"), true));
            case "terminate" -> ok(() -> mock.terminate(topic));
            default -> throw new UnknownStepException("there is no step " + step.verb());
        };
    }

    private static String ok(Runnable action) {
        action.run();
        return null;
    }

    private static String yes(boolean answer) {
        return answer ? "yes" : "no";
    }

    private Named named(Step step) {
        return handles.get(step.handle());
    }

    // what the parameters stand for

    private String fullName(String name) {
        return name.contains("/") ? name : Transcript.DEFAULT + run + name;
    }

    private String topic(Step step) {
        return fullName(step.text("topic"));
    }

    private List<String> topics(Step step) {
        return Arrays.stream(step.text("topic").split(",")).map(this::fullName).toList();
    }

    private <B extends Options<B>> B options(Step step, Named named, B builder) {
        step.given().forEach((key, value) -> {
            if (!key.equals("topic") && !key.equals("subscription")) builder.option(key, option(value));
        });
        return builder.onStateChange(change -> {
            synchronized (named.states) {
                named.states.add(change.state().name().toLowerCase(java.util.Locale.ROOT));
                named.states.notifyAll();
            }
        });
    }

    private Object option(String value) {
        if (value.matches("\\d+ms")) return Step.duration(value);
        if (value.startsWith("@")) return ids.get(value.substring(1));
        return value.startsWith("./") ? folder.resolve(value) : value;
    }

    private OutgoingMessage message(Step step) {
        OutgoingMessage message = OutgoingMessage.of(payload(step.given().get("payload"), step));
        if (step.has("key")) message.key(step.text("key"));
        if (step.has("event_time")) message.eventTime(Instant.ofEpochMilli(Long.parseLong(step.text("event_time"))));
        for (String name : step.given().keySet()) {
            if (name.startsWith("property.")) message.property(name.substring(9), step.text(name));
        }
        return message;
    }

    private static byte[] payload(String bytes, Step step) {
        return bytes.repeat(step.number("repeat", 1)).getBytes(ISO_8859_1);
    }

    private Message message(Step step, String payload) {
        return named(step).last.get(step.given().get(payload));
    }

    // handles

    private interface Opening {
        Handle open(Named named);
    }

    private String open(Step step, Opening opening) {
        Named named = new Named();
        handles.put(step.handle(), named);
        named.handle = opening.open(named);
        return null;
    }

    private static String states(List<String> states, int count) throws InterruptedException {
        synchronized (states) {
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (states.size() < count && System.nanoTime() < deadline) states.wait(20);
            return String.join(" ", states.subList(0, Math.min(count, states.size())));
        }
    }

    private static String stats(Stats stats, String counters) throws ReflectiveOperationException {
        List<String> shown = new ArrayList<>();
        for (String counter : counters.split(",")) {
            String[] parts = counter.split("_");
            String name = parts[0] + Arrays.stream(parts).skip(1)
                    .map(part -> Character.toUpperCase(part.charAt(0)) + part.substring(1))
                    .collect(Collectors.joining());
            shown.add(counter + "=" + Stats.class.getMethod(name).invoke(stats));
        }
        return String.join(" ", shown);
    }

    // producers

    private String sendAsync(Step step) {
        int count = step.number("count");
        for (int accepted = 0; accepted < count; accepted++) {
            byte[] payload = payload(step.given().get("payload") + (accepted + 1), step);
            try {
                named(step).sends.add(named(step).producer().sendAsync(payload));
            } catch (StargateException error) {
                return "accepted " + accepted + ", then " + Transcript.error(error);
            }
        }
        return "accepted " + count;
    }

    private static String receipts(Named named) throws InterruptedException {
        Map<String, Integer> counts = new TreeMap<>();
        int stored = 0;
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        for (CompletableFuture<MessageId> send : named.sends) {
            try {
                send.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
                stored++;
            } catch (ExecutionException failed) {
                counts.merge(Transcript.kind(((StargateException) failed.getCause()).kind()), 1, Integer::sum);
            } catch (TimeoutException late) {
                counts.merge("missing", 1, Integer::sum);
            }
        }
        named.sends.clear();
        List<String> shown = new ArrayList<>();
        if (stored > 0) shown.add("ok " + stored);
        counts.forEach((kind, count) -> shown.add(kind + " " + count));
        return shown.isEmpty() ? null : String.join(", ", shown);
    }

    // receiving

    private String receiving(Step step, Receive receive) {
        int count = step.number("count", 1);
        List<Message> messages = new ArrayList<>();
        String end = "";
        while (messages.size() < count && end.isEmpty()) {
            try {
                List<Message> more = receive.receive(named(step).receiver(), count - messages.size());
                more.forEach(named(step)::note);
                messages.addAll(more);
                if (more.isEmpty()) end = "nothing";
            } catch (StargateException error) {
                end = Transcript.error(error);
            }
        }
        String outcome = messages.isEmpty() ? end : messages.size() + (end.isEmpty() ? "" : ", then " + end);
        return withMessages(outcome, messages, step.has("order"));
    }

    private static String interrupt(Receiver receiver) throws InterruptedException {
        FutureTask<Optional<Message>> receive = new FutureTask<>(() -> receiver.receive(PATIENCE));
        Thread thread = Thread.startVirtualThread(receive);
        thread.join(Duration.ofMillis(100));
        thread.interrupt();
        try {
            return receive.get().isPresent() ? "received" : "nothing";
        } catch (ExecutionException failed) {
            StargateException error = (StargateException) failed.getCause();
            if (error.kind() != ErrorKind.INTERRUPTED) throw error;
            return "interrupted";
        }
    }

    private String withMessages(String outcome, List<Message> messages, boolean inAnyOrder) {
        List<String> lines = new ArrayList<>(messages.stream().map(Transcript::message).map(line -> line.replace(run, "")).toList());
        if (inAnyOrder) lines.sort(null);
        lines.addFirst(outcome);
        return String.join("\n", lines);
    }

    private String readToEnd(Step step) {
        List<Message> messages = named(step).reader().untilCaughtUp().toList();
        return withMessages(Integer.toString(messages.size()), messages, false);
    }

    private String drain(Step step) {
        Named named = named(step);
        Supplier<String> progress = () -> named.seen.progress(step.given().get("payload"), step.number("count"));
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!progress.get().startsWith("all")) {
            Optional<Message> message = named.consumer().receive(Duration.ofNanos(Math.max(0, deadline - System.nanoTime())));
            if (message.isEmpty()) break;
            named.consumer().ack(message.get());
            if (named.seen.add(new String(message.get().data(), ISO_8859_1))) deadline = System.nanoTime() + PATIENCE.toNanos();
        }
        return progress.get();
    }

    private String seek(Step step) {
        String to = step.given().get("to");
        MessageId position = to.startsWith("@") ? ids.get(to.substring(1)) : MessageId.parse(to);
        if ("true".equals(step.given().get("after"))) named(step).receiver().seekAfter(position);
        else named(step).receiver().seek(position);
        return null;
    }

    // acknowledging

    private interface Settle {
        void settle(Message message);
    }

    private String settle(Step step, Settle settle) {
        Message message = message(step, "payload");
        settle.settle(message);
        named(step).inHand.remove(message);
        return null;
    }

    private String ack(Step step) {
        Named named = named(step);
        if (step.has("payload")) return settle(step, named.consumer()::ack);
        named.consumer().ackMany(named.inHand);
        named.inHand.clear();
        return null;
    }

    private static long until(LongSupplier ask, long wanted) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        long answer = ask.getAsLong();
        while (answer != wanted && System.nanoTime() < deadline) {
            Thread.sleep(20);
            answer = ask.getAsLong();
        }
        return answer;
    }

    // handlers

    private String listen(Step step) {
        Named named = named(step);
        named.receiver().listen(message -> {
            String payload = new String(message.data(), ISO_8859_1);
            if (named.seen.add(payload)) {
                if (payload.equals(step.given().get("nack_once"))) return Outcome.NACK;
                if (payload.equals(step.given().get("fail_once"))) throw new IOException("this handler fails once");
                if (payload.equals(step.given().get("reconsume_once"))) return Outcome.reconsumeLater(Duration.ofMillis(100));
            }
            return Outcome.ACK;
        });
        return null;
    }
}
