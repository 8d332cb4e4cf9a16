package stargate_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

func TestASupervisorOpensWhatItsConfigurationNames(t *testing.T) {
	w := newWorld(t)
	host := strings.TrimPrefix(w.broker.URL(), "ws://")
	supervisor, err := stargate.StartSupervisor(w.ctx, map[string]any{
		"name": "shop", "host": []string{host}, "protocol": "ws",
		"producer": map[string]any{"topic": "orders", "send_timeout": 5000},
		"reader":   map[string]any{"topic": "orders", "starting_message": "earliest"},
	})
	w.check(err)
	billed := make(chan *stargate.Message, 10)
	w.check(supervisor.AddConsumer(w.ctx, map[string]any{"topic": "orders", "subscription": "billing"},
		stargate.HandlerFunc(func(_ context.Context, message *stargate.Message) stargate.Outcome {
			billed <- message
			return stargate.Ack
		})))
	w.check(supervisor.AddProducer(w.ctx, map[string]any{"topic": "bills"}))
	w.check(supervisor.AddReader(w.ctx, map[string]any{"topic": "bills"}, nil))
	found, err := stargate.FindSupervisor("shop")
	w.check(err)
	producer, err := found.Producer("orders")
	w.check(err)
	_, err = producer.Send(w.ctx, stargate.Outgoing{Payload: []byte("one pizza")})
	w.check(err)
	if message := <-billed; string(message.Payload) != "one pizza" || message.Topic != producer.Topic() {
		t.Errorf("%+v", message)
	}
	reader, err := found.Reader("orders")
	w.check(err)
	if message := w.receive(reader); string(message.Payload) != "one pizza" {
		t.Errorf("%+v", message)
	}
	consumer, err := found.Consumer("orders", "")
	w.check(err)
	keys, err := found.Keys()
	w.check(err)
	if consumer.Subscription() != "billing" || !slices.ContainsFunc(keys, func(key stargate.SupervisorKey) bool {
		return key.Component == "consumer" && key.Subscription == "billing" && key.Supervisor == "shop"
	}) {
		t.Errorf("%s, %+v", consumer.Subscription(), keys)
	}
	_, err = found.Producer("nothing")
	w.fails(err, stargate.ErrNotFound)
	w.check(supervisor.Close())
	_, err = stargate.FindSupervisor("shop")
	w.fails(err, stargate.ErrNotFound)
	_, err = stargate.StartSupervisor(w.ctx, map[string]any{"name": "shop"})
	w.fails(err, stargate.ErrInvalidArgument)
}

func TestProduceSendsByURL(t *testing.T) {
	w := newWorld(t)
	url := w.broker.URL() + "/ws/v2/producer/persistent/public/default/orders"
	results, err := stargate.Produce(w.ctx, url, []stargate.Outgoing{
		{Payload: []byte("a"), Key: "anna", Properties: map[string]string{"size": "l"}}, {HasKey: true},
	})
	w.check(err)
	consumer := w.consumer()
	first, second := w.receive(consumer), w.receive(consumer)
	if len(results) != 2 || results[0].ID.Compare(first.ID) != 0 || first.Key != "anna" ||
		first.Properties["size"] != "l" || !second.HasKey || len(second.Payload) != 0 {
		t.Errorf("%v, %+v, %+v", results, first, second)
	}
	_, err = stargate.Produce(w.ctx, "nonsense", nil)
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = stargate.Produce(w.ctx, url, []stargate.Outgoing{{Key: "a\x00"}})
	w.fails(err, stargate.ErrInvalidArgument)
}

func TestProduceCallsFunctions(t *testing.T) {
	w := newWorld(t)
	url := w.broker.URL() + "/ws/v2/producer/persistent/public/default/orders"
	states := make(chan stargate.StateChange, 100)
	_, err := stargate.Produce(w.ctx, url, []stargate.Outgoing{{Payload: []byte("pizza")}},
		stargate.WithOnState(func(change stargate.StateChange) { states <- change }))
	w.check(err)
	if change := <-states; change.State != stargate.StateConnecting {
		t.Errorf("%+v", change)
	}
	reason := errors.New("none here")
	for _, options := range [][]stargate.ProducerOption{
		{stargate.WithTokenFunc(func(context.Context) (string, error) { return "", reason })},
		{stargate.WithHeadersFunc(func(context.Context) (map[string]string, error) { return nil, reason })},
		{stargate.WithKeyReader(keyFiles{}), stargate.WithEncryptionKey("other")},
	} {
		if _, err := stargate.Produce(w.ctx, url, []stargate.Outgoing{{}}, options...); err == nil {
			t.Error("a function failed, and Produce did not")
		}
	}
}

func TestProduceReadsNoMessageAfterACancel(t *testing.T) {
	w := newWorld(t)
	url := w.broker.URL() + "/ws/v2/producer/persistent/public/default/orders"
	message := stargate.Outgoing{Payload: []byte("before"), Properties: map[string]string{"size": "l"}}
	messages := []stargate.Outgoing{message}
	_, err := stargate.Produce(w.endsWhenAwaited(2, func() {}), url, messages)
	w.fails(err, context.Canceled)
	copy(message.Payload, "after!")
	message.Properties["size"] = "s"
	messages[0].Key = "anna"
	if sent := w.receive(w.consumer()); string(sent.Payload) != "before" || sent.Properties["size"] != "l" || sent.HasKey {
		t.Errorf("%+v", sent)
	}
}

