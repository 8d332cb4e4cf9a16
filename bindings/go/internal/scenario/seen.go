package scenario

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"stargate"
)

// patience is how long a step waits if it says nothing else.
const patience = 10 * time.Second

// record is a list that goroutines add to and a step waits for.
type record[T any] struct {
	mu      sync.Mutex
	values  []T
	changed chan struct{}
}

// add adds a value, and returns what was there before.
func (r *record[T]) add(value T) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.values
	r.values = append(slices.Clip(r.values), value)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return before
}

// wait returns the values as soon as they are enough, or when time is over.
func (r *record[T]) wait(enough func([]T) bool) []T {
	over := time.After(patience)
	for {
		r.mu.Lock()
		values := r.values
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		if enough(values) {
			return values
		}
		select {
		case <-changed:
		case <-over:
			return values
		}
	}
}

// progress says how many of prefix1 to prefixN were seen, and in which order.
func progress(seen []string, prefix string, count int) string {
	var first []string
	known := map[string]bool{}
	for _, data := range seen {
		if strings.HasPrefix(data, prefix) && !known[data] {
			known[data] = true
			first = append(first, data)
		}
	}
	found, ordered := 0, len(first) == count
	for i := range count {
		wanted := fmt.Sprintf("%s%d", prefix, i+1)
		if known[wanted] {
			found++
		}
		ordered = ordered && first[i] == wanted
	}
	switch {
	case found < count:
		return fmt.Sprintf("%d of %d", found, count)
	case ordered:
		return fmt.Sprintf("all %d, in order", count)
	}
	return fmt.Sprintf("all %d, out of order", count)
}

// object is a producer, consumer or reader under its name in the scenario.
type object struct {
	producer *stargate.Producer
	consumer *stargate.Consumer
	reader   *stargate.Reader
	states   record[string]
	receipts record[string] // the kinds of the ends of send_async
	accepted int
	last     map[string]*stargate.Message
	inHand   []*stargate.Message
	seen     record[string]
}

// note remembers a message that was received.
func (o *object) note(message *stargate.Message) {
	o.last[string(message.Payload)] = message
	o.inHand = append(o.inHand, message)
}

// answered forgets a message that was acknowledged or refused.
func (o *object) answered(message *stargate.Message) {
	if i := slices.Index(o.inHand, message); i >= 0 {
		o.inHand = slices.Delete(o.inHand, i, i+1)
	}
}
