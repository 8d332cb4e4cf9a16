package stargate;

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
        var subscription = new Subscription(subscriber);
        executor.execute(() -> subscriber.onSubscribe(subscription));
    }

    private final class Subscription implements Flow.Subscription {
        private final Flow.Subscriber<? super Message> subscriber;
        private CompletableFuture<List<Message>> receive;
        private long wanted;
        private boolean busy;
        private boolean ended;

        Subscription(Flow.Subscriber<? super Message> subscriber) {
            this.subscriber = subscriber;
        }

        @Override
        public void request(long count) {
            if (count < 1) {
                fail(new IllegalArgumentException("request(" + count + "): at least one has to be requested"));
                return;
            }
            synchronized (this) {
                wanted = wanted + count < 0 ? Long.MAX_VALUE : wanted + count;
            }
            next();
        }

        @Override
        public void cancel() {
            CompletableFuture<List<Message>> waiting;
            synchronized (this) {
                ended = true;
                waiting = receive;
            }
            if (waiting != null) waiting.cancel(false);
        }

        /** Receives, if something is wanted and no receive or delivery is under way. */
        private void next() {
            CompletableFuture<List<Message>> begun;
            synchronized (this) {
                if (busy || ended || wanted == 0) return;
                busy = true;
                begun = receiver.receiveManyAsync((int) Math.min(wanted, MOST));
                receive = begun;
            }
            begun.whenCompleteAsync(this::deliver, executor);
        }

        private void deliver(List<Message> messages, Throwable failure) {
            if (failure != null) {
                end(failure);
                return;
            }
            for (int at = 0; at < messages.size(); at++) {
                synchronized (this) {
                    if (ended) {
                        receiver.putBack(messages.subList(at, messages.size()));
                        return;
                    }
                    wanted--;
                }
                subscriber.onNext(messages.get(at));
            }
            synchronized (this) {
                busy = false;
            }
            next();
        }

        private void end(Throwable failure) {
            boolean closed = failure instanceof StargateException error
                    && (error.kind() == ErrorKind.CLOSED || error.kind() == ErrorKind.END_OF_TOPIC);
            if (!closed) {
                fail(failure);
            } else if (endOnce()) {
                subscriber.onComplete();
            }
        }

        private void fail(Throwable failure) {
            if (endOnce()) executor.execute(() -> subscriber.onError(failure));
        }

        private synchronized boolean endOnce() {
            boolean first = !ended;
            ended = true;
            return first;
        }
    }
}
