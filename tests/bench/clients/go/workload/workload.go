// Package workload is what every Go client of the benchmark shares: the workload it was asked for and
// its payloads. The arguments are explained in src/lib.rs; here are the roles send and receive.
package workload

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"time"
)

// Workload is what a client is to do.
type Workload struct {
	Role         string
	URL          string
	Topic        string
	Subscription string
	Size         int
	Window       int
	Batched      bool
	Warmup       time.Duration
	Seconds      time.Duration
	Limit        int
}

// FromArguments returns the workload of the command line.
func FromArguments() *Workload {
	log.SetFlags(0)
	if len(os.Args) < 2 || os.Args[1] != "send" && os.Args[1] != "receive" {
		log.Fatal("expected: send|receive --url URL [--topic T] [--size N] ...")
	}
	w := &Workload{Role: os.Args[1]}
	flags := flag.NewFlagSet(w.Role, flag.ExitOnError)
	flags.StringVar(&w.URL, "url", "", "")
	flags.StringVar(&w.Topic, "topic", "bytes-100", "")
	flags.StringVar(&w.Subscription, "subscription", "bench", "")
	flags.IntVar(&w.Size, "size", 100, "")
	flags.IntVar(&w.Window, "window", 1000, "")
	flags.BoolVar(&w.Batched, "batched", false, "")
	flags.IntVar(&w.Limit, "limit", 0, "")
	connections := flags.Int("connections", 1, "")
	warmup := flags.Float64("warmup", 0.3, "")
	seconds := flags.Float64("seconds", 1, "")
	_ = flags.Parse(os.Args[2:]) // it exits on an error
	if *connections != 1 {
		log.Fatal("the Go clients have one connection")
	}
	w.Warmup = time.Duration(*warmup * float64(time.Second))
	w.Seconds = time.Duration(*seconds * float64(time.Second))
	return w
}

// WebsocketURL returns the URL of the endpoint, query parameters included.
func (w *Workload) WebsocketURL() string {
	topic := "persistent/public/default/" + w.Topic
	if w.Role == "receive" {
		return fmt.Sprintf("%s/ws/v2/consumer/%s/%s?receiverQueueSize=%d&subscriptionInitialPosition=Earliest",
			w.URL, topic, w.Subscription, w.Window)
	}
	batching := ""
	if w.Batched {
		batching = "batchingEnabled=true&batchingMaxMessages=1000&batchingMaxPublishDelay=1"
	}
	return fmt.Sprintf("%s/ws/v2/producer/%s?%s", w.URL, topic, batching)
}

// Where the next payload begins, and the range of beginnings.
const step, beginnings = 6101, 1 << 16

// Payloads are random, each different from those before it: slices of one random buffer.
type Payloads struct {
	random []byte
	size   int
}

// NewPayloads makes payloads of a size.
func NewPayloads(size int) *Payloads {
	random := make([]byte, size+beginnings)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	return &Payloads{random, size}
}

// Get returns the payload of a message.
func (p *Payloads) Get(number int) []byte {
	begin := number * step % beginnings
	return p.random[begin : begin+p.size]
}
