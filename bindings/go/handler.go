package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

// Handler handles messages.
type Handler interface {
	// HandleMessage handles a message and returns what becomes of it: [Ack], [Nack], [Continue] to
	// acknowledge it later, or [Message.ReconsumeLater]. It may wait, and call anything. A handler
	// that panics costs its message a negative acknowledgement and is logged. For a reader every
	// outcome means Continue.
	//
	// ctx ends when the handle is closed; during Close, only once Close has given up waiting.
	HandleMessage(ctx context.Context, message *Message) Outcome
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, message *Message) Outcome

// HandleMessage calls the function.
func (f HandlerFunc) HandleMessage(ctx context.Context, message *Message) Outcome {
	return f(ctx, message)
}

// Listen runs a handler on every message until the handle is closed, and returns at once. With
// [WithProcessors] several threads run it at the same time. Receiving and a handler exclude each
// other, and there can be one handler.
func (r *receiver) Listen(handler Handler) error {
	return r.listen(&listening{processor: processor{r, handler}}, 0)
}

// ListenEach is Listen with a handler of its own for each of the processors, which are counted from
// 0. Each handles one message at a time. A handler that is an [io.Closer] is closed after its last
// message. If newHandler fails, so does ListenEach, and the handle is no longer usable.
func (r *receiver) ListenEach(newHandler func(processor int) (Handler, error)) error {
	return r.listen(&listening{processor: processor{r, nil}, newHandler: newHandler}, 1)
}

// listen starts a handler. The table of calls keeps the handle while it runs.
func (r *receiver) listen(l *listening, each C.int) error {
	defer runtime.KeepAlive(r)
	err := taken(C.glue_listen(r.kind, r.raw, each, calls.add(l)))
	if failed := l.failure(); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// CloseContext stops delivery, lets the handler finish its messages, sends the acknowledgements and
// closes the connections. When ctx ends first, the context of the handler ends too.
func (r *receiver) CloseContext(ctx context.Context) error {
	err := r.connection.CloseContext(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = nil
	r.freeRoom()
	return err
}

// Close is CloseContext with 10 seconds.
func (r *receiver) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return r.CloseContext(ctx)
}

// processor runs a handler on a thread of the library.
type processor struct {
	receiver *receiver
	handler  Handler
}

// listening is a handle with a handler.
type listening struct {
	processor
	newHandler func(int) (Handler, error)
	mu         sync.Mutex
	err        error
}

// failure returns why a handler could not be made.
func (l *listening) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// newProcessor makes the handler of a processor.
func (l *listening) newProcessor(number int) (made *processor, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the handler of processor %d: %v", number, reason)
		}
	}()
	handler, err := l.newHandler(number)
	return &processor{l.receiver, handler}, err
}

//export goProcessor
func goProcessor(number C.uintptr_t, index C.uint32_t) C.uintptr_t {
	l := calls.get(number).(*listening)
	made, err := l.newProcessor(int(index))
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.err = errors.Join(l.err, err)
		return 0
	}
	return calls.add(made)
}

//export goHandle
func goHandle(
	state C.uintptr_t, raw *C.stargate_message, fields *C.stargate_message_fields, delay *C.int64_t,
) C.int32_t {
	var p *processor
	switch value := calls.get(state).(type) {
	case *processor:
		p = value
	case *listening:
		p = &value.processor
	}
	message := newMessage(fields, p.receiver.topic)
	p.receiver.prepare(message)
	outcome := p.handle(message)
	if outcome == Continue && message.held != nil {
		// From now on it can be acknowledged as it is; until now, by its id only.
		message.held.Store(uintptr(unsafe.Pointer(C.stargate_message_clone(raw))))
	}
	*delay = C.int64_t(millis(message.delay))
	return C.int32_t(outcome)
}

// handle runs the handler. A panic must not leave the callback.
func (p *processor) handle(message *Message) (outcome Outcome) {
	defer func() {
		if reason := recover(); reason != nil {
			p.receiver.logger.Error("stargate: a handler panicked", "about", p.receiver.topic,
				"message_id", message.ID.String(), "panic", reason, "stack", string(debug.Stack()))
			outcome = Nack
		}
	}()
	return p.handler.HandleMessage(p.receiver.ctx, message)
}

// prepare makes the place for a message that is acknowledged later than its handler returns.
func (r *receiver) prepare(message *Message) {
	if r.kind == C.GLUE_CONSUMER {
		r.mu.Lock()
		defer r.mu.Unlock()
		message.held = r.hold(nil)
	}
}

//export goDrop
func goDrop(state C.uintptr_t) {
	p := calls.take(state).(*processor)
	defer func() {
		if reason := recover(); reason != nil {
			p.receiver.logger.Error("stargate: a handler panicked when it was closed", "panic", reason)
		}
	}()
	if closer, ok := p.handler.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			p.receiver.logger.Error("stargate: a handler could not be closed", "error", err)
		}
	}
}
