package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// steered are the variables of a server whose ffmpeg is a script that files
// beside the work directory steer:
//
//	hold  is a text. An ffmpeg that has it in its arguments waits before it starts
//	      for as long as the file is there, and says so by a file "held".
//	pace  is a speed. An ffmpeg that encodes H.264 reads its input no faster than
//	      so many times as it plays. Tests that break an encode have the time for
//	      it, whatever the machine, and it takes little of the processor.
//
// The script is the same for all servers, so that what it can do is detected once.
func steered(t testing.TB) []string {
	t.Helper()
	common.mu.Lock()
	defer common.mu.Unlock()
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Fatal(err) // the server needs it too
	}
	script := filepath.Join(common.dir, "ffmpeg")
	if common.steered == "" {
		real, err := exec.LookPath("ffmpeg")
		if err != nil {
			t.Fatal(err)
		}
		testmedia.Program(t, script, fmt.Sprintf(steeredScript, real))
		common.steered = script
	}
	return []string{"COPRA_FFPROBE=" + ffprobe, "COPRA_FFMPEG=" + script}
}

const steeredScript = `#!/bin/sh
work=${PWD%%/run-*}
dir=${work%%/*}
if [ -e "$dir/hold" ]; then
	case " $* " in *"$(cat "$dir/hold")"*)
		: > held
		while [ -e "$dir/hold" ]; do sleep 0.1; done;;
	esac
fi
if [ -e "$dir/pace" ]; then
	case " $* " in *" libx264 "*)
		for arg; do
			shift
			[ "$arg" = -i ] && set -- "$@" -readrate "$(cat "$dir/pace")"
			set -- "$@" "$arg"
		done;;
	esac
fi
exec %s "$@"
`

// slowly is a pace at which an encode does not end before a test has broken it:
// a clip of four seconds takes more than half a minute.
const slowly = "0.1"

// steer writes a file that steers the ffmpeg of the server whose work directory
// is in dir.
func steer(t testing.TB, dir, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil { //nolint:gosec // ffmpeg's user reads it
		t.Fatal(err)
	}
}

func unsteer(t testing.TB, dir, file string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// detected are the files of what ffmpeg can do that servers have written, by the
// program.
var detected = struct {
	sync.Mutex
	files map[string][]byte
}{files: map[string][]byte{}}

// knownFFmpeg puts into a new work directory what an earlier server has found out
// about an ffmpeg ("": that of PATH), as a volume that outlives servers would have
// it: asking ffmpeg takes longer than a short job. The function that it returns
// keeps what a server has found out that was the first.
func knownFFmpeg(t testing.TB, workDir, program string) (started func()) {
	t.Helper()
	file := filepath.Join(workDir, capabilityFile)
	detected.Lock()
	defer detected.Unlock()
	if text := detected.files[program]; text != nil {
		// The folder above is open: the database runs as another user.
		if err := errors.Join(os.MkdirAll(filepath.Dir(workDir), 0o755), os.MkdirAll(workDir, 0o700), os.WriteFile(file, text, 0o600)); err != nil {
			t.Fatal(err)
		}
		return func() {}
	}
	return func() {
		detected.Lock()
		defer detected.Unlock()
		if text, err := os.ReadFile(file); err == nil && detected.files[program] == nil {
			detected.files[program] = text
		}
	}
}
