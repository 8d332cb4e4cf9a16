// Package pages runs the programs of the pages, as printed.
package pages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stargate/stargatetest"
)

var block = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

func TestTheProgramsOfThePagesRun(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"README.md", "../../docs/go.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		programs := block.FindAllStringSubmatch(string(text), -1)
		if len(programs) == 0 {
			t.Errorf("%s has no programs", page)
		}
		for n, program := range programs {
			t.Run(fmt.Sprintf("%s-%d", filepath.Base(page), n+1), func(t *testing.T) {
				t.Parallel()
				run(t, root, program[1])
			})
		}
	}
}

// run builds a program, or a test, in a module of its own, and runs it at a mock broker.
func run(t *testing.T, root, program string) {
	folder := t.TempDir()
	name, command := "main.go", []string{"run", "."}
	if strings.Contains(program, "testing.T)") {
		name, command = "main_test.go", []string{"test", "."}
	}
	module := fmt.Sprintf("module program\n\ngo 1.23\n\nrequire stargate v0.1.0\n\nreplace stargate => %s\n", root)
	program = strings.ReplaceAll(program, "ws://localhost:8080", stargatetest.NewBroker(t).URL())
	for file, content := range map[string]string{"go.mod": module, name: program} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{{"vet", "."}, command} {
		run := exec.Command("go", arguments...)
		run.Dir = folder
		run.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off")
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", arguments[0], err, out)
		}
	}
}
