package stargate.ffi;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * What the library calls. Each kind has one function for the whole process; the {@code user_data} that C passes back is
 * the number of an entry in a table. An entry keeps what it needs from being collected until it is called, or destroyed.
 */
@SuppressWarnings("restricted")
public final class Callbacks {
    /** The end of an open, a close, a flush or a wait. */
    @FunctionalInterface
    public interface Done {
        /** {@code handle} and {@code error} are as in {@code stargate_done_fn}. */
        void done(int status, MemorySegment handle, MemorySegment error);
    }

    /** The end of a send. */
    @FunctionalInterface
    public interface Sent {
        /** {@code id} is null after an error, and for a duplicate. */
        void sent(int status, String id, MemorySegment error);
    }

    /** The ends of many sends. */
    @FunctionalInterface
    public interface SentMany {
        /** {@code results} is an array of {@code stargate_send_result}. */
        void sent(MemorySegment results, long count);
    }

    /** The end of a receive. */
    @FunctionalInterface
    public interface Received {
        /** {@code messages} is an array of pointers. */
        void received(int status, MemorySegment messages, long count, MemorySegment error);
    }

    /** A listener for changes of state. */
    @FunctionalInterface
    public interface State {
        /** {@code change} is a {@code stargate_state_change}. */
        void changed(MemorySegment change);
    }

    /** A receiver of log records. */
    @FunctionalInterface
    public interface Log {
        /** {@code level} is STARGATE_LOG_ERROR and so on. */
        void write(int level, String about, String text);
    }

    /** Supplies keys of encryption. */
    @FunctionalInterface
    public interface Keys {
        /** Sets the key with {@code stargate_key_set}. */
        int supply(int half, String name, Map<String, String> metadata, MemorySegment key);
    }

    /** Makes the handler of a processor. */
    @FunctionalInterface
    public interface Processors {
        /** Makes one. */
        Handler make();
    }

    /** Handles messages. */
    @FunctionalInterface
    public interface Handler {
        /** Returns STARGATE_ACK and so on. */
        int handle(MemorySegment message);
    }

    /** Supplies a text that C copies; a text that did not fit is kept for the second call. */
    private static final class Text {
        private final Supplier<String> supplier;
        private byte[] pending;

        Text(Supplier<String> supplier) {
            this.supplier = supplier;
        }

        synchronized int write(MemorySegment buffer, long capacity, MemorySegment length) {
            byte[] text = pending != null ? pending : supplier.get().getBytes(StandardCharsets.UTF_8);
            length.reinterpret(Long.BYTES).set(JAVA_LONG, 0, text.length);
            pending = text.length > capacity ? text : null;
            if (pending != null) return Abi.STARGATE_TOO_BIG;
            MemorySegment.copy(text, 0, buffer.reinterpret(capacity), JAVA_BYTE, 0, text.length);
            return Abi.STARGATE_OK;
        }
    }

    private static final Map<Long, Object> TABLE = new ConcurrentHashMap<>();
    private static final AtomicLong NEXT = new AtomicLong(1);
    private static final ThreadLocal<Boolean> CALLBACK_THREAD = new ThreadLocal<>();
    private static final ThreadLocal<Boolean> LIBRARY_THREAD = new ThreadLocal<>();

    private Callbacks() {}

    // Each function is made when it is first needed, which takes a millisecond.

    private static final class DoneFunction {
        static final MemorySegment POINTER = Abi.stargate_done_fn.stub(Callbacks::done, Arena.global());
    }

    private static final class SentFunction {
        static final MemorySegment POINTER = Abi.stargate_sent_fn.stub(Callbacks::sent, Arena.global());
    }

    private static final class SentManyFunction {
        static final MemorySegment POINTER = Abi.stargate_sent_many_fn.stub(Callbacks::sentMany, Arena.global());
    }

    private static final class ReceivedFunction {
        static final MemorySegment POINTER = Abi.stargate_received_fn.stub(Callbacks::received, Arena.global());
    }

    private static final class StateFunction {
        static final MemorySegment POINTER = Abi.stargate_state_fn.stub(Callbacks::changed, Arena.global());
    }

    private static final class LogFunction {
        static final MemorySegment POINTER = Abi.stargate_log_fn.stub(Callbacks::log, Arena.global());
    }

    private static final class TextFunction {
        static final MemorySegment POINTER = Abi.stargate_token_fn.stub(Callbacks::text, Arena.global());
    }

    private static final class KeyFunction {
        static final MemorySegment POINTER = Abi.stargate_key_fn.stub(Callbacks::key, Arena.global());
    }

    private static final class DestroyFunction {
        static final MemorySegment POINTER = Abi.stargate_destroy_fn.stub(Callbacks::destroy, Arena.global());
    }

    private static final class HandlerFunctions {
        static final MemorySegment STRUCT = struct();

        private static MemorySegment struct() {
            MemorySegment handler = Arena.global().allocate(Abi.stargate_handler.LAYOUT);
            handler.set(JAVA_LONG, Abi.stargate_handler.struct_size, Abi.stargate_handler.SIZE);
            set(handler, Abi.stargate_handler.init, Abi.stargate_handler_init.stub(Callbacks::init, Arena.global()));
            set(handler, Abi.stargate_handler.handle, Abi.stargate_handler_handle.stub(Callbacks::handle, Arena.global()));
            set(handler, Abi.stargate_handler.drop, Abi.stargate_handler_drop.stub(Callbacks::destroy, Arena.global()));
            return handler;
        }

