package stargate_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"stargate"
	"stargate/stargatetest"
)

// open returns a client of a mock broker, and what ends both.
func open() (*stargate.Client, func()) {
	broker, err := stargatetest.Start(stargatetest.Options{})
	if err != nil {
		log.Fatal(err)
	}
	client, err := stargate.NewClient(broker.URL())
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		_ = client.Close()
		broker.Close()
	}
}

func Example() {
	client, end := open() // stargate.NewClient("ws://localhost:8080")
	defer end()
	ctx := context.Background()
	consumer, err := client.Consumer(ctx, "orders", "billing")
	if err != nil {
		log.Fatal(err)
	}
	producer, err := client.Producer(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := producer.Send(ctx, stargate.Outgoing{Payload: []byte("one pizza"), Key: "anna"}); err != nil {
		log.Fatal(err)
	}
	message, err := consumer.Receive(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", message.Key, message.Payload)
	fmt.Println(consumer.Ack(message))
	// Output:
	// anna: one pizza
	// <nil>
}

func ExampleReader_UntilCaughtUp() {
	client, end := open()
	defer end()
	ctx := context.Background()
	producer, err := client.Producer(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := producer.SendMany(ctx, []stargate.Outgoing{{Payload: []byte("a")}, {Payload: []byte("b")}}); err != nil {
		log.Fatal(err)
	}
	reader, err := client.Reader(ctx, "orders", stargate.WithStartingMessage(stargate.Earliest))
	if err != nil {
		log.Fatal(err)
	}
	for message, err := range reader.UntilCaughtUp(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", message.Payload)
	}
	// Output:
	// a
	// b
}

func ExampleError() {
	client, end := open()
	defer end()
	_, err := client.Admin().Tenant(context.Background(), "nobody")
	var failed *stargate.Error
	if errors.Is(err, stargate.ErrNotFound) && errors.As(err, &failed) {
		fmt.Println(failed.Kind, failed.HTTPStatus)
	}
	// Output: not_found 404
}
