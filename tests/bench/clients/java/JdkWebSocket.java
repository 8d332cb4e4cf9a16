import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.function.Consumer;

/**
 * The peer of the JDK: {@code java.net.http.WebSocket} with nothing of a library around it. It does not reconnect, and
 * loses what is in flight. The JDK has base64 and no JSON, so this takes the fields that it needs out of the text.
 */
final class JdkWebSocket implements WebSocket.Listener {
    /** Receives each message. */
    private Consumer<String> handler = text -> {};

    private final StringBuilder partial = new StringBuilder();

    /** The latest write. A socket takes one at a time. */
    private CompletableFuture<WebSocket> writes;

    public static void main(String[] arguments) throws InterruptedException {
        Workload workload = new Workload(arguments);
        JdkWebSocket socket = new JdkWebSocket();
        if (workload.role.equals("send")) socket.send(workload);
        else socket.receive(workload);
    }

    private void send(Workload workload) throws InterruptedException {
        byte[][] payloads = workload.payloads();
        Meter meter = new Meter(workload);
        AtomicLongArray begun = new AtomicLongArray(workload.window);
        Semaphore room = new Semaphore(workload.window);
        open(workload, receipt -> {
            if (!field(receipt, "result").equals("ok")) Workload.fail(new IllegalStateException(receipt));
            int place = (int) (Long.parseLong(field(receipt, "context")) % workload.window);
            meter.confirmed(begun.get(place));
            room.release();
        });
        for (long number = 0; ; number++) {
            room.acquire();
            begun.set((int) (number % workload.window), meter.begun(number));
            String payload = Base64.getEncoder().encodeToString(payloads[(int) (number % payloads.length)]);
            write("{\"payload\":\"" + payload + "\",\"context\":\"" + number + "\"}");
        }
    }

    private void receive(Workload workload) throws InterruptedException {
        Meter meter = new Meter(workload);
        open(workload, message -> {
            Base64.getDecoder().decode(field(message, "payload"));
            write("{\"messageId\":\"" + field(message, "messageId") + "\"}");
            meter.received(1);
        });
        Thread.currentThread().join(); // the threads of the socket do not keep the process
    }

    private void open(Workload workload, Consumer<String> handler) {
        this.handler = handler;
        URI url = URI.create(workload.websocketUrl());
        HttpClient.newHttpClient().newWebSocketBuilder().buildAsync(url, this).join();
    }

    private void write(String text) {
        writes = writes.thenCompose(socket -> socket.sendText(text, true));
    }

    /** Returns the value of a field whose text has no escapes: base64 and numbers have none. */
    private static String field(String json, String name) {
        int begin = json.indexOf("\"" + name + "\":\"") + name.length() + 4;
        return json.substring(begin, json.indexOf('"', begin));
    }

    @Override
    public void onOpen(WebSocket socket) {
        writes = CompletableFuture.completedFuture(socket);
        socket.request(Long.MAX_VALUE);
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence text, boolean last) {
        partial.append(text);
        if (last) {
            String whole = partial.toString();
            partial.setLength(0);
            handler.accept(whole);
        }
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        Workload.fail(new IllegalStateException("closed: " + code + " " + reason));
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        Workload.fail(error);
    }
}
