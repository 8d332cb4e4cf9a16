package stargate;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import stargate.ffi.Abi;
import stargate.ffi.Callbacks;

/** The records of the library, on the logger "stargate" of the platform. */
final class Log {
    static final Logger LOGGER = System.getLogger("stargate");

    private static final MemorySegment ENTRY = Callbacks.add((Callbacks.Log) Log::write);

    private Log() {}

    /** Sends the records of a client with these options to the logger. */
    static int register(MemorySegment options, MemorySegment error) {
        int most = LOGGER.isLoggable(Level.DEBUG) ? Abi.STARGATE_LOG_DEBUG : Abi.STARGATE_LOG_INFO;
        return Abi.stargate_options_on_log(
                options, most, Callbacks.logFunction(), ENTRY, MemorySegment.NULL, error);
    }

    private static void write(int level, String about, String text) {
        LOGGER.log(
                switch (level) {
                    case Abi.STARGATE_LOG_ERROR -> Level.ERROR;
                    case Abi.STARGATE_LOG_WARN -> Level.WARNING;
                    case Abi.STARGATE_LOG_INFO -> Level.INFO;
                    default -> Level.DEBUG;
                },
                "{0}: {1}",
                about,
                text);
    }
}
