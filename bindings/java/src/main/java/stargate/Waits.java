package stargate;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Supplier;
import stargate.ffi.Callbacks;

/** How a call waits: on a future, so that a virtual thread gives up its carrier and an interrupt ends the wait. */
final class Waits {
    /** For the functions of C that wait and have no asynchronous form, such as requests to the REST API. */
    private static final ExecutorService BLOCKING =
            Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name("stargate-blocking-", 1).factory());

    private Waits() {}

    /** Waits for what a callback completes. */
    static <T> T join(CompletableFuture<T> future) {
        if (!future.isDone() && Callbacks.onCallbackThread()) {
            throw new StargateException(
                    ErrorKind.WOULD_DEADLOCK,
                    "a wait on the callback thread, which is the one that ends it: continue on another thread"
                            + " (thenApplyAsync), or use the asynchronous call");
        }
        return get(future, () -> future.cancel(true));
    }

    /** Runs a call that waits on a thread of its own. */
    static <T> T call(Supplier<T> call) {
        return call(call, unwanted -> {});
    }

    /** Runs a call that waits on a thread of its own; {@code unwanted} gets what it returns after an interrupt. */
    static <T> T call(Supplier<T> call, Consumer<T> unwanted) {
        if (Callbacks.onLibraryThread()) return call.get();
        CompletableFuture<T> future = new CompletableFuture<>();
        BLOCKING.execute(() -> {
            try {
                T result = call.get();
                if (!future.complete(result)) unwanted.accept(result);
            } catch (Throwable failure) {
                future.completeExceptionally(failure);
            }
        });
        return get(future, () -> future.cancel(true));
    }

    /** Runs a call that waits on a thread of its own; {@code stop} ends it soon, whatever it then returns. */
    static <T> T stoppable(Supplier<T> call, Runnable stop) {
        return Callbacks.onLibraryThread() ? call.get() : get(CompletableFuture.supplyAsync(call, BLOCKING), stop);
    }

    /** Runs a call that waits, without a result, on a thread of its own. */
    static void run(Runnable call) {
        call(() -> {
            call.run();
            return null;
        });
    }

    /** Waits to the end of a future, which an interrupt brings about with {@code stop}. */
    private static <T> T get(CompletableFuture<T> future, Runnable stop) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return future.get();
                } catch (InterruptedException now) {
                    interrupted = true;
                    stop.run();
                }
            }
        } catch (CancellationException stopped) {
            throw interrupted();
        } catch (ExecutionException failed) {
            throw thrown(failed.getCause());
        } finally {
            if (interrupted) Thread.currentThread().interrupt();
        }
    }

    static StargateException interrupted() {
        return new StargateException(ErrorKind.INTERRUPTED, "the thread was interrupted");
    }

    private static RuntimeException thrown(Throwable cause) {
        if (cause instanceof CompletionException && cause.getCause() != null) return thrown(cause.getCause());
        if (cause instanceof StargateException failure) return failure.here();
        if (cause instanceof Error error) throw error;
        return cause instanceof RuntimeException other ? other : new IllegalStateException(cause);
    }
}
