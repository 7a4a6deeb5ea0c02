package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/transcode"
)

// testUser owns nothing.
const testUser = 65532

func asUser(t *testing.T, f *Toolchain) *Toolchain {
	t.Helper()
	if os.Getuid() != 0 {
		testmedia.Missing(t, "only root can run ffmpeg as another user")
	}
	r, err := sandbox.Check(t.Context(), sandbox.Trial{})
	if err != nil {
		t.Fatal(err)
	}
	return f.Sandboxed(Sandbox{Landlock: r.Files, Memory: 4 << 30, User: testUser})
}

// The tools read, write and probe files in folders that only root can reach, also
// files that were there before.
func TestUser(t *testing.T) {
	f := asUser(t, tools(t))
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "run")
	if err := os.MkdirAll(filepath.Join(dir, "deep", "er"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "in.mp4", testmedia.Short)
	for range 2 { // the second run overwrites the files of the first
		if err := f.Run(t.Context(), Command{Dir: dir, Args: []string{"-i", "in.mp4", "-c", "copy", "deep/er/out.mp4"}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Verify(t.Context(), filepath.Join(dir, "deep", "er", "out.mp4"), transcode.Expect{Video: true, Audio: true}); err != nil {
		t.Error(err)
	}
	st, err := os.Stat(filepath.Join(dir, "deep", "er", "out.mp4"))
	if err != nil || st.Sys().(*syscall.Stat_t).Uid != testUser {
		t.Errorf("%+v, %v", st, err)
	}
}

// A tool that was taken over has no rights of root. It cannot change mode or owner
// of files, which Landlock does not restrict.
func TestUserHasNothing(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "roots")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := asUser(t, script(t, ""))
	rules := f.runRules(dir, nil)
	err := child{path: "/bin/sh", args: []string{"-c", "id -u; id -G; while read -r k v; do case $k in CapInh:|CapPrm:|CapEff:|CapAmb:) test $v = 0000000000000000 || echo $k $v;; esac; done </proc/self/status; chmod 666 " + outside + " || echo held; chown 0 . || echo held; kill -0 1 || echo held"},
		dir: dir, stdout: &out, killDelay: f.killDelay, rules: rules}.run(t.Context())
	if want := "65532\n65532\nheld\nheld\nheld\n"; err != nil || out.String() != want {
		t.Errorf("%q, want %q, %v", out.String(), want, err)
	}
	if st, err := os.Stat(outside); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// Links that a tool has left do not make root give away other files.
func TestGiveToUserFollowsNothing(t *testing.T) {
	f := asUser(t, script(t, ""))
	outside, dir := t.TempDir(), t.TempDir()
	canary := filepath.Join(outside, "canary")
	if err := os.WriteFile(canary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(canary, filepath.Join(dir, "file")), os.Symlink(outside, filepath.Join(dir, "folder")), os.WriteFile(filepath.Join(dir, "own"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := f.giveToUser(dir, "."); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint32{canary: 0, outside: 0, filepath.Join(dir, "own"): testUser, dir: testUser} {
		if st, err := os.Stat(name); err != nil || st.Sys().(*syscall.Stat_t).Uid != want {
			t.Errorf("%s belongs to %d, %v", name, st.Sys().(*syscall.Stat_t).Uid, err)
		}
	}
	if err := f.giveToUser(dir, "gone"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Processes of another user end in time too.
func TestUserEnds(t *testing.T) {
	path := filepath.Join(openDir(t), "ffmpeg")
	testmedia.Program(t, path, "#!/bin/sh\n"+writeProgress+"; trap '' TERM; sleep 1000; sleep 1000\n")
	f := asUser(t, &Toolchain{ffmpeg: path, ffprobe: path, killDelay: 50 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	begin := time.Now()
	err := f.Run(ctx, Command{Dir: t.TempDir(), Progress: func(Progress) { begin = time.Now(); stop() }})
	testtime.Within(t, "the end", begin, 2*time.Second)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, p := range []string{path} {
		all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, line := range all {
			if b, _ := os.ReadFile(line); strings.Contains(string(b), p) {
				t.Errorf("%s runs on", line)
			}
		}
	}
}

// openDir is a folder that other users can enter, unlike t.TempDir.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ffmpeg-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return dir
}
