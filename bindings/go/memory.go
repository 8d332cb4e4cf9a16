package stargate

// #include "glue.h"
import "C"

import "unsafe"

// text copies a text of C.
func text(ptr *C.char, length C.size_t) string {
	return C.GoStringN(ptr, C.int(length))
}

// textOf copies a view; it is empty where there is no text.
func textOf(view C.stargate_str) string {
	return text(view.ptr, view.len)
}

// takeText copies a text that the library gave, and frees it.
func takeText(given *C.char) string {
	defer C.stargate_string_free(given)
	return C.GoString(given)
}

// arena is memory of C for the arguments of one call.
type arena []unsafe.Pointer

// text returns a copy that ends with a 0.
func (a *arena) text(value string) *C.char {
	copied := C.CString(value)
	*a = append(*a, unsafe.Pointer(copied))
	return copied
}

// optional is text, with NULL for an empty one.
func (a *arena) optional(value string) *C.char {
	if value == "" {
		return nil
	}
	return a.text(value)
}

// texts returns an array of copies.
func (a *arena) texts(values []string) **C.char {
	array := (**C.char)(a.array(len(values), C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	for i, value := range values {
		unsafe.Slice(array, len(values))[i] = a.text(value)
	}
	return array
}

// array returns room for count things of a size, with zeros in it.
func (a *arena) array(count int, size C.size_t) unsafe.Pointer {
	room := C.calloc(C.size_t(count)+1, size)
	*a = append(*a, room)
	return room
}

// properties returns an array of copies.
func (a *arena) properties(values map[string]string) *C.stargate_property {
	array := (*C.stargate_property)(a.array(len(values), C.sizeof_stargate_property))
	places := unsafe.Slice(array, len(values))
	for key, value := range values {
		places[0] = C.stargate_property{key: a.text(key), value: a.text(value)}
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
