// Package stargatetest has a Pulsar broker for the tests of programs that use stargate: in this
// process, without a JVM, without waiting.
//
//	func TestOrdersSurviveAnOutage(t *testing.T) {
//		broker := stargatetest.NewBroker(t)
//		client, err := stargate.NewClient(broker.URL())
//		...
//		err = broker.Fault("send", "no-receipt", "orders", 1)
//
// docs/testing.md of the project lists the operations and the faults.
package stargatetest

/*
#cgo linux LDFLAGS: -ldl
#include "raw.h"
#include <dlfcn.h>
#include <stdlib.h>

static const char *mock_open(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	return library == NULL ? path : mock_load(library);
}
*/
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"stargate"
)

// Always is the count of a fault that happens each time.
const Always = -1

// Options are those of a broker; zero values are the defaults of a real one.
type Options struct {
	// Port is the port at 127.0.0.1; 0 is any free one.
	Port uint16
	// NoAutoCreateTopics makes connecting to a missing topic fail.
	NoAutoCreateTopics bool
	// Token is the token that may do everything; without one, clients need not authenticate.
	Token string
	// ForbiddenToken is a token that is known and may do nothing.
	ForbiddenToken string
	// TLSCertFile and TLSKeyFile make the broker serve TLS.
	TLSCertFile, TLSKeyFile string
	// TLSClientCAFile makes it accept client certificates of this CA in place of a token.
	TLSClientCAFile string
	// MaxTextSize is the largest message in bytes; 0 is 1,048,576.
	MaxTextSize int
	// IdleTimeout is the time without traffic after which the broker closes a connection.
	IdleTimeout time.Duration
	// BasicUser and BasicPassword are those of HTTP Basic authentication.
	BasicUser, BasicPassword string
	// OAuth2ClientID and OAuth2ClientSecret make the broker an OAuth2 issuer with this client.
	OAuth2ClientID, OAuth2ClientSecret string
	// OAuth2Audience restricts the tokens that the broker accepts to this audience.
	OAuth2Audience string
	// OAuth2TokenLife is how long a token of the issuer is valid; 0 is an hour.
	OAuth2TokenLife time.Duration
	// PulsarVersion is the version that it plays; empty is 4.0.8.
	PulsarVersion string
	// NoWebSocketCompression declines the compression that clients offer.
	NoWebSocketCompression bool
}

// Broker is an in-memory Pulsar broker on a real socket at 127.0.0.1, which produces on request the
// faults of a real one.
type Broker struct {
	raw    *C.stargate_mock
	closed sync.Once
}

// Message is a message as the broker stored it.
type Message struct {
	Topic         string             `json:"topic"`
	ID            stargate.MessageID `json:"message_id"`
	Payload       []byte             `json:"payload"`
	Key           *string            `json:"key"`
	Properties    map[string]string  `json:"properties"`
	EventTimeMs   int64              `json:"event_time_ms"`
	PublishTimeMs int64              `json:"publish_time_ms"`
	DeliverAtMs   int64              `json:"deliver_at_ms"`
	ProducerName  string             `json:"producer_name"`
	SequenceID    int64              `json:"sequence_id"`
}

// Request is something that a client did.
type Request struct {
	AtMs       int64  `json:"at_ms"`
	Op         string `json:"op"`
	Topic      string `json:"topic"`
	Role       string `json:"role"`
	Connection int    `json:"connection"`
	Detail     string `json:"detail"`
}

// NewBroker starts a broker that ends with the test.
func NewBroker(t testing.TB) *Broker {
	t.Helper()
	broker, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	return broker
}

