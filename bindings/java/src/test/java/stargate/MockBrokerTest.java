package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import stargate.testing.MockBroker;

class MockBrokerTest {
    @Test
    void aClosedOneSaysSo() {
        MockBroker mock = MockBroker.start();
        mock.close();
        mock.close();
        for (Executable call : List.<Executable>of(mock::url, mock::connections, mock::up,
                () -> mock.publish("orders", "x"), () -> mock.count("send", null))) {
            assertThrows(IllegalStateException.class, call);
        }
    }

    @Test
    void aCloseLeavesACallItsTime() throws Exception {
        MockBroker mock = MockBroker.start();
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<ErrorKind> end = CompletableFuture.supplyAsync(() -> {
            begun.countDown();
            var late = assertThrows(StargateException.class, () -> mock.await("send", null, 1, Duration.ofMillis(500)));
            return late.kind();
        });
        begun.await();
        Thread.sleep(200);
        mock.close();
        assertEquals(ErrorKind.TIMEOUT, end.get(10, TimeUnit.SECONDS));
    }
}
