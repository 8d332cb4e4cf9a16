// Command cost measures the CPU time of this process for each message of 100 bytes, and that of the
// same work in C, on a mock broker in a process of its own: cost [MESSAGES [WORK]], where WORK is in
// the name of what to measure.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stargate"
	"stargate/internal/child"
)

func main() {
	log.SetFlags(0)
	child.Serve()
	count := 200_000
	if len(os.Args) > 1 {
		var err error
		if count, err = strconv.Atoi(os.Args[1]); err != nil {
			log.Fatalf("cost [MESSAGES [WORK]]: %v", err)
		}
	}
	if err := measure(count, strings.Join(os.Args[min(2, len(os.Args)):], " ")); err != nil {
		log.Fatal(err)
	}
}

// measure prints the costs of Go, then those of C.
func measure(count int, only string) error {
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
	g := &goWork{context.Background(), client, count}
	for _, work := range []struct {
		name string
		run  func(topic string) error
	}{
		{"send, a callback each", g.sendAsync},
		{"send, SendMany of 1000", g.sendMany},
		{"receive, Receive and Ack", g.receive},
		{"receive, ReceiveMany and Ack", g.receiveMany},
		{"receive, a handler", g.handle},
		{"read, Receive of a reader", g.read},
	} {
		if !strings.Contains(work.name, only) {
			continue
		}
		if err := g.report(work.name, work.run); err != nil {
			return fmt.Errorf("%s: %w", work.name, err)
		}
	}
	return baseline(url, count)
}

// goWork is what is measured in Go.
type goWork struct {
	ctx    context.Context
	client *stargate.Client
	count  int
}

// report runs a piece of work on a topic that it fills before if the work receives.
func (g *goWork) report(name string, run func(string) error) error {
	topic := fmt.Sprintf("cost-%d", time.Now().UnixNano())
	if !strings.HasPrefix(name, "send") {
		if err := g.sendMany(topic); err != nil {
			return err
		}
	}
	runtime.GC()
	cpu, began := cpuTime(), time.Now()
	if err := run(topic); err != nil {
		return err
	}
	used, took := cpuTime()-cpu, time.Since(began)
	fmt.Printf("go %-32s %5.2f us CPU a message, %8.0f a second\n", name,
		float64(used.Nanoseconds())/1000/float64(g.count), float64(g.count)/took.Seconds())
	return nil
}

// cpuTime returns what this process has used.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

var payload = []byte(strings.Repeat("x", 100))

func (g *goWork) sendAsync(topic string) error {
	producer, err := g.client.Producer(g.ctx, topic)
	if err != nil {
		return err
	}
	var failed error
	for range g.count {
		err := producer.SendAsync(g.ctx, stargate.Outgoing{Payload: payload}, func(_ stargate.MessageID, err error) {
			if err != nil {
				failed = err
			}
		})
		if err != nil {
			return err
		}
	}
	if err := producer.Close(); err != nil {
		return err
	}
	return failed
}

func (g *goWork) sendMany(topic string) error {
	producer, err := g.client.Producer(g.ctx, topic)
	if err != nil {
		return err
	}
	messages := make([]stargate.Outgoing, 1000)
	for i := range messages {
		messages[i].Payload = payload
	}
	for sent := 0; sent < g.count; sent += len(messages) {
		if _, err := producer.SendMany(g.ctx, messages[:min(1000, g.count-sent)]); err != nil {
			return err
		}
	}
	return producer.Close()
}

func (g *goWork) consumer(topic string) (*stargate.Consumer, error) {
	return g.client.Consumer(g.ctx, topic, "cost", stargate.WithInitialPosition(stargate.InitialPositionEarliest))
}

func (g *goWork) receive(topic string) error {
	consumer, err := g.consumer(topic)
	if err != nil {
		return err
	}
	for range g.count {
		message, err := consumer.Receive(g.ctx)
		if err != nil {
			return err
		}
		if err := consumer.Ack(message); err != nil {
			return err
		}
	}
	return consumer.Close()
}

func (g *goWork) receiveMany(topic string) error {
	consumer, err := g.consumer(topic)
	if err != nil {
		return err
	}
	for got := 0; got < g.count; {
		messages, err := consumer.ReceiveMany(g.ctx, 100)
		if err != nil {
			return err
		}
		if err := consumer.Ack(messages...); err != nil {
			return err
		}
		got += len(messages)
	}
	return consumer.Close()
}

func (g *goWork) handle(topic string) error {
	consumer, err := g.consumer(topic)
	if err != nil {
		return err
	}
	done, left := make(chan struct{}), g.count
	err = consumer.Listen(stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
		if left--; left == 0 {
			close(done)
		}
		return stargate.Ack
	}))
	if err != nil {
		return err
	}
	<-done
	return consumer.Close()
}

func (g *goWork) read(topic string) error {
	reader, err := g.client.Reader(g.ctx, topic, stargate.WithStartingMessage(stargate.Earliest))
	if err != nil {
		return err
	}
	for range g.count {
		if _, err := reader.Receive(g.ctx); err != nil {
			return err
		}
	}
	return reader.Close()
}

// baseline compiles the same work in C against the library in use, and runs it.
func baseline(url string, count int) error {
	library, err := stargate.LibraryPath()
	if err != nil {
		return err
	}
	_, file, _, _ := runtime.Caller(0)
	folder, err := os.MkdirTemp("", "cost")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	program := filepath.Join(folder, "baseline")
	source := filepath.Join(filepath.Dir(file), "baseline", "baseline.c")
	include := filepath.Join(filepath.Dir(file), "../../../../include")
	for _, command := range [][]string{
		{"cc", "-O2", "-I" + include, source, library, "-Wl,-rpath," + filepath.Dir(library), "-o", program},
		{program, url, strconv.Itoa(count)},
	} {
		run := exec.Command(command[0], command[1:]...)
		run.Stdout, run.Stderr = os.Stdout, os.Stderr
		if err := run.Run(); err != nil {
			return fmt.Errorf("%s: %w", command[0], err)
		}
	}
	return nil
}
