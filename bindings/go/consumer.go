package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"time"
	"unsafe"
)

// Consumer consumes the messages of a subscription, by receiving or by a handler, never both. The
// broker redelivers messages that are not acknowledged. A consumer reconnects by itself.
type Consumer struct {
	*receiver
	subscription string
}

// newConsumer returns a consumer that was opened.
func newConsumer(raw unsafe.Pointer, client *handle) *Consumer {
	subscription := textOf(C.stargate_consumer_subscription((*C.stargate_consumer)(raw)))
	return &Consumer{newReceiver(C.GLUE_CONSUMER, raw, "the consumer", client), subscription}
}

// Subscription returns the name of the subscription.
func (c *Consumer) Subscription() string {
	return c.subscription
}

// Ack acknowledges messages without waiting: the server does not answer acknowledgements. If one is
// lost with its connection, the broker redelivers the message.
func (c *Consumer) Ack(messages ...*Message) error {
	if len(messages) == 1 {
		return c.answer(messages[0], ackOne, (*Consumer).AckID)
	}
	defer runtime.KeepAlive(c.handle)
	taken, places := make([]C.uintptr_t, 0, len(messages)), make([]*Message, 0, len(messages))
	var others []*Message
	for _, message := range messages {
		if held := message.take(); held != 0 {
			taken, places = append(taken, held), append(places, message)
		} else {
			others = append(others, message)
		}
	}
	if err := c.ackTaken(taken, places); err != nil {
		return err
	}
	for _, message := range others {
		if err := c.AckID(message.ID); err != nil {
			return err
		}
	}
	return nil
}

// ackTaken acknowledges messages of C, and gives them back if that fails.
func (c *Consumer) ackTaken(messages []C.uintptr_t, places []*Message) error {
	if len(messages) == 0 {
		return nil
	}
	given := append([]C.uintptr_t(nil), messages...) // the call sets the places to 0
	err := taken(C.glue_ack_many(c.pointer(), &given[0], C.size_t(len(given))))
	if err != nil {
		for i, message := range places {
			message.held.Store(uintptr(messages[i]))
		}
	}
	return err
}

// AckID acknowledges a message by its id, as after [Continue]. It takes effect if the current
// connection delivered the message, or if the message was neither batched nor in a partition.
func (c *Consumer) AckID(id MessageID) error {
	return c.withID(id, func(id *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_consumer_ack_id(c.pointer(), id, failed)
	})
}

// AckCumulative acknowledges a message and all before it that this consumer received; on a
// partitioned topic, those of its partition. It is for exclusive and failover subscriptions of one
// topic. If a connection is lost before it carried all acknowledgements, the broker redelivers those
// messages; the consumer then acknowledges them without delivering them.
func (c *Consumer) AckCumulative(message *Message) error {
	return c.answer(message, ackCumulative, (*Consumer).AckCumulativeID)
}

// AckCumulativeID is AckCumulative by an id, which may come from an earlier consumer of the
// subscription. The consumer acknowledges messages at or below it without delivering them.
func (c *Consumer) AckCumulativeID(id MessageID) error {
	return c.withID(id, func(id *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_consumer_ack_cumulative_id(c.pointer(), id, failed)
	})
}

// Nack requests redelivery of a message, after the option negative_ack_delay. On an exclusive or
// failover subscription the broker redelivers everything that is not acknowledged.
func (c *Consumer) Nack(message *Message) error {
	return c.answer(message, nackOne, (*Consumer).NackID)
}

// NackID is Nack by an id. It takes effect if the current connection delivered the message.
func (c *Consumer) NackID(id MessageID) error {
	return c.withID(id, func(id *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_consumer_nack_id(c.pointer(), id, failed)
	})
}

