package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/devicestandin"
	"github.com/copra-video/copra/internal/testcopra"
	"github.com/copra-video/copra/internal/testtime"
)

// binary is the program under test, and common the parts that tests share.
var (
	binary string
	common fixtures
)

func TestMain(m *testing.M) {
	devicestandin.Main()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("e2e: not with -short")
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "copra-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	// The server runs as other users too.
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	if binary, err = testcopra.Build(dir); err != nil {
		return 0, err
	}
	common.dir = dir
	// Most tests spend their time waiting for the server, which bounds its own
	// work.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("8"); err != nil {
			return 0, err
		}
	}
	code := m.Run()
	// After failed tests jobs may still be running, so leftovers are checked
	// only after good ones.
	if err := common.close(); err != nil && code == 0 {
		return 0, err
	}
	return code, nil
}

// openDir is a temporary folder that other users can enter, unlike that of
// t.TempDir.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(common.dir, "t-") //nolint:usetesting // t.TempDir of root is closed to others
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The PostgreSQL of a server that was killed notices that a moment later, and
		// writes to its folder until then.
		var err error
		eventually(t, 20*time.Second, "a test's folder is removed", func() bool {
			err = os.RemoveAll(dir)
			return !errors.Is(err, syscall.ENOTEMPTY)
		})
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// eventually looks until done says true, and fails the test after limit. It looks
// less and less often: many tests wait at once, and a look at a job or at all
// processes takes milliseconds of the processor.
func eventually(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(testtime.Allow(limit))
	defer deadline.Stop()
	for pause := 20 * time.Millisecond; !done(); pause = min(pause*3/2, 150*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-deadline.C:
			t.Fatalf("after %s still not: %s", limit, what)
		}
	}
}
