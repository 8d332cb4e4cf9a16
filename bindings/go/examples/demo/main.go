// Command demo produces 1,000 messages, consumes them with a handler that acknowledges each, and
// reads them again from the earliest: demo [ws://localhost:8080], or PULSAR_URL in the environment.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"stargate"
)

const messages = 1000

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	url := cmp.Or(os.Getenv("PULSAR_URL"), "ws://localhost:8080")
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	if err := run(ctx, url); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	client, err := stargate.NewClient(url)
	if err != nil {
		return err
	}
	defer client.Close()
	topic := fmt.Sprintf("demo-go-%d", os.Getpid())
	done, err := consume(ctx, client, topic)
	if err != nil {
		return err
	}
	if err := produce(ctx, client, topic); err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	fmt.Printf("consumed %d\n", messages)
	return read(ctx, client, topic)
}

// consume starts a handler, and returns a channel that is closed after the last message.
func consume(ctx context.Context, client *stargate.Client, topic string) (<-chan struct{}, error) {
	consumer, err := client.Consumer(ctx, topic, "demo")
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	var handled atomic.Int32
	return done, consumer.Listen(stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
		if handled.Add(1) == messages {
			close(done)
		}
		return stargate.Ack
	}))
}

// produce sends without waiting for each receipt.
func produce(ctx context.Context, client *stargate.Client, topic string) error {
	producer, err := client.Producer(ctx, topic)
	if err != nil {
		return err
	}
	var stored atomic.Int32
	for n := range messages {
		message := stargate.Outgoing{Payload: []byte(fmt.Sprintf("pizza %d", n))}
		err := producer.SendAsync(ctx, message, func(_ stargate.MessageID, err error) {
			if err != nil {
				log.Printf("not stored: %v", err)
				return
			}
			stored.Add(1)
		})
		if err != nil {
			return err
		}
	}
	if err := producer.CloseContext(ctx); err != nil {
		return err
	}
	fmt.Printf("produced %d\n", stored.Load())
	return nil
}

// read reads everything that the topic holds.
func read(ctx context.Context, client *stargate.Client, topic string) error {
	reader, err := client.Reader(ctx, topic, stargate.WithStartingMessage(stargate.Earliest))
	if err != nil {
		return err
	}
	count := 0
	for message, err := range reader.UntilCaughtUp(ctx) {
		if err != nil {
			return err
		}
		if wanted := fmt.Sprintf("pizza %d", count); string(message.Payload) != wanted {
			return fmt.Errorf("read %q in place of %q", message.Payload, wanted)
		}
		count++
	}
	if count != messages {
		return fmt.Errorf("read %d messages", count)
	}
	fmt.Printf("read %d\n", count)
	return nil
}
