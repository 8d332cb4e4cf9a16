package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// levels are those of the library, in the order of its numbers.
var levels = []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug}

// record is a record of the library's log.
type record struct {
	level       slog.Level
	about, text string
}

// newLogSink passes records on to a logger, in a goroutine: a thread of the library must not wait.
func (s *settings) newLogSink() *serial[record] {
	logger := s.logger
	return &serial[record]{busy: s.busy, run: func(r record) {
		logger.LogAttrs(context.Background(), r.level, r.text, slog.String("about", r.about))
	}}
}

// logLevel returns the number of the most detailed level to log, or 0.
func (s *settings) logLevel() C.int32_t {
	if s.logger == nil {
		return 0
	}
	for number := len(levels); number > 0; number-- {
		level := levels[number-1]
		if s.logger.Enabled(context.Background(), level) && (!s.quiet || level >= slog.LevelWarn) {
			return C.int32_t(number)
		}
	}
	return 0
}

//export goLog
func goLog(sink C.uintptr_t, level C.int32_t, about *C.char, aboutLen C.size_t, line *C.char, lineLen C.size_t) {
	written := levels[min(max(int(level), 1), len(levels))-1]
	calls.get(sink).(*serial[record]).push(record{written, text(about, aboutLen), text(line, lineLen)})
}

// StateChange is a change of state of a connection.
type StateChange struct {
	// State is what the connection is now.
	State State
	// Session is which of the handle's connections it is; 0 when it has one.
	Session int
	// Topic is that of the producer, consumer or reader.
	Topic string
	// Host is the host, as "name:port"; empty if the change concerns none.
	Host string
	// Proxy is the proxy of the connection, without its user; empty for a direct one.
	Proxy string
	// Err is the reason, or nil.
	Err error
	// RetryIn is the time until the next attempt; below 0 when none follows.
	RetryIn time.Duration
}

//export goState
func goState(states C.uintptr_t, change *C.stargate_state_change) {
	calls.get(states).(*serial[StateChange]).push(StateChange{
		State:   State(change.state),
		Session: int(change.session),
		Topic:   textOf(change.topic),
		Host:    textOf(change.host),
		Proxy:   textOf(change.proxy),
		Err:     failure(C.stargate_error_status(change.error), change.error),
		RetryIn: time.Duration(change.retry_in_ms) * time.Millisecond,
	})
}

// supplier gives the library texts that change: tokens and headers.
type supplier struct {
	get      func(context.Context) (string, error)
	problems *slog.Logger
	mu       sync.Mutex
	ready    []string // texts for which a buffer was too small; the library then calls again
}

// supply writes a text into a buffer of the library.
func (s *supplier) supply(buffer *C.char, capacity C.size_t, length *C.size_t) C.stargate_status {
	value, err := s.next()
	if err != nil {
		s.problems.Error("stargate: a function for tokens or headers failed", "error", err)
		return C.STARGATE_AUTHENTICATION
	}
	*length = C.size_t(len(value))
	if *length > capacity {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ready = append(s.ready, value)
		return C.STARGATE_TOO_BIG
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(buffer)), int(capacity)), value)
	return C.STARGATE_OK
}

// next returns a text that waits for a larger buffer, or asks for a new one.
func (s *supplier) next() (string, error) {
	s.mu.Lock()
	if last := len(s.ready) - 1; last >= 0 {
		defer s.mu.Unlock()
		value := s.ready[last]
		s.ready = s.ready[:last]
		return value, nil
	}
	s.mu.Unlock()
	return s.get(context.Background())
}

// headerLines returns headers as lines.
func headerLines(ctx context.Context, get func(context.Context) (map[string]string, error)) (string, error) {
	headers, err := get(ctx)
	if err != nil {
		return "", err
	}
	lines := make([]string, 0, len(headers))
	for name, value := range headers {
		lines = append(lines, fmt.Sprintf("%s: %s", name, value))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), nil
}

//export goToken
func goToken(number C.uintptr_t, buffer *C.char, capacity C.size_t, length *C.size_t) C.stargate_status {
	return calls.get(number).(*supplier).supply(buffer, capacity, length)
}

//export goHeaders
func goHeaders(number C.uintptr_t, buffer *C.char, capacity C.size_t, length *C.size_t) C.stargate_status {
	return calls.get(number).(*supplier).supply(buffer, capacity, length)
}
