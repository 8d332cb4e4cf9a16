// Stargate through its Go package: SendAsync, and ReceiveMany with one Ack for what it returned.
package main

import (
	"context"
	"log"
	"time"

	"bench/workload"
	"stargate"
)

func main() {
	w := workload.FromArguments()
	client, err := stargate.NewClient(w.URL)
	if err != nil {
		log.Fatal(err)
	}
	if w.Role == "send" {
		send(client, w)
	} else {
		receive(client, w)
	}
}

func send(client *stargate.Client, w *workload.Workload) {
	ctx, meter, payloads := context.Background(), workload.NewMeter(w), workload.NewPayloads(w.Size)
	producer, err := client.Producer(ctx, w.Topic,
		stargate.WithMaxPendingMsg(w.Window), stargate.WithBatchEnabled(w.Batched))
	if err != nil {
		log.Fatal(err)
	}
	// The functions run one after the other, so that they need no lock for the meter.
	for number := 0; ; number++ {
		begun := time.Time{}
		if number%meter.Timed == 0 {
			begun = time.Now()
		}
		message := stargate.Outgoing{Payload: payloads.Get(number)}
		err := producer.SendAsync(ctx, message, func(_ stargate.MessageID, err error) {
			if err != nil {
				log.Fatal(err)
			}
			if !begun.IsZero() {
				meter.Latency(time.Since(begun))
			}
			if !meter.Done(1) {
				meter.Report()
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	}
}

func receive(client *stargate.Client, w *workload.Workload) {
	ctx, meter := context.Background(), workload.NewMeter(w)
	consumer, err := client.Consumer(ctx, w.Topic, w.Subscription,
		stargate.WithQueueSize(w.Window), stargate.WithInitialPosition(stargate.InitialPositionEarliest))
	if err != nil {
		log.Fatal(err)
	}
	for {
		messages, err := consumer.ReceiveMany(ctx, 256)
		if err != nil {
			log.Fatal(err)
		}
		if err := consumer.Ack(messages...); err != nil {
			log.Fatal(err)
		}
		if !meter.Done(len(messages)) {
			meter.Report()
		}
	}
}
