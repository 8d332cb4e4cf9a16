package stargate_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

// world is a mock broker with a client.
type world struct {
	*testing.T
	ctx    context.Context
	broker *stargatetest.Broker
	client *stargate.Client
}

func newWorld(t *testing.T, options ...stargate.ClientOption) *world {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	w := &world{t, ctx, stargatetest.NewBroker(t), nil}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	options = append([]stargate.ClientOption{stargate.WithLogger(quiet)}, options...)
	client, err := stargate.NewClient(w.broker.URL(), options...)
	w.check(err)
	w.client = client
	t.Cleanup(func() { _ = client.Close() })
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) fails(err, kind error) {
	w.Helper()
	if !errors.Is(err, kind) {
		w.Fatalf("expected %v, got %v", kind, err)
	}
}

func (w *world) producer(options ...stargate.ProducerOption) *stargate.Producer {
	w.Helper()
	producer, err := w.client.Producer(w.ctx, "orders", options...)
	w.check(err)
	return producer
}

func (w *world) consumer(options ...stargate.ConsumerOption) *stargate.Consumer {
	w.Helper()
	options = append(options, stargate.WithInitialPosition(stargate.InitialPositionEarliest))
	consumer, err := w.client.Consumer(w.ctx, "orders", "billing", options...)
	w.check(err)
	return consumer
}

func (w *world) send(payloads ...string) {
	w.Helper()
	for _, payload := range payloads {
		_, err := w.broker.Publish("orders", stargate.Outgoing{Payload: []byte(payload)})
		w.check(err)
	}
}

func (w *world) receive(consumer interface {
	Receive(context.Context) (*stargate.Message, error)
}) *stargate.Message {
	w.Helper()
	message, err := consumer.Receive(w.ctx)
	w.check(err)
	return message
}

// endsWhenAwaited returns a context that ends when a call asks for its end for the nth time, after
// what happens before.
func (w *world) endsWhenAwaited(nth int, before func()) context.Context {
	ctx, end := context.WithCancel(w.ctx)
	w.Cleanup(end)
	return &awaited{ctx, func() {
		if nth--; nth == 0 {
			before()
			end()
		}
	}}
}

type awaited struct {
	context.Context
	asked func()
}

func (a *awaited) Done() <-chan struct{} {
	a.asked()
	return a.Context.Done()
}

// supervisor starts a supervisor that is closed with the test, unless it was before.
func (w *world) supervisor(ctx context.Context, parts map[string]any) (*stargate.Supervisor, error) {
	parts["name"], parts["host"], parts["protocol"] = w.Name(), strings.TrimPrefix(w.broker.URL(), "ws://"), "ws"
	supervisor, err := stargate.StartSupervisor(ctx, parts)
	if err == nil {
		w.Cleanup(func() {
			if found, err := stargate.FindSupervisor(w.Name()); err == nil {
				_ = found.Close()
			}
		})
	}
	return supervisor, err
}
