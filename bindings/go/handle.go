package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// closeTimeout is how long Close waits for what is in flight.
const closeTimeout = 10 * time.Second

// handle is what a client, producer, consumer and reader have in common.
type handle struct {
	kind    C.enum_glue_kind
	raw     unsafe.Pointer
	name    string  // for the warning of a handle that was not closed
	client  *handle // whose close closes this one too; nil for a client
	logger  *slog.Logger
	busy    *activity // of the client
	ctx     context.Context
	stop    context.CancelFunc // ends ctx, which handlers have
	closing atomic.Bool
}

// newHandle returns a handle that gives itself back when the garbage collector finds it.
func newHandle(kind C.enum_glue_kind, raw unsafe.Pointer, name string, client *handle) *handle {
	h := &handle{kind: kind, raw: raw, name: name, client: client, logger: client.logger, busy: client.busy}
	h.ctx, h.stop = context.WithCancel(client.ctx)
	runtime.SetFinalizer(h, (*handle).release)
	return h
}

// newClientHandle is newHandle of a client.
func newClientHandle(raw unsafe.Pointer, name string, logger *slog.Logger, busy *activity) *handle {
	root := &handle{logger: logger, busy: busy, ctx: context.Background()}
	h := newHandle(C.GLUE_CLIENT, raw, name, root)
	h.client = nil
	return h
}

// release is the finalizer. It never waits.
func (h *handle) release() {
	if !h.closing.Load() && (h.client == nil || !h.client.closing.Load()) {
		h.logger.Warn("stargate: " + h.name + " was not closed; what was in flight is lost")
	}
	h.stop()
	C.glue_release(h.kind, h.raw)
}

// Close closes what it is called on, and everything that was opened through it. It waits for what is
// in flight, for at most 10 seconds. Close may be called more than once, and in a handler, which it
// then does not wait for.
func (h *handle) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return h.CloseContext(ctx)
}

// CloseContext is Close with a bound of its own: when ctx ends, what is in flight is given up.
func (h *handle) CloseContext(ctx context.Context) error {
	defer runtime.KeepAlive(h)
	defer h.stop()
	h.closing.Store(true)
	if C.glue_handling() != 0 {
		// On a thread that runs a handler: only there the library knows which one not to wait for.
		return taken(C.glue_close(h.kind, h.raw, timeoutOf(ctx)))
	}
	begin := func(timeout C.int64_t, call C.uintptr_t) C.glue_result {
		return C.glue_close_async(h.kind, h.raw, timeout, call)
	}
	_, err := await(ctx, h.kind, begin)
	if err != nil && err == ctx.Err() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = await(ended, h.kind, begin) // with no time to linger
	}
	return err
}

// Stats returns the counters.
func (h *handle) Stats() (Stats, error) {
	defer runtime.KeepAlive(h)
	var found *C.char
	if err := taken(C.glue_stats(h.kind, h.raw, &found)); err != nil {
		return Stats{}, err
	}
	var stats Stats
	err := json.Unmarshal([]byte(takeText(found)), &stats)
	return stats, err
}

// connection is what a producer, consumer and reader have in common.
type connection struct {
	*handle
	topic string
}

// newConnection returns what is common of a handle that was opened.
func newConnection(kind C.enum_glue_kind, raw unsafe.Pointer, what string, client *handle) connection {
	topic := textOf(C.glue_topic(kind, raw))
	return connection{newHandle(kind, raw, what+" of "+topic, client), topic}
}

// Topic returns the full name of the topic. For several topics it is that of the first; for a
// pattern, a name that stands for it.
func (c *connection) Topic() string {
	return c.topic
}

// IsConnected reports whether all connections are up now.
func (c *connection) IsConnected() bool {
	defer runtime.KeepAlive(c.handle)
	return C.glue_is_connected(c.kind, c.raw) != 0
}

// hasEnded reports whether it was closed, or ended with a permanent error.
func (c *connection) hasEnded() bool {
	defer runtime.KeepAlive(c.handle)
	err := taken(C.glue_wait_connected(c.kind, c.raw, 0))
	return err != nil && KindOf(err) != StatusTimeout
}

// WaitConnected waits until it is connected, for example after an open with [WithLazy].
func (c *connection) WaitConnected(ctx context.Context) error {
	const slice = 1000 // so that no thread waits in C for long after ctx has ended
	for {
		_, err := blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
			defer runtime.KeepAlive(c.handle)
			if timeout < 0 || timeout > slice {
				timeout = slice
			}
			return struct{}{}, taken(C.glue_wait_connected(c.kind, c.raw, timeout))
		})
		if KindOf(err) != StatusTimeout || timeoutOf(ctx) == 0 {
			return err
		}
	}
}
