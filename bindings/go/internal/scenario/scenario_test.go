package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const table = "../../../../tests/scenarios/table"

func TestTranscriptsAreThoseOfEveryLanguage(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(table, "*.scenario"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s: %v", table, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".scenario")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wanted, err := os.ReadFile(filepath.Join(table, name+".transcript"))
			if err != nil {
				t.Fatal(err)
			}
			var written strings.Builder
			if err := Run(file, "", &written); err != nil {
				t.Fatal(err)
			}
			if written.String() != string(wanted) {
				t.Errorf("expected:\n%s\ngot:\n%s", wanted, written.String())
			}
		})
	}
}
