package stargate.programs;

import java.util.ArrayList;
import java.util.List;

/** Other JVMs. */
public final class Java {
    private static final String CLASS_PATH = System.getProperty("java.class.path");

    private Java() {}

    /** The command that runs a class of the class path of this JVM. */
    public static List<String> command(String program, String... arguments) {
        return commandWith(CLASS_PATH, program, arguments);
    }

    /** The same, for a class that may be in a folder beside that class path. */
    public static List<String> commandIn(String folder, String program, String... arguments) {
        return commandWith(folder + ":" + CLASS_PATH, program, arguments);
    }

    private static List<String> commandWith(String classPath, String program, String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx256m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                classPath,
                program));
        command.addAll(List.of(arguments));
        return command;
    }
}
