package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"sync"
	"time"
	"unsafe"
)

// grace is how long a call whose deadline has passed waits for the library to say what it was
// waiting for.
const grace = time.Second

// ending is a call of the library that ends later, in goDone.
type ending struct {
	kind      C.enum_glue_kind // what the call opens, if it opens anything
	done      chan struct{}
	mu        sync.Mutex
	abandoned bool
	handle    unsafe.Pointer
	err       error
}

// end takes the result of a call. A handle that nobody waits for any more is given back.
func (e *ending) end(handle unsafe.Pointer, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.abandoned && handle != nil {
		C.glue_release(e.kind, handle)
		return
	}
	e.handle, e.err = handle, err
	close(e.done)
}

// abandon gives up waiting, and returns false if the call has ended.
func (e *ending) abandon() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.done:
		return false
	default:
		e.abandoned = true
		return true
	}
}

// await begins a call and waits for its end. Nothing but this goroutine waits.
func await(
	ctx context.Context, kind C.enum_glue_kind, begin func(timeout C.int64_t, call C.uintptr_t) C.glue_result,
) (unsafe.Pointer, error) {
	e := &ending{kind: kind, done: make(chan struct{})}
	call := calls.add(e)
	if err := taken(begin(timeoutOf(ctx), call)); err != nil {
		calls.take(call)
		return nil, err
	}
	select {
	case <-e.done:
		return e.handle, e.err
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case <-e.done:
		case <-time.After(grace):
		}
	}
	if e.abandon() {
		return nil, ctx.Err()
	}
	return e.handle, e.err
}

//export goDone
func goDone(call C.uintptr_t, status C.stargate_status, handle unsafe.Pointer, err *C.stargate_error) {
	calls.take(call).(*ending).end(handle, failure(status, err))
}

// blocking makes a call that waits in C, in a goroutine of its own if ctx can end. After a cancel
// the call goes on for no longer than the options of the library let it.
func blocking[T any](ctx context.Context, call func(timeout C.int64_t) (T, error)) (T, error) {
	return blockingOr(ctx, call, func(T) {})
}

// blockingOr is blocking that passes what nobody waits for any more on to unwanted.
func blockingOr[T any](
	ctx context.Context, call func(timeout C.int64_t) (T, error), unwanted func(T),
) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if ctx.Done() == nil {
		return call(-1)
	}
	ended := make(chan result, 1)
	timeout := timeoutOf(ctx)
	go func() {
		value, err := call(timeout)
		ended <- result{value, err}
	}()
	select {
	case end := <-ended:
		return end.value, end.err
	case <-ctx.Done():
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		select {
		case end := <-ended:
			return end.value, end.err
		case <-time.After(grace):
		}
	}
	go func() {
		if end := <-ended; end.err == nil {
			unwanted(end.value)
		}
	}()
	return none, ctx.Err()
}

// timeoutOf returns the milliseconds that are left until the deadline of ctx, or -1 without one.
func timeoutOf(ctx context.Context) C.int64_t {
	if ctx.Err() != nil {
		return 0
	}
	if deadline, ok := ctx.Deadline(); ok {
		return C.int64_t(max(0, millis(time.Until(deadline))))
	}
	return -1
}

// millis returns whole milliseconds, rounded up.
func millis(duration time.Duration) int64 {
	return whole(duration, time.Millisecond)
}

// seconds returns whole seconds for C, rounded up.
func seconds(duration time.Duration) C.int64_t {
	return C.int64_t(whole(duration, time.Second))
}

// whole returns how many units a duration is, rounded up.
func whole(duration, unit time.Duration) int64 {
	count := int64(duration / unit)
	if duration%unit > 0 {
		count++
	}
	return count
}

// unixMillis returns a time for C: 0 for the zero time.
func unixMillis(at time.Time) C.int64_t {
	if at.IsZero() {
		return 0
	}
	return C.int64_t(at.UnixMilli())
}

// timeOf returns a time of C: the zero time for 0.
func timeOf(millis C.int64_t) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(millis))
}
