package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Memory;

/** How {@link Admin} calls C, and the calls whose shape is their own. */
abstract sealed class AdminCalls permits Admin {
    private final Client client;

    AdminCalls(Client client) {
        this.client = client;
    }

    interface Plain {
        int run(Arena arena, MemorySegment client, MemorySegment error);
    }

    interface WithResult {
        int run(Arena arena, MemorySegment client, MemorySegment out, MemorySegment error);
    }

    interface WithMessages {
        int run(Arena arena, MemorySegment client, int most, MemorySegment out, MemorySegment count, MemorySegment error);
    }

    /**
     * An answer of the REST API.
     *
     * @param status the HTTP status
     * @param body the body
     */
    public record Answer(int status, String body) {}

    /**
     * Sends a request that has no method here, such as ("GET", "bookies/all", null). Every status but 2xx is an error.
     *
     * @param method the HTTP method
     * @param path the path; one that does not begin with / is one below /admin/v2/
     * @param body JSON, or null
     * @return the answer
     */
    public Answer request(String method, String path, String body) {
        return call(() -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment status = arena.allocate(JAVA_INT);
                String answer = Call.text((inner, out, error) -> Abi.stargate_admin_request(
                        client.handle.pointer,
                        text(arena, "the method", method),
                        text(arena, "the path", path),
                        text(arena, "the body", body),
                        -1,
                        status,
                        out,
                        error));
                return new Answer(status.get(JAVA_INT, 0), answer);
            }
        });
    }

    /**
     * Returns the full names of all topics, namespace after namespace.
     *
     * @param tenant the tenant, or null for all
     * @return the names
     */
    public List<String> walkTopics(String tenant) {
        List<String> topics = new ArrayList<>();
        run((arena, pointer, error) -> Abi.stargate_admin_walk_topics(
                pointer,
                text(arena, "the tenant", tenant),
                -1,
                Abi.stargate_topic_fn.stub((data, topic) -> topics.add(Memory.text(topic)) ? 0 : 1, arena),
                MemorySegment.NULL,
                error));
        return topics;
    }

    static MemorySegment text(Arena arena, String what, String text) {
        return Memory.text(arena, what, text);
    }

    private <T> T call(Supplier<T> call) {
        return Waits.call(() -> {
            try {
                return call.get();
            } finally {
                Reference.reachabilityFence(client);
            }
        });
    }

    final void run(Plain call) {
        Waits.run(() -> client.run(call::run));
    }

    final String text(WithResult call) {
        return call(() -> Call.text(onClient(call)));
    }

    final List<String> texts(WithResult call) {
        return call(() -> Call.texts(onClient(call)));
    }

    final int number(WithResult call) {
        return call(() -> Call.smallNumber(onClient(call)));
    }

    final boolean truth(WithResult call) {
        return number(call) != 0;
    }

    private Call.WithResult onClient(WithResult call) {
        return (arena, out, error) -> call.run(arena, client.handle.pointer, out, error);
    }

    final List<Message> messages(int max, WithMessages call) {
        return call(() -> {
            try (Arena arena = Arena.ofConfined()) {
                int most = Math.clamp(max, 0, Receives.MOST);
                MemorySegment array = arena.allocate(ADDRESS, Math.max(1, most));
                MemorySegment count = arena.allocate(JAVA_LONG);
                Call.run((inner, error) -> call.run(inner, client.handle.pointer, most, array, count, error));
                return NativeMessages.takeCopies(array, (int) count.get(JAVA_LONG, 0));
            }
        });
    }
}
