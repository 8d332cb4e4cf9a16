package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"encoding/json"
	"iter"
	"runtime"
	"unsafe"
)

// Admin are the calls of Pulsar's REST API: tenants, namespaces, topics, subscriptions, stored
// messages. Each is one request or a few, and ends with ctx. What comes as the broker's JSON is
// documented by Pulsar.
type Admin struct {
	client *Client
}

// Admin returns the calls of Pulsar's REST API.
func (c *Client) Admin() *Admin {
	return &Admin{c}
}

// Request sends a request that has no method here, such as ("GET", "/admin/v2/bookies/all", nil). A
// path that does not begin with / is one below /admin/v2/. It returns the HTTP status and the answer;
// every status but 2xx is an error.
func (a *Admin) Request(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	type answer struct {
		status int
		body   []byte
	}
	text := string(body) // a copy: the call may go on after a cancel
	texts := []string{method, path, text}
	got, err := adminCall(ctx, a, texts, 0, func(c *adminArguments) (answer, error) {
		var status C.int32_t
		var out *C.char
		err := c.taken(C.stargate_admin_request(a.pointer(), c.text(method), c.text(path), c.optional(text),
			c.timeout, &status, &out, &c.failed))
		return answer{int(status), []byte(takeText(out))}, err
	})
	return got.status, got.body, err
}

// WalkTopics returns an iterator over the topics of a tenant, or of all if it is empty, each
// partition by itself. It fetches those of one namespace at a time, and leaves out what is deleted
// meanwhile. After an error it ends.
func (a *Admin) WalkTopics(ctx context.Context, tenant string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		tenants := []string{tenant}
		var err error
		if tenant == "" {
			tenants, err = a.Tenants(ctx)
		}
		for _, tenant := range tenants {
			var namespaces []string
			namespaces, err = a.Namespaces(ctx, tenant)
			for _, namespace := range namespaces {
				var more bool
				if more, err = a.walkNamespace(ctx, namespace, yield); !more {
					return
				} else if err != nil {
					break
				}
			}
			if err != nil && KindOf(err) != StatusNotFound {
				break
			}
		}
		if err != nil && KindOf(err) != StatusNotFound {
			yield("", err)
		}
	}
}

// walkNamespace passes on the topics of a namespace, as long as more are wanted.
func (a *Admin) walkNamespace(ctx context.Context, namespace string, yield func(string, error) bool) (bool, error) {
	for _, persistent := range []bool{true, false} {
		topics, err := a.Topics(ctx, namespace, persistent)
		if err != nil && KindOf(err) != StatusNotFound {
			return true, err
		}
		for _, topic := range topics {
			if !yield(topic, nil) {
				return false, nil
			}
		}
	}
	return true, nil
}

// pointer returns the client for C.
func (a *Admin) pointer() *C.stargate_client {
	return a.client.pointer()
}

// adminArguments are those of one call, in memory of C.
type adminArguments struct {
	arena
	timeout C.int64_t
	limit   int
	failed  *C.stargate_error
}

// adminCall makes a call that waits in C.
func adminCall[T any](
	ctx context.Context, a *Admin, texts []string, limit int, call func(c *adminArguments) (T, error),
) (T, error) {
	if err := checkTexts("the argument", texts...); err != nil {
		var none T
		return none, err
	}
	return blocking(ctx, func(timeout C.int64_t) (T, error) {
		defer runtime.KeepAlive(a)
		c := &adminArguments{timeout: timeout, limit: limit}
		defer c.free()
		return call(c)
	})
}

// taken returns the error of the call.
func (c *adminArguments) taken(status C.stargate_status) error {
	return take(status, c.failed)
}

// max returns for how many messages there is room.
func (c *adminArguments) max() C.size_t {
	return C.size_t(max(c.limit, 0))
}

// messages returns room for messages, and where their number goes.
func (c *adminArguments) messages() (**C.stargate_message, *C.size_t) {
	array := c.array(int(c.max()), C.size_t(unsafe.Sizeof(uintptr(0))))
	return (**C.stargate_message)(array), (*C.size_t)(c.array(1, C.sizeof_size_t))
}

// takeMessages copies messages, and frees them.
func takeMessages(messages **C.stargate_message, count *C.size_t) []*Message {
	defer C.stargate_messages_free(messages, *count)
	found := make([]*Message, int(*count))
	for i := range found {
		var fields C.stargate_message_fields
		C.stargate_messages_view(&unsafe.Slice(messages, len(found))[i], 1, &fields, C.sizeof_stargate_message_fields, nil)
		found[i] = newMessage(&fields, "")
	}
	return found
}

// takeStrings copies a list of texts, and frees it.
func takeStrings(strings *C.stargate_strings) []string {
	defer C.stargate_strings_free(strings)
	found := make([]string, int(C.stargate_strings_count(strings)))
	for i := range found {
		found[i] = textOf(C.stargate_strings_get(strings, C.size_t(i)))
	}
	return found
}

// takeIDs copies a list of ids, and frees it.
func takeIDs(strings *C.stargate_strings) []MessageID {
	texts := takeStrings(strings)
	ids := make([]MessageID, len(texts))
	for i, text := range texts {
		ids[i] = MessageID{text}
	}
	return ids
}

// takeJSON copies a text in JSON, and frees it; nil for none.
func takeJSON(given *C.char) json.RawMessage {
	if given == nil {
		return nil
	}
	return json.RawMessage(takeText(given))
}