// load finds the functions of the mock broker, which a library may have been built without.
var load = sync.OnceValue(func() error {
	path, err := stargate.LibraryPath()
	if err != nil {
		return err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	if missing := C.mock_open(name); missing != nil {
		return fmt.Errorf("the library at %s was built without the mock broker: it has no %s", path, C.GoString(missing))
	}
	return nil
})

// Start starts a broker with options, until Close.
func Start(options Options) (*Broker, error) {
	if err := load(); err != nil {
		return nil, err
	}
	var memory arena
	defer memory.free()
	raw := (*C.stargate_mock_options)(C.calloc(1, C.sizeof_stargate_mock_options))
	memory = append(memory, unsafe.Pointer(raw))
	*raw = C.stargate_mock_options{
		struct_size:              C.sizeof_stargate_mock_options,
		port:                     C.uint16_t(options.Port),
		no_auto_create_topics:    number(options.NoAutoCreateTopics),
		token:                    memory.text(options.Token),
		forbidden_token:          memory.text(options.ForbiddenToken),
		tls_cert_file:            memory.text(options.TLSCertFile),
		tls_key_file:             memory.text(options.TLSKeyFile),
		max_text_size:            C.size_t(options.MaxTextSize),
		idle_timeout_ms:          C.int64_t(options.IdleTimeout.Milliseconds()),
		tls_client_ca_file:       memory.text(options.TLSClientCAFile),
		basic_user:               memory.text(options.BasicUser),
		basic_password:           memory.text(options.BasicPassword),
		oauth2_client_id:         memory.text(options.OAuth2ClientID),
		oauth2_client_secret:     memory.text(options.OAuth2ClientSecret),
		oauth2_audience:          memory.text(options.OAuth2Audience),
		oauth2_token_life_ms:     C.int64_t(options.OAuth2TokenLife.Milliseconds()),
		pulsar_version:           memory.text(options.PulsarVersion),
		no_websocket_compression: number(options.NoWebSocketCompression),
	}
	broker := &Broker{}
	var failed *C.stargate_error
	if err := take(C.stargate_mock_start(raw, &broker.raw, &failed), failed); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(broker, func(b *Broker) { C.stargate_mock_release(b.raw) })
	return broker, nil
}

// URL returns the service URL, for [stargate.NewClient].
func (b *Broker) URL() string {
	defer runtime.KeepAlive(b)
	return textOf(C.stargate_mock_url(b.raw))
}

// HTTPURL returns the URL of the REST API.
func (b *Broker) HTTPURL() string {
	defer runtime.KeepAlive(b)
	return textOf(C.stargate_mock_http_url(b.raw))
}

// OAuth2IssuerURL returns the URL of the OAuth2 issuer.
func (b *Broker) OAuth2IssuerURL() string {
	defer runtime.KeepAlive(b)
	return textOf(C.stargate_mock_oauth2_issuer_url(b.raw))
}

// Publish stores a message as if a producer had sent it, and returns its id. A nil payload makes a
// tombstone, a message without a value.
func (b *Broker) Publish(topic string, message stargate.Outgoing) (stargate.MessageID, error) {
	defer runtime.KeepAlive(b)
	var memory arena
	defer memory.free()
	raw := (*C.stargate_outgoing)(C.calloc(1, C.sizeof_stargate_outgoing))
	memory = append(memory, unsafe.Pointer(raw))
	*raw = C.stargate_outgoing{
		struct_size:      C.sizeof_stargate_outgoing,
		key:              memory.text(message.Key),
		properties:       memory.properties(message.Properties),
		property_count:   C.size_t(len(message.Properties)),
		event_time_ms:    millis(message.EventTime),
		deliver_at_ms:    millis(message.DeliverAt),
		deliver_after_ms: C.int64_t(message.DeliverAfter.Milliseconds()),
	}
	if message.Payload != nil {
		raw.payload.ptr = C.CBytes(message.Payload)
		raw.payload.len = C.size_t(len(message.Payload))
		memory = append(memory, raw.payload.ptr)
	}
	if message.HasKey && message.Key == "" {
		raw.key = memory.always("")
	}
	var id *C.char
	var failed *C.stargate_error
	if err := take(C.stargate_mock_publish(b.raw, memory.always(topic), raw, &id, &failed), failed); err != nil {
		return stargate.MessageID{}, err
	}
	return stargate.ParseMessageID(takeText(id))
}

// Messages returns everything that a topic holds, acknowledged or not, partition after partition and
// in order.
func (b *Broker) Messages(topic string) ([]Message, error) {
	defer runtime.KeepAlive(b)
	var memory arena
	defer memory.free()
	var found *C.char
	var failed *C.stargate_error
	if err := take(C.stargate_mock_messages_json(b.raw, memory.always(topic), &found, &failed), failed); err != nil {
		return nil, err
	}
	var messages []Message
	err := json.Unmarshal([]byte(takeText(found)), &messages)
	return messages, err
}

// Requests returns what clients did, in order and at most the last 100,000.
func (b *Broker) Requests() ([]Request, error) {
	defer runtime.KeepAlive(b)
	var found *C.char
	var failed *C.stargate_error
	if err := take(C.stargate_mock_requests_json(b.raw, &found, &failed), failed); err != nil {
		return nil, err
	}
	var requests []Request
	err := json.Unmarshal([]byte(takeText(found)), &requests)
	return requests, err
}

// ClearRequests empties the list of requests, and lets Wait and Count count from zero again.
func (b *Broker) ClearRequests() error {
	defer runtime.KeepAlive(b)
	var failed *C.stargate_error
	return take(C.stargate_mock_clear_requests(b.raw, &failed), failed)
}

// Backlog returns how many messages a subscription has not acknowledged; a batch counts as one.
func (b *Broker) Backlog(topic, subscription string) (int, error) {
	defer runtime.KeepAlive(b)
	var memory arena
	defer memory.free()
	var count C.size_t
	var failed *C.stargate_error
	status := C.stargate_mock_backlog(b.raw, memory.always(topic), memory.always(subscription), &count, &failed)
	return int(count), take(status, failed)
}

// CreateNamespace creates a namespace ("tenant/namespace") and its tenant.
func (b *Broker) CreateNamespace(name string) error {
	return b.about(name, func(name *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_create_namespace(b.raw, name, failed)
	})
}

// CreatePartitioned creates a topic with partitions.
func (b *Broker) CreatePartitioned(topic string, partitions int) error {
	return b.about(topic, func(topic *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_create_partitioned(b.raw, topic, C.uint32_t(partitions), failed)
	})
}

// CreateSubscription creates a durable subscription at the beginning or at the end of a topic.
func (b *Broker) CreateSubscription(topic, subscription string, position stargate.InitialPosition) error {
	var memory arena
	defer memory.free()
	name := memory.always(subscription)
	earliest := number(position == stargate.InitialPositionEarliest)
	return b.about(topic, func(topic *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_create_subscription(b.raw, topic, name, earliest, failed)
	})
}

// SetDeduplication turns deduplication on or off in a namespace.
func (b *Broker) SetDeduplication(namespace string, on bool) error {
	return b.about(namespace, func(name *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_set_deduplication(b.raw, name, number(on), failed)
	})
}

// Terminate ends a topic: nothing more can be sent to it.
func (b *Broker) Terminate(topic string) error {
	return b.about(topic, func(topic *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_terminate(b.raw, topic, failed)
	})
}

// DeleteTopic deletes a topic by force. Connected clients are not notified.
func (b *Broker) DeleteTopic(topic string) error {
	return b.about(topic, func(topic *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_delete_topic(b.raw, topic, failed)
	})
}

// Fault scripts a fault: it happens the next count times that op happens on topic, first in first
// out. An empty topic is any, and [Always] is without limit.
func (b *Broker) Fault(op, fault, topic string, count int) error {
	var memory arena
	defer memory.free()
	times := ^C.size_t(0)
	if count >= 0 {
		times = C.size_t(count)
	}
	return b.about(op, func(op *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_fault(b.raw, op, memory.text(topic), memory.always(fault), times, failed)
	})
}

// FaultsLeft returns how many faults have not happened yet.
func (b *Broker) FaultsLeft() int {
	defer runtime.KeepAlive(b)
	return int(C.stargate_mock_faults_left(b.raw))
}

// ClearFaults forgets the faults that have not happened yet.
func (b *Broker) ClearFaults() error {
	defer runtime.KeepAlive(b)
	var failed *C.stargate_error
	return take(C.stargate_mock_clear_faults(b.raw, &failed), failed)
}

// Down takes the broker down: it drops connections and refuses new ones. Its data and its port stay.
func (b *Broker) Down() error {
	return b.setUp(false)
}

// Up takes the broker up again.
func (b *Broker) Up() error {
	return b.setUp(true)
}

// setUp takes the broker down or up.
func (b *Broker) setUp(up bool) error {
	defer runtime.KeepAlive(b)
	var failed *C.stargate_error
	return take(C.stargate_mock_set_up(b.raw, number(up), &failed), failed)
}

// DropConnections drops the connections about a topic, or all if it is empty, without a close frame.
// It returns how many there were.
func (b *Broker) DropConnections(topic string) (int, error) {
	defer runtime.KeepAlive(b)
	var memory arena
	defer memory.free()
	var count C.size_t
	var failed *C.stargate_error
	status := C.stargate_mock_drop_connections(b.raw, memory.text(topic), &count, &failed)
	return int(count), take(status, failed)
}

// Connections returns how many WebSocket connections are open.
func (b *Broker) Connections() int {
	defer runtime.KeepAlive(b)
	return int(C.stargate_mock_connections(b.raw))
}

// Wait waits until op, which is that of a fault or "disconnect", has happened often enough on topic,
// or on any if it is empty. It replaces sleeps in tests.
func (b *Broker) Wait(ctx context.Context, op, topic string, atLeast int) error {
	const slice = 50 // milliseconds, between looks at ctx
	for {
		err := b.wait(op, topic, atLeast, slice)
		if stargate.KindOf(err) != stargate.StatusTimeout || ctx.Err() != nil {
			return err
		}
	}
}

// wait waits for a time in milliseconds.
func (b *Broker) wait(op, topic string, atLeast int, timeout C.int64_t) error {
	var memory arena
	defer memory.free()
	return b.about(op, func(op *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_wait(b.raw, op, memory.text(topic), C.size_t(atLeast), timeout, failed)
	})
}

// Count returns how often op has happened on topic, or on any if it is empty.
func (b *Broker) Count(op, topic string) (int, error) {
	var memory arena
	defer memory.free()
	var count C.size_t
	err := b.about(op, func(op *C.char, failed **C.stargate_error) C.stargate_status {
		return C.stargate_mock_count(b.raw, op, memory.text(topic), &count, failed)
	})
	return int(count), err
}

// Close ends the broker and every connection to it.
func (b *Broker) Close() {
	b.closed.Do(func() {
		runtime.SetFinalizer(b, nil)
		C.stargate_mock_free(b.raw)
		b.raw = nil
	})
}

// about passes a text to a call.
func (b *Broker) about(text string, call func(*C.char, **C.stargate_error) C.stargate_status) error {
	defer runtime.KeepAlive(b)
	var memory arena
	defer memory.free()
	var failed *C.stargate_error
	return take(call(memory.always(text), &failed), failed)
}
