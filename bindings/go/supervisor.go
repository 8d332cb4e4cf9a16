package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"unsafe"
)

// Supervisor is a named set of producers, consumers and readers. Connections reconnect by
// themselves; a supervisor reopens what ended with a permanent error, and leaves down what fails too
// often.
type Supervisor struct {
	raw   *C.stargate_supervisor
	owner *handle // what its handles have in common
}

// SupervisorKey names something that a supervisor holds.
type SupervisorKey struct {
	Supervisor   string `json:"supervisor"`
	Component    string `json:"component"`
	Topic        string `json:"topic"`
	Subscription string `json:"subscription"`
}

// StartSupervisor starts a supervisor from a value that encoding/json writes as
//
//	{"name": "shop", "host": ["localhost:8080"], "protocol": "ws",
//	 "producer": {"tenant": "public", "namespace": "default", "topic": "orders"},
//	 "consumer": [{"topic": "orders", "subscription": "billing", "subscription_type": "shared"}]}
//
// Producer, consumer and reader are one object or a list; every other key is an option, and times are
// in milliseconds. Options are for what JSON cannot express. If one component cannot be opened, all
// are closed.
func StartSupervisor(ctx context.Context, config any, options ...ClientOption) (*Supervisor, error) {
	s := newSettings(options, ClientOption.forClient)
	s.standAlone()
	return blocking(ctx, func(timeout C.int64_t) (*Supervisor, error) {
		built, err := s.build()
		if err != nil {
			return nil, err
		}
		defer C.stargate_options_free(built)
		var memory arena
		defer memory.free()
		text, err := memory.json(config)
		if err != nil {
			return nil, err
		}
		var raw *C.stargate_supervisor
		var failed *C.stargate_error
		if err := take(C.stargate_supervisor_start(text, built, timeout, &raw, &failed), failed); err != nil {
			return nil, err
		}
		return newSupervisor(raw, s.logger, s.busy), nil
	})
}

// FindSupervisor returns the running supervisor of a name.
func FindSupervisor(name string) (*Supervisor, error) {
	if _, err := load(); err != nil {
		return nil, err
	}
	if err := checkTexts("the name", name); err != nil {
		return nil, err
	}
	var memory arena
	defer memory.free()
	var raw *C.stargate_supervisor
	var failed *C.stargate_error
	if err := take(C.stargate_supervisor_find(memory.text(name), &raw, &failed), failed); err != nil {
		return nil, err
	}
	return newSupervisor(raw, slog.Default(), &activity{}), nil
}

// newSupervisor returns a supervisor that gives its handle back when the garbage collector finds it.
func newSupervisor(raw *C.stargate_supervisor, logger *slog.Logger, busy *activity) *Supervisor {
	owner := &handle{logger: logger, busy: busy}
	owner.ctx, owner.stop = context.WithCancel(context.Background())
	owner.closing.Store(true) // its handles need not be closed
	s := &Supervisor{raw, owner}
	runtime.SetFinalizer(s, func(s *Supervisor) { C.stargate_supervisor_release(s.raw) })
	return s
}

// AddProducer opens one more producer and supervises it. Config is as under "producer" in
// [StartSupervisor].
func (s *Supervisor) AddProducer(ctx context.Context, config any) error {
	return s.add(ctx, config, func(text *C.char, timeout C.int64_t) error {
		var failed *C.stargate_error
		return take(C.stargate_supervisor_add_producer(s.raw, text, timeout, &failed), failed)
	})
}

// AddConsumer opens one more consumer, gives it a handler, and supervises it: after a restart it has
// the handler again. Without a handler it is for receiving.
func (s *Supervisor) AddConsumer(ctx context.Context, config any, handler Handler) error {
	return s.supervise(ctx, C.GLUE_CONSUMER, config, handler)
}

// AddReader opens one more reader, as AddConsumer does. After a restart it begins at its
// starting_message again.
func (s *Supervisor) AddReader(ctx context.Context, config any, handler Handler) error {
	return s.supervise(ctx, C.GLUE_READER, config, handler)
}

// supervise adds a consumer or reader.
func (s *Supervisor) supervise(ctx context.Context, kind C.enum_glue_kind, config any, handler Handler) error {
	return s.add(ctx, config, func(text *C.char, timeout C.int64_t) error {
		var number C.uintptr_t
		if handler != nil {
			common := &handle{kind: kind, logger: s.owner.logger, ctx: s.owner.ctx}
			number = calls.add(&processor{&receiver{connection: connection{handle: common}}, handler})
		}
		return taken(C.glue_supervise(s.raw, kind, text, number, timeout))
	})
}

