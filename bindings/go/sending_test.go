package stargate_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

func TestAMessageArrivesAsItWasSent(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	at := time.UnixMilli(1_700_000_000_123)
	id, err := w.producer().Send(w.ctx, stargate.Outgoing{
		Payload: []byte("one\x00pizza"), Key: "table 7", EventTime: at,
		Properties: map[string]string{"size": "l", "note": ""},
	})
	w.check(err)
	message := w.receive(consumer)
	if string(message.Payload) != "one\x00pizza" || message.Key != "table 7" || !message.HasKey ||
		!message.EventTime.Equal(at) || message.Properties["size"] != "l" || len(message.Properties) != 2 ||
		message.Topic != "persistent://public/default/orders" || time.Since(message.PublishTime) > time.Minute {
		t.Errorf("%+v", message)
	}
	if message.ID.Compare(id) != 0 || message.ID.IsZero() || message.ID.Compare(stargate.Latest) >= 0 ||
		message.ID.Compare(stargate.Earliest) <= 0 {
		t.Errorf("ids %v and %v", message.ID, id)
	}
	w.check(consumer.Ack(message))
	w.check(w.broker.Wait(w.ctx, "ack", "orders", 1))
}

func TestAMessageForAClusterArrivesAsItWasSent(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer()
	_, err := w.producer().Send(w.ctx, stargate.Outgoing{
		Payload: []byte("pizza"), HasKey: true, Properties: map[string]string{"size": "l", "crust": "thin"},
		ReplicationClusters: []string{"__local__"},
	})
	w.check(err)
	message := w.receive(consumer)
	if string(message.Payload) != "pizza" || !message.HasKey || message.Key != "" ||
		message.Properties["size"] != "l" || message.Properties["crust"] != "thin" {
		t.Errorf("%+v", message)
	}
}

func TestTextsThatCWouldCutAreRefused(t *testing.T) {
	w := newWorld(t)
	producer := w.producer()
	_, err := w.client.Producer(w.ctx, "or\x00ders")
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = w.client.Consumer(w.ctx, "orders", "bil\x00ling")
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = producer.Send(w.ctx, stargate.Outgoing{Properties: map[string]string{"size": "\x00"}})
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = stargate.ParseMessageID("a\x00")
	w.fails(err, stargate.ErrInvalidArgument)
}

func TestCallbacksOfSendsRunInOrder(t *testing.T) {
	w := newWorld(t)
	producer := w.producer(stargate.WithMaxPendingMsg(10))
	var ids []stargate.MessageID
	for range 200 {
		w.check(producer.SendAsync(w.ctx, stargate.Outgoing{Payload: []byte("pizza")}, func(id stargate.MessageID, err error) {
			if err != nil {
				t.Error(err)
			}
			if ids = append(ids, id); len(ids) == 1 {
				time.Sleep(20 * time.Millisecond) // Flush waits for it
			}
		}))
	}
	w.check(producer.Flush(w.ctx))
	if len(ids) != 200 || !slices.IsSortedFunc(ids, stargate.MessageID.Compare) {
		t.Errorf("%d ids, sorted: %v", len(ids), slices.IsSortedFunc(ids, stargate.MessageID.Compare))
	}
}

func TestACancelEndsASendThatWaitsForRoom(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("send", "no-receipt", "", stargatetest.Always))
	producer := w.producer(stargate.WithMaxPendingMsg(1))
	ends := make(chan error, 1)
	w.check(producer.SendAsync(w.ctx, stargate.Outgoing{}, func(_ stargate.MessageID, err error) { ends <- err }))
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Millisecond)
	defer cancel()
	_, err := producer.Send(ctx, stargate.Outgoing{})
	w.fails(err, context.DeadlineExceeded)
	short, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
	defer cancel()
	w.fails(producer.CloseContext(short), context.DeadlineExceeded)
	if err := <-ends; err == nil {
		t.Error("a message without a receipt ended well")
	}
}

func TestAFullQueueFailsIfConfigured(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("send", "no-receipt", "", stargatetest.Always))
	for _, option := range []stargate.ProducerOption{
		stargate.WithWhenFull(stargate.WhenFullFail), stargate.WithOption("when_full", "fail"),
	} {
		producer := w.producer(stargate.WithMaxPendingMsg(1), option)
		w.check(producer.SendAsync(w.ctx, stargate.Outgoing{}, nil))
		w.fails(producer.SendAsync(w.ctx, stargate.Outgoing{}, nil), stargate.ErrQueueFull)
		short, cancel := context.WithTimeout(w.ctx, 0)
		w.fails(producer.CloseContext(short), context.DeadlineExceeded)
		cancel()
	}
}

func TestSendManySaysHowEachEnded(t *testing.T) {
	w := newWorld(t, stargate.WithMaxFrameBytes(4096))
	producer := w.producer(stargate.WithMaxMessageFrameBytes(2048))
	results, err := producer.SendMany(w.ctx, []stargate.Outgoing{
		{Payload: []byte("a")}, {Payload: make([]byte, 10_000)}, {Payload: []byte("b")},
	})
	w.fails(err, stargate.ErrTooBig)
	if len(results) != 3 || results[0].Err != nil || results[2].Err != nil || results[1].Err != err ||
		results[0].ID.Compare(results[2].ID) >= 0 {
		t.Errorf("%v", results)
	}
	none, err := producer.SendMany(w.ctx, nil)
	if err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestAPayloadMayBePartOfAStructWithPointers(t *testing.T) {
	w := newWorld(t)
	type order struct {
		ID   [4]byte
		Name string
	}
	made := &order{[4]byte{1, 2, 3, 4}, strings.Repeat("pizza", 10)}
	producer, consumer := w.producer(), w.consumer()
	message := stargate.Outgoing{Payload: made.ID[:]}
	_, err := producer.Send(w.ctx, message)
	w.check(err)
	w.check(producer.SendAsync(w.ctx, message, nil))
	message.ReplicationClusters = []string{"__local__"}
	_, err = producer.SendMany(w.ctx, []stargate.Outgoing{message})
	w.check(err)
	for range 3 {
		if message := w.receive(consumer); !slices.Equal(message.Payload, []byte{1, 2, 3, 4}) {
			t.Errorf("%v", message.Payload)
		}
	}
}

func TestSendManySaysHowEachEndedBeforeACancel(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("send", "delay:0", "", 1))
	w.check(w.broker.Fault("send", "no-receipt", "", stargatetest.Always))
	producer := w.producer()
	ctx, cancel := context.WithTimeout(w.ctx, 300*time.Millisecond)
	defer cancel()
	results, err := producer.SendMany(ctx, []stargate.Outgoing{{Payload: []byte("a")}, {Payload: []byte("b")}})
	w.fails(err, context.DeadlineExceeded)
	if len(results) != 2 || results[0].Err != nil || results[0].ID.IsZero() || results[1].Err != err {
		t.Errorf("%v", results)
	}
	w.fails(producer.CloseContext(ctx), context.DeadlineExceeded)
}
