package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import stargate.programs.Exits;
import stargate.programs.Java;
import stargate.programs.Outages;

/** A little of what the programs do for long. */
class EnduranceTest extends WithMock {
    @Test
    void nothingIsLostWhenTheBrokerIsKilled() throws Exception {
        Outages.run(2000, 3);
    }

    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void processesEndWithWorkPending() throws Exception {
        assertEquals(4, Exits.run(4));
    }

    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void nothingIsKeptOfWhatWasClosed() throws Exception {
        Process leaks = new ProcessBuilder(Java.command("stargate.programs.Leaks", "50", "5000", mock.url()))
                .inheritIO().start();
        assertEquals(0, leaks.waitFor());
    }
}
