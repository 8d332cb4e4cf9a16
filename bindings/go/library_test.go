package stargate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate"
)

// TestMain is the program of TestALibraryIsFoundAndChecked, too.
func TestMain(m *testing.M) {
	if os.Getenv("STARGATE_TEST_LOADS") != "" {
		path, err := stargate.LibraryPath()
		if err != nil {
			path = "error: " + err.Error()
		}
		os.Stdout.WriteString(path)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// loads returns what another process says about the library that it finds.
func loads(t *testing.T, environment ...string) string {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(environment, "STARGATE_TEST_LOADS=1")
	out, err := process.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestALibraryIsFoundAndChecked(t *testing.T) {
	t.Parallel()
	library, err := stargate.LibraryPath()
	if err != nil {
		t.Fatal(err)
	}
	version, err := stargate.LibraryVersion()
	if err != nil || version != stargate.Version {
		t.Errorf("version %s, %v", version, err)
	}
	if found := loads(t, "STARGATE_LIBRARY="+library); found != library {
		t.Errorf("found %s", found)
	}
	system := t.TempDir()
	if err := os.Symlink(library, filepath.Join(system, "libstargate.so.0.1")); err != nil {
		t.Fatal(err)
	}
	if found := loads(t, "LD_LIBRARY_PATH="+system); found != filepath.Join(system, "libstargate.so.0.1") {
		t.Errorf("in the system: %s", found)
	}
	none := loads(t)
	for _, words := range []string{"STARGATE_LIBRARY", "libstargate.so.0.1", filepath.Dir(os.Args[0]) + "/libstargate.so"} {
		if !strings.Contains(none, words) {
			t.Errorf("without a library: %s", none)
		}
	}
	if wrong := loads(t, "STARGATE_LIBRARY=/nowhere/libstargate.so", "LD_LIBRARY_PATH="+system); !strings.Contains(wrong, "/nowhere") {
		t.Errorf("with a wrong path: %s", wrong)
	}
}

// another is a library of another version.
const another = `
#include <stdint.h>
const char *stargate_version(void) { return "7.8.9"; }
int32_t stargate_version_compatible(uint32_t version) { return version == 1; }
`

func TestALibraryOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	source, library := filepath.Join(folder, "another.c"), filepath.Join(folder, "libstargate.so")
	if err := os.WriteFile(source, []byte(another), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	refused := loads(t, "STARGATE_LIBRARY="+library)
	for _, words := range []string{"7.8.9", stargate.Version, library} {
		if !strings.Contains(refused, words) {
			t.Errorf("the error does not say %s: %s", words, refused)
		}
	}
}
