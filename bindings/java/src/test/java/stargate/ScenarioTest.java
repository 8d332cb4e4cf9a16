package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import stargate.scenario.Scenario;

/** The scenarios that every language carries out, with the same transcripts: tests/scenarios/table. */
class ScenarioTest {
    private static final Path TABLE = Path.of("../../tests/scenarios/table");

    static List<Path> scenarios() throws Exception {
        try (Stream<Path> files = Files.list(TABLE)) {
            return files.filter(file -> file.toString().endsWith(".scenario")).sorted().toList();
        }
    }

    @Execution(ExecutionMode.CONCURRENT)
    @ParameterizedTest
    @MethodSource("scenarios")
    void aScenarioOnTheMockBroker(Path scenario) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Scenario.run(scenario, null, new PrintStream(out));
        String expected = scenario.toString().replaceFirst("scenario$", "transcript");
        assertEquals(Files.readString(Path.of(expected)), out.toString());
    }
}
