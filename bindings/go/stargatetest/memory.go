package stargatetest

// #include "raw.h"
// #include <stdlib.h>
import "C"

import (
	"time"
	"unsafe"

	"stargate"
)

// arena is memory of C for the arguments of one call.
type arena []unsafe.Pointer

// always returns a copy that ends with a 0.
func (a *arena) always(value string) *C.char {
	copied := C.CString(value)
	*a = append(*a, unsafe.Pointer(copied))
	return copied
}

// text is always, with NULL for an empty text.
func (a *arena) text(value string) *C.char {
	if value == "" {
		return nil
	}
	return a.always(value)
}

// properties returns an array of copies.
func (a *arena) properties(values map[string]string) *C.stargate_property {
	size := C.size_t(len(values)+1) * C.sizeof_stargate_property
	array := (*C.stargate_property)(C.calloc(1, size))
	*a = append(*a, unsafe.Pointer(array))
	places := unsafe.Slice(array, len(values))
	for key, value := range values {
		places[0] = C.stargate_property{key: a.always(key), value: a.always(value)}
		places = places[1:]
	}
	return array
}

// free frees everything.
func (a *arena) free() {
	for _, memory := range *a {
		C.free(memory)
	}
}

// textOf copies a view.
func textOf(view C.stargate_str) string {
	return C.GoStringN(view.ptr, C.int(view.len))
}

// takeText copies a text that the library gave, and frees it.
func takeText(given *C.char) string {
	defer C.stargate_string_free(given)
	return C.GoString(given)
}

// take turns the result of a call into an error of stargate, and frees what the library gave.
func take(status C.stargate_status, raw *C.stargate_error) error {
	if status == C.STARGATE_OK {
		return nil
	}
	defer C.stargate_error_free(raw)
	var fields C.stargate_error_fields
	C.stargate_error_view(raw, &fields, C.sizeof_stargate_error_fields)
	return &stargate.Error{
		Kind:       stargate.Status(status),
		Text:       C.GoStringN(fields.message, C.int(fields.message_len)),
		Topic:      C.GoStringN(fields.topic, C.int(fields.topic_len)),
		BrokerText: C.GoStringN(fields.broker_text, C.int(fields.broker_text_len)),
		HTTPStatus: int(fields.http_status),
		Retriable:  fields.is_retriable != 0,
	}
}

// number returns a bool for C.
func number(value bool) C.int32_t {
	if value {
		return 1
	}
	return 0
}

// millis returns a time for C: 0 for the zero time.
func millis(at time.Time) C.int64_t {
	if at.IsZero() {
		return 0
	}
	return C.int64_t(at.UnixMilli())
}
