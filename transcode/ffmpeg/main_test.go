package ffmpeg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/devicestandin"
	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/testmedia"
)

// orphanEnv makes the test binary a process that runs the program that the variable
// names. A test kills it meanwhile.
const (
	orphanEnv     = "FFMPEG_TEST_ORPHAN"
	orphanUserEnv = "FFMPEG_TEST_ORPHAN_USER"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	devicestandin.Main()
	countRun()
	openOnce()
	if script := os.Getenv(orphanEnv); script != "" {
		user, _ := strconv.Atoi(os.Getenv(orphanUserEnv))
		tools := (&Toolchain{ffmpeg: script, ffprobe: script, killDelay: defaultKillDelay}).Sandboxed(Sandbox{Landlock: true, User: user})
		err := tools.Run(context.Background(), Command{Dir: filepath.Dir(script), Progress: func(p Progress) { fmt.Println(p.Frame) }})
		fmt.Println(err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if dir, err := answers(); err == nil {
			os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// findOnce finds tools in a sandbox like that of a server.
var findOnce = sync.OnceValues(func() (*Toolchain, error) {
	t, err := Find(context.Background(), "", "")
	if err != nil {
		return nil, err
	}
	return t.Sandboxed(Sandbox{Landlock: true, Memory: 4 << 30}), nil
})

func tools(t testing.TB) *Toolchain {
	t.Helper()
	testmedia.Tool(t, "ffmpeg")
	f, err := findOnce()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// script writes a shell script in place of ffmpeg.
func script(t testing.TB, body string) *Toolchain {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	testmedia.Program(t, path, "#!/bin/sh\n"+body+"\n")
	return &Toolchain{ffmpeg: path, killDelay: 50 * time.Millisecond}
}

// writeProgress is a shell command that writes one block of progress.
const writeProgress = "printf '" + `frame=7\nout_time_us=N/A\nprogress=continue\n` + "'"

// put copies a clip into the folder of a run, the only one that it may read.
func put(t testing.TB, dir, name string, r testmedia.Recipe) {
	t.Helper()
	data, err := os.ReadFile(testmedia.Clip(t, r))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