// ReconsumeLater schedules redelivery of a message after a delay. It stores a copy in the retry letter
// topic, which this consumer consumes too, then acknowledges the message. It needs [WithEnableRetry].
// A message that was already redelivered max_redeliver_count times goes to the dead letter topic
// instead. After an error the message stays unacknowledged; when ctx ends, the copy may still be
// stored, and the message then acknowledged.
func (c *Consumer) ReconsumeLater(ctx context.Context, message *Message, delay time.Duration) error {
	_, err := blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
		return struct{}{}, c.answer(message, func(consumer *C.stargate_consumer, held C.uintptr_t) C.glue_result {
			return C.glue_reconsume_later(consumer, held, C.int64_t(millis(delay)), timeout)
		}, func(c *Consumer, id MessageID) error {
			return invalid("reconsume later on %s: the message %s was already answered", c.topic, id)
		})
	})
	return err
}

func ackOne(consumer *C.stargate_consumer, message C.uintptr_t) C.glue_result {
	return C.glue_ack(consumer, message)
}

func ackCumulative(consumer *C.stargate_consumer, message C.uintptr_t) C.glue_result {
	return C.glue_ack_cumulative(consumer, message)
}

func nackOne(consumer *C.stargate_consumer, message C.uintptr_t) C.glue_result {
	return C.glue_nack(consumer, message)
}

// answer passes a message of C to a call that frees it. One that was answered before has its id only.
func (c *Consumer) answer(
	message *Message, call func(*C.stargate_consumer, C.uintptr_t) C.glue_result,
	byID func(*Consumer, MessageID) error,
) error {
	defer runtime.KeepAlive(c.handle)
	held := message.take()
	if held == 0 {
		return byID(c, message.ID)
	}
	err := taken(call(c.pointer(), held))
	if err != nil {
		message.held.Store(uintptr(held))
	}
	return err
}

// withID passes an id to a call.
func (c *Consumer) withID(id MessageID, call func(*C.char, **C.stargate_error) C.stargate_status) error {
	defer runtime.KeepAlive(c.handle)
	var memory arena
	defer memory.free()
	var failed *C.stargate_error
	return take(call(memory.text(id.text), &failed), failed)
}

// Backlog returns how many messages the subscription has not acknowledged, those delivered to the
// application included. 0 means that it has caught up. The broker counts a batch as one message. Not
// for patterns.
func (c *Consumer) Backlog(ctx context.Context) (uint64, error) {
	return blocking(ctx, func(timeout C.int64_t) (uint64, error) {
		defer runtime.KeepAlive(c.handle)
		var count C.uint64_t
		var failed *C.stargate_error
		err := take(C.stargate_consumer_backlog(c.pointer(), timeout, &count, &failed), failed)
		return uint64(count), err
	})
}

// Permit requests messages, 1 to 100,000, in addition to the window, on each connection. It is for
// consumers with [WithPullMode].
func (c *Consumer) Permit(messages int) error {
	defer runtime.KeepAlive(c.handle)
	if messages < 0 || messages > 1<<31 {
		return invalid("%d messages requested; it must be 1 to 100000", messages)
	}
	var failed *C.stargate_error
	return take(C.stargate_consumer_permit(c.pointer(), C.uint32_t(messages), &failed), failed)
}

// Unsubscribe deletes the subscription and closes the consumer. If the subscription has other
// consumers, the call fails and this consumer continues. It may be called in a handler, which it then
// does not wait for. When ctx ends first, the context of the handler ends too.
func (c *Consumer) Unsubscribe(ctx context.Context) error {
	end := func(timeout C.int64_t) (struct{}, error) {
		defer runtime.KeepAlive(c.handle)
		var failed *C.stargate_error
		return struct{}{}, take(C.stargate_consumer_unsubscribe(c.pointer(), timeout, &failed), failed)
	}
	var err error
	if C.glue_handling() != 0 {
		_, err = end(timeoutOf(ctx)) // here, so that it does not wait for the handler on this thread
	} else {
		_, err = blocking(ctx, end)
	}
	switch KindOf(err) {
	case StatusOK:
		c.closing.Store(true)
		c.stop()
	case StatusTimeout, StatusInterrupted: // the library may notice it before ctx does
		c.stop()
	}
	return err
}

// pointer returns the handle for C.
func (c *Consumer) pointer() *C.stargate_consumer {
	return (*C.stargate_consumer)(c.raw)
}
