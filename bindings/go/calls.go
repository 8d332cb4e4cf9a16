package stargate

// #include "glue.h"
import "C"

import "sync"

// calls holds the Go values whose numbers C carries as user data.
var calls table

// table gives values numbers, which C may keep where it may not keep a pointer of Go.
type table struct {
	mu     sync.Mutex
	values []any
	unused []C.uintptr_t
}

// add puts a value into the table and returns its number, which is not 0.
func (t *table) add(value any) C.uintptr_t {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.unused) - 1; last >= 0 {
		number := t.unused[last]
		t.unused = t.unused[:last]
		t.values[number-1] = value
		return number
	}
	t.values = append(t.values, value)
	return C.uintptr_t(len(t.values))
}

// get returns the value of a number.
func (t *table) get(number C.uintptr_t) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.values[number-1]
}

// take returns the value of a number, and removes it.
func (t *table) take(number C.uintptr_t) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	value := t.values[number-1]
	t.values[number-1] = nil
	t.unused = append(t.unused, number)
	return value
}
