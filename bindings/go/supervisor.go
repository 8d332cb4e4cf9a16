package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Supervisor is a named set of producers, consumers and readers. Connections reconnect by
// themselves; a supervisor reopens what ended with a permanent error, and leaves down what fails too
// often. It goes on until it is closed.
type Supervisor struct {
	raw       *C.stargate_supervisor
	name      string
	owner     *handle // what its handles have in common
	mu        sync.Mutex
	receivers map[string]*receiver // that were asked for
}

// running are the supervisors that were not closed, by name. They go on if nothing else refers to them.
var running sync.Map

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
	text, err := jsonText(config)
	if err != nil {
		return nil, err
	}
	raw, err := blockingOr(ctx, func(timeout C.int64_t) (*C.stargate_supervisor, error) {
		built, err := s.build()
		if err != nil {
			return nil, err
		}
		defer C.stargate_options_free(built)
		var memory arena
		defer memory.free()
		var raw *C.stargate_supervisor
		var failed *C.stargate_error
		err = take(C.stargate_supervisor_start(memory.text(text), built, timeout, &raw, &failed), failed)
		return raw, err
	}, func(raw *C.stargate_supervisor) { C.stargate_supervisor_release(raw) })
	if err != nil {
		return nil, err
	}
	started := newSupervisor(raw, nameOf(text), s)
	running.Store(started.name, started)
	return started, nil
}

// nameOf returns the name in a configuration that the library took.
func nameOf(text string) string {
	named := struct{ Name string }{"default"}
	_ = json.Unmarshal([]byte(text), &named)
	return named.Name
}

// FindSupervisor returns the supervisor of a name that [StartSupervisor] returned and that was not
// closed.
func FindSupervisor(name string) (*Supervisor, error) {
	if found, ok := running.Load(name); ok {
		return found.(*Supervisor), nil
	}
	return nil, &Error{Kind: StatusNotFound, Text: fmt.Sprintf("there is no supervisor %q", name)}
}

// newSupervisor returns a supervisor that gives its handle back when the garbage collector finds it.
func newSupervisor(raw *C.stargate_supervisor, name string, settings *settings) *Supervisor {
	owner := &handle{logger: settings.logger, busy: settings.busy}
	owner.ctx, owner.stop = context.WithCancel(context.Background())
	owner.closing.Store(true) // its handles need not be closed
	s := &Supervisor{raw: raw, name: name, owner: owner, receivers: map[string]*receiver{}}
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
	text, err := jsonText(config)
	if err != nil {
		return err
	}
	_, err = blocking(ctx, func(timeout C.int64_t) (struct{}, error) {
		defer runtime.KeepAlive(s)
		var memory arena
		defer memory.free()
		return struct{}{}, call(memory.text(text), timeout)
	})
	return err
}

// jsonText returns a configuration as a text.
func jsonText(config any) (string, error) {
	encoded, err := json.Marshal(config)
	if err != nil {
		return "", invalid("the configuration: %v", err)
	}
	return string(encoded), nil
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
	return newProducer(raw, s.owner), nil
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
	c := newConsumer(raw, s.owner)
	c.receiver = s.shared(c.receiver, c.subscription)
	return c, nil
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
	return &Reader{s.shared(newReader(raw, s.owner).receiver, "")}, nil
}

// shared returns what was returned before for the same consumer or reader, which may keep messages.
func (s *Supervisor) shared(found *receiver, subscription string) *receiver {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := found.name + " on " + subscription
	if known := s.receivers[key]; known != nil && !known.hasEnded() {
		return known
	}
	s.receivers[key] = found
	return found
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
	err := json.Unmarshal([]byte(takeText(found)), &keys)
	return keys, err
}

// Close stops restarting and closes everything that the supervisor holds, for at most 10 seconds. Its
// name can then be used again. In a function of [Producer.SendAsync] or [WithOnState] it would wait
// for itself: go supervisor.Close()
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
		defer running.CompareAndDelete(s.name, s)
		var failed *C.stargate_error
		return struct{}{}, take(C.stargate_supervisor_close(s.raw, timeout, &failed), failed)
	}
	if C.glue_handling() != 0 || ctx.Err() != nil {
		_, err := end(timeoutOf(ctx)) // here, so that it does not wait for the handler on this thread
		return err
	}
	_, err := blocking(ctx, end)
	if waited := s.owner.busy.wait(ctx); err == nil {
		err = waited
	}
	return err
}
