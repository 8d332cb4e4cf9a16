package stargate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

func TestACancelEndsAReceiveAtOnceAndLosesNothing(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	for n := range 20 {
		ctx, cancel := context.WithCancel(w.ctx)
		time.AfterFunc(time.Duration(n)*time.Millisecond/4, cancel)
		began := time.Now()
		message, err := consumer.Receive(ctx)
		if time.Since(began) > time.Second {
			t.Errorf("a cancelled receive took %v", time.Since(began))
		}
		if err == nil {
			t.Fatalf("got %s", message.Payload)
		}
		w.fails(err, context.Canceled)
		w.send(fmt.Sprint(n))
		if message := w.receive(consumer); string(message.Payload) != fmt.Sprint(n) {
			t.Fatalf("%s arrived for %d", message.Payload, n)
		}
	}
}

func TestACancelledReceiveTakesNoMessage(t *testing.T) {
	w := newWorld(t)
	reader, err := w.client.Reader(w.ctx, "orders")
	w.check(err)
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
	defer cancel()
	_, err = reader.Receive(ctx)
	w.fails(err, context.DeadlineExceeded)
	w.send("a")
	stats, err := reader.Stats()
	for ; stats.Received == 0; stats, err = reader.Stats() {
		w.check(err)
		w.check(w.ctx.Err())
		time.Sleep(time.Millisecond)
	}
	if time.Sleep(10 * time.Millisecond); stats.Queued != 1 {
		if stats, err = reader.Stats(); stats.Queued != 1 {
			t.Errorf("%d messages wait, %v", stats.Queued, err)
		}
	}
}

func TestCancelsWhileMessagesArriveKeepThemInOrder(t *testing.T) {
	w := newWorld(t)
	consumer, producer := w.consumer(), w.producer()
	const count = 3000
	for n := range count {
		w.check(producer.SendAsync(w.ctx, stargate.Outgoing{Payload: []byte(fmt.Sprint(n))}, nil))
	}
	cancelled := 0
	for next := 0; next < count; {
		ctx, cancel := context.WithTimeout(w.ctx, 20*time.Microsecond)
		message, err := consumer.Receive(ctx)
		cancel()
		if err != nil {
			w.fails(err, context.DeadlineExceeded)
			cancelled++
			w.check(w.ctx.Err())
			continue
		}
		if string(message.Payload) != fmt.Sprint(next) {
			t.Fatalf("%s arrived for %d", message.Payload, next)
		}
		w.check(consumer.Ack(message))
		next++
	}
	if cancelled == 0 {
		t.Error("nothing was cancelled")
	}
}

func TestManyWaitingReceivesHoldNoThreads(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(w.ctx)
	before := threads()
	var receivers sync.WaitGroup
	for n := range 50 {
		consumer, err := w.client.Consumer(w.ctx, fmt.Sprintf("quiet-%d", n), "billing")
		w.check(err)
		for range 10 {
			receivers.Add(1)
			go func() {
				defer receivers.Done()
				_, err := consumer.Receive(ctx)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("the receive ended with %v", err)
				}
			}()
		}
	}
	time.Sleep(50 * time.Millisecond)
	if more := threads() - before; more > 40 {
		t.Errorf("500 receives hold %d threads", more)
	}
	cancel()
	receivers.Wait()
}

func TestOneReceiveOfSeveralGetsTheMessage(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	ctx, cancel := context.WithCancel(w.ctx)
	got, ended := make(chan string, 8), make(chan error, 8)
	for range 8 {
		go func() {
			message, err := consumer.Receive(ctx)
			if err == nil {
				got <- string(message.Payload)
			}
			ended <- err
		}()
	}
	w.send("a", "b")
	if found := []string{<-got, <-got}; !slices.Contains(found, "a") || !slices.Contains(found, "b") {
		t.Errorf("got %v", found)
	}
	cancel()
	failed := 0
	for range 8 {
		if <-ended != nil {
			failed++
		}
	}
	if failed != 6 {
		t.Errorf("%d of 6 were cancelled", failed)
	}
}

func TestReceiveManyTakesWhatIsThere(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	var payloads []string
	for n := range 150 {
		payloads = append(payloads, fmt.Sprint(n))
	}
	w.send(payloads...)
	var got []string
	for len(got) < 150 {
		messages, err := consumer.ReceiveMany(w.ctx, 100)
		w.check(err)
		for _, message := range messages {
			got = append(got, string(message.Payload))
		}
		w.check(consumer.Ack(messages...))
	}
	if !slices.Equal(got, payloads) {
		t.Errorf("got %v", got)
	}
	w.check(w.broker.Wait(w.ctx, "ack", "orders", 150))
	_, err := consumer.ReceiveMany(w.ctx, 0)
	w.fails(err, stargate.ErrInvalidArgument)
}

func TestAMessageCanBeAnsweredTwice(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	w.send("a", "b")
	first, second := w.receive(consumer), w.receive(consumer)
	w.check(consumer.Ack(first))
	w.check(consumer.Ack(first, second))
	w.check(consumer.Ack(first))
	w.check(consumer.Nack(first))
	w.fails(consumer.ReconsumeLater(w.ctx, first, time.Second), stargate.ErrInvalidArgument)
}

