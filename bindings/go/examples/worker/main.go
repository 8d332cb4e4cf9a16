// Command worker handles orders until Ctrl-C or SIGTERM: worker [ws://localhost:8080]. It then
// finishes the orders that it has begun, and the broker redelivers the others to another worker.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"stargate"
)

// order is what the payloads hold.
type order struct {
	Customer string `json:"customer"`
	Pizza    string `json:"pizza"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	url := cmp.Or(os.Getenv("PULSAR_URL"), "ws://localhost:8080")
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	if err := work(ctx, url); err != nil {
		slog.Error("the worker failed", "error", err)
		os.Exit(1)
	}
}

// work handles orders until ctx ends.
func work(ctx context.Context, url string) error {
	client, err := stargate.NewClient(url, stargate.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	consumer, err := client.Consumer(ctx, "orders", "kitchen",
		stargate.WithSubscriptionType(stargate.SubscriptionTypeShared),
		stargate.WithProcessors(4), // four orders at a time
		stargate.WithNegativeAckDelay(10*time.Second),
		stargate.WithMaxRedeliverCount(5)) // then the order goes to the dead letter topic
	if err != nil {
		return err
	}
	if err := consumer.Listen(stargate.HandlerFunc(bake)); err != nil {
		return err
	}
	slog.Info("ready", "topic", consumer.Topic())
	<-ctx.Done()
	return client.Close() // waits for the orders that are in the oven, for at most 10 seconds
}

// bake handles one order.
func bake(ctx context.Context, message *stargate.Message) stargate.Outcome {
	var order order
	if err := json.Unmarshal(message.Payload, &order); err != nil {
		slog.Warn("not an order", "message_id", message.ID.String(), "error", err)
		return stargate.Nack
	}
	select {
	case <-time.After(10 * time.Millisecond): // the oven
	case <-ctx.Done():
		return stargate.Nack
	}
	slog.Info("baked", "pizza", order.Pizza, "customer", order.Customer)
	return stargate.Ack
}
