package stargate

// #include "glue.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Error is why a call failed. Compare its kind with [errors.Is], such as
// errors.Is(err, stargate.ErrBusy), and get the rest with [errors.As].
type Error struct {
	// Kind is the kind of failure.
	Kind Status
	// Text is the full description on one line: the operation, the topic and every cause.
	Text string
	// Topic is the full name of the topic concerned, or empty.
	Topic string
	// BrokerText holds the server's own words, or is empty.
	BrokerText string
	// HTTPStatus is the HTTP status with which the server refused the connection, or 0.
	HTTPStatus int
	// Retriable says that the same call may succeed later without a change by the caller. After
	// [ErrTimeout] and [ErrOutcomeUnknown] a second send can store the message twice.
	Retriable bool
}

// Error returns the full description.
func (e *Error) Error() string {
	return e.Text
}

// Is reports whether target is the kind of this error. An [ErrTimeout] is a
// [context.DeadlineExceeded] too.
func (e *Error) Is(target error) bool {
	if kind, ok := target.(kindError); ok {
		return e.Kind == Status(kind)
	}
	return e.Kind == StatusTimeout && target == context.DeadlineExceeded
}

// Timeout reports whether the time limit passed.
func (e *Error) Timeout() bool {
	return e.Kind == StatusTimeout
}

// KindOf returns the kind of failure of an error that this package returned; [StatusOK] for nil. The
// ends of a context are [StatusTimeout] and [StatusInterrupted], other errors [StatusInternal].
func KindOf(err error) Status {
	var failed *Error
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, &failed):
		return failed.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return StatusTimeout
	case errors.Is(err, context.Canceled):
		return StatusInterrupted
	}
	return StatusInternal
}

// failure copies an error of the library that lives for the call of a callback.
func failure(status C.stargate_status, raw *C.stargate_error) error {
	if status == C.STARGATE_OK {
		return nil
	}
	if raw == nil {
		return &Error{Kind: Status(status), Text: Status(status).String()}
	}
	var fields C.stargate_error_fields
	C.stargate_error_view(raw, &fields, C.sizeof_stargate_error_fields)
	return &Error{
		Kind:       Status(fields.status),
		Text:       text(fields.message, fields.message_len),
		Topic:      text(fields.topic, fields.topic_len),
		BrokerText: text(fields.broker_text, fields.broker_text_len),
		HTTPStatus: int(fields.http_status),
		Retriable:  fields.is_retriable != 0,
	}
}

// take turns the result of a call into an error, and frees what the library gave.
func take(status C.stargate_status, raw *C.stargate_error) error {
	if status == C.STARGATE_OK {
		return nil
	}
	defer C.stargate_error_free(raw)
	return failure(status, raw)
}

// taken is take for the functions of glue.h.
func taken(result C.glue_result) error {
	return take(result.status, result.error)
}

// invalid is an argument that cannot be passed to the library.
func invalid(format string, values ...any) error {
	return &Error{Kind: StatusInvalidArgument, Text: fmt.Sprintf(format, values...)}
}

// checkTexts refuses texts that C would cut.
func checkTexts(what string, texts ...string) error {
	for _, text := range texts {
		if strings.IndexByte(text, 0) >= 0 {
			return invalid("%s %q holds U+0000, which ends a text in C", what, text)
		}
	}
	return nil
}
