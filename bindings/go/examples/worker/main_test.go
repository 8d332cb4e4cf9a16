package main

import (
	"context"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

func TestTheWorkerBakesAndEndsCleanly(t *testing.T) {
	broker := stargatetest.NewBroker(t)
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ctx, stop := context.WithCancel(limit)
	ended := make(chan error, 1)
	go func() { ended <- work(ctx, broker.URL()) }()
	if err := broker.Wait(limit, "connect", "orders", 1); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"customer": "anna", "pizza": "margherita"}`, "no order"} {
		if _, err := broker.Publish("orders", stargate.Outgoing{Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := broker.Wait(limit, "ack", "orders", 1); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if left, err := broker.Backlog("orders", "kitchen"); left != 1 || err != nil {
		t.Errorf("%d orders are left, %v", left, err)
	}
}
