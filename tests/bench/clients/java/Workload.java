import java.util.Arrays;
import java.util.Iterator;
import java.util.Random;

/**
 * What every Java client of the benchmark shares: the workload it was asked for, and its payloads. The arguments are
 * explained in src/lib.rs; here are the roles send and receive.
 */
final class Workload {
    final String role;
    String url;
    String topic = "bytes-100";
    String subscription = "bench";
    int size = 100;
    int window = 1000;
    boolean batched;
    double warmup = 0.3;
    double seconds = 1;
    long limit;

    Workload(String[] arguments) {
        Iterator<String> rest = Arrays.asList(arguments).iterator();
        role = rest.hasNext() ? rest.next() : "";
        if (!role.equals("send") && !role.equals("receive")) {
            throw new IllegalArgumentException("expected: send|receive --url URL [--topic T] [--size N] ...");
        }
        while (rest.hasNext()) {
            switch (rest.next()) {
                case "--url" -> url = rest.next();
                case "--topic" -> topic = rest.next();
                case "--subscription" -> subscription = rest.next();
                case "--size" -> size = Integer.parseInt(rest.next());
                case "--window" -> window = Integer.parseInt(rest.next());
                case "--batched" -> batched = true;
                case "--warmup" -> warmup = Double.parseDouble(rest.next());
                case "--seconds" -> seconds = Double.parseDouble(rest.next());
                case "--limit" -> limit = Long.parseLong(rest.next());
                case "--connections" -> {
                    if (Integer.parseInt(rest.next()) != 1) {
                        throw new IllegalArgumentException("the Java clients have one connection");
                    }
                }
                default -> throw new IllegalArgumentException("unknown argument");
            }
        }
    }

    /** Returns the URL of the WebSocket endpoint, query parameters included. */
    String websocketUrl() {
        String name = "persistent/public/default/" + topic;
        if (role.equals("receive")) {
            String query = "receiverQueueSize=" + window + "&subscriptionInitialPosition=Earliest";
            return url + "/ws/v2/consumer/" + name + "/" + subscription + "?" + query;
        }
        String batching = "batchingEnabled=true&batchingMaxMessages=1000&batchingMaxPublishDelay=1";
        return url + "/ws/v2/producer/" + name + "?" + (batched ? batching : "");
    }

    /** Returns random payloads, made beforehand so that making them is not measured. */
    byte[][] payloads() {
        Random random = new Random();
        byte[][] payloads = new byte[Math.min(1000, (1 << 21) / size)][size];
        for (byte[] payload : payloads) random.nextBytes(payload);
        return payloads;
    }

    /** Ends the process because of an error, in whatever thread it happened. */
    static void fail(Throwable error) {
        error.printStackTrace();
        Runtime.getRuntime().halt(1);
    }
}
