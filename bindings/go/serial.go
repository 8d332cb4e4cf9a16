package stargate

import (
	"context"
	"sync"
)

// serial runs a function on values one after the other, in order. Its goroutine lives while there
// are values, so that threads of the library never wait for the application.
type serial[T any] struct {
	run     func(T)
	busy    *activity // of the client, which waits for it when it is closed
	mu      sync.Mutex
	queue   []T
	running bool
}

// push adds a value, and does not wait.
func (s *serial[T]) push(value T) {
	s.mu.Lock()
	s.queue = append(s.queue, value)
	start := !s.running
	s.running = true
	s.mu.Unlock()
	if start {
		s.busy.add(1)
		go s.drain()
	}
}

// drain runs the function until no value is left.
func (s *serial[T]) drain() {
	var values []T
	for {
		clear(values)
		s.mu.Lock()
		values, s.queue = s.queue, values[:0]
		s.running = len(values) > 0
		s.mu.Unlock()
		if len(values) == 0 {
			s.busy.add(-1)
			return
		}
		for _, value := range values {
			s.run(value)
		}
	}
}

// activity counts the goroutines that run functions of the application.
type activity struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when none runs; nil if nobody waits
}

// add counts goroutines that begin, or that end.
func (a *activity) add(more int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running += more
	if a.running == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// wait waits until none runs.
func (a *activity) wait(ctx context.Context) error {
	a.mu.Lock()
	if a.running == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
