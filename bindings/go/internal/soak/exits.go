package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"stargate"
	"stargate/internal/child"
)

// leaving says that this process is to end with work pending, at the broker that it names.
const leaving = "STARGATE_LEAVE_URL"

// exits starts processes that end with work pending. Each must end by itself, and at once.
func exits(count int) error {
	url, stop, err := child.Broker()
	if err != nil {
		return err
	}
	defer stop()
	var slowest time.Duration
	for n := range count {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		process := exec.CommandContext(ctx, os.Args[0])
		process.Env = append(os.Environ(), leaving+"="+url, fmt.Sprintf("STARGATE_LEAVE_HOW=%d", n%3))
		out, err := process.CombinedOutput()
		cancel()
		if err != nil {
			return fmt.Errorf("exit %d: %w\n%s", n, err, out)
		}
		var took time.Duration
		if _, err := fmt.Sscan(string(out), (*int64)(&took)); err != nil {
			return fmt.Errorf("exit %d: %w\n%s", n, err, out)
		}
		took = time.Since(time.Unix(0, int64(took)))
		slowest = max(slowest, took)
	}
	fmt.Printf("exits: %d processes ended with work pending, the slowest %v after its last line\n", count, slowest)
	return nil
}

// leave is the process that ends with work pending. In others it does nothing.
func leave() {
	url := os.Getenv(leaving)
	if url == "" {
		return
	}
	ctx := context.Background()
	client, err := stargate.NewClient(url, stargate.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		stargate.WithOnState(func(stargate.StateChange) {}))
	must(err)
	topic := fmt.Sprintf("leave-%d", os.Getpid())
	producer, err := client.Producer(ctx, topic)
	must(err)
	consumer, err := client.Consumer(ctx, topic, "a")
	must(err)
	must(consumer.Listen(stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
		time.Sleep(time.Millisecond)
		return stargate.Ack
	})))
	other, err := client.Consumer(ctx, topic, "b")
	must(err)
	reader, err := client.Reader(ctx, topic, stargate.WithStartingMessage(stargate.Earliest))
	must(err)
	go func() { _, _ = client.Producer(ctx, "another-"+topic) }()
	go func() { _, _ = client.Admin().Clusters(ctx) }()
	for range 500 {
		must(producer.SendAsync(ctx, stargate.Outgoing{Payload: []byte("pizza")}, func(stargate.MessageID, error) {}))
	}
	for range 10 {
		go receiveAll(ctx, other.Receive)
		go receiveAll(ctx, reader.Receive)
	}
	time.Sleep(time.Duration(os.Getpid()%5) * time.Millisecond)
	fmt.Println(time.Now().UnixNano())
	switch os.Getenv("STARGATE_LEAVE_HOW") {
	case "1":
		go client.Close()
	case "2":
		must(client.Close())
	}
	os.Exit(0)
}

// receiveAll receives until an error.
func receiveAll(ctx context.Context, receive func(context.Context) (*stargate.Message, error)) {
	for {
		if _, err := receive(ctx); err != nil {
			return
		}
	}
}

// must ends the process with an error.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
