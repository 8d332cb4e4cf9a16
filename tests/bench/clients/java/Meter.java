import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

/** Counts messages, leaves those of the warm-up out, and says when it is enough. */
final class Meter {
    private static final int CHECK = 16; // messages between two reads of the clock
    private static final int SAMPLES = 1 << 15; // latencies that are kept
    private static final MethodHandle GETRUSAGE = Linker.nativeLinker()
            .downcallHandle(
                    Linker.nativeLinker().defaultLookup().find("getrusage").orElseThrow(),
                    FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS));

    /** Of so many messages one is timed. */
    final int timed;

    private final Workload workload;
    private long total;
    private long unchecked;
    private long first;
    private Sample begin;
    private Sample end;
    private final double[] latencies = new double[SAMPLES];
    private int noted;

    private record Sample(long at, long messages, double cpu, double residentMb) {}

    Meter(Workload workload) {
        this.workload = workload;
        timed = workload.window == 1 ? 1 : 16;
    }

    /** Returns when a message begins that is timed; 0 for one that is not. */
    long begun(long number) {
        return number % timed == 0 ? System.nanoTime() : 0;
    }

    /** Counts messages that were received. With the last one it reports, and ends the process. */
    synchronized void received(int messages) {
        count(messages);
    }

    /** Counts a message whose receipt arrived. */
    synchronized void confirmed(long begun) {
        if (begun != 0) latencies[noted++ % SAMPLES] = (System.nanoTime() - begun) / 1e6;
        count(1);
    }

    private void count(int messages) {
        total += messages;
        unchecked += messages;
        boolean last = workload.limit > 0 && total >= workload.limit;
        if (unchecked < CHECK && !last && total > CHECK) return;
        unchecked = 0;
        long now = System.nanoTime();
        if (first == 0) first = now;
        if (begin == null) {
            if (now - first >= workload.warmup * 1e9 || (workload.limit > 0 && total >= workload.limit / 5)) {
                noted = 0;
                begin = sample();
            }
        } else if (now - begin.at >= workload.seconds * 1e9 || last) {
            end = sample();
            report();
            Runtime.getRuntime().halt(0); // what is in flight does not matter any more
        }
    }

    private Sample sample() {
        return new Sample(System.nanoTime(), total, cpuSeconds(), statusMb("VmRSS"));
    }

    /** Prints one JSON object. */
    private void report() {
        long messages = end.messages - begin.messages;
        double seconds = (end.at - begin.at) / 1e9;
        String result = String.format(
                Locale.ROOT,
                "{\"messages\":%d,\"seconds\":%.6f,\"rate\":%.1f,\"mb\":%.2f,\"cpu\":%.4f,\"peak_mb\":%.2f,\"grown_mb\":%.2f",
                messages,
                seconds,
                messages / seconds,
                messages * (double) workload.size / seconds / 1e6,
                (end.cpu - begin.cpu) / messages * 1e6,
                statusMb("VmHWM"),
                end.residentMb - begin.residentMb);
        if (noted > 0) {
            double[] ordered = Arrays.copyOf(latencies, Math.min(noted, SAMPLES));
            Arrays.sort(ordered);
            double p50 = ordered[ordered.length / 2], p99 = ordered[ordered.length * 99 / 100];
            result += String.format(Locale.ROOT, ",\"p50\":%.3f,\"p99\":%.3f", p50, p99);
        }
        System.out.println(result + "}");
        System.out.flush();
    }

    /** Returns the processor time of the whole process. A JVM's own figure is in hundredths of a second. */
    private static double cpuSeconds() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment usage = arena.allocate(JAVA_LONG, 18); // user and system time, seconds and microseconds each
            int status = (int) GETRUSAGE.invokeExact(0, usage);
            if (status != 0) throw new IllegalStateException("getrusage");
            long seconds = usage.getAtIndex(JAVA_LONG, 0) + usage.getAtIndex(JAVA_LONG, 2);
            return seconds + (usage.getAtIndex(JAVA_LONG, 1) + usage.getAtIndex(JAVA_LONG, 3)) / 1e6;
        } catch (Throwable error) {
            throw new IllegalStateException(error);
        }
    }

    /** Returns a number of /proc/self/status in MiB. */
    private static double statusMb(String name) {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith(name + ":")) return Long.parseLong(line.split("\\s+")[1]) / 1024.0;
            }
            return 0;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