func TestASupervisorGoesOnUnreferenced(t *testing.T) {
	w := newWorld(t)
	handled := make(chan struct{}, 1)
	supervisor, err := w.supervisor(w.ctx, map[string]any{})
	w.check(err)
	w.check(supervisor.AddConsumer(w.ctx, map[string]any{"topic": "orders", "subscription": "billing"},
		stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
			handled <- struct{}{}
			return stargate.Ack
		})))
	supervisor = nil
	for range 5 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	w.send("a")
	select {
	case <-handled:
	case <-time.After(5 * time.Second):
		t.Fatal("the supervisor is gone")
	}
}

func TestAStartThatIsCancelledIsGivenBack(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("connect", "delay:300", "", 1))
	parts := map[string]any{"producer": map[string]any{"topic": "orders"}}
	_, err := w.supervisor(w.endsWhenAwaited(2, func() {}), parts)
	w.fails(err, context.Canceled)
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	w.check(w.broker.Wait(ctx, "disconnect", "", 1))
	for {
		_, err := w.supervisor(ctx, parts)
		if !errors.Is(err, stargate.ErrBusy) {
			w.check(err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAFoundSupervisorEndsTheHandlers(t *testing.T) {
	w := newWorld(t)
	supervisor, err := w.supervisor(w.ctx, map[string]any{})
	w.check(err)
	began, ended := make(chan struct{}), make(chan struct{})
	w.check(supervisor.AddConsumer(w.ctx, map[string]any{"topic": "orders", "subscription": "billing"},
		stargate.HandlerFunc(func(ctx context.Context, _ *stargate.Message) stargate.Outcome {
			close(began)
			<-ctx.Done()
			close(ended)
			return stargate.Ack
		})))
	w.send("a")
	<-began
	found, err := stargate.FindSupervisor(w.Name())
	w.check(err)
	ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer cancel()
	w.fails(found.CloseContext(ctx), context.DeadlineExceeded)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the context of the handler goes on")
	}
	_, err = stargate.FindSupervisor(w.Name())
	w.fails(err, stargate.ErrNotFound)
}

func TestACloseWhoseContextHasEndedCloses(t *testing.T) {
	w := newWorld(t)
	supervisor, err := w.supervisor(w.ctx, map[string]any{"producer": map[string]any{"topic": "orders"}})
	w.check(err)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	_ = supervisor.CloseContext(ctx)
	w.check(w.broker.Wait(w.ctx, "disconnect", "", 1))
	_, err = stargate.FindSupervisor(w.Name())
	w.fails(err, stargate.ErrNotFound)
}

func TestReceiversOfASupervisorAreShared(t *testing.T) {
	w := newWorld(t)
	supervisor, err := w.supervisor(w.ctx, map[string]any{
		"consumer": map[string]any{"topic": "orders", "subscription": "billing"},
		"reader":   map[string]any{"topic": "orders"},
	})
	w.check(err)
	reader, err := supervisor.Reader("orders")
	w.check(err)
	w.keep(reader, "", "a")
	again, err := supervisor.Reader("persistent://public/default/orders")
	w.check(err)
	w.receives(again, "a")
	consumer, err := supervisor.Consumer("orders", "")
	w.check(err)
	w.receives(consumer, "a")
	w.keep(consumer, "", "b")
	other, err := supervisor.Consumer("orders", "billing")
	w.check(err)
	w.receives(other, "b")
	w.check(other.Close())
	for err = stargate.ErrBusy; errors.Is(err, stargate.ErrBusy); { // until the supervisor knows that it was closed
		err = supervisor.AddConsumer(w.ctx, map[string]any{"topic": "orders", "subscription": "billing"}, nil)
	}
	w.check(err)
	next, err := supervisor.Consumer("orders", "billing")
	w.check(err)
	w.receives(next, "a", "b")
}

func TestAFullQueueFailsIfTheConfigurationSaysSo(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("send", "no-receipt", "", stargatetest.Always))
	supervisor, err := w.supervisor(w.ctx, map[string]any{
		"producer": map[string]any{"topic": "orders", "when_full": "fail", "max_pending_msg": 1},
	})
	w.check(err)
	producer, err := supervisor.Producer("orders")
	w.check(err)
	w.check(producer.SendAsync(w.ctx, stargate.Outgoing{}, nil))
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
	defer cancel()
	w.fails(producer.SendAsync(ctx, stargate.Outgoing{}, nil), stargate.ErrQueueFull)
	w.fails(producer.SendAsync(ctx, stargate.Outgoing{ReplicationClusters: []string{"__local__"}}, nil), stargate.ErrQueueFull)
	ended, cancel := context.WithCancel(w.ctx)
	cancel()
	_ = supervisor.CloseContext(ended)
}
