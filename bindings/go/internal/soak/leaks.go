package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"

	"stargate"
	"stargate/internal/child"
)

// leaks does the same work again and again. After the first tenth, memory, threads, descriptors and
// goroutines must not grow.
func leaks(cycles, messages int) error {
	url, stop, err := child.Broker()
	if err != nil {
		return err
	}
	defer stop()
	client, err := stargate.NewClient(url)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	if err := steady("cycles", cycles, func(int) error { return cycle(ctx, client) }); err != nil {
		return err
	}
	return flow(ctx, client, messages)
}

// steady runs work, and compares what the process holds after a tenth with what it holds at the end.
func steady(name string, count int, work func(int) error) error {
	var before held
	for n := range count {
		if n == count/10 {
			before = hold()
		}
		if err := work(n); err != nil {
			return fmt.Errorf("%s %d: %w", name, n, err)
		}
	}
	after := hold()
	fmt.Printf("leaks: %d %s; before %v, after %v\n", count, name, before, after)
	if after.kilobytes > before.kilobytes+8_000 || after.threads > before.threads+10 ||
		after.descriptors > before.descriptors+5 || after.goroutines > before.goroutines+5 {
		return errors.New("the process holds more than before")
	}
	return nil
}

// cycle opens everything, uses it, and closes it; once in a while it leaves that to the garbage
// collector.
func cycle(ctx context.Context, client *stargate.Client) error {
	producer, err := client.Producer(ctx, "cycle")
	if err != nil {
		return err
	}
	consumer, err := client.Consumer(ctx, "cycle", "a", stargate.WithSubscriptionType(stargate.SubscriptionTypeShared))
	if err != nil {
		return err
	}
	if _, err := producer.Send(ctx, stargate.Outgoing{Payload: []byte("pizza"), Key: "anna"}); err != nil {
		return err
	}
	message, err := consumer.Receive(ctx)
	if err != nil {
		return err
	}
	if err := consumer.Ack(message); err != nil {
		return err
	}
	cancelled, cancel := context.WithTimeout(ctx, 200*time.Microsecond)
	defer cancel()
	for err == nil {
		_, err = consumer.Receive(cancelled) // is not acknowledged: the finalizer frees it
	}
	if _, err := client.Producer(cancelled, "cycle"); err == nil {
		return errors.New("an open after the deadline went well")
	}
	if _, err := client.Consumer(ctx, "cycle", "a", stargate.WithOption("nonsense", 1)); err == nil {
		return errors.New("nonsense went well")
	}
	return errors.Join(producer.Close(), consumer.Close())
}

// flow sends messages and receives them, a thousand at a time.
func flow(ctx context.Context, client *stargate.Client, messages int) error {
	producer, err := client.Producer(ctx, "flow")
	if err != nil {
		return err
	}
	consumer, err := client.Consumer(ctx, "flow", "a")
	if err != nil {
		return err
	}
	batch := make([]stargate.Outgoing, 1000)
	for n := range batch {
		batch[n] = stargate.Outgoing{Payload: make([]byte, 100), Properties: map[string]string{"size": "l"}}
	}
	err = steady("thousands of messages", max(messages/1000, 1), func(int) error {
		if _, err := producer.SendMany(ctx, batch); err != nil {
			return err
		}
		for got := 0; got < len(batch); {
			received, err := consumer.ReceiveMany(ctx, 100)
			if err != nil {
				return err
			}
			got += len(received)
			if err := consumer.Ack(received...); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, producer.Close(), consumer.Close())
}

// held is what a process holds.
type held struct {
	kilobytes, threads, descriptors, goroutines int
}

// hold returns what this process holds once nothing of what it gave up is left.
func hold() held {
	for range 3 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
	}
	tasks, _ := os.ReadDir("/proc/self/task")
	files, _ := os.ReadDir("/proc/self/fd")
	return held{residentKilobytes(), len(tasks), len(files), runtime.NumGoroutine()}
}

// residentKilobytes returns the resident memory.
func residentKilobytes() int {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range bytes.Split(status, []byte("\n")) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == "VmRSS:" {
			number, _ := strconv.Atoi(string(fields[1]))
			return number
		}
	}
	return 0
}
