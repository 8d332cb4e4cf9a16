package stargate;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Callbacks;
import stargate.ffi.Errors;
import stargate.ffi.Json;

/**
 * What the library opened: a client, a producer, a consumer or a reader. Every method may be called by many threads at
 * once.
 */
public abstract sealed class Handle implements AutoCloseable permits Client, Producer, Receiver {
    static final Cleaner CLEANER = Cleaner.create(Thread.ofPlatform().name("stargate-cleaner").daemon().factory());
    private static final Duration LINGER = Duration.ofSeconds(10);

    /** The functions of C that every kind of handle has. */
    record Functions(
            String name, CloseAsync closeAsync, Close close, Consumer<MemorySegment> release, StatsJson stats) {
        interface CloseAsync {
            int call(
                    MemorySegment handle,
                    long timeout,
                    MemorySegment done,
                    MemorySegment data,
                    MemorySegment destroy,
                    MemorySegment error);
        }

        interface Close {
            int call(MemorySegment handle, long timeout, MemorySegment error);
        }

        interface StatsJson {
            int call(MemorySegment handle, MemorySegment out, MemorySegment error);
        }
    }

    /** What outlives the object, to give up the handle when it is collected. */
    static final class Native implements Runnable {
        final Functions functions;
        final MemorySegment pointer;

        /** The client that opened it, which is not collected before it. */
        private final Client client;

        final String what;
        private final Options.Registered registered;
        private volatile boolean closed;
        private volatile boolean supervised;
        private boolean released;

        Native(Functions functions, MemorySegment pointer, Client client, String what, Options.Registered registered) {
            this.functions = functions;
            this.pointer = pointer;
            this.client = client;
            this.what = what;
            this.registered = registered;
        }

        /** The library calls nothing of this handle any more. */
        void closed() {
            closed = true;
            registered.remove();
        }

        /** It is not the application's to close. */
        void supervised() {
            supervised = true;
        }

        boolean isClosed() {
            return closed || client != null && client.handle.isClosed();
        }

        /** Starts to close unless the handle was given up. */
        synchronized void closeAsync(long timeout, Callbacks.Done done) {
            if (released) {
                done.done(Abi.STARGATE_OK, MemorySegment.NULL, MemorySegment.NULL);
                return;
            }
            MemorySegment entry = Callbacks.add(done);
            try {
                Call.run((arena, error) -> functions.closeAsync.call(
                        pointer, timeout, Callbacks.doneFunction(), entry, MemorySegment.NULL, error));
            } catch (RuntimeException refused) {
                Callbacks.remove(entry);
                throw refused;
            }
        }

        /** Runs when the object is collected. */
        @Override
        public synchronized void run() {
            released = true;
            if (!supervised && !isClosed()) {
                Log.LOGGER.log(System.Logger.Level.WARNING, "{0} was collected, and never closed", what);
            }
            functions.release.accept(pointer);
            closed();
        }
    }

    final Native handle;

    Handle(Functions functions, MemorySegment pointer, Client client, String what, Options.Registered registered) {
        handle = new Native(functions, pointer, client, what, registered);
        CLEANER.register(this, handle);
    }

    /** Passes the pointer of C to a call. The object is not collected meanwhile. */
    final void run(CallWith call) {
        try {
            Call.run((arena, error) -> call.run(arena, handle.pointer, error));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /** A call on the pointer. */
    interface CallWith {
        int run(Arena arena, MemorySegment pointer, MemorySegment error);
    }

    /** Starts a call that ends with a callback. */
    final <T> CompletableFuture<T> start(StartWith call, BiConsumer<CompletableFuture<T>, MemorySegment> onDone) {
        CompletableFuture<T> future = new CompletableFuture<>();
        MemorySegment entry = Callbacks.add((Callbacks.Done) (status, result, error) -> {
            try {
                if (status == Abi.STARGATE_OK) onDone.accept(future, result);
                else future.completeExceptionally(Errors.read(status, error));
            } finally {
                Reference.reachabilityFence(this);
            }
        });
        try {
            run((arena, pointer, error) -> call.run(arena, pointer, Callbacks.doneFunction(), entry, error));
        } catch (StargateException refused) {
            Callbacks.remove(entry);
            future.completeExceptionally(refused);
        } catch (RuntimeException other) {
            Callbacks.remove(entry);
            throw other;
        }
        return future;
    }

    /** A call with a callback on the pointer. */
    interface StartWith {
        int run(
                Arena arena,
                MemorySegment pointer,
                MemorySegment done,
                MemorySegment data,
                MemorySegment error);
    }

    /**
     * Returns counters and gauges.
     *
     * @return those of this moment; of a client, those of all that it opened
     */
    public Stats stats() {
        try {
            return Stats.of(Json.object(Call.text((arena, out, error) ->
                    handle.functions.stats.call(handle.pointer, out, error))));
        } finally {
            Reference.reachabilityFence(this);
        }
    }

    /**
     * Closes, and waits ten seconds at most for what is in flight. May be called more than once, and in callbacks.
     *
     * @throws StargateException with {@link ErrorKind#TIMEOUT} if that was not enough
     */
    @Override
    public void close() {
        close(LINGER);
    }

    /**
     * Closes, and waits for what is in flight: a producer for its receipts, a consumer for its handlers and
     * acknowledgements, a client for all that it opened.
     *
     * @param timeout the longest time to wait
     * @throws StargateException with {@link ErrorKind#TIMEOUT} if that was not enough
     */
    public void close(Duration timeout) {
        if (!Callbacks.onLibraryThread()) {
            Waits.join(closeAsync(timeout));
            return;
        }
        // The wait of C knows the callback or handler that it is called in, and does not wait for that one.
        run((arena, pointer, error) -> handle.functions.close.call(pointer, Call.millis(timeout), error));
        handle.closed();
    }

    /**
     * Closes as {@link #close(Duration)} does, without waiting.
     *
     * @param timeout the longest time for what is in flight
     * @return completes when it is closed
     */
    public CompletableFuture<Void> closeAsync(Duration timeout) {
        CompletableFuture<Void> future = new CompletableFuture<>();
        handle.closeAsync(Call.millis(timeout), (status, result, error) -> {
            if (status == Abi.STARGATE_OK) {
                handle.closed();
                future.complete(null);
            } else {
                future.completeExceptionally(Errors.read(status, error));
            }
            Reference.reachabilityFence(this);
        });
        return future;
    }
}
