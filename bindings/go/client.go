package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"runtime"
	"unsafe"
)

// Client is a client of a Pulsar cluster. It opens no connection itself: each producer, consumer and
// reader has its own. Many goroutines may use a client, and all that it opens, at the same time.
type Client struct {
	*handle
}

// NewClient returns a client for the servers at url: "ws://host:port" or "wss://host:port", several
// hosts separated by commas. It does not connect.
func NewClient(url string, options ...ClientOption) (*Client, error) {
	s := newSettings(options, ClientOption.forClient)
	s.standAlone()
	built, err := s.build()
	if err != nil {
		return nil, err
	}
	defer C.stargate_options_free(built)
	if err := checkTexts("the URL", url); err != nil {
		return nil, err
	}
	var memory arena
	defer memory.free()
	var raw *C.stargate_client
	var failed *C.stargate_error
	if err := take(C.stargate_client_new(memory.text(url), built, &raw, &failed), failed); err != nil {
		return nil, err
	}
	return &Client{newClientHandle(unsafe.Pointer(raw), "the client of "+url, s.logger, s.busy)}, nil
}

// Close closes the client and everything that was opened through it. It waits for what is in flight,
// for handlers, and for functions of the application that are due, for at most 10 seconds. It may be
// called more than once, and in a handler, which it then does not wait for. In a function of
// [Producer.SendAsync], [WithOnState] or [WithLogger] it would wait for itself: go client.Close()
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.CloseContext(ctx)
}

// CloseContext is Close with a bound of its own: when ctx ends, what is in flight is given up.
func (c *Client) CloseContext(ctx context.Context) error {
	err := c.handle.CloseContext(ctx)
	if waited := c.busy.wait(ctx); err == nil {
		err = waited
	}
	return err
}

// Proxy returns the proxy of this client's WebSockets, such as "http://squid:3128", without its user
// and password. It is empty if every host is reached directly.
func (c *Client) Proxy() (string, error) {
	defer runtime.KeepAlive(c.handle)
	var proxy *C.char
	var failed *C.stargate_error
	if err := take(C.stargate_client_proxy(c.pointer(), &proxy, &failed), failed); err != nil {
		return "", err
	}
	return takeText(proxy), nil
}

// Producer opens a producer, and waits until it is connected unless [WithLazy] is set.
func (c *Client) Producer(ctx context.Context, topic string, options ...ProducerOption) (*Producer, error) {
	s := newSettings(options, ProducerOption.forProducer)
	raw, err := c.open(ctx, C.GLUE_PRODUCER, s, []string{topic},
		func(a *opening, timeout C.int64_t, call C.uintptr_t) C.glue_result {
			return C.glue_producer_open(c.pointer(), *a.topics, a.options, timeout, call)
		})
	if err != nil {
		return nil, err
	}
	return newProducer(raw, c.handle), nil
}

// Consumer opens a consumer of one topic, and waits until it is connected unless [WithLazy] is set.
// The broker creates the subscription if it does not exist.
func (c *Client) Consumer(
	ctx context.Context, topic, subscription string, options ...ConsumerOption,
) (*Consumer, error) {
	return c.consumer(ctx, []string{topic}, false, subscription, options)
}

// ConsumerOfTopics opens a consumer of several topics on one connection; otherwise as
// [Client.Consumer].
func (c *Client) ConsumerOfTopics(
	ctx context.Context, topics []string, subscription string, options ...ConsumerOption,
) (*Consumer, error) {
	return c.consumer(ctx, topics, false, subscription, options)
}

// ConsumerOfPattern opens a consumer of every persistent topic whose full name matches a regular
// expression, now and later, such as "persistent://public/default/orders-.*"; otherwise as
// [Client.Consumer].
func (c *Client) ConsumerOfPattern(
	ctx context.Context, pattern, subscription string, options ...ConsumerOption,
) (*Consumer, error) {
	return c.consumer(ctx, []string{pattern}, true, subscription, options)
}

// consumer opens a consumer of topics or of a pattern.
func (c *Client) consumer(
	ctx context.Context, topics []string, pattern bool, subscription string, options []ConsumerOption,
) (*Consumer, error) {
	if err := checkTexts("the subscription", subscription); err != nil {
		return nil, err
	}
	s := newSettings(options, ConsumerOption.forConsumer)
	raw, err := c.open(ctx, C.GLUE_CONSUMER, s, topics,
		func(a *opening, timeout C.int64_t, call C.uintptr_t) C.glue_result {
			return C.glue_consumer_open(c.pointer(), a.topics, C.size_t(len(topics)), number(pattern),
				a.text(subscription), a.options, timeout, call)
		})
	if err != nil {
		return nil, err
	}
	return newConsumer(raw, c.handle), nil
}

// Reader opens a reader, and waits until it is connected unless [WithLazy] is set. It starts at
// [WithStartingMessage].
func (c *Client) Reader(ctx context.Context, topic string, options ...ReaderOption) (*Reader, error) {
	s := newSettings(options, ReaderOption.forReader)
	raw, err := c.open(ctx, C.GLUE_READER, s, []string{topic},
		func(a *opening, timeout C.int64_t, call C.uintptr_t) C.glue_result {
			return C.glue_reader_open(c.pointer(), *a.topics, a.options, timeout, call)
		})
	if err != nil {
		return nil, err
	}
	return newReader(raw, c.handle), nil
}

// opening are the arguments of an open, in memory of C.
type opening struct {
	arena
	topics  **C.char
	options *C.stargate_options
}

// open opens a handle, and waits for it.
func (c *Client) open(
	ctx context.Context, kind C.enum_glue_kind, s *settings, topics []string,
	begin func(a *opening, timeout C.int64_t, call C.uintptr_t) C.glue_result,
) (unsafe.Pointer, error) {
	defer runtime.KeepAlive(c.handle)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkTexts("the topic", topics...); err != nil {
		return nil, err
	}
	s.problems, s.busy = c.logger, c.busy
	options, err := s.build()
	if err != nil {
		return nil, err
	}
	defer C.stargate_options_free(options)
	a := &opening{options: options}
	defer a.free()
	a.topics = a.texts(topics)
	return await(ctx, kind, func(timeout C.int64_t, call C.uintptr_t) C.glue_result {
		return begin(a, timeout, call)
	})
}

// pointer returns the handle for C.
func (c *Client) pointer() *C.stargate_client {
	return (*C.stargate_client)(c.raw)
}

// number returns a bool for C.
func number(value bool) C.int {
	if value {
		return 1
	}
	return 0
}
