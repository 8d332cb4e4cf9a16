package stargate;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Memory;

/**
 * Options as the library takes them, with a method for each in the classes below. The library checks names and values
 * when the handle is opened.
 *
 * @param <B> the builder that has these options
 */
public abstract class Options<B extends Options<B>> {
    /** A function for a set of options: how to register it, with the number of its entry. */
    private record Callback(Object entry, Registration registration) {}

    private interface Registration {
        int register(MemorySegment options, MemorySegment entry, MemorySegment error);
    }

    private final Map<String, String> values = new LinkedHashMap<>();
    private final Map<String, String> headers = new LinkedHashMap<>();
    private final Map<String, Callback> functions = new LinkedHashMap<>();

    Options() {}

    @SuppressWarnings("unchecked")
    private B self() {
        return (B) this;
    }

    /**
     * Sets an option by its name in the library, as a configuration file has it.
     *
     * @param name the name, such as "queue_size"
     * @param value the value: a number, a boolean, a {@link Duration}, a constant of an enum, or text
     * @return this
     */
    public B option(String name, Object value) {
        values.put(name, switch (value) {
            case Duration time -> Long.toString(time.toMillis());
            case Enum<?> choice -> choice.name().toLowerCase(Locale.ROOT);
            default -> value.toString();
        });
        return self();
    }

    /**
     * Adds a header to each WebSocket upgrade and each request to the REST API, such as the API key of a gateway.
     *
     * @param name its name
     * @param value its value
     * @return this
     */
    public B header(String name, String value) {
        headers.put(name, value);
        return self();
    }

    /**
     * Asks for headers at each connect and each request to the REST API. They are added to those of {@link #header}, and
     * replace those of the same names.
     *
     * @param supplier gives names and values, on a thread of the library; it may block
     * @return this
     */
    public B headers(Supplier<Map<String, String>> supplier) {
        Supplier<String> text = () -> supplier.get().entrySet().stream()
                .map(header -> header.getKey() + ": " + header.getValue())
                .collect(Collectors.joining("\n"));
        return function("headers", Callbacks.text(text), (options, entry, error) -> Abi.stargate_options_on_headers(
                options, Callbacks.textFunction(), entry, Callbacks.destroyFunction(), error));
    }

    /**
     * Asks for the JSON web token at each connect, so that tokens can expire and be renewed.
     *
     * @param supplier gives the token, on a thread of the library; it may block
     * @return this
     */
    public B token(Supplier<String> supplier) {
        return function("token", Callbacks.text(supplier), (options, entry, error) -> Abi.stargate_options_on_token(
                options, Callbacks.textFunction(), entry, Callbacks.destroyFunction(), error));
    }

    /**
     * Reports changes of state of the connections. On a client it applies to everything that the client opens.
     *
     * @param listener is called on the callback thread, and should not block for long
     * @return this
     */
    public B onStateChange(Consumer<StateChange> listener) {
        Callbacks.State state = change -> listener.accept(StateChange.read(change));
        return function("state", state, (options, entry, error) -> Abi.stargate_options_on_state(
                options, Callbacks.stateFunction(), entry, Callbacks.destroyFunction(), error));
    }

    B keyReader(KeyReader reader) {
        return function("keys", keys(reader), (options, entry, error) -> Abi.stargate_options_on_key(
                options, Callbacks.keyFunction(), entry, Callbacks.destroyFunction(), error));
    }

    private static Callbacks.Keys keys(KeyReader reader) {
        return (half, name, metadata, key) -> {
            KeyReader.PublicKey found = half == Abi.STARGATE_PUBLIC_KEY
                    ? reader.publicKey(name)
                    : new KeyReader.PublicKey(reader.privateKey(name, metadata));
            byte[] pem = found.pem().getBytes(StandardCharsets.UTF_8);
            Call.run((arena, error) -> Abi.stargate_key_set(key, Memory.bytes(arena, pem), pem.length, error));
            found.metadata().forEach((entry, value) -> Call.run((arena, error) -> Abi.stargate_key_add_metadata(
                    key, Memory.text(arena, "the name of an entry", entry), Memory.text(arena, "an entry", value), error)));
            return Abi.STARGATE_OK;
        };
    }

    private B function(String name, Object entry, Registration registration) {
        functions.put(name, new Callback(entry, registration));
        return self();
    }

    boolean isSet(String name, String value) {
        return value.equals(values.get(name));
    }

    /** What was registered for a handle, to be removed once it is closed. */
    record Registered(List<MemorySegment> entries) {
        static final Registered NONE = new Registered(List.of());

        void remove() {
            entries.forEach(Callbacks::remove);
        }
    }

    /** Calls with a set of these options, which the callee copies. */
    <T> T with(Function<Opening, T> call) {
        MemorySegment options = Abi.stargate_options_new();
        try {
            values.forEach((name, value) -> Call.run((arena, error) -> Abi.stargate_options_set(
                    options,
                    Memory.text(arena, "the name of an option", name),
                    Memory.text(arena, "option " + name, value),
                    error)));
            headers.forEach((name, value) -> Call.run((arena, error) -> Abi.stargate_options_header(
                    options, Memory.text(arena, "the name of a header", name), Memory.text(arena, "a header", value), error)));
            List<MemorySegment> entries = new ArrayList<>();
            for (Callback function : functions.values()) {
                MemorySegment entry = Callbacks.add(function.entry);
                entries.add(entry);
                Call.run((arena, error) -> function.registration.register(options, entry, error));
            }
            return call.apply(new Opening(options, new Registered(entries)));
        } finally {
            Abi.stargate_options_free(options);
        }
    }

    /** A set of options in the hands of C, and the entries of its functions. */
    record Opening(MemorySegment options, Registered registered) {}
}
