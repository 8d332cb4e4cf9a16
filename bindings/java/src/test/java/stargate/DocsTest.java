package stargate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import stargate.programs.Java;

/** The programs in the documentation run as they are printed, and so do the examples, each in a JVM of its own. */
class DocsTest extends WithMock {
    private static final String PAGE =
            """
            import java.time.*;
            import java.util.*;
            import java.util.concurrent.*;
            import java.util.stream.*;
            import stargate.*;
            import stargate.Consumer;
            import stargate.testing.*;

            public class Page {
            """;

    @TempDir
    Path folder;

    private static List<String> programs(String page) throws Exception {
        return Pattern.compile("^```java\n(.*?)^```", Pattern.DOTALL | Pattern.MULTILINE)
                .matcher(Files.readString(Path.of(page))).results().map((MatchResult found) -> found.group(1)).toList();
    }

    private String local(String program) {
        return program.replace("localhost:8080", mock.url().replace("ws://", ""));
    }

    /** Compiles a class into the folder, in this JVM, whose compiler is warm. */
    private void compile(String name, String source) throws Exception {
        String file = Files.writeString(folder.resolve(name + ".java"), source).toString();
        var errors = new ByteArrayOutputStream();
        int status = ToolProvider.getSystemJavaCompiler().run(null, null, errors, "-proc:none", "-d", folder.toString(), file);
        assertEquals(0, status, errors.toString());
    }

    private String run(String program, String... arguments) throws Exception {
        Path errors = folder.resolve("errors");
        List<String> command = Java.commandIn(folder.toString(), program, arguments);
        Process process = new ProcessBuilder(command).redirectError(errors.toFile()).start();
        String printed = new String(process.getInputStream().readAllBytes());
        assertTrue(process.waitFor(2, TimeUnit.MINUTES));
        String said = Files.readString(errors);
        assertEquals(0, process.exitValue(), said);
        assertFalse(said.contains("restricted method") || said.contains("never closed"), said);
        return printed;
    }

    @Test
    void theJavadocHasNoWordsOfC() throws Exception {
        Pattern words = Pattern.compile("STARGATE_|stargate_|reconsume_later|noProxy} applies|\\([01]\\)|} [01]\\b");
        try (Stream<Path> files = Files.list(Path.of("src/main/java/stargate"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                for (String line : Files.readAllLines(file)) {
                    boolean found = line.strip().startsWith("* ") && words.matcher(line).find();
                    assertFalse(found, file + ": " + line);
                }
            }
        }
    }

    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void theProgramOfTheReadmeRuns() throws Exception {
        compile("Orders", programs("README.md").getFirst());
        String printed = run("Orders", mock.url());
        for (String line : List.of("stored as C", "billing one pizza", "cooking one pizza for anna", "cooking two pizzas for nobody")) {
            assertTrue(printed.contains(line), printed);
        }
    }

    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void theProgramsOfTheGuideRun() throws Exception {
        StringBuilder page = new StringBuilder(PAGE);
        StringBuilder main = new StringBuilder("public static void main(String[] arguments) throws Exception {\n");
        List<String> programs = programs("../../docs/java.md");
        for (int n = 0; n < programs.size(); n++) {
            String own = programs.get(n).startsWith("try (Client client =") ? "" : "Client client";
            page.append("static void program").append(n).append('(').append(own).append(") throws Exception {\n")
                    .append(local(programs.get(n))).append("}\n");
            main.append("try (Client client = Client.of(\"").append(mock.url()).append("\")) { program").append(n)
                    .append('(').append(own.isEmpty() ? "" : "client").append("); }\n");
        }
        assertTrue(programs.size() >= 7);
        compile("Page", page + "" + main + "System.out.println(\"end\");}}");
        assertTrue(run("Page").endsWith("end\n"));
    }

    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void theDemoRuns() throws Exception {
        String printed = run("Demo", mock.url());
        assertTrue(printed.contains("read again: 1000"), printed);
        assertTrue(printed.contains("NOT_FOUND"), printed);
    }

    /** The worker ends with a signal, and has finished and acknowledged what it had begun. */
    @Execution(ExecutionMode.CONCURRENT)
    @Test
    void theWorkerBillsAndEndsWithASignal() throws Exception {
        mock.createSubscription("orders", "billing", true);
        for (String order : List.of("2", "many", "3")) mock.publish("orders", order);
        Process worker = new ProcessBuilder(Java.command("Worker", mock.url())).redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile()).start();
        mock.await("ack", "orders", 3, Duration.ofMinutes(1)); // a JVM has to start first
        worker.destroy();
        assertTrue(worker.waitFor(1, TimeUnit.MINUTES));
        assertEquals(143, worker.exitValue());
        assertEquals(0, mock.backlog("orders", "billing"));
        assertEquals(List.of("16 euros", "24 euros"),
                mock.messages("bills").stream().map(bill -> bill.text()).sorted().toList());
    }
}
