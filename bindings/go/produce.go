package stargate

// #include "glue.h"
import "C"

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"unsafe"
)

// Produce sends messages, as [Producer.SendMany] does, over a connection of their own, which is
// closed in any case. The URL is that of a producer,
// "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic", with the server's query
// parameters if any. Options are those of connections and producers.
func Produce(ctx context.Context, url string, messages []Outgoing, options ...ProducerOption) ([]SendResult, error) {
	if err := checkOutgoing(url, messages); err != nil {
		return nil, err
	}
	messages = cloned(messages)
	s := newSettings(options, ProducerOption.forProducer)
	s.standAlone()
	return blocking(ctx, func(timeout C.int64_t) ([]SendResult, error) {
		built, err := s.build()
		if err != nil {
			return nil, err
		}
		defer C.stargate_options_free(built)
		var memory arena
		defer memory.free()
		count := C.size_t(len(messages))
		results := (*C.stargate_send_result)(memory.array(len(messages), C.sizeof_stargate_send_result))
		defer C.stargate_send_results_free(results, count)
		var failed *C.stargate_error
		status := C.stargate_produce(memory.text(url), memory.outgoing(messages), count, built, timeout, results, &failed)
		err = take(status, failed)
		ended := make([]SendResult, len(messages))
		for i, result := range unsafe.Slice(results, len(messages)) {
			ended[i] = SendResult{MessageID{C.GoString(result.message_id)}, failure(result.status, result.error)}
		}
		return ended, err
	})
}

// cloned returns copies for a call that may go on after a cancel.
func cloned(messages []Outgoing) []Outgoing {
	messages = slices.Clone(messages)
	for i := range messages {
		message := &messages[i]
		message.Payload = bytes.Clone(message.Payload)
		message.Properties = maps.Clone(message.Properties)
		message.ReplicationClusters = slices.Clone(message.ReplicationClusters)
	}
	return messages
}

// checkOutgoing refuses texts that C would cut.
func checkOutgoing(url string, messages []Outgoing) error {
	if err := checkTexts("the URL", url); err != nil {
		return err
	}
	for i := range messages {
		if err := checkTexts("the key", messages[i].Key); err != nil {
			return err
		}
		if _, err := pack(&messages[i]); err != nil {
			return err
		}
	}
	return nil
}

// outgoing returns copies of messages.
func (a *arena) outgoing(messages []Outgoing) *C.stargate_outgoing {
	array := (*C.stargate_outgoing)(a.array(len(messages), C.sizeof_stargate_outgoing))
	places := unsafe.Slice(array, len(messages))
	for i := range messages {
		message, raw := &messages[i], &places[i]
		*raw = C.stargate_outgoing{
			struct_size:               C.sizeof_stargate_outgoing,
			properties:                a.properties(message.Properties),
			property_count:            C.size_t(len(message.Properties)),
			event_time_ms:             unixMillis(message.EventTime),
			deliver_at_ms:             unixMillis(message.DeliverAt),
			deliver_after_ms:          C.int64_t(millis(message.DeliverAfter)),
			replication_clusters:      a.texts(message.ReplicationClusters),
			replication_cluster_count: C.size_t(len(message.ReplicationClusters)),
		}
		raw.payload.ptr = C.CBytes(message.Payload)
		raw.payload.len = C.size_t(len(message.Payload))
		*a = append(*a, raw.payload.ptr)
		if message.HasKey || message.Key != "" {
			raw.key = a.text(message.Key)
		}
	}
	return array
}
