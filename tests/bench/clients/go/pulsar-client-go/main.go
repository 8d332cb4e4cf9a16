// The peer pulsar-client-go: the official Go client, on the binary protocol.
package main

import (
	"context"
	"log"
	"log/slog"
	"sync"
	"time"

	"bench/workload"

	"github.com/apache/pulsar-client-go/pulsar"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"
)

func main() {
	w := workload.FromArguments()
	silent := pulsarlog.NewLoggerWithSlog(slog.New(slog.DiscardHandler))
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: w.URL, Logger: silent})
	if err != nil {
		log.Fatal(err)
	}
	topic := "persistent://public/default/" + w.Topic
	if w.Role == "send" {
		send(client, topic, w)
	} else {
		receive(client, topic, w)
	}
}

func send(client pulsar.Client, topic string, w *workload.Workload) {
	ctx, meter, payloads := context.Background(), workload.NewMeter(w), workload.NewPayloads(w.Size)
	producer, err := client.CreateProducer(pulsar.ProducerOptions{
		Topic:                   topic,
		DisableBatching:         !w.Batched,
		BatchingMaxMessages:     1000,
		BatchingMaxPublishDelay: time.Millisecond,
		MaxPendingMessages:      w.Window,
	})
	if err != nil {
		log.Fatal(err)
	}
	var lock sync.Mutex // of the meter
	for number := 0; ; number++ {
		begun := time.Time{}
		if number%meter.Timed == 0 {
			begun = time.Now()
		}
		message := &pulsar.ProducerMessage{Payload: payloads.Get(number)}
		producer.SendAsync(ctx, message, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
			if err != nil {
				log.Fatal(err)
			}
			lock.Lock()
			defer lock.Unlock()
			if !begun.IsZero() {
				meter.Latency(time.Since(begun))
			}
			if !meter.Done(1) {
				meter.Report()
			}
		})
	}
}

func receive(client pulsar.Client, topic string, w *workload.Workload) {
	ctx, meter := context.Background(), workload.NewMeter(w)
	consumer, err := client.Subscribe(pulsar.ConsumerOptions{
		Topic:                       topic,
		SubscriptionName:            w.Subscription,
		Type:                        pulsar.Exclusive,
		SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest,
		ReceiverQueueSize:           w.Window,
	})
	if err != nil {
		log.Fatal(err)
	}
	for {
		message, err := consumer.Receive(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := consumer.Ack(message); err != nil {
			log.Fatal(err)
		}
		if !meter.Done(1) {
			meter.Report()
		}
	}
}
