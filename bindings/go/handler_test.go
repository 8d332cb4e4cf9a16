package stargate_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"stargate"
)

func TestAHandlerAcksNacksAndAcksLater(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer(stargate.WithSubscriptionType(stargate.SubscriptionTypeShared),
		stargate.WithNegativeAckDelay(10*time.Millisecond))
	handled := make(chan string, 10)
	var refused atomic.Bool
	w.check(consumer.Listen(stargate.HandlerFunc(func(_ context.Context, message *stargate.Message) stargate.Outcome {
		handled <- string(message.Payload)
		switch {
		case string(message.Payload) == "later":
			time.AfterFunc(10*time.Millisecond, func() { _ = consumer.Ack(message) })
			return stargate.Continue
		case string(message.Payload) == "panic" && !refused.Swap(true):
			panic("not this one")
		}
		return stargate.Ack
	})))
	w.send("panic", "later")
	counts := map[string]int{}
	for range 3 {
		counts[<-handled]++
	}
	if counts["panic"] != 2 || counts["later"] != 1 {
		t.Errorf("handled %v", counts)
	}
	w.check(w.broker.Wait(w.ctx, "ack", "orders", 2))
	w.fails(consumer.Listen(stargate.HandlerFunc(nil)), stargate.ErrInvalidArgument)
	_, err := consumer.Receive(w.ctx)
	w.fails(err, stargate.ErrInvalidArgument)
}

// counter is a handler with a state of its own.
type counter struct {
	processor int
	ended     chan<- int
}

func (c *counter) HandleMessage(context.Context, *stargate.Message) stargate.Outcome {
	return stargate.Ack
}

func (c *counter) Close() error {
	c.ended <- c.processor
	return nil
}

func TestEachProcessorHasAHandlerOfItsOwn(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer(stargate.WithProcessors(3), stargate.WithSubscriptionType(stargate.SubscriptionTypeShared))
	ended := make(chan int, 3)
	w.check(consumer.ListenEach(func(processor int) (stargate.Handler, error) {
		return &counter{processor, ended}, nil
	}))
	w.send("a", "b")
	w.check(w.broker.Wait(w.ctx, "ack", "orders", 2))
	w.check(consumer.Close())
	processors := []int{<-ended, <-ended, <-ended}
	slices.Sort(processors)
	if !slices.Equal(processors, []int{0, 1, 2}) {
		t.Errorf("closed %v", processors)
	}
}

func TestAHandlerThatCannotBeMadeFailsTheListen(t *testing.T) {
	w := newWorld(t)
	reason := errors.New("no database")
	err := w.consumer().ListenEach(func(int) (stargate.Handler, error) { return nil, reason })
	w.fails(err, reason)
}

func TestACloseInAHandlerDoesNotWaitForIt(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	closed := make(chan error, 1)
	w.check(consumer.Listen(stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
		closed <- consumer.Close()
		return stargate.Ack
	})))
	w.send("a")
	select {
	case err := <-closed:
		w.check(err)
	case <-time.After(5 * time.Second):
		t.Fatal("the close waits for its own handler")
	}
}

// handlesUntilDone lets the consumer have a message in a handler that waits for the end of its context,
// and returns what is closed then.
func (w *world) handlesUntilDone(consumer *stargate.Consumer) <-chan struct{} {
	w.Helper()
	began, ended := make(chan struct{}), make(chan struct{})
	w.check(consumer.Listen(stargate.HandlerFunc(func(ctx context.Context, _ *stargate.Message) stargate.Outcome {
		close(began)
		<-ctx.Done()
		close(ended)
		return stargate.Nack
	})))
	w.send("a")
	<-began
	return ended
}

func TestTheContextOfAHandlerEndsWhenTheCloseGivesUp(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	ended := w.handlesUntilDone(consumer)
	ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer cancel()
	w.fails(consumer.CloseContext(ctx), context.DeadlineExceeded)
	<-ended
	w.check(consumer.Close())
}

func TestAHandlerKeepsItsConsumer(t *testing.T) {
	w := newWorld(t)
	handled := make(chan struct{}, 1)
	w.check(w.consumer().Listen(stargate.HandlerFunc(func(context.Context, *stargate.Message) stargate.Outcome {
		handled <- struct{}{}
		return stargate.Ack
	})))
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	w.send("a")
	select {
	case <-handled:
	case <-time.After(5 * time.Second):
		t.Fatal("the consumer is gone")
	}
}

func TestAnUnsubscribeInAHandlerDoesNotWaitForIt(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	unsubscribed, ended := make(chan error, 1), make(chan struct{})
	w.check(consumer.Listen(stargate.HandlerFunc(func(ctx context.Context, _ *stargate.Message) stargate.Outcome {
		limited, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		defer cancel()
		unsubscribed <- consumer.Unsubscribe(limited)
		<-ctx.Done()
		close(ended)
		return stargate.Ack
	})))
	w.send("a")
	select {
	case err := <-unsubscribed:
		w.check(err)
		<-ended
	case <-time.After(5 * time.Second):
		t.Fatal("the call waits for its own handler")
	}
	subscriptions, err := w.client.Admin().Subscriptions(w.ctx, "orders")
	w.check(err)
	if len(subscriptions) != 0 {
		t.Errorf("there are %v", subscriptions)
	}
}

func TestTheContextOfAHandlerEndsWhenAnUnsubscribeGivesUp(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	ended := w.handlesUntilDone(consumer)
	ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
	defer cancel()
	err := consumer.Unsubscribe(ctx)
	w.fails(err, context.DeadlineExceeded)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatalf("the context of the handler goes on after %v", err)
	}
}
