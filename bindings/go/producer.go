package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Outgoing is a message to send.
type Outgoing struct {
	// Payload is the content. It is copied before a send returns.
	Payload []byte
	// Key decides the partition, and the consumer of a key_shared subscription. With HasKey an empty
	// one is sent too.
	Key    string
	HasKey bool
	// Properties are those of the application.
	Properties map[string]string
	// EventTime is the application's time of the event; the zero time for none.
	EventTime time.Time
	// DeliverAt delays the delivery to shared and key_shared subscriptions until a time.
	DeliverAt time.Time
	// DeliverAfter delays the delivery for a time. Not together with DeliverAt.
	DeliverAfter time.Duration
	// ReplicationClusters are the names of the clusters to replicate to, and to no others. The one name
	// "__local__" keeps the message in the cluster that it is sent to.
	ReplicationClusters []string
}

// SendResult is how one message of [Producer.SendMany] ended.
type SendResult struct {
	// ID is the message's id; zero after an error, and for a duplicate.
	ID MessageID
	// Err is why the message has no receipt, or nil: the broker has it.
	Err error
}

// Producer sends messages to one topic. It reconnects by itself, and sends accepted messages that
// have no receipt again.
type Producer struct {
	connection
	waitsWhenFull atomic.Bool // false until it is known
	callbacks     serial[*callback]
}

// newProducer returns a producer that was opened.
func newProducer(raw unsafe.Pointer, client *handle) *Producer {
	return &Producer{
		connection: newConnection(C.GLUE_PRODUCER, raw, "the producer", client),
		callbacks:  serial[*callback]{run: (*callback).call, busy: client.busy},
	}
}

// Send sends a message and waits for its receipt, within the option send_timeout. It returns the
// message's id, which is zero for a duplicate: a message sent twice to a namespace with
// deduplication. When ctx ends first, the message may still be stored.
func (p *Producer) Send(ctx context.Context, message Outgoing) (MessageID, error) {
	sent := &waiter{done: make(chan SendResult, 1)}
	defer runtime.KeepAlive(p.handle)
	if err := p.submit(ctx, &message, sent); err != nil {
		return MessageID{}, err
	}
	select {
	case end := <-sent.done:
		return end.ID, end.Err
	case <-ctx.Done():
		return MessageID{}, ctx.Err()
	}
}

// SendAsync accepts a message, and calls then exactly once: on its receipt, failure or timeout, or
// when a close gives it up. While as many messages are in flight as the options allow, it waits for
// room, or fails with [WithWhenFull]. Messages accepted one after the other are stored in that order.
//
// The functions of a producer run one after the other, in a goroutine of their own. Then may be nil.
// After an error the message was not accepted, and then is not called.
func (p *Producer) SendAsync(ctx context.Context, message Outgoing, then func(MessageID, error)) error {
	if then == nil {
		return p.submit(ctx, &message, discard{p})
	}
	return p.submit(ctx, &message, &callback{producer: p, then: then})
}

// SendMany sends messages in their order, many in flight at a time, and waits for all of their
// receipts. It returns how each ended, and the error of the first that failed. When ctx ends first,
// that is the error of those that have not ended; they may still be stored.
func (p *Producer) SendMany(ctx context.Context, messages []Outgoing) ([]SendResult, error) {
	defer runtime.KeepAlive(p.handle)
	group := &batch{places: make([]place, len(messages)), left: len(messages), done: make(chan struct{})}
	for i := range messages {
		here := &group.places[i]
		here.batch = group
		if err := p.submit(ctx, &messages[i], here); err != nil {
			here.sent(SendResult{Err: err})
		}
	}
	if len(messages) > 0 {
		select {
		case <-group.done:
		case <-ctx.Done():
		}
	}
	return group.results(ctx.Err())
}

// Flush waits until every message accepted before has its receipt or has failed, and the functions
// of [Producer.SendAsync] have run. So do not call it in one of them.
func (p *Producer) Flush(ctx context.Context) error {
	defer runtime.KeepAlive(p.handle)
	_, err := await(ctx, p.kind, func(timeout C.int64_t, call C.uintptr_t) C.glue_result {
		return C.glue_flush(p.pointer(), timeout, call)
	})
	if ran := p.callbacksRan(ctx); err == nil {
		err = ran
	}
	return err
}

// Close accepts no more messages, waits until those in flight have ended and the functions of
// [Producer.SendAsync] have run, and closes the connection. It waits for at most 10 seconds. So do
// not call it in one of those functions.
func (p *Producer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return p.CloseContext(ctx)
}

// CloseContext is Close with a bound of its own: when ctx ends, messages in flight fail.
func (p *Producer) CloseContext(ctx context.Context) error {
	err := p.connection.CloseContext(ctx)
	if ran := p.callbacksRan(ctx); err == nil {
		err = ran
	}
	return err
}

