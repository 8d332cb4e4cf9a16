package stargate.programs;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import stargate.testing.MockBroker;

/** A mock broker in a process of its own, so that its CPU time is not the client's; it ends with its standard input. */
public final class Broker implements AutoCloseable {
    private final Process process;
    final String url;

    private Broker(Process process, String url) {
        this.process = process;
        this.url = url;
    }

    static Broker start() throws IOException {
        Process process = new ProcessBuilder(Java.command(Broker.class.getName())).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        var lines = new BufferedReader(new InputStreamReader(process.getInputStream()));
        return new Broker(process, lines.readLine());
    }

    /** Runs it. */
    public static void main(String[] arguments) throws IOException {
        try (MockBroker mock = MockBroker.start()) {
            System.out.println(mock.url());
            while (System.in.read() >= 0) continue;
        }
    }

    @Override
    public void close() throws IOException {
        process.getOutputStream().close();
    }
}
