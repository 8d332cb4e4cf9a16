package stargate;

import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import stargate.ffi.Abi;
import stargate.ffi.Callbacks;

/** The handlers of a consumer or reader. As long as they may run, {@code owner} is not collected. */
final class Listening implements Callbacks.Processors, Runnable {
    final CompletableFuture<Void> ended = new CompletableFuture<>();
    private final Supplier<? extends MessageHandler> handlers;
    private final String what;
    private final Object owner;

    Listening(Supplier<? extends MessageHandler> handlers, String what, Object owner) {
        this.handlers = handlers;
        this.what = what;
        this.owner = owner;
    }

    @Override
    public Callbacks.Handler make() {
        MessageHandler handler = handlers.get();
        return message -> handle(handler, message);
    }

    /** No handler runs any more. */
    @Override
    public void run() {
        ended.complete(null);
        java.lang.ref.Reference.reachabilityFence(owner);
    }

    private int handle(MessageHandler handler, MemorySegment pointer) {
        Message message = NativeMessages.copy(pointer);
        Outcome outcome = decide(handler, message);
        if (outcome == Outcome.CONTINUE) message.natives = NativeMessages.clone(pointer);
        return outcome.code == Abi.STARGATE_RECONSUME_LATER
                ? Abi.stargate_message_reconsume_later(pointer, outcome.delay.toMillis())
                : outcome.code;
    }

    private Outcome decide(MessageHandler handler, Message message) {
        try {
            return Objects.requireNonNull(handler.handle(message), "the handler returned null");
        } catch (Throwable thrown) {
            Log.LOGGER.log(Level.ERROR, () -> "the handler of " + what + " failed at " + message, thrown);
            return decide(handler, message, thrown);
        }
    }

    private Outcome decide(MessageHandler handler, Message message, Throwable error) {
        try {
            return Objects.requireNonNull(handler.onError(message, error), "onError returned null");
        } catch (Throwable thrown) {
            Log.LOGGER.log(Level.ERROR, () -> "onError of " + what + " failed at " + message, thrown);
            return Outcome.NACK;
        }
    }
}
