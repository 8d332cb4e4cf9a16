package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"
)

// receiver is what consumers and readers have in common.
type receiver struct {
	connection
	mu      sync.Mutex
	arrival *arrival      // a receive of the library that waits
	kept    []*Message    // what arrived for a receive that was cancelled
	room    *C.glue_batch // where the library writes; made when it is needed
	held    *heldMessages
}

// arrival is a receive of the library that waits, for all goroutines that do.
type arrival struct {
	receiver *receiver
	waiting  int // goroutines
	done     chan struct{}
	err      error
}

// newReceiver returns what is common of a consumer or reader that was opened.
func newReceiver(kind C.enum_glue_kind, raw unsafe.Pointer, what string, client *handle) *receiver {
	r := &receiver{connection: newConnection(kind, raw, what, client)}
	runtime.SetFinalizer(r, (*receiver).freeRoom)
	return r
}

// makeRoom makes the place where the library writes. The caller locks.
func (r *receiver) makeRoom() *C.glue_batch {
	if r.room == nil {
		r.room = (*C.glue_batch)(C.calloc(1, C.sizeof_glue_batch))
	}
	return r.room
}

// freeRoom frees it. The caller locks, unless it is the finalizer.
func (r *receiver) freeRoom() {
	C.free(unsafe.Pointer(r.room))
	r.room = nil
}

// Receive waits for the next message. When ctx ends it returns its error at once; no message is lost,
// and the order stays. A message of a consumer is to be acknowledged.
//
// Receiving and a handler exclude each other.
func (r *receiver) Receive(ctx context.Context) (*Message, error) {
	var one [1]*Message
	if _, err := r.receive(ctx, one[:]); err != nil {
		return nil, err
	}
	return one[0], nil
}

// ReceiveMany waits for the next message, and returns it with those that have already arrived, up to
// limit. Otherwise it is as Receive.
func (r *receiver) ReceiveMany(ctx context.Context, limit int) ([]*Message, error) {
	if limit < 1 {
		return nil, invalid("a receive of up to %d messages; it must be 1 at least", limit)
	}
	messages := make([]*Message, min(limit, 1000))
	count, err := r.receive(ctx, messages)
	return messages[:count], err
}

// Messages returns an iterator over the messages to come: for message, err := range
// consumer.Messages(ctx). It ends when the handle is closed, when the topic has ended, and after an
// error, which is that of ctx when it ends.
func (r *receiver) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for {
			message, err := r.Receive(ctx)
			if errors.Is(err, ErrClosed) || errors.Is(err, ErrEndOfTopic) {
				return
			}
			if !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// receive fills messages as far as there are any, and waits for the first.
func (r *receiver) receive(ctx context.Context, messages []*Message) (int, error) {
	defer runtime.KeepAlive(r)
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		count, waiting, err := r.next(messages)
		if count > 0 || err != nil {
			return count, err
		}
		select {
		case <-waiting.done:
			if waiting.err != nil {
				return 0, waiting.err
			}
		case <-ctx.Done():
			r.leave(waiting)
			return 0, ctx.Err()
		}
	}
}

// next returns what is there; if there is nothing, it returns what to wait for.
func (r *receiver) next(messages []*Message) (int, *arrival, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := copy(messages, r.kept)
	r.kept = r.kept[:copy(r.kept, r.kept[count:])]
	// While a receive of the library waits, the next message is the one that it gets.
	for count < len(messages) && r.arrival == nil {
		more, err := r.now(messages[count:])
		if more == 0 && err == nil || count > 0 && err != nil {
			break
		}
		if err != nil {
			return 0, nil, err
		}
		count += more
	}
	if count > 0 {
		return count, nil, nil
	}
	if r.arrival == nil {
		if err := r.begin(); err != nil {
			return 0, nil, err
		}
	}
	r.arrival.waiting++
	return 0, r.arrival, nil
}

// now receives what is there, up to the room for it. The caller locks.
func (r *receiver) now(messages []*Message) (int, error) {
	result := C.glue_receive_now(r.kind, r.raw, C.size_t(min(len(messages), C.GLUE_ROOM)), r.makeRoom())
	switch result.status {
	case C.STARGATE_OK:
		return r.copyRoom(messages), nil
	case C.STARGATE_INTERRUPTED:
		return r.now(messages) // of a receive that was cancelled after it had ended
	case C.STARGATE_TIMEOUT:
		return 0, nil
	}
	return 0, taken(result)
}

// copyRoom copies what the library wrote. The caller locks.
func (r *receiver) copyRoom(messages []*Message) int {
	count := int(r.room.count)
	for i := range count {
		messages[i] = newMessage(&r.room.fields[i], r.topic)
		if r.kind == C.GLUE_CONSUMER {
			messages[i].held = r.hold(r.room.messages[i])
		}
	}
	if r.kind == C.GLUE_READER {
		C.stargate_messages_free(&r.room.messages[0], r.room.count)
	}
	return count
}

