package stargate

// #include "glue.h"
import "C"

import (
	"log/slog"
	"unsafe"
)

// KeyReader supplies the keys of end-to-end encryption, in PEM. Its methods run on threads of the
// library, which may wait.
type KeyReader interface {
	// PublicKey returns the key with this name, with which a producer encrypts. It is called when the
	// producer is opened and for each new data key.
	PublicKey(name string) (PublicKey, error)
	// PrivateKey returns the key with this name, with which a consumer decrypts. It is called when a
	// message arrives under a data key that is not known yet.
	PrivateKey(name string, metadata map[string]string) ([]byte, error)
}

// PublicKey is a public key with entries that travel with each message, unencrypted, and reach the
// reader of the private key.
type PublicKey struct {
	PEM      []byte
	Metadata map[string]string
}

// keySource is a reader of keys that the library asks.
type keySource struct {
	keys     KeyReader
	problems *slog.Logger
}

//export goKey
func goKey(
	number C.uintptr_t, half C.int32_t, name *C.char, nameLen C.size_t,
	metadata *C.stargate_property, count C.size_t, out *C.stargate_key,
) C.stargate_status {
	source := calls.get(number).(*keySource)
	if err := supplyKey(source.keys, half, text(name, nameLen), unsafe.Slice(metadata, int(count)), out); err != nil {
		source.problems.Error("stargate: a key could not be read", "key", text(name, nameLen), "error", err)
		return C.STARGATE_CRYPTO
	}
	return C.STARGATE_OK
}

// supplyKey passes a key on to the library.
func supplyKey(keys KeyReader, half C.int32_t, name string, entries []C.stargate_property, out *C.stargate_key) error {
	var key PublicKey
	var err error
	if half == C.STARGATE_PUBLIC_KEY {
		key, err = keys.PublicKey(name)
	} else {
		metadata := make(map[string]string, len(entries))
		for _, entry := range entries {
			metadata[C.GoString(entry.key)] = C.GoString(entry.value)
		}
		key.PEM, err = keys.PrivateKey(name, metadata)
	}
	if err != nil {
		return err
	}
	var memory arena
	defer memory.free()
	var failed *C.stargate_error
	for name, value := range key.Metadata {
		if err := checkTexts("the metadata", name, value); err != nil {
			return err
		}
		if err := take(C.stargate_key_add_metadata(out, memory.text(name), memory.text(value), &failed), failed); err != nil {
			return err
		}
	}
	pem := (*C.char)(unsafe.Pointer(unsafe.SliceData(key.PEM)))
	return take(C.stargate_key_set(out, pem, C.size_t(len(key.PEM)), &failed), failed)
}
