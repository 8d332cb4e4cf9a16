package orders

import (
	"context"
	"errors"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

// open returns a mock broker and a producer, which end with the test.
func open(t *testing.T, options ...stargate.ProducerOption) (context.Context, *stargatetest.Broker, *stargate.Producer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	broker := stargatetest.NewBroker(t)
	client, err := stargate.NewClient(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	producer, err := client.Producer(ctx, "orders", options...)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, broker, producer
}

func TestAnOrderSurvivesACut(t *testing.T) {
	ctx, broker, producer := open(t)
	// The broker drops the connection when the order arrives; the client sends it again.
	if err := broker.Fault("send", "drop", "orders", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Place(ctx, producer, Order{"anna", "margherita"}); err != nil {
		t.Fatal(err)
	}
	stored, err := broker.Messages("orders")
	if err != nil || len(stored) != 1 || string(stored[0].Payload) != `{"customer":"anna","pizza":"margherita"}` {
		t.Errorf("stored %v, %v", stored, err)
	}
}

func TestARefusedOrderIsAnError(t *testing.T) {
	ctx, broker, producer := open(t)
	if err := broker.Terminate("orders"); err != nil {
		t.Fatal(err)
	}
	_, err := Place(ctx, producer, Order{"anna", "margherita"})
	if !errors.Is(err, stargate.ErrTopicTerminated) {
		t.Errorf("the order ended with %v", err)
	}
}
