package stargate.ffi;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds and loads {@code libstargate.so}, once for the process. */
public final class Library {
    private static final String VARIABLE = "STARGATE_LIBRARY";
    private static final String SYSTEM_NAME = "libstargate.so.0.1";

    private static String location;

    private Library() {}

    /** Loads the library if it is not loaded yet. A failure names what was tried, and the next call tries again. */
    public static synchronized void load() {
        if (location != null) return;
        String found = find();
        int number = versionNumber(Abi.VERSION);
        if (Abi.stargate_version_compatible(number) == 0) {
            throw new UnsatisfiedLinkError(
                    "stargate: the library " + found + " has version " + version() + ", and this package was made for "
                            + Abi.VERSION + "; install the library of that version, or set " + VARIABLE
                            + " to its full path");
        }
        location = found;
    }

    /** Returns where the loaded library is. */
    public static synchronized String location() {
        load();
        return location;
    }

    /** Returns the version of the library that runs, such as "0.1.0". */
    public static String version() {
        return Memory.text(Abi.stargate_version());
    }

    private static String find() {
        String given = System.getenv(VARIABLE);
        if (given != null && !given.isEmpty()) {
            try {
                Abi.load(Path.of(given));
                return given;
            } catch (IllegalArgumentException | IllegalStateException refused) {
                throw failure("stargate: " + VARIABLE + " is " + given + ", which cannot be loaded; it has to be the"
                        + " full path of libstargate.so", refused);
            }
        }
        Path beside = besidePackage();
        try {
            if (beside != null && Files.exists(beside)) {
                Abi.load(beside);
                return beside.toString();
            }
            Abi.load(SYSTEM_NAME);
            return SYSTEM_NAME;
        } catch (IllegalArgumentException | IllegalStateException refused) {
            throw failure("stargate: no library was found: the variable " + VARIABLE + " is not set, and neither "
                    + beside + " nor " + SYSTEM_NAME + " of the system can be loaded; install the C library, or set "
                    + VARIABLE + " to the full path of libstargate.so", refused);
        }
    }

    private static Path besidePackage() {
        var source = Library.class.getProtectionDomain().getCodeSource();
        if (source == null) return null;
        try {
            Path at = Path.of(source.getLocation().toURI());
            return (Files.isDirectory(at) ? at : at.getParent()).resolve("libstargate.so");
        } catch (URISyntaxException | RuntimeException notInAFile) {
            return null;
        }
    }

    private static UnsatisfiedLinkError failure(String text, Exception cause) {
        var error = new UnsatisfiedLinkError(text);
        error.initCause(cause);
        return error;
    }

    private static int versionNumber(String version) {
        String[] parts = version.split("\\.");
        return Integer.parseInt(parts[0]) << 24 | Integer.parseInt(parts[1]) << 16 | Integer.parseInt(parts[2]) << 8;
    }
}
