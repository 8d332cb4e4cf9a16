package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class SupervisorTest extends WithMock {
    private String configuration(String name) {
        return """
                {"name": "%s", "host": "%s", "producer": {"topic": "orders", "send_timeout": 5000}}
                """.formatted(name, mock.url().replace("ws://", ""));
    }

    private static boolean isRunning(String name) {
        try {
            Supervisor.find(name);
            return true;
        } catch (StargateException none) {
            assertEquals(ErrorKind.NOT_FOUND, none.kind());
            return false;
        }
    }

    @Test
    void oneGoesOnWithoutItsObject() throws Exception {
        Supervisor.start(configuration("forgotten"));
        for (int n = 0; n < 10; n++) {
            System.gc();
            Thread.sleep(20);
        }
        Supervisor found = Supervisor.find("forgotten");
        found.producer("orders").send("one pizza");
        found.close();
        assertFalse(isRunning("forgotten"));
    }

    @Test
    void aFlushWaitsForWhatASupervisedProducerAccepted() {
        try (Supervisor shop = Supervisor.start(configuration("flushed"))) {
            Producer producer = shop.producer("orders");
            mock.fault("send", "orders", "delay:300");
            CompletableFuture<MessageId> sent = producer.sendAsync("one pizza");
            producer.flush(SOON);
            assertTrue(sent.isDone());
        }
    }

    @Test
    void aStartThatIsInterruptedIsUndone() throws Exception {
        mock.fault("connect", "orders", "delay:1500");
        CompletableFuture<Object> end = new CompletableFuture<>();
        Thread starts = Thread.ofPlatform().start(() -> {
            try {
                end.complete(Supervisor.start(configuration("interrupted")));
            } catch (StargateException interrupted) {
                end.complete(interrupted.kind());
            }
        });
        Thread.sleep(300);
        starts.interrupt();
        assertEquals(ErrorKind.INTERRUPTED, end.get(800, TimeUnit.MILLISECONDS));
        mock.await("connect", "orders", 1, SOON);
        mock.await("disconnect", "orders", 1, SOON);
        for (int n = 0; n < 500 && isRunning("interrupted"); n++) Thread.sleep(10);
        assertFalse(isRunning("interrupted"));
    }
}
