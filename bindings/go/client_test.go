package stargate_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate"
	"stargate/stargatetest"
)

func TestErrorsHaveKindsAndTexts(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("connect", "http:403:go away", "orders", 1))
	_, err := w.client.Producer(w.ctx, "orders")
	w.fails(err, stargate.ErrAuthorization)
	var failed *stargate.Error
	if !errors.As(err, &failed) || failed.HTTPStatus != 403 || failed.Retriable ||
		failed.Topic != "persistent://public/default/orders" || !strings.Contains(failed.Text, "403") {
		t.Errorf("%+v", failed)
	}
	if errors.Is(err, stargate.ErrBusy) || stargate.KindOf(err) != stargate.StatusAuthorization {
		t.Errorf("%v is of kind %v", err, stargate.KindOf(err))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	w := newWorld(t)
	_, err := w.client.Consumer(w.ctx, "orders", "billing", stargate.WithOption("queue_sise", 1))
	w.fails(err, stargate.ErrInvalidArgument)
	if !strings.Contains(err.Error(), "queue_size") {
		t.Errorf("the text names no key like it: %v", err)
	}
	_, err = w.client.Consumer(w.ctx, "orders", "billing", stargate.WithQueueSize(0))
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = stargate.NewClient("nowhere")
	w.fails(err, stargate.ErrInvalidArgument)
	_, err = stargate.NewClient("ws://nowhere\x00")
	w.fails(err, stargate.ErrInvalidArgument)
	headers := map[string]string{"X-Key": "value", "X-Other": "a, b"}
	_, err = stargate.NewClient(w.broker.URL(), stargate.WithHeaders(headers), stargate.WithPingInterval(time.Second),
		stargate.WithOAuth2Refresh(0.5), stargate.WithOAuth2IssuerURL("https://issuer"),
		stargate.WithOAuth2ClientID("shop"), stargate.WithOAuth2ClientSecret("secret"), stargate.WithBackoffMin(1500*time.Microsecond))
	w.check(err)
}

func TestStatesAndLogsArrive(t *testing.T) {
	lines := &lockedText{}
	logger := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	states := make(chan stargate.StateChange, 100)
	w := newWorld(t, stargate.WithLogger(logger), stargate.WithOnState(func(change stargate.StateChange) { states <- change }))
	producer := w.producer()
	_, err := w.broker.DropConnections("")
	w.check(err)
	var seen []string
	for change := range states {
		seen = append(seen, change.State.String())
		if change.State == stargate.StateDisconnected && (change.Err == nil || change.RetryIn < 0) {
			t.Errorf("%+v", change)
		}
		if len(seen) == 5 {
			break
		}
	}
	if text := strings.Join(seen, " "); text != "connecting connected disconnected connecting connected" {
		t.Error(text)
	}
	w.check(producer.WaitConnected(w.ctx))
	if !producer.IsConnected() {
		t.Error("it is not connected")
	}
	w.check(w.client.Close())
	for !strings.Contains(lines.String(), "about=persistent://public/default/orders") {
		w.check(w.ctx.Err())
		time.Sleep(time.Millisecond)
	}
}

// lockedText is a buffer for a logger.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(data)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestTokensAndHeadersComeFromFunctions(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("long", 500)
	broker, err := stargatetest.Start(stargatetest.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var asked, headers atomic.Int32
	client, err := stargate.NewClient(broker.URL(),
		stargate.WithTokenFunc(func(context.Context) (string, error) {
			if asked.Add(1) == 1 {
				return "", errors.New("not yet")
			}
			return token, nil
		}),
		stargate.WithHeadersFunc(func(context.Context) (map[string]string, error) {
			headers.Add(1)
			return map[string]string{"X-Key": "value"}, nil
		}),
		stargate.WithKeepTrying(true), stargate.WithBackoffMin(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	producer, err := client.Producer(ctx, "orders", stargate.WithLazy(true))
	if err != nil {
		t.Fatal(err)
	}
	if err := producer.WaitConnected(ctx); err != nil {
		t.Fatal(err)
	}
	if asked.Load() < 2 || headers.Load() == 0 {
		t.Errorf("asked %d times for a token, %d for headers", asked.Load(), headers.Load())
	}
}

func TestHandlesThatAreNotClosedAreGivenBack(t *testing.T) {
	lines := &lockedText{}
	w := newWorld(t, stargate.WithLogger(slog.New(slog.NewTextHandler(lines, nil))))
	w.consumer()
	for w.broker.Connections() > 0 {
		w.check(w.ctx.Err())
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for !strings.Contains(lines.String(), "the consumer of persistent://public/default/orders was not closed") {
		w.check(w.ctx.Err())
		time.Sleep(time.Millisecond)
	}
}

func TestAnOpenThatIsCancelledIsGivenBack(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("connect", "delay:1000", "", 1))
	ctx, cancel := context.WithCancel(w.ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	began := time.Now()
	_, err := w.client.Producer(ctx, "orders")
	w.fails(err, context.Canceled)
	if time.Since(began) > 900*time.Millisecond {
		t.Errorf("the cancel took %v", time.Since(began))
	}
	w.check(w.broker.Wait(w.ctx, "disconnect", "", 1))
}

func TestADeadlineIsATimeoutOfTheLibrary(t *testing.T) {
	w := newWorld(t)
	w.check(w.broker.Fault("connect", "delay:5000", "", 1))
	ctx, cancel := context.WithTimeout(w.ctx, 50*time.Millisecond)
	defer cancel()
	_, err := w.client.Producer(ctx, "orders")
	w.fails(err, stargate.ErrTimeout)
	w.fails(err, context.DeadlineExceeded)
}

func TestStatsCount(t *testing.T) {
	w := newWorld(t)
	producer := w.producer()
	_, err := producer.Send(w.ctx, stargate.Outgoing{Payload: []byte("pizza")})
	w.check(err)
	stats, err := producer.Stats()
	w.check(err)
	all, err := w.client.Stats()
	w.check(err)
	if stats.Receipts != 1 || stats.SentBytes != 5 || all.Receipts != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestMessageIDsAreTexts(t *testing.T) {
	w := newWorld(t)
	id, err := w.broker.Publish("orders", stargate.Outgoing{Payload: []byte("a")})
	w.check(err)
	restored, err := stargate.ParseMessageID(id.String())
	w.check(err)
	parts, err := restored.Parts()
	w.check(err)
	if restored.Compare(id) != 0 || parts.Partition != -1 || parts.BatchIndex != -1 {
		t.Errorf("%v, %+v", restored, parts)
	}
	_, err = stargate.ParseMessageID("nonsense")
	w.fails(err, stargate.ErrInvalidArgument)
	var none stargate.MessageID
	w.check(none.UnmarshalText(nil))
	if none.Compare(id) >= 0 || id.Compare(none) <= 0 || none.Compare(none) != 0 {
		t.Error("the zero id is not before all")
	}
}
