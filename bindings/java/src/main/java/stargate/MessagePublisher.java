package stargate;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/** Publishes what a consumer or reader receives. */
record MessagePublisher(Receiver receiver, Executor executor) implements Flow.Publisher<Message> {
    /** The most messages of one receive. */
    private static final int MOST = 100;

    @Override
    public void subscribe(Flow.Subscriber<? super Message> subscriber) {
        Objects.requireNonNull(subscriber);
        executor.execute(new Subscription(subscriber)::begin);
    }

    private final class Subscription implements Flow.Subscription {
        private final Flow.Subscriber<? super Message> subscriber;
        private CompletableFuture<List<Message>> receive;
        private long wanted;

        /** What ends the subscription. The subscriber gets it once no other call to it runs. */
        private Throwable failure;

        /** The subscriber is called, or will be when a receive ends. */
        private boolean busy = true;

        private boolean ended;

        Subscription(Flow.Subscriber<? super Message> subscriber) {
            this.subscriber = subscriber;
        }

        void begin() {
            call(() -> subscriber.onSubscribe(this));
            goOn();
        }

        @Override
        public void request(long count) {
            if (count < 1) {
                fail(new IllegalArgumentException("request(" + count + "): at least one has to be requested"));
                stopReceiving();
            } else {
                want(count);
            }
            next();
        }

        @Override
        public void cancel() {
            end();
            stopReceiving();
        }

        private synchronized void want(long count) {
            wanted = wanted + count < 0 ? Long.MAX_VALUE : wanted + count;
        }

        private synchronized void fail(Throwable why) {
            if (failure == null) failure = why;
        }

        /** Returns whether it had not ended before. */
        private synchronized boolean end() {
            boolean first = !ended;
            ended = true;
            return first;
        }

        private void stopReceiving() {
            CompletableFuture<List<Message>> waiting;
            synchronized (this) {
                waiting = receive;
            }
            if (waiting != null) waiting.cancel(false);
        }

        /** Receives, if something is wanted and nothing is under way. A failure is delivered as that of a receive. */
        private void next() {
            CompletableFuture<List<Message>> begun;
            synchronized (this) {
                if (busy || ended || wanted == 0 && failure == null) return;
                busy = true;
                begun = failure == null
                        ? receiver.receiveManyAsync((int) Math.min(wanted, MOST))
                        : CompletableFuture.failedFuture(failure);
                receive = begun;
            }
            begun.whenCompleteAsync(this::deliver, executor);
        }

        private void deliver(List<Message> messages, Throwable why) {
            if (why == null) deliver(messages);
            else fail(why);
            goOn();
        }

        private void deliver(List<Message> messages) {
            for (int at = 0; at < messages.size(); at++) {
                if (!take()) {
                    receiver.receives.putBack(messages.subList(at, messages.size()));
                    return;
                }
                Message message = messages.get(at);
                call(() -> subscriber.onNext(message));
            }
        }

        private synchronized boolean take() {
            if (ended || failure != null) return false;
            wanted--;
            return true;
        }

        private void goOn() {
            Throwable why;
            synchronized (this) {
                busy = false;
                why = failure;
            }
            if (why == null) next();
            else if (end()) call(() -> report(why));
        }

        private void report(Throwable why) {
            boolean closed = why instanceof StargateException error
                    && (error.kind() == ErrorKind.CLOSED || error.kind() == ErrorKind.END_OF_TOPIC);
            if (closed) subscriber.onComplete();
            else subscriber.onError(why);
        }

        /** Calls the subscriber. One that throws, against the rules, gets no more messages. */
        private void call(Runnable method) {
            try {
                method.run();
            } catch (Throwable thrown) {
                Log.LOGGER.log(Level.ERROR, () -> "a subscriber to " + receiver.handle.what + " failed", thrown);
                end();
            }
        }
    }
}
