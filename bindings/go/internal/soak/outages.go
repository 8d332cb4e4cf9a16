package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"stargate"
	"stargate/stargatetest"
)

// outages sends messages, and handles them, over a broker that is killed several times. Every message
// must have its receipt and reach the handler.
func outages(count, kills int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	broker, err := stargatetest.Start(stargatetest.Options{})
	if err != nil {
		return err
	}
	defer broker.Close()
	errorsOnly := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	client, err := stargate.NewClient(broker.URL(), stargate.WithBackoffMin(time.Millisecond),
		stargate.WithBackoffMax(20*time.Millisecond), stargate.WithLogger(errorsOnly))
	if err != nil {
		return err
	}
	defer client.Close()
	seen := &places{left: count, seen: make([]bool, count), done: make(chan struct{})}
	consumer, err := client.Consumer(ctx, "orders", "billing")
	if err != nil {
		return err
	}
	if err := consumer.Listen(seen); err != nil {
		return err
	}
	producer, err := client.Producer(ctx, "orders")
	if err != nil {
		return err
	}
	var receipts, failures atomic.Int64
	for n := range count {
		if kills > 0 && n%(count/kills) == count/kills/2 {
			go killed(broker)
		}
		err := producer.SendAsync(ctx, stargate.Outgoing{Payload: fmt.Append(nil, n)}, func(_ stargate.MessageID, err error) {
			receipts.Add(1)
			if err != nil {
				log.Printf("message %d: %v", n, err)
				failures.Add(1)
			}
		})
		if err != nil {
			return err
		}
	}
	if err := producer.CloseContext(ctx); err != nil {
		return err
	}
	select {
	case <-seen.done:
	case <-ctx.Done():
		return fmt.Errorf("%d messages did not reach the handler", seen.left)
	}
	if receipts.Load() != int64(count) || failures.Load() > 0 {
		return fmt.Errorf("%d receipts, %d failed", receipts.Load(), failures.Load())
	}
	fmt.Printf("outages: %d messages and receipts over %d kills, %d deliveries\n", count, kills, seen.calls)
	return client.Close()
}

// killed takes the broker down for a moment.
func killed(broker *stargatetest.Broker) {
	if err := broker.Down(); err != nil {
		log.Print(err)
	}
	time.Sleep(20 * time.Millisecond)
	if err := broker.Up(); err != nil {
		log.Print(err)
	}
}

// places notes which messages the handler has seen.
type places struct {
	mu          sync.Mutex
	seen        []bool
	left, calls int
	done        chan struct{}
}

func (p *places) HandleMessage(_ context.Context, message *stargate.Message) stargate.Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	var n int
	if _, err := fmt.Sscan(string(message.Payload), &n); err != nil {
		log.Fatal(err)
	}
	p.calls++
	if !p.seen[n] {
		p.seen[n] = true
		if p.left--; p.left == 0 {
			close(p.done)
		}
	}
	return stargate.Ack
}
