// Package scenario carries out the scenarios of tests/scenarios/table; the README there describes
// the steps and what each of them prints.
package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// step is a line of a scenario. The properties of a message have their names after a dot.
type step struct {
	verb, handle string
	given        map[string]string
}

var (
	word   = regexp.MustCompile(`([a-z_]+(?:\.[^= ]+)?)=("(?:[^"\\]|\\.)*"|[^ "]*)|([^ ]+)`)
	escape = regexp.MustCompile(`\\(["\\]|x[0-9a-f]{2})`)
)

// parse returns the steps of a scenario.
func parse(text string) []step {
	var steps []step
	for _, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := []string{}
		given := map[string]string{}
		for _, found := range word.FindAllStringSubmatch(line, -1) {
			if found[3] != "" {
				words = append(words, found[3])
			} else {
				given[found[1]] = unquoted(found[2])
			}
		}
		words = append(words, "")
		steps = append(steps, step{words[0], words[1], given})
	}
	return steps
}

// unquoted returns what a value stands for.
func unquoted(value string) string {
	if !strings.HasPrefix(value, `"`) {
		return value
	}
	return escape.ReplaceAllStringFunc(value[1:len(value)-1], func(found string) string {
		if found[1] != 'x' {
			return found[1:]
		}
		number, _ := strconv.ParseUint(found[2:], 16, 8)
		return string([]byte{byte(number)})
	})
}

// quoted returns bytes as a transcript has them.
func quoted(data string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, b := range []byte(data) {
		switch {
		case b == '"' || b == '\\':
			out.WriteByte('\\')
			out.WriteByte(b)
		case b < 0x20 || b >= 0x7f:
			fmt.Fprintf(&out, `\x%02x`, b)
		default:
			out.WriteByte(b)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// payload returns a payload as a transcript has it.
func payload(data string) string {
	if len(data) <= 64 {
		return quoted(data)
	}
	var hash uint32
	for _, b := range []byte(data) {
		hash = hash*31 + uint32(b)
	}
	return fmt.Sprintf("<%d bytes, hash %08x>", len(data), hash)
}

// number returns a parameter, or what it is without one.
func (s step) number(name string, without int) int {
	if value, ok := s.given[name]; ok {
		without, _ = strconv.Atoi(value)
	}
	return without
}

// duration returns a parameter such as 250ms, or what it is without one.
func (s step) duration(name string, without time.Duration) time.Duration {
	if value, ok := s.given[name]; ok {
		without, _ = time.ParseDuration(value)
	}
	return without
}

// has reports whether a parameter was given.
func (s step) has(name string) bool {
	_, ok := s.given[name]
	return ok
}
