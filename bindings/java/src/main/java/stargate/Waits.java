package stargate;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
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
        return get(future);
    }

    /** Runs a call that waits on a thread of its own. */
    static <T> T call(Supplier<T> call) {
        return Callbacks.onLibraryThread() ? call.get() : get(CompletableFuture.supplyAsync(call, BLOCKING));
    }

    /** Runs a call that waits, without a result, on a thread of its own. */
    static void run(Runnable call) {
        call(() -> {
            call.run();
            return null;
        });
    }

    private static <T> T get(Future<T> future) {
        try {
            return future.get();
        } catch (InterruptedException interrupted) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw new StargateException(ErrorKind.INTERRUPTED, "the thread was interrupted");
        } catch (ExecutionException failed) {
            throw thrown(failed.getCause());
        }
    }

    private static RuntimeException thrown(Throwable cause) {
        if (cause instanceof CompletionException && cause.getCause() != null) return thrown(cause.getCause());
        if (cause instanceof StargateException failure) return failure.here();
        if (cause instanceof Error error) throw error;
        return cause instanceof RuntimeException other ? other : new IllegalStateException(cause);
    }
}