// begin makes the library wait for the next message. The caller locks.
func (r *receiver) begin() error {
	waiting := &arrival{receiver: r, done: make(chan struct{})}
	call := calls.add(waiting)
	if err := taken(C.glue_receive_async(r.kind, r.raw, call)); err != nil {
		calls.take(call)
		return err
	}
	r.arrival = waiting
	return nil
}

// leave gives up waiting. The last one to leave ends the receive of the library; a message that
// arrives meanwhile is kept for the next.
func (r *receiver) leave(waiting *arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	waiting.waiting--
	if waiting.waiting == 0 && r.arrival == waiting {
		C.glue_interrupt(r.kind, r.raw)
	}
}

//export goReceived
func goReceived(
	call C.uintptr_t, status C.stargate_status, messages **C.stargate_message, count C.size_t, err *C.stargate_error,
) {
	waiting := calls.take(call).(*arrival)
	r := waiting.receiver
	r.mu.Lock()
	defer r.mu.Unlock()
	switch status {
	case C.STARGATE_OK:
		room := r.makeRoom()
		room.count = count
		copy(room.messages[:], unsafe.Slice(messages, int(count)))
		C.stargate_messages_view(&room.messages[0], count, &room.fields[0], C.sizeof_stargate_message_fields, nil)
		arrived := make([]*Message, int(count))
		r.copyRoom(arrived)
		r.kept = append(r.kept, arrived...)
	case C.STARGATE_INTERRUPTED, C.STARGATE_TIMEOUT:
	default:
		waiting.err = failure(status, err)
	}
	r.arrival = nil
	close(waiting.done)
}

// Seek moves to another position in the topic: the next message is the one at to, which may be
// [Earliest] or [Latest]. Once it returns, no message from before the seek is delivered. Other
// consumers of the subscription move with it.
func (r *receiver) Seek(ctx context.Context, to MessageID) error {
	return r.seek(ctx, to, false)
}

// SeekAfter is Seek to the message after the one at to.
func (r *receiver) SeekAfter(ctx context.Context, to MessageID) error {
	return r.seek(ctx, to, true)
}

// seek moves to an id.
func (r *receiver) seek(ctx context.Context, to MessageID, after bool) error {
	partition := -1
	if r.kind == C.GLUE_READER {
		partition = to.partition() // a consumer receives again what the others delivered
	}
	return r.move(ctx, partition, func(timeout C.int64_t) error {
		var memory arena
		defer memory.free()
		return taken(C.glue_seek(r.kind, r.raw, memory.text(to.text), C.int32_t(number(after)), timeout))
	})
}

// SeekTime moves to the first message published at this time or later; otherwise as Seek.
func (r *receiver) SeekTime(ctx context.Context, to time.Time) error {
	return r.move(ctx, -1, func(timeout C.int64_t) error {
		return taken(C.glue_seek_time(r.kind, r.raw, C.int64_t(to.UnixMilli()), timeout))
	})
}

// move calls what moves the position in a partition, or in all with -1. If that succeeds, it drops
// what arrived from there before, for a receive that was cancelled.
func (r *receiver) move(ctx context.Context, partition int, call func(timeout C.int64_t) error) error {
	before, err := r.takeKept(ctx)
	if err != nil {
		return err
	}
	_, err = blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
		defer runtime.KeepAlive(r)
		return struct{}{}, call(timeout)
	})
	if err == nil {
		before = slices.DeleteFunc(before, func(message *Message) bool {
			return min(message.ID.partition(), partition) < 0 || message.ID.partition() == partition
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(before, r.kept...)
	return err
}

// takeKept ends the receive of the library, and takes what arrived for receives that were cancelled.
func (r *receiver) takeKept(ctx context.Context) ([]*Message, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if waiting := r.arrival; waiting != nil {
		C.glue_interrupt(r.kind, r.raw)
		r.mu.Unlock()
		select {
		case <-waiting.done:
		case <-ctx.Done():
		}
		r.mu.Lock()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	kept := r.kept
	r.kept = nil
	return kept, nil
}

// LastMessageIDs returns the ids of the last messages of the topic, one for each partition that has
// any.
func (r *receiver) LastMessageIDs(ctx context.Context) ([]MessageID, error) {
	return blocking(ctx, func(timeout C.int64_t) ([]MessageID, error) {
		defer runtime.KeepAlive(r)
		var found *C.char
		if err := taken(C.glue_last_message_ids(r.kind, r.raw, timeout, &found)); err != nil {
			return nil, err
		}
		var ids []MessageID
		err := json.Unmarshal([]byte(takeText(found)), &ids)
		return ids, err
	})
}

// IsEndOfTopic reports whether the topic was terminated and everything in it has been acknowledged,
// or, by a reader, read. It asks the server.
func (r *receiver) IsEndOfTopic(ctx context.Context) (bool, error) {
	return blocking(ctx, func(timeout C.int64_t) (bool, error) {
		defer runtime.KeepAlive(r)
		var end C.int32_t
		err := taken(C.glue_is_end_of_topic(r.kind, r.raw, timeout, &end))
		return end != 0, err
	})
}
