import static java.lang.foreign.MemoryLayout.PathElement.groupElement;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import stargate.ffi.Abi;

/** Makes every method handle in Abi.java, and compares layouts with offsets: Load LIBRARY FUNCTIONS. */
public final class Load {
    private static void check(String what, boolean holds) {
        if (!holds) throw new AssertionError(what);
    }

    private static void struct(Class<?> type, StructLayout layout) throws ReflectiveOperationException {
        check(type + " SIZE", layout.byteSize() == type.getField("SIZE").getLong(null));
        for (var field : layout.memberLayouts()) {
            if (field.name().isEmpty()) continue; // padding
            String name = field.name().get();
            long offset = type.getField(name).getLong(null);
            check(type + " " + name, layout.byteOffset(groupElement(name)) == offset);
        }
    }

    public static void main(String[] arguments) throws ReflectiveOperationException {
        Abi.load(Path.of(arguments[0]));
        int functions = 0;
        for (Class<?> type : Abi.class.getDeclaredClasses()) {
            if (type.getSimpleName().startsWith("call_")) {
                Class.forName(type.getName(), true, Load.class.getClassLoader());
                functions++;
            } else if (!type.isInterface()) {
                struct(type, (StructLayout) type.getField("LAYOUT").get(null));
            }
        }
        check(functions + " functions", functions == Integer.parseInt(arguments[1]));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment client = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment error = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment url = arena.allocateFrom("nonsense");
            int status = Abi.stargate_client_new(url, MemorySegment.NULL, client, error);
            check("status " + status, status == Abi.STARGATE_INVALID_ARGUMENT);
            MemorySegment text = Abi.stargate_error_message(arena, error.get(ValueLayout.ADDRESS, 0));
            long length = text.get(ValueLayout.JAVA_LONG, Abi.stargate_str.len);
            MemorySegment message = text.get(ValueLayout.ADDRESS, Abi.stargate_str.ptr).reinterpret(length + 1);
            check("text", message.getString(0).contains("service URL"));
            Abi.stargate_error_free(error.get(ValueLayout.ADDRESS, 0));
        }
        // An exception in a callback reaches no frame of C.
        int[] caught = {0};
        Thread.currentThread().setUncaughtExceptionHandler((thread, thrown) -> caught[0]++);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment options = Abi.stargate_options_new();
            MemorySegment destroy = Abi.stargate_destroy_fn.stub(data -> {
                throw new IllegalStateException("thrown");
            }, arena);
            MemorySegment log = Abi.stargate_log_fn.stub((data, level, target, text) -> { }, arena);
            MemorySegment none = MemorySegment.NULL;
            Abi.stargate_options_on_log(options, Abi.STARGATE_LOG_DEBUG, log, none, destroy, none);
            Abi.stargate_options_free(options);
        }
        check("an exception in a callback is reported", caught[0] == 1);
        System.out.println(functions + " functions");
    }
}
