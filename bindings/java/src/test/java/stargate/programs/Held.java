package stargate.programs;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import stargate.ffi.Callbacks;

/** What the process holds: memory in kilobytes, threads, descriptors, and callbacks that the library may still call. */
record Held(long resident, long heap, int threads, int descriptors, int callbacks) {
    /** Returns it, once what was given up is collected. */
    static Held now() throws Exception {
        for (int round = 0; round < 2; round++) {
            System.gc();
            Thread.sleep(50); // the library closes in the background what was given up
        }
        long heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / 1024;
        return new Held(residentKilobytes(), heap, entries("/proc/self/task"), entries("/proc/self/fd"), Callbacks.pending());
    }

    /** Returns whether it is more than before, apart from what the JVM takes and what is about to end. */
    boolean isMoreThan(Held before) {
        return resident > before.resident + 16_000 || heap > before.heap + 2_000 || threads > before.threads + 8
                || descriptors > before.descriptors + 8 || callbacks > before.callbacks;
    }

    private static int entries(String folder) {
        return new File(folder).list().length;
    }

    private static long residentKilobytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("\\D", ""));
        }
        throw new AssertionError("no VmRSS");
    }
}