// add passes a configuration to a call that waits in C.
func (s *Supervisor) add(ctx context.Context, config any, call func(*C.char, C.int64_t) error) error {
	_, err := blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
		defer runtime.KeepAlive(s)
		var memory arena
		defer memory.free()
		text, err := memory.json(config)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, call(text, timeout)
	})
	return err
}

// json returns a value as a text.
func (a *arena) json(value any) (*C.char, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil, invalid("the configuration: %v", err)
	}
	return a.text(string(encoded)), nil
}

// Producer returns the producer of a topic, as it is now; after a restart it is another one. It need
// not be closed: it continues in the supervisor.
func (s *Supervisor) Producer(topic string) (*Producer, error) {
	raw, err := s.find(func(topic, _ *C.char, failed **C.stargate_error) (unsafe.Pointer, C.stargate_status) {
		var raw *C.stargate_producer
		status := C.stargate_supervisor_producer(s.raw, topic, &raw, failed)
		return unsafe.Pointer(raw), status
	}, topic, "")
	if err != nil {
		return nil, err
	}
	return newProducer(raw, s.owner, &settings{}), nil
}

// Consumer returns the consumer of a topic and subscription, as it is now. Subscription may be empty
// when the topic has one consumer.
func (s *Supervisor) Consumer(topic, subscription string) (*Consumer, error) {
	raw, err := s.find(func(topic, subscription *C.char, failed **C.stargate_error) (unsafe.Pointer, C.stargate_status) {
		var raw *C.stargate_consumer
		status := C.stargate_supervisor_consumer(s.raw, topic, subscription, &raw, failed)
		return unsafe.Pointer(raw), status
	}, topic, subscription)
	if err != nil {
		return nil, err
	}
	return newConsumer(raw, s.owner), nil
}

// Reader returns the reader of a topic, as it is now.
func (s *Supervisor) Reader(topic string) (*Reader, error) {
	raw, err := s.find(func(topic, _ *C.char, failed **C.stargate_error) (unsafe.Pointer, C.stargate_status) {
		var raw *C.stargate_reader
		status := C.stargate_supervisor_reader(s.raw, topic, &raw, failed)
		return unsafe.Pointer(raw), status
	}, topic, "")
	if err != nil {
		return nil, err
	}
	return newReader(raw, s.owner), nil
}

// find returns a handle.
func (s *Supervisor) find(
	call func(topic, subscription *C.char, failed **C.stargate_error) (unsafe.Pointer, C.stargate_status),
	topic, subscription string,
) (unsafe.Pointer, error) {
	defer runtime.KeepAlive(s)
	if err := checkTexts("the name", topic, subscription); err != nil {
		return nil, err
	}
	var memory arena
	defer memory.free()
	var failed *C.stargate_error
	raw, status := call(memory.text(topic), memory.optional(subscription), &failed)
	return raw, take(status, failed)
}

// Keys returns what the supervisor holds.
func (s *Supervisor) Keys() ([]SupervisorKey, error) {
	defer runtime.KeepAlive(s)
	var found *C.char
	var failed *C.stargate_error
	if err := take(C.stargate_supervisor_keys_json(s.raw, &found, &failed), failed); err != nil {
		return nil, err
	}
	var keys []SupervisorKey
	return keys, json.Unmarshal([]byte(takeText(found)), &keys)
}

// Close stops restarting and closes everything that the supervisor holds, for at most 10 seconds. Its
// name can then be used again.
func (s *Supervisor) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return s.CloseContext(ctx)
}

// CloseContext is Close with a bound of its own.
func (s *Supervisor) CloseContext(ctx context.Context) error {
	defer s.owner.stop()
	end := func(timeout C.int64_t) (struct{}, error) {
		defer runtime.KeepAlive(s)
		var failed *C.stargate_error
		return struct{}{}, take(C.stargate_supervisor_close(s.raw, timeout, &failed), failed)
	}
	if C.glue_handling() != 0 {
		_, err := end(timeoutOf(ctx)) // here, so that it does not wait for the handler on this thread
		return err
	}
	_, err := blocking(ctx, end)
	if waited := s.owner.busy.wait(ctx); err == nil {
		err = waited
	}
	return err
}
