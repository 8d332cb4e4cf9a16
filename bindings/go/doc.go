// Package stargate is a client of Apache Pulsar over Pulsar's WebSocket API, for places where only
// the HTTP port is open. It uses the C library libstargate; see [LibraryPath] for where it looks.
//
// A [Client] opens a [Producer], a [Consumer] of a subscription, or a [Reader] of a topic. Each has a
// connection of its own, reconnects by itself, and may be used by many goroutines:
//
//	client, err := stargate.NewClient("ws://localhost:8080")
//	...
//	defer client.Close()
//	consumer, err := client.Consumer(ctx, "orders", "billing")
//	...
//	for message, err := range consumer.Messages(ctx) {
//		...
//		consumer.Ack(message)
//	}
//
// Everything that waits takes a context and returns at once when it ends. What waits for messages,
// receipts, an open or a close holds no thread, except [Reader.UntilCaughtUp].
//
// Options are functions, such as [WithQueueSize]; each belongs to what may take it, and the library
// checks its value. [WithOption] takes one by its name in docs/configuration.md.
//
// An error is an [*Error]; its kind is for [errors.Is], such as errors.Is(err, stargate.ErrBusy).
//
// Package stargate/stargatetest has a broker for tests.
package stargate
