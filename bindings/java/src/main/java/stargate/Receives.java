package stargate;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import stargate.ffi.Abi;
import stargate.ffi.Callbacks;
import stargate.ffi.Errors;

/**
 * The receives of a consumer or reader that wait. One asynchronous receive of C serves them all, one after the other, so
 * messages keep their order. A receive that is cancelled, or whose time is over, takes no message: what arrives for it
 * goes to the next.
 */
final class Receives {
    /** How C receives. */
    interface Source {
        /** Returns the messages that are here now, null if there are none. */
        List<Message> receiveNow(int max);

        /** Starts to wait; the entry is a {@link Callbacks.Received}. */
        void receiveLater(int max, MemorySegment entry);

        /** Ends the wait early. */
        void interrupt();

        /** Makes messages of what arrived. */
        List<Message> take(MemorySegment messages, int count);
    }

    private final class Waiting extends CompletableFuture<List<Message>> {
        private final int max;

        Waiting(int max) {
            this.max = max;
        }

        @Override
        public <U> CompletableFuture<U> newIncompleteFuture() {
            return new CompletableFuture<>();
        }
    }

    /** The most messages of one receive, for which the memory is allocated first. */
    static final int MOST = 10_000;

    private final Source source;
    private final ReentrantLock lock = new ReentrantLock();
    private final Deque<Waiting> waiting = new ArrayDeque<>();
    private final Deque<Message> surplus = new ArrayDeque<>();

    /** Completes once the receive of C that is under way has put here what it took; null if none is. */
    private CompletableFuture<Void> receiving;

    Receives(Source source) {
        this.source = source;
    }

    /** Receives what is here, or waits for more; an empty list when the time is over. Null waits without limit. */
    CompletableFuture<List<Message>> receive(int max, Duration timeout) {
        if (max < 1) {
            throw new StargateException(ErrorKind.INVALID_ARGUMENT, "the number of messages is " + max + ", not 1 or more");
        }
        Waiting one = new Waiting(Math.min(max, MOST));
        lock.lock();
        try {
            List<Message> here = surplus.isEmpty() ? null : fromSurplus(one.max);
            if (here == null && receiving == null) here = source.receiveNow(one.max);
            if (here != null) return CompletableFuture.completedFuture(here);
            if (timeout != null && !timeout.isPositive()) return CompletableFuture.completedFuture(List.of());
            waiting.add(one);
            receiveMore();
        } catch (StargateException failure) {
            waiting.remove(one);
            return CompletableFuture.failedFuture(failure);
        } finally {
            lock.unlock();
        }
        if (timeout != null) one.completeOnTimeout(List.of(), toNanos(timeout), TimeUnit.NANOSECONDS);
        one.whenComplete((messages, failure) -> forget(one));
        return one;
    }

    private static long toNanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException centuries) {
            return Long.MAX_VALUE;
        }
    }

    private List<Message> fromSurplus(int max) {
        List<Message> some = new ArrayList<>();
        while (some.size() < max && !surplus.isEmpty()) some.add(surplus.remove());
        return some;
    }

    /** Starts the next receive of C, unless one is under way. */
    private void receiveMore() {
        if (receiving != null || waiting.isEmpty()) return;
        MemorySegment entry = Callbacks.add((Callbacks.Received) this::received);
        try {
            source.receiveLater(waiting.peek().max, entry);
            receiving = new CompletableFuture<>();
        } catch (StargateException refused) {
            Callbacks.remove(entry);
            throw refused;
        }
    }

    private void received(int status, MemorySegment array, long count, MemorySegment error) {
        List<Message> messages = status == Abi.STARGATE_OK ? source.take(array, (int) count) : List.of();
        CompletableFuture<Void> ended;
        lock.lock();
        try {
            ended = receiving;
            receiving = null;
            surplus.addAll(messages);
        } finally {
            lock.unlock();
        }
        ended.complete(null);
        if (status != Abi.STARGATE_OK && status != Abi.STARGATE_INTERRUPTED && status != Abi.STARGATE_TIMEOUT) {
            Waiting first = nextWaiting();
            if (first != null) first.completeExceptionally(Errors.read(status, error));
        }
        deliver();
    }

    /** Completes what can be completed, without the lock: a completion runs code of the application. */
    private void deliver() {
        while (true) {
            Waiting one;
            List<Message> some = null;
            StargateException failure = null;
            lock.lock();
            try {
                one = waiting.peek();
                if (one == null) return;
                if (surplus.isEmpty()) {
                    try {
                        receiveMore();
                        return;
                    } catch (StargateException refused) {
                        failure = refused;
                    }
                } else {
                    some = fromSurplus(one.max);
                }
                waiting.remove();
            } finally {
                lock.unlock();
            }
            if (failure != null) one.completeExceptionally(failure);
            else if (!one.complete(some)) addFirst(some);
        }
    }

    private Waiting nextWaiting() {
        lock.lock();
        try {
            return waiting.poll();
        } finally {
            lock.unlock();
        }
    }

    /** Gives back messages, for receives that wait or come later. */
    void putBack(List<Message> messages) {
        addFirst(messages);
        deliver();
    }

    private void addFirst(List<Message> messages) {
        lock.lock();
        try {
            for (Message message : messages.reversed()) surplus.addFirst(message);
        } finally {
            lock.unlock();
        }
    }

    /** A receive ended. If it was cancelled and was the last, the one of C need not go on. */
    private void forget(Waiting one) {
        boolean idle;
        lock.lock();
        try {
            idle = waiting.remove(one) && waiting.isEmpty() && receiving != null;
        } finally {
            lock.unlock();
        }
        if (idle) source.interrupt();
    }

    /** Tells whether a message is here that was taken for a receive that was cancelled. */
    boolean hasSurplus() {
        settle();
        lock.lock();
        try {
            return !surplus.isEmpty();
        } finally {
            lock.unlock();
        }
    }

    /** Takes one such message; none if there is none. */
    List<Message> takeSurplus() {
        settle();
        lock.lock();
        try {
            return fromSurplus(1);
        } finally {
            lock.unlock();
        }
    }

    /** If the receive of C serves nobody any more, waits for its end, which comes soon: it may have taken messages. */
    private void settle() {
        CompletableFuture<Void> ending;
        lock.lock();
        try {
            if (receiving == null || !waiting.stream().allMatch(Waiting::isDone)) return;
            ending = receiving.copy(); // an interrupt cancels what it waits for
        } finally {
            lock.unlock();
        }
        Waits.join(ending);
    }

    /** Drops what was taken for receives that were cancelled, as a seek does with what the library holds. */
    void dropSurplus() {
        lock.lock();
        try {
            surplus.clear();
        } finally {
            lock.unlock();
        }
    }
}
