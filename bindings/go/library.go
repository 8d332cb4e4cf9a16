package stargate

// #cgo linux LDFLAGS: -ldl
// #include "glue.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// load finds and opens the C library once, at the first call that needs it.
var load = sync.OnceValues(func() (string, error) {
	var tried []string
	for _, path := range places() {
		library, err := open(path)
		if err == nil {
			return check(library)
		}
		tried = append(tried, err.Error())
	}
	return "", &Error{Kind: StatusInternal, Text: fmt.Sprintf(
		"cannot load the C library of stargate: set STARGATE_LIBRARY to the full path of libstargate.so, "+
			"or install it beside the program or in the system; tried: %s", strings.Join(tried, "; "))}
})

// LibraryPath returns the path of the C library in use, and loads it if nothing else has. It is at
// STARGATE_LIBRARY if that is set; otherwise beside the program, beside this package, or where the
// system's loader finds it.
func LibraryPath() (string, error) {
	return load()
}

// LibraryVersion returns the version of the C library in use, such as "0.1.0".
func LibraryVersion() (string, error) {
	if _, err := load(); err != nil {
		return "", err
	}
	return C.GoString(C.stargate_version()), nil
}

// places returns where to look for the library, in order.
func places() []string {
	if path := os.Getenv("STARGATE_LIBRARY"); path != "" {
		return []string{path}
	}
	var found []string
	if program, err := os.Executable(); err == nil {
		found = append(found, filepath.Join(filepath.Dir(program), "libstargate.so"))
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		found = append(found, filepath.Join(filepath.Dir(file), "libstargate.so"))
	}
	return append(found, C.STARGATE_SONAME)
}

// open opens the library at a path. It stays open until the process ends.
func open(path string) (unsafe.Pointer, error) {
	if err := checkTexts("the path", path); err != nil {
		return nil, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var reason *C.char
	if library := C.glue_open(name, &reason); library != nil {
		return library, nil
	}
	defer C.free(unsafe.Pointer(reason))
	return nil, errors.New(C.GoString(reason))
}

// check refuses a library of another version, and makes the rest of this package call it.
func check(library unsafe.Pointer) (string, error) {
	var path, version *C.char
	if C.glue_compatible(library, &path, &version) == 0 {
		found := "of an unknown version"
		if version != nil {
			found = C.GoString(version)
		}
		return "", &Error{Kind: StatusInternal, Text: fmt.Sprintf(
			"the library at %s is %s, and this package needs one that is compatible with %s; install that, "+
				"or set STARGATE_LIBRARY to it", C.GoString(path), found, Version)}
	}
	if missing := C.raw_load(library); missing != nil {
		return "", &Error{Kind: StatusInternal, Text: fmt.Sprintf(
			"the library at %s has no %s; install the version %s", C.GoString(path), C.GoString(missing), Version)}
	}
	return C.GoString(path), nil
}