// callbacksRan waits until the functions that are due have run.
func (p *Producer) callbacksRan(ctx context.Context) error {
	ran := make(chan struct{})
	p.callbacks.push(&callback{then: func(MessageID, error) { close(ran) }})
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// submit passes a message on to the library, and waits for room if there is none.
func (p *Producer) submit(ctx context.Context, message *Outgoing, end outcome) error {
	defer runtime.KeepAlive(p.handle)
	if err := ctx.Err(); err != nil {
		return err
	}
	packed, err := pack(message)
	if err != nil {
		return err
	}
	call := calls.add(end)
	for {
		result := p.send(message, &packed, 0, call)
		if result.status == C.STARGATE_QUEUE_FULL && !p.waitsWhenFull.Load() {
			// With when_full=fail, a send that may wait fails like one that may not.
			C.stargate_error_free(result.error)
			result = p.send(message, &packed, 1, call)
			if result.status == C.STARGATE_TIMEOUT {
				p.waitsWhenFull.Store(true)
				result.status = C.STARGATE_QUEUE_FULL
			}
		}
		if result.status == C.STARGATE_OK {
			return nil
		}
		if result.status != C.STARGATE_QUEUE_FULL || !p.waitsWhenFull.Load() {
			calls.take(call)
			return taken(result)
		}
		C.stargate_error_free(result.error)
		if err := p.waitForRoom(ctx, len(message.Payload)+len(message.Key)+len(packed.properties)); err != nil {
			calls.take(call)
			return err
		}
	}
}

// waitForRoom waits until a message of this size may be accepted.
func (p *Producer) waitForRoom(ctx context.Context, bytes int) error {
	_, err := await(ctx, p.kind, func(timeout C.int64_t, call C.uintptr_t) C.glue_result {
		return C.glue_room(p.pointer(), C.size_t(bytes), timeout, call)
	})
	return err
}

// packed holds the texts of a message, with a 0 after each, as C takes them.
type packed struct {
	properties, clusters []byte
}

// pack prepares a message for C.
func pack(message *Outgoing) (packed, error) {
	var p packed
	for name, value := range message.Properties {
		if err := checkTexts("the property", name, value); err != nil {
			return p, err
		}
		p.properties = append(append(append(append(p.properties, name...), 0), value...), 0)
	}
	if len(message.ReplicationClusters) > 0 {
		if err := checkTexts("the key", message.Key); err != nil {
			return p, err
		}
	}
	for _, name := range message.ReplicationClusters {
		if err := checkTexts("the cluster", name); err != nil {
			return p, err
		}
		p.clusters = append(append(p.clusters, name...), 0)
	}
	return p, nil
}

// send calls the library once, which waits for room for a time in milliseconds.
func (p *Producer) send(message *Outgoing, packed *packed, timeout C.int64_t, call C.uintptr_t) C.glue_result {
	payload, properties := bytesOf(message.Payload), bytesOf(packed.properties)
	eventTime, deliverAt := unixMillis(message.EventTime), unixMillis(message.DeliverAt)
	deliverAfter := C.int64_t(millis(message.DeliverAfter))
	if len(packed.clusters) > 0 {
		var memory arena
		defer memory.free()
		var key *C.char
		if message.HasKey || message.Key != "" {
			key = memory.text(message.Key)
		}
		return C.glue_send_to(p.pointer(), payload, C.size_t(len(message.Payload)), key,
			properties, C.size_t(len(message.Properties)), bytesOf(packed.clusters),
			C.size_t(len(message.ReplicationClusters)), eventTime, deliverAt, deliverAfter, timeout, call)
	}
	var key *C.char
	if message.Key != "" {
		key = (*C.char)(unsafe.Pointer(unsafe.StringData(message.Key)))
	} else if message.HasKey {
		key = &empty[0]
	}
	return C.glue_send(p.pointer(), payload, C.size_t(len(message.Payload)), key,
		C.size_t(len(message.Key)), properties, C.size_t(len(packed.properties)), eventTime, deliverAt, deliverAfter,
		timeout, call)
}

// empty is where a key of no bytes points to: NULL is none.
var empty [1]C.char

// bytesOf returns where bytes begin.
func bytesOf(bytes []byte) *C.char {
	return (*C.char)(unsafe.Pointer(unsafe.SliceData(bytes)))
}

// pointer returns the handle for C.
func (p *Producer) pointer() *C.stargate_producer {
	return (*C.stargate_producer)(p.raw)
}

// outcome takes the end of a send, on the thread of the library that calls back. It must not wait.
type outcome interface{ sent(SendResult) }

// discard is for a send whose end nobody wants to know. It keeps the producer until then.
type discard struct{ *Producer }

func (discard) sent(SendResult) {}

// waiter is a goroutine in Send.
type waiter struct{ done chan SendResult }

func (w *waiter) sent(result SendResult) { w.done <- result }

// callback is the function of a SendAsync.
type callback struct {
	producer *Producer
	then     func(MessageID, error)
	result   SendResult
}

func (c *callback) sent(result SendResult) {
	c.result = result
	c.producer.callbacks.push(c)
}

// call runs the function, in the goroutine of the producer's functions.
func (c *callback) call() { c.then(c.result.ID, c.result.Err) }

// batch are the messages of a SendMany.
type batch struct {
	mu     sync.Mutex
	places []place
	left   int
	done   chan struct{}
}

// place is one message of a batch.
type place struct {
	*batch
	ended  bool
	result SendResult
}

func (p *place) sent(result SendResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.result = true, result
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

// results returns how each message ended, with unfinished for those that have not, and the first error.
func (b *batch) results(unfinished error) (results []SendResult, first error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	results = make([]SendResult, len(b.places))
	for i := range b.places {
		if results[i].Err = unfinished; b.places[i].ended {
			results[i] = b.places[i].result
		}
		if first == nil {
			first = results[i].Err
		}
	}
	return results, first
}

//export goSent
func goSent(call C.uintptr_t, status C.stargate_status, id *C.char, length C.size_t, err *C.stargate_error) {
	calls.take(call).(outcome).sent(SendResult{MessageID{text(id, length)}, failure(status, err)})
}