        private static void set(MemorySegment handler, long at, MemorySegment function) {
            handler.set(java.lang.foreign.ValueLayout.ADDRESS, at, function);
        }
    }

    /** The {@code stargate_done_fn}. */
    public static MemorySegment doneFunction() {
        return DoneFunction.POINTER;
    }

    /** The {@code stargate_sent_fn}. */
    public static MemorySegment sentFunction() {
        return SentFunction.POINTER;
    }

    /** The {@code stargate_sent_many_fn}. */
    public static MemorySegment sentManyFunction() {
        return SentManyFunction.POINTER;
    }

    /** The {@code stargate_received_fn}. */
    public static MemorySegment receivedFunction() {
        return ReceivedFunction.POINTER;
    }

    /** The {@code stargate_state_fn}. */
    public static MemorySegment stateFunction() {
        return StateFunction.POINTER;
    }

    /** The {@code stargate_log_fn}. */
    public static MemorySegment logFunction() {
        return LogFunction.POINTER;
    }

    /** The {@code stargate_token_fn}, which is a {@code stargate_headers_fn} too. */
    public static MemorySegment textFunction() {
        return TextFunction.POINTER;
    }

    /** The {@code stargate_key_fn}. */
    public static MemorySegment keyFunction() {
        return KeyFunction.POINTER;
    }

    /** The {@code stargate_destroy_fn}, which removes the entry. */
    public static MemorySegment destroyFunction() {
        return DestroyFunction.POINTER;
    }

    /** The {@code stargate_handler}, whose entries are {@link Processors}. */
    public static MemorySegment handler() {
        return HandlerFunctions.STRUCT;
    }

    /** Adds an entry, and returns its number as C takes it. An entry that is {@link Runnable} runs when it is destroyed. */
    public static MemorySegment add(Object entry) {
        long number = NEXT.getAndIncrement();
        TABLE.put(number, entry);
        return MemorySegment.ofAddress(number);
    }

    /** Makes an entry that supplies a text. */
    public static Object text(Supplier<String> supplier) {
        return new Text(supplier);
    }

    /** Removes an entry that will not be called, or is not to be called any more. */
    public static void remove(MemorySegment number) {
        TABLE.remove(number.address());
    }

    /** Returns how many entries there are. */
    public static int pending() {
        return TABLE.size();
    }

    /** Tells whether the results of asynchronous calls come on this very thread. */
    public static boolean onCallbackThread() {
        return CALLBACK_THREAD.get() != null;
    }

    /** Tells whether this is a thread of the library. */
    public static boolean onLibraryThread() {
        return LIBRARY_THREAD.get() != null;
    }

    private static void markCallbackThread() {
        if (CALLBACK_THREAD.get() == null) {
            CALLBACK_THREAD.set(true);
            LIBRARY_THREAD.set(true);
        }
    }

    private static Object taken(MemorySegment number) {
        markCallbackThread();
        return TABLE.remove(number.address());
    }

    private static void done(MemorySegment number, int status, MemorySegment handle, MemorySegment error) {
        ((Done) taken(number)).done(status, handle, error);
    }

    private static void sent(MemorySegment number, int status, MemorySegment id, long length, MemorySegment error) {
        ((Sent) taken(number)).sent(status, Memory.text(id.address(), length), error);
    }

    private static void sentMany(MemorySegment number, int status, MemorySegment results, long count) {
        ((SentMany) taken(number)).sent(results, count);
    }

    private static void received(
            MemorySegment number, int status, MemorySegment messages, long count, MemorySegment error) {
        ((Received) taken(number)).received(status, messages, count, error);
    }

    private static void changed(MemorySegment number, MemorySegment change) {
        markCallbackThread();
        if (TABLE.get(number.address()) instanceof State listener) listener.changed(change);
    }

    private static void log(MemorySegment number, int level, MemorySegment about, MemorySegment text) {
        if (TABLE.get(number.address()) instanceof Log log) log.write(level, Memory.text(about), Memory.text(text));
    }

    private static int text(MemorySegment number, MemorySegment buffer, long capacity, MemorySegment length) {
        return TABLE.get(number.address()) instanceof Text text
                ? text.write(buffer, capacity, length)
                : Abi.STARGATE_CLOSED;
    }

    private static int key(
            MemorySegment number, int half, MemorySegment name, MemorySegment metadata, long count, MemorySegment key) {
        if (!(TABLE.get(number.address()) instanceof Keys keys)) return Abi.STARGATE_CLOSED;
        Map<String, String> entries = new java.util.LinkedHashMap<>();
        for (long at = 0; at < count; at++) {
            long property = metadata.address() + at * Abi.stargate_property.SIZE;
            entries.put(
                    Memory.text(MemorySegment.ofAddress(Memory.longAt(property + Abi.stargate_property.key))),
                    Memory.text(MemorySegment.ofAddress(Memory.longAt(property + Abi.stargate_property.value))));
        }
        return keys.supply(half, Memory.text(name), entries, key);
    }

    private static int init(MemorySegment number, int processor, MemorySegment state) {
        LIBRARY_THREAD.set(true);
        Handler handler = ((Processors) TABLE.get(number.address())).make();
        state.reinterpret(Long.BYTES).set(JAVA_LONG, 0, add(handler).address());
        return Abi.STARGATE_OK;
    }

    private static int handle(MemorySegment state, MemorySegment message) {
        return ((Handler) TABLE.get(state.address())).handle(message);
    }

    private static void destroy(MemorySegment number) {
        if (TABLE.remove(number.address()) instanceof Runnable ended) ended.run();
    }
}
