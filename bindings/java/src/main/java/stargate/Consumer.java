package stargate;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import stargate.ffi.Abi;
import stargate.ffi.Call;
import stargate.ffi.Memory;

/**
 * Consumes the messages of a subscription. The broker redelivers messages that are not acknowledged. A consumer
 * reconnects by itself. Open one with {@link Client#consumer}.
 *
 * <p>The server does not answer acknowledgements, so they return at once. If one is lost with its connection, the broker
 * redelivers the message.
 */
public final class Consumer extends Receiver {
    private static final Functions FUNCTIONS = new Functions(
            "consumer",
            Abi::stargate_consumer_close_async,
            Abi::stargate_consumer_close,
            Abi::stargate_consumer_release,
            Abi::stargate_consumer_stats_json);
    private static final Calls CALLS = new Calls(
            Abi::stargate_consumer_receive_many,
            Abi::stargate_consumer_receive_async,
            Abi::stargate_consumer_interrupt,
            Abi::stargate_consumer_listen,
            Abi::stargate_consumer_seek,
            Abi::stargate_consumer_seek_time,
            Abi::stargate_consumer_last_message_ids_json,
            Abi::stargate_consumer_is_end_of_topic,
            Abi::stargate_consumer_topic,
            Abi::stargate_consumer_is_connected,
            Abi::stargate_consumer_wait_connected);

    Consumer(MemorySegment pointer, Client client, String topic, Options.Registered registered) {
        super(FUNCTIONS, CALLS, pointer, client, "a consumer of " + topic, registered);
    }

    @Override
    List<Message> take(MemorySegment array, int count) {
        return NativeMessages.take(array, count);
    }

    private interface ByMessage {
        int call(MemorySegment consumer, MemorySegment message, MemorySegment error);
    }

    /** Settles a message with its native one, or by its id if that is gone. */
    private void settle(Message message, ByMessage byMessage, ByMessage byId) {
        MemorySegment taken = message.natives == null ? MemorySegment.NULL : message.natives.take(message.index);
        if (taken.address() == 0) {
            settle(message.id(), byId);
            return;
        }
        try {
            run((arena, pointer, error) -> byMessage.call(pointer, taken, error));
        } finally {
            message.natives.free(taken);
        }
    }

    private void settle(MessageId id, ByMessage byId) {
        run((arena, pointer, error) ->
                byId.call(pointer, Memory.text(arena, "the message id", id.toString()), error));
    }

    /**
     * Acknowledges a message.
     *
     * @param message the message
     */
    public void ack(Message message) {
        settle(message, Abi::stargate_consumer_ack, Abi::stargate_consumer_ack_id);
    }

    /**
     * Acknowledges a message by its id. It takes effect if the current connection delivered the message, or if the message
     * was neither batched nor in a partition.
     *
     * @param id the id
     */
    public void ack(MessageId id) {
        settle(id, Abi::stargate_consumer_ack_id);
    }

    /**
     * Acknowledges messages, all with one call.
     *
     * @param messages the messages
     */
    public void ackMany(Collection<Message> messages) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment array = arena.allocate(ADDRESS, Math.max(1, messages.size()));
            List<Message> taken = new ArrayList<>(messages.size());
            for (Message message : messages) {
                MemorySegment one =
                        message.natives == null ? MemorySegment.NULL : message.natives.take(message.index);
                if (one.address() == 0) {
                    ack(message.id());
                } else {
                    array.setAtIndex(ADDRESS, taken.size(), one);
                    taken.add(message);
                }
            }
            try {
                run((inner, pointer, error) ->
                        Abi.stargate_consumer_ack_many(pointer, array, taken.size(), error));
            } finally {
                for (int at = 0; at < taken.size(); at++) {
                    taken.get(at).natives.free(array.getAtIndex(ADDRESS, at));
                }
            }
        }
    }

    /**
     * Acknowledges a message and all before it that this consumer received; on a partitioned topic, those of its
     * partition. For exclusive and failover subscriptions of one topic.
     *
     * @param message the message
     */
    public void ackCumulative(Message message) {
        settle(message, Abi::stargate_consumer_ack_cumulative, Abi::stargate_consumer_ack_cumulative_id);
    }

    /**
     * Acknowledges as {@link #ackCumulative(Message)} does, by an id, which may come from an earlier consumer of the
     * subscription.
     *
     * @param id the id
     */
    public void ackCumulative(MessageId id) {
        settle(id, Abi::stargate_consumer_ack_cumulative_id);
    }

    /**
     * Requests redelivery of a message, after the option {@code negativeAckDelay}. On an exclusive or failover
     * subscription the broker redelivers everything that is not acknowledged.
     *
     * @param message the message
     */
    public void nack(Message message) {
        settle(message, Abi::stargate_consumer_nack, Abi::stargate_consumer_nack_id);
    }

    /**
     * Requests redelivery of a message by its id. It takes effect if the current connection delivered the message.
     *
     * @param id the id
     */
    public void nack(MessageId id) {
        settle(id, Abi::stargate_consumer_nack_id);
    }

    /**
     * Schedules redelivery of a message: stores a copy in the retry letter topic, which this consumer consumes too, then
     * acknowledges the message. Needs the option {@code enableRetry}. After {@code maxRedeliverCount} times the message
     * goes to the dead letter topic instead. After an error the message stays unacknowledged.
     *
     * @param message a message that is neither acknowledged nor negatively acknowledged
     * @param delay the time until it is redelivered
     */
    public void reconsumeLater(Message message, Duration delay) {
        Waits.run(() -> settle(
                message,
                (consumer, taken, error) -> Abi.stargate_consumer_reconsume_later(
                        consumer, taken, delay.toMillis(), -1, error),
                (consumer, id, error) -> {
                    throw new StargateException(
                            ErrorKind.INVALID_ARGUMENT, "reconsume later: " + message + " is acknowledged, or its handler"
                                    + " decides about it");
                }));
    }

    /**
     * Returns how many messages the subscription has not acknowledged, those delivered to the application included. The
     * broker counts a batch as one.
     *
     * @return the number; 0 means that it has caught up
     */
    public long backlog() {
        return Waits.call(() -> {
            try {
                return Call.number((arena, out, error) ->
                        Abi.stargate_consumer_backlog(handle.pointer, -1, out, error));
            } finally {
                Reference.reachabilityFence(this);
            }
        });
    }

    /**
     * Requests messages in addition to the window, on each connection. For consumers with the option {@code pullMode}.
     *
     * @param messages how many, 1 to 100,000
     */
    public void permit(int messages) {
        run((arena, pointer, error) -> Abi.stargate_consumer_permit(pointer, messages, error));
    }

    /** Deletes the subscription, and closes the consumer. If the subscription has other consumers, this fails. */
    public void unsubscribe() {
        Waits.run(() -> run((arena, pointer, error) -> Abi.stargate_consumer_unsubscribe(pointer, -1, error)));
    }

    /**
     * Returns the name of the subscription.
     *
     * @return the name
     */
    public String subscription() {
        return view(Abi::stargate_consumer_subscription);
    }
}