func TestAnIteratorEndsWithTheConsumer(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	w.send("a", "b")
	var got []string
	for message, err := range consumer.Messages(w.ctx) {
		w.check(err)
		w.check(consumer.Ack(message))
		got = append(got, string(message.Payload))
		if len(got) == 2 {
			time.AfterFunc(10*time.Millisecond, func() { _ = consumer.Close() })
		}
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %v", got)
	}
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	for _, err := range w.consumer().Messages(ctx) {
		w.fails(err, context.Canceled)
	}
}

func TestAReaderReadsToTheEnd(t *testing.T) {
	w := newWorld(t)
	w.send("a", "b", "c")
	reader, err := w.client.Reader(w.ctx, "orders", stargate.WithStartingMessage(stargate.Earliest))
	w.check(err)
	first := w.receive(reader)
	var got []string
	for message, err := range reader.UntilCaughtUp(w.ctx) {
		w.check(err)
		got = append(got, string(message.Payload))
	}
	if string(first.Payload) != "a" || !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("got %s, then %v", first.Payload, got)
	}
	there, err := reader.HasMessageAvailable(w.ctx)
	w.check(err)
	ids, err := reader.LastMessageIDs(w.ctx)
	w.check(err)
	if there || len(ids) != 1 {
		t.Errorf("there is one: %v; last ids %v", there, ids)
	}
	w.check(reader.SeekAfter(w.ctx, first.ID))
	if message := w.receive(reader); string(message.Payload) != "b" {
		t.Errorf("%s after the seek", message.Payload)
	}
}

func TestACancelEndsReadingToTheEnd(t *testing.T) {
	w := newWorld(t)
	w.send("a", "b")
	w.check(w.broker.Fault("receive", "stall", "", stargatetest.Always))
	reader, err := w.client.Reader(w.ctx, "orders", stargate.WithStartingMessage(stargate.Earliest))
	w.check(err)
	ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	for message, err := range reader.UntilCaughtUp(ctx) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", message, err)
		}
	}
	if time.Since(began) > 2*time.Second {
		t.Errorf("it took %v", time.Since(began))
	}
}

func TestASeekForgetsWhatArrivedBefore(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	for n := range 10 {
		ctx, cancel := context.WithCancel(w.ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = consumer.Receive(ctx)
		}()
		w.send(fmt.Sprint(n))
		cancel()
		<-ended
		w.check(consumer.Seek(w.ctx, stargate.Earliest))
		if message := w.receive(consumer); string(message.Payload) != "0" {
			t.Fatalf("%s after the seek to the earliest", message.Payload)
		}
	}
}

// keep cancels a receive for which a message has arrived.
func (w *world) keep(from interface {
	Receive(context.Context) (*stargate.Message, error)
	Stats() (stargate.Stats, error)
}, key, payload string) {
	w.Helper()
	before, err := from.Stats()
	w.check(err)
	_, err = from.Receive(w.endsWhenAwaited(1, func() {
		_, err := w.broker.Publish("orders", stargate.Outgoing{Key: key, Payload: []byte(payload)})
		w.check(err)
		for stats := before; stats.Received == before.Received; {
			stats, err = from.Stats()
			w.check(err)
			w.check(w.ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}))
	w.fails(err, context.Canceled)
}

// receives fails unless these messages come, in this order.
func (w *world) receives(from interface {
	Receive(context.Context) (*stargate.Message, error)
}, payloads ...string) {
	w.Helper()
	for _, payload := range payloads {
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		message, err := from.Receive(ctx)
		cancel()
		w.check(err)
		if string(message.Payload) != payload {
			w.Fatalf("%s instead of %s", message.Payload, payload)
		}
	}
}

func TestASeekThatFailsKeepsWhatArrived(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	w.keep(consumer, "", "a")
	w.fails(consumer.Seek(w.ctx, stargate.MessageID{}), stargate.ErrInvalidArgument)
	w.send("b")
	w.receives(consumer, "a", "b")
}

func TestASeekKeepsTheOtherPartitions(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.CreatePartitioned("orders", 2))
	var keys [2]string
	var ids [2]stargate.MessageID // of the last message in each partition
	for n := 0; ids[0].IsZero() || ids[1].IsZero(); n++ {
		id, err := w.broker.Publish("orders", stargate.Outgoing{Key: fmt.Sprint(n), Payload: []byte("old")})
		w.check(err)
		parts, err := id.Parts()
		w.check(err)
		keys[parts.Partition], ids[parts.Partition] = fmt.Sprint(n), id
	}
	reader, err := w.client.Reader(w.ctx, "orders")
	w.check(err)
	w.keep(reader, keys[0], "kept")
	w.check(reader.Seek(w.ctx, ids[1]))
	w.receives(reader, "kept", "old")
	w.keep(reader, keys[0], "again")
	w.check(reader.Seek(w.ctx, ids[0]))
	w.receives(reader, "old", "kept", "again")
}
