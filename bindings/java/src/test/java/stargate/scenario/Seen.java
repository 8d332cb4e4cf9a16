package stargate.scenario;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The payloads that a consumer received, in their order. */
final class Seen {
    private final List<String> payloads = new ArrayList<>();

    /** Notes a payload, and tells whether it is the first of its kind. */
    synchronized boolean add(String payload) {
        boolean first = !payloads.contains(payload);
        payloads.add(payload);
        notifyAll();
        return first;
    }

    synchronized String progress(String prefix, int count) {
        Set<String> first = new LinkedHashSet<>(payloads);
        first.removeIf(payload -> !payload.startsWith(prefix));
        List<String> wanted = IntStream.rangeClosed(1, count).mapToObj(number -> prefix + number).toList();
        if (first.containsAll(wanted)) {
            return "all " + count + (List.copyOf(first).equals(wanted) ? ", in order" : ", out of order");
        }
        Set<String> come = new HashSet<>(wanted);
        come.retainAll(first);
        return come.size() + " of " + count;
    }

    synchronized String calls(int count) throws InterruptedException {
        await(() -> payloads.size() >= count);
        Map<String, Integer> counts = new TreeMap<>();
        payloads.forEach(payload -> counts.merge(payload, 1, Integer::sum));
        return counts.entrySet().stream()
                .map(one -> Transcript.payload(one.getKey()) + " " + one.getValue())
                .collect(Collectors.joining(", "));
    }

    synchronized String awaitAll(String prefix, int count) throws InterruptedException {
        await(() -> progress(prefix, count).startsWith("all"));
        return progress(prefix, count);
    }

    private void await(BooleanSupplier done) throws InterruptedException {
        long deadline = System.nanoTime() + 10_000_000_000L;
        for (long left = 10_000; left > 0 && !done.getAsBoolean(); left = (deadline - System.nanoTime()) / 1_000_000) {
            wait(left);
        }
    }
}
