package stargate;

import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import stargate.testing.MockBroker;

/** A mock broker and a client for each test. */
abstract class WithMock {
    static final Duration SOON = Duration.ofSeconds(10);

    MockBroker mock;
    Client client;

    @BeforeEach
    void start() {
        mock = MockBroker.start();
        client = Client.of(mock.url());
    }

    @AfterEach
    void end() {
        client.close();
        mock.close();
    }
}
