package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

// ClientOption is an option of [NewClient].
type ClientOption interface{ forClient(*settings) }

// ProducerOption is an option of [Client.Producer].
type ProducerOption interface{ forProducer(*settings) }

// ConsumerOption is an option of [Client.Consumer].
type ConsumerOption interface{ forConsumer(*settings) }

// ReaderOption is an option of [Client.Reader].
type ReaderOption interface{ forReader(*settings) }

// ConnectionOption is an option of connections. Given to [NewClient], everything that the client
// opens inherits it, and may override it.
type ConnectionOption interface {
	ClientOption
	HandleOption
}

// HandleOption is an option of producers, consumers and readers.
type HandleOption interface {
	ProducerOption
	ReceiverOption
}

// ReceiverOption is an option of consumers and readers.
type ReceiverOption interface {
	ConsumerOption
	ReaderOption
}

// KeyOption is an option of producers, which encrypt, and of consumers, which decrypt.
type KeyOption interface {
	ProducerOption
	ConsumerOption
}

// settings are the options of one handle.
type settings struct {
	values map[string]any
	logger *slog.Logger
	quiet  bool // without a logger of the application, problems only
	// problems is where functions that fail are logged, and busy counts those that run.
	problems *slog.Logger
	busy     *activity
	onState  func(StateChange)
	token    func(context.Context) (string, error)
	headers  func(context.Context) (map[string]string, error)
	keys     KeyReader
}

// setting is an option with a key of docs/configuration.md.
type setting struct {
	key   string
	value any
}

func (s setting) set(to *settings)         { to.values[s.key] = s.value }
func (s setting) forClient(to *settings)   { s.set(to) }
func (s setting) forProducer(to *settings) { s.set(to) }
func (s setting) forConsumer(to *settings) { s.set(to) }
func (s setting) forReader(to *settings)   { s.set(to) }

// function is an option that the library calls.
type function func(*settings)

func (f function) forClient(to *settings)   { f(to) }
func (f function) forProducer(to *settings) { f(to) }
func (f function) forConsumer(to *settings) { f(to) }
func (f function) forReader(to *settings)   { f(to) }

// WithOption sets an option by its key in docs/configuration.md, for configurations that are read
// from somewhere. A value is a string, a number, a bool, or a [time.Duration]. The library checks
// both when the option is used.
func WithOption(key string, value any) ConnectionOption {
	return setting{key, value}
}

// WithLogger sets where log records go, at each level that the logger is enabled for. Their attribute
// "about" is a topic, or "client". Without it, warnings and errors go to [slog.Default].
func WithLogger(logger *slog.Logger) ClientOption {
	return function(func(s *settings) { s.logger = logger })
}

// WithOnState calls a function at each change of state of a connection, one after the other. The
// close of a client or supervisor waits for the function; call it there as: go client.Close()
func WithOnState(changed func(StateChange)) ConnectionOption {
	return function(func(s *settings) { s.onState = changed })
}

// WithTokenFunc calls a function for the JSON web token at each connect, so that tokens can expire
// and be renewed. After an error the attempt to connect fails, and is repeated.
func WithTokenFunc(token func(context.Context) (string, error)) ConnectionOption {
	return function(func(s *settings) { s.token = token })
}

// WithHeadersFunc calls a function for headers at each connect and each request to the REST API.
func WithHeadersFunc(headers func(context.Context) (map[string]string, error)) ConnectionOption {
	return function(func(s *settings) { s.headers = headers })
}

// WithKeyReader asks for the keys of end-to-end encryption, instead of reading key files.
func WithKeyReader(keys KeyReader) KeyOption {
	return function(func(s *settings) { s.keys = keys })
}

// newSettings collects options.
func newSettings[O any](options []O, apply func(O, *settings)) *settings {
	s := &settings{values: map[string]any{}}
	for _, option := range options {
		apply(option, s)
	}
	return s
}

// standAlone sets what a client would give.
func (s *settings) standAlone() {
	if s.logger == nil {
		s.logger, s.quiet = slog.Default(), true
	}
	s.problems, s.busy = s.logger, &activity{}
}

// build returns the options for C, to free with stargate_options_free.
func (s *settings) build() (*C.stargate_options, error) {
	if _, err := load(); err != nil {
		return nil, err
	}
	options := C.stargate_options_new()
	if err := s.fill(options); err != nil {
		C.stargate_options_free(options)
		return nil, err
	}
	return options, nil
}

// fill sets everything that was given.
func (s *settings) fill(options *C.stargate_options) error {
	if len(s.values) > 0 {
		if err := setValues(options, s.values); err != nil {
			return err
		}
	}
	return s.setFunctions(options)
}

// setValues sets the options that have keys.
func setValues(options *C.stargate_options, values map[string]any) error {
	plain := make(map[string]any, len(values))
	for key, value := range values {
		switch value := value.(type) {
		case time.Duration:
			plain[key] = millis(value)
		default:
			plain[key] = value
		}
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		return invalid("options: %v", err)
	}
	var memory arena
	defer memory.free()
	var failed *C.stargate_error
	return take(C.stargate_options_set_json(options, memory.text(string(encoded)), &failed), failed)
}

// setFunctions registers the functions that the library calls. It gives each of them back in goDestroy.
func (s *settings) setFunctions(options *C.stargate_options) error {
	if level := s.logLevel(); level != 0 {
		if err := taken(C.glue_on_log(options, level, calls.add(s.newLogSink()))); err != nil {
			return err
		}
	}
	if s.onState != nil {
		states := &serial[StateChange]{run: s.onState, busy: s.busy}
		if err := taken(C.glue_on_state(options, calls.add(states))); err != nil {
			return err
		}
	}
	if s.token != nil {
		if err := taken(C.glue_on_token(options, calls.add(&supplier{get: s.token, problems: s.problems}))); err != nil {
			return err
		}
	}
	if s.headers != nil {
		get := func(ctx context.Context) (string, error) { return headerLines(ctx, s.headers) }
		if err := taken(C.glue_on_headers(options, calls.add(&supplier{get: get, problems: s.problems}))); err != nil {
			return err
		}
	}
	if s.keys != nil {
		return taken(C.glue_on_key(options, calls.add(&keySource{s.keys, s.problems})))
	}
	return nil
}

//export goDestroy
func goDestroy(number C.uintptr_t) {
	calls.take(number)
}
