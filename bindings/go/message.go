package stargate

// #include "glue.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// Message is a received message. Everything in it is a copy: keep what you like.
type Message struct {
	// ID is the place of the message in its topic.
	ID MessageID
	// Topic is the full name of the topic that was subscribed to or read. For several topics or a
	// pattern the server does not say which topic it was; this is the first topic, or the pattern.
	Topic string
	// Payload is the content.
	Payload []byte
	// Key is the key. HasKey tells an empty key from none.
	Key    string
	HasKey bool
	// Properties are those of the sender; nil if there are none.
	Properties map[string]string
	// PublishTime is when the broker stored the message; zero if the server sent no time.
	PublishTime time.Time
	// EventTime is what the sender set; zero if it set none.
	EventTime time.Time
	// RedeliveryCount is how often it was delivered before. The broker counts on shared and key_shared
	// subscriptions only.
	RedeliveryCount int
	// ReconsumeTimes is how often the retry letter topic has redelivered it.
	ReconsumeTimes int
	// Encrypted says that the payload is still encrypted. Only [CryptoFailureActionConsume] lets such
	// messages through.
	Encrypted bool
	// EncryptionContext is how the payload was encrypted, in the server's JSON, where the server passes
	// it on.
	EncryptionContext string

	held  *atomic.Uintptr // the message of C, which only its consumer needs; 0 once it is answered
	delay time.Duration   // of ReconsumeLater
}

// ReconsumeLater returns the outcome with which a handler schedules redelivery of the message after a
// delay: return message.ReconsumeLater(time.Minute). The consumer needs [WithEnableRetry]; without
// it, and when the copy cannot be stored, it is as [Nack].
func (m *Message) ReconsumeLater(delay time.Duration) Outcome {
	m.delay = delay
	return ReconsumeLater
}

// newMessage copies what a message of C holds. Topic is the name that it probably has.
func newMessage(fields *C.stargate_message_fields, topic string) *Message {
	m := &Message{
		ID:              MessageID{text(fields.id, fields.id_len)},
		Topic:           topic,
		Payload:         C.GoBytes(fields.payload, C.int(fields.payload_len)),
		Key:             text(fields.key, fields.key_len),
		HasKey:          fields.key != nil,
		PublishTime:     timeOf(fields.publish_time_ms),
		EventTime:       timeOf(fields.event_time_ms),
		RedeliveryCount: int(fields.redelivery_count),
		ReconsumeTimes:  int(fields.reconsume_times),
		Encrypted:       fields.is_encrypted != 0,
	}
	if view := unsafe.String((*byte)(unsafe.Pointer(fields.topic)), int(fields.topic_len)); view != topic {
		m.Topic = text(fields.topic, fields.topic_len)
	}
	if fields.encryption_context != nil {
		m.EncryptionContext = text(fields.encryption_context, fields.encryption_context_len)
	}
	if fields.property_count > 0 {
		m.Properties = make(map[string]string, int(fields.property_count))
		for _, property := range unsafe.Slice(fields.properties, int(fields.property_count)) {
			m.Properties[text(property.key, property.key_len)] = text(property.value, property.value_len)
		}
	}
	return m
}

// heldMessages keeps messages of C until they are acknowledged, or until the garbage collector finds
// all messages of Go that need them. One finalizer for many costs less than one for each.
type heldMessages struct {
	places [C.GLUE_ROOM]atomic.Uintptr
	used   int
}

// hold keeps a message of C in a new place. The caller locks.
func (r *receiver) hold(message *C.stargate_message) *atomic.Uintptr {
	if r.held == nil || r.held.used == len(r.held.places) {
		r.held = &heldMessages{}
		runtime.SetFinalizer(r.held, (*heldMessages).free)
	}
	place := &r.held.places[r.held.used]
	r.held.used++
	place.Store(uintptr(unsafe.Pointer(message)))
	return place
}

// free is the finalizer.
func (h *heldMessages) free() {
	for i := range h.places[:h.used] {
		if message := h.places[i].Load(); message != 0 {
			C.glue_message_free(C.uintptr_t(message))
		}
	}
}

// take returns the message of C, which is then the caller's, or 0 if it was answered.
func (m *Message) take() C.uintptr_t {
	if m.held == nil {
		return 0
	}
	return C.uintptr_t(m.held.Swap(0))
}
