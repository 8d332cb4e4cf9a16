package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"iter"
	"runtime"
	"unsafe"
)

// Reader reads a topic from [WithStartingMessage], without a subscription. After a reconnect it
// continues after the last message, with neither a gap nor a replay.
type Reader struct {
	*receiver
}

// newReader returns a reader that was opened.
func newReader(raw unsafe.Pointer, client *handle) *Reader {
	return &Reader{newReceiver(C.GLUE_READER, raw, "the reader", client)}
}

// HasMessageAvailable reports whether the topic has a message that the application has not received
// yet. It asks the broker.
func (r *Reader) HasMessageAvailable(ctx context.Context) (bool, error) {
	r.mu.Lock()
	kept := len(r.kept)
	r.mu.Unlock()
	if kept > 0 {
		return true, nil
	}
	return blocking(ctx, func(timeout C.int64_t) (bool, error) {
		defer runtime.KeepAlive(r.handle)
		var available C.int32_t
		var failed *C.stargate_error
		err := take(C.stargate_reader_has_message_available(r.pointer(), timeout, &available, &failed), failed)
		return available != 0, err
	})
}

// UntilCaughtUp returns an iterator over the messages up to where the topic ends now. It ends there,
// and after an error.
func (r *Reader) UntilCaughtUp(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		_, err := blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
			defer runtime.KeepAlive(r.handle)
			var failed *C.stargate_error
			return struct{}{}, take(C.stargate_reader_mark_end(r.pointer(), timeout, &failed), failed)
		})
		for err == nil {
			var message *Message
			message, err = r.beforeEnd(ctx)
			if message == nil && err == nil || err == nil && !yield(message, nil) {
				return
			}
		}
		yield(nil, err)
	}
}

// beforeEnd returns the next message before the marked end, or nil.
func (r *Reader) beforeEnd(ctx context.Context) (*Message, error) {
	const slice = 1000 // so that no thread waits in C for long after ctx has ended
	for {
		message, status, err := r.beforeEndNow(0)
		if err != nil || status == C.STARGATE_OK {
			return message, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { C.glue_interrupt(r.kind, r.raw) })
		message, status, err = r.beforeEndNow(slice)
		stop()
		if err != nil || status == C.STARGATE_OK {
			return message, err
		}
	}
}

// beforeEndNow waits for the next message before the marked end, for a time in milliseconds.
func (r *Reader) beforeEndNow(timeout C.int64_t) (*Message, C.stargate_status, error) {
	defer runtime.KeepAlive(r.receiver)
	room := (*C.glue_batch)(C.calloc(1, C.sizeof_glue_batch))
	defer C.free(unsafe.Pointer(room))
	r.mu.Lock()
	if len(r.kept) > 0 {
		defer r.mu.Unlock()
		message := r.kept[0]
		r.kept = r.kept[1:]
		return message, C.STARGATE_OK, nil
	}
	r.mu.Unlock()
	result := C.glue_receive_before_end(r.pointer(), timeout, room)
	switch result.status {
	case C.STARGATE_OK:
		if room.count == 0 {
			return nil, result.status, nil
		}
		defer C.stargate_messages_free(&room.messages[0], room.count)
		return newMessage(&room.fields[0], r.topic), result.status, nil
	case C.STARGATE_TIMEOUT, C.STARGATE_INTERRUPTED:
		return nil, result.status, nil
	}
	return nil, result.status, taken(result)
}

// pointer returns the handle for C.
func (r *Reader) pointer() *C.stargate_reader {
	return (*C.stargate_reader)(r.raw)
}
