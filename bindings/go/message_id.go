package stargate

// #include "glue.h"
import "C"

import "fmt"

// MessageID is the place of a message in its topic. The ids of one message can differ as text between
// producer and consumer, so compare with [MessageID.Compare] and not with ==. It can be stored as text
// and restored with [ParseMessageID], and is a text in JSON.
type MessageID struct {
	text string
}

var (
	// Earliest is where a topic begins, for [WithStartingMessage] and Seek.
	Earliest = MessageID{"earliest"}
	// Latest is where a topic ends.
	Latest = MessageID{"latest"}
)

// ParseMessageID returns the id of a text: what [MessageID.String] returned, "earliest" or "latest".
func ParseMessageID(text string) (MessageID, error) {
	id := MessageID{text}
	if id == Earliest || id == Latest {
		return id, nil
	}
	if _, err := id.Parts(); err != nil {
		return MessageID{}, err
	}
	return id, nil
}

// String returns the id in base64.
func (id MessageID) String() string {
	return id.text
}

// IsZero reports whether it is the id of no message.
func (id MessageID) IsZero() bool {
	return id.text == ""
}

// MarshalText returns the id in base64.
func (id MessageID) MarshalText() ([]byte, error) {
	return []byte(id.text), nil
}

// UnmarshalText reads what [MessageID.MarshalText] returned.
func (id *MessageID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = MessageID{}
		return nil
	}
	parsed, err := ParseMessageID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// Compare returns -1, 0 or 1 as the id is before, at or after another. Across the partitions of a
// topic it is only a fixed order, not one of time. An id is after [Earliest], before [Latest], and
// after the zero id.
func (id MessageID) Compare(other MessageID) int {
	if left, right := id.rank(), other.rank(); left != right || left != 0 {
		return min(max(left-right, -1), 1)
	}
	var memory arena
	defer memory.free()
	var order C.int32_t
	if C.stargate_message_id_compare(memory.text(id.text), memory.text(other.text), &order, nil) != C.STARGATE_OK {
		panic(fmt.Sprintf("stargate: ids that were checked do not compare: %q, %q", id.text, other.text))
	}
	return int(order)
}

// rank orders the ids that are not those of messages.
func (id MessageID) rank() int {
	switch id {
	case MessageID{}:
		return -2
	case Earliest:
		return -1
	case Latest:
		return 1
	}
	return 0
}

// MessageIDParts is what an id names. Partition and BatchIndex are -1 where there is none.
type MessageIDParts struct {
	Ledger, Entry         uint64
	Partition, BatchIndex int
}

// Parts returns what the id names.
func (id MessageID) Parts() (MessageIDParts, error) {
	if _, err := load(); err != nil {
		return MessageIDParts{}, err
	}
	if err := checkTexts("the message id", id.text); err != nil {
		return MessageIDParts{}, err
	}
	var memory arena
	defer memory.free()
	var ledger, entry C.uint64_t
	var partition, index C.int32_t
	var failed *C.stargate_error
	status := C.stargate_message_id_parts(memory.text(id.text), &ledger, &entry, &partition, &index, &failed)
	if err := take(status, failed); err != nil {
		return MessageIDParts{}, err
	}
	return MessageIDParts{uint64(ledger), uint64(entry), int(partition), int(index)}, nil
}

// partition returns the partition, or -1.
func (id MessageID) partition() int {
	parts, err := id.Parts()
	if err != nil {
		return -1
	}
	return parts.Partition
}
