package stargate_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"stargate"
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

// endsWhenAwaited is a context that ends when a call begins to wait.
type endsWhenAwaited struct {
	context.Context
	end   context.CancelFunc
	asked int
}

func (c *endsWhenAwaited) Done() <-chan struct{} {
	if c.asked++; c.asked == 2 {
		c.end()
	}
	return c.Context.Done()
}

func TestProduceReadsNoMessageAfterACancel(t *testing.T) {
	w := newWorld(t)
	url := w.broker.URL() + "/ws/v2/producer/persistent/public/default/orders"
	ctx, cancel := context.WithCancel(w.ctx)
	message := stargate.Outgoing{Payload: []byte("before"), Properties: map[string]string{"size": "l"}}
	messages := []stargate.Outgoing{message}
	_, err := stargate.Produce(&endsWhenAwaited{ctx, cancel, 0}, url, messages)
	w.fails(err, context.Canceled)
	copy(message.Payload, "after!")
	message.Properties["size"] = "s"
	messages[0].Key = "anna"
	if sent := w.receive(w.consumer()); string(sent.Payload) != "before" || sent.Properties["size"] != "l" || sent.HasKey {
		t.Errorf("%+v", sent)
	}
}
