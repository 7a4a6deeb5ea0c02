package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/testmedia"
)

// countRun is for a copy of this test program that stands where ffmpeg or
// ffprobe would: it writes down its arguments and gives the answer of the real
// one, which is asked once for all copies.
func countRun() {
	dir, name := filepath.Split(os.Args[0])
	if name != "ffmpeg" && name != "ffprobe" {
		return
	}
	run := name + " " + strings.Join(os.Args[1:], " ")
	f, err := os.OpenFile(filepath.Join(dir, "runs"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(run + "\n")
	}
	for i, to := range []*os.File{os.Stdout, os.Stderr} {
		if err == nil {
			err = answer(filepath.Join(dir, "answers", fmt.Sprintf("%d %s", i, run)), to)
		}
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func answer(file string, to io.Writer) error {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		var out, messages bytes.Buffer
		cmd := exec.Command(filepath.Base(os.Args[0]), os.Args[1:]...) //nolint:noctx // the test ends both
		cmd.Stdout, cmd.Stderr = &out, &messages
		err = cmd.Run()
		text = out.Bytes()
		if to == os.Stderr {
			text = messages.Bytes()
		}
		if err == nil {
			err = os.WriteFile(file+strconv.Itoa(os.Getpid()), text, 0o600)
		}
		if err == nil {
			err = os.Rename(file+strconv.Itoa(os.Getpid()), file)
		}
	}
	if err == nil {
		_, err = to.Write(text)
	}
	return err
}

// answers is the folder that all copies share.
var answers = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "ffmpeg-answers-") }) //nolint:usetesting // for all tests

// openEnv makes the test program a process that opens the toolchain in the
// folder that it names.
const openEnv = "FFMPEG_TEST_OPEN"

func openOnce() {
	dir := os.Getenv(openEnv)
	if dir == "" {
		return
	}
	if _, err := (&counted{dir: dir, cache: filepath.Join(dir, "cache.json")}).open(nil); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// counted is a toolchain of which every start is written down.
type counted struct {
	dir   string
	cache string
	log   bytes.Buffer
}

func newCounted(t *testing.T) *counted {
	t.Helper()
	tools(t)
	dir := t.TempDir()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, own, filepath.Join(dir, "ffmpeg"))
	shared, err := answers()
	must(t, err)
	must(t, os.Symlink(shared, filepath.Join(dir, "answers")))
	must(t, os.Symlink("ffmpeg", filepath.Join(dir, "ffprobe")))
	return &counted{dir: dir, cache: filepath.Join(dir, "work", "cache.json")}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

func (c *counted) open(box *Sandbox) (*Toolchain, error) {
	return Open(context.Background(), Options{
		FFmpeg: filepath.Join(c.dir, "ffmpeg"), Sandbox: box, CacheFile: c.cache,
		Log: slog.New(slog.NewTextHandler(&c.log, nil)),
	})
}

// runs opens the toolchain and returns the runs that it took.
func (c *counted) runs(t *testing.T, box *Sandbox) []string {
	t.Helper()
	log := filepath.Join(c.dir, "runs")
	if err := os.Remove(log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	f, err := c.open(box)
	if err != nil {
		t.Fatal(err)
	}
	if c := f.Capabilities(); !c.Encoders.Has("libx264") || !c.Filters.Has("scale") || len(c.PixFmts["libx264"]) == 0 || c.Major < 5 {
		t.Errorf("capabilities %+v", c)
	}
	text, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	runs := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(text) == 0 {
		runs = nil
	}
	if f.Cached() != (runs == nil) {
		t.Errorf("from the cache: %v, and it ran %q", f.Cached(), runs)
	}
	return runs
}

// A start asks each question once, and the next start none.
func TestCache(t *testing.T) {
	t.Parallel()
	c := newCounted(t)
	first := c.runs(t, nil)
	if len(first) == 0 || len(first) > 6 {
		t.Errorf("the first start ran %q", first)
	}
	for i, run := range first {
		for _, other := range first[:i] {
			if run == other {
				t.Errorf("ran twice: %s", run)
			}
		}
	}
	for range 2 {
		if again := c.runs(t, nil); again != nil {
			t.Errorf("the next start ran %q", again)
		}
	}
	if st, err := os.Stat(c.cache); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	if c.log.Len() > 0 {
		t.Errorf("logged %s", c.log.String())
	}
	asked, err := Open(t.Context(), Options{FFmpeg: filepath.Join(c.dir, "ffmpeg")})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := c.open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(asked.Capabilities(), kept.Capabilities()); d != "" {
		t.Error(d)
	}
}

// Whatever decides what ffmpeg can do makes the next start ask again, once.
func TestCacheOfOtherPrograms(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, c *counted){
		"modification time": func(t *testing.T, c *counted) {
			must(t, os.Chtimes(filepath.Join(c.dir, "ffmpeg"), time.Time{}, time.Unix(1, 1)))
		},
		"size": func(t *testing.T, c *counted) {
			f, err := os.OpenFile(filepath.Join(c.dir, "ffmpeg"), os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString("more")
			must(t, errors.Join(err, f.Close()))
		},
		"another file of the same size and time": func(t *testing.T, c *counted) {
			replaceWithCopy(t, filepath.Join(c.dir, "ffmpeg"))
		},
		"ffprobe": func(t *testing.T, c *counted) {
			must(t, os.Remove(filepath.Join(c.dir, "ffprobe")))
			copyFile(t, filepath.Join(c.dir, "ffmpeg"), filepath.Join(c.dir, "ffprobe"))
		},
		"mode": func(t *testing.T, c *counted) { must(t, os.Chmod(filepath.Join(c.dir, "ffmpeg"), 0o700)) },
		"a link to another program": func(t *testing.T, c *counted) {
			path := filepath.Join(c.dir, "ffmpeg")
			must(t, os.Rename(path, path+"-7"))
			must(t, os.Symlink(path+"-7", path))
		},
		"path": func(t *testing.T, c *counted) {
			other := newCounted(t)
			c.dir = other.dir
		},
		"a library":       inCache(`"/etc/ld.so.cache":"`, `"/etc/ld.so.cache":"other `),
		"our own program": inCache(`"Files":{`, `"Files":{"/usr/bin/gone":"size 1",`),
		"the format":      inCache(`"Format":1`, `"Format":2`),
		"half a file":     withCache(func(text []byte) []byte { return text[:len(text)/2] }),
		"an empty file":   withCache(func([]byte) []byte { return nil }),
		"no JSON":         withCache(func([]byte) []byte { return []byte("\x7fELF") }),
		"foreign JSON":    withCache(func([]byte) []byte { return []byte(`{"format": 1, "name": "something else"}`) }),
		"a large file":    withCache(func(text []byte) []byte { return append(bytes.Repeat([]byte(" "), maxCacheBytes), text...) }),
		"nothing":         func(t *testing.T, c *counted) { must(t, os.Remove(c.cache)) },
		"a pipe": func(t *testing.T, c *counted) {
			must(t, errors.Join(os.Remove(c.cache), syscall.Mkfifo(c.cache, 0o600)))
		},
		"a link": func(t *testing.T, c *counted) {
			must(t, errors.Join(os.Rename(c.cache, c.cache+"2"), os.Symlink(c.cache+"2", c.cache)))
		},
		"a file of another user": func(t *testing.T, c *counted) {
			if os.Getuid() != 0 {
				testmedia.Missing(t, "only root gives files away")
			}
			must(t, os.Chown(c.cache, testUser, testUser))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCounted(t)
			c.runs(t, nil)
			if again := c.runs(t, nil); again != nil {
				t.Fatalf("unchanged, it ran %q", again)
			}
			change(t, c)
			if again := c.runs(t, nil); len(again) < 5 {
				t.Errorf("it ran %q", again)
			}
			if again := c.runs(t, nil); again != nil {
				t.Errorf("the start after that ran %q", again)
			}
			if c.log.Len() > 0 {
				t.Errorf("logged %s", c.log.String())
			}
		})
	}
}

func TestCacheOfAnotherSandbox(t *testing.T) {
	t.Parallel()
	if _, err := sandbox.Check(t.Context(), sandbox.Trial{}); err != nil {
		t.Fatal(err)
	}
	c := newCounted(t)
	// The counting stand-in writes beside itself, which Landlock denies.
	boxes := []*Sandbox{nil, {Memory: 8 << 30}, {Memory: 9 << 30}}
	for _, box := range boxes {
		if again := c.runs(t, box); len(again) < 5 {
			t.Errorf("%+v: it ran %q", box, again)
		}
		same := box
		if box != nil {
			clone := *box
			same = &clone
		}
		if again := c.runs(t, same); again != nil {
			t.Errorf("%+v: the next start ran %q", box, again)
		}
	}
}

// A place that cannot be written costs a line in the log.
func TestCacheCannotBeWritten(t *testing.T) {
	t.Parallel()
	c := newCounted(t)
	for name, path := range map[string]string{
		"below a file":      filepath.Join(c.dir, "ffmpeg", "work", "cache.json"),
		"in place of a dir": c.dir,
	} {
		c.cache = path
		for range 2 {
			c.log.Reset()
			if again := c.runs(t, nil); len(again) < 5 {
				t.Errorf("%s: it ran %q", name, again)
			}
			if n := strings.Count(c.log.String(), "level=WARN"); n != 1 {
				t.Errorf("%s: %d warnings: %s", name, n, c.log.String())
			}
		}
	}
	if os.Getuid() == 0 {
		return // may write everywhere
	}
	c.cache = filepath.Join(t.TempDir(), "cache.json")
	must(t, os.Chmod(filepath.Dir(c.cache), 0o500)) //nolint:gosec // a folder
	c.log.Reset()
	if again := c.runs(t, nil); len(again) < 5 || strings.Count(c.log.String(), "level=WARN") != 1 {
		t.Errorf("a folder that may only be read: it ran %q, and logged %s", again, c.log.String())
	}
}

// Processes that start together do not spoil the file for each other.
func TestCacheOfManyProcesses(t *testing.T) {
	t.Parallel()
	c := newCounted(t)
	c.cache = filepath.Join(c.dir, "cache.json")
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var started []*exec.Cmd
		for range 3 {
			cmd := exec.CommandContext(t.Context(), own)
			cmd.Env = append(os.Environ(), openEnv+"="+c.dir)
			cmd.Stderr = os.Stderr
			must(t, cmd.Start())
			started = append(started, cmd)
		}
		for _, cmd := range started {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
		if again := c.runs(t, nil); again != nil {
			t.Errorf("after them it ran %q", again)
		}
		must(t, os.Remove(c.cache))
	}
	left, err := filepath.Glob(c.cache + "*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A script may start any program, so its version is asked at each start.
func TestCacheOfAScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	behind := filepath.Join(dir, "behind")
	must(t, os.WriteFile(behind, []byte("ffmpeg version 7.1\n"), 0o600))
	body := "#!/bin/sh\necho \"$1\" >>" + dir + "/runs\ncat " + behind + "\n[ \"$1\" != -encoders ] || printf -- ' ------\\n V....D libx264 H.264\\n'\n"
	testmedia.Program(t, filepath.Join(dir, "ffmpeg"), body)
	testmedia.Program(t, filepath.Join(dir, "ffprobe"), body)
	c := &counted{dir: dir, cache: filepath.Join(dir, "cache.json")}
	open := func() (*Toolchain, int) {
		must(t, os.WriteFile(filepath.Join(dir, "runs"), nil, 0o600))
		f, err := c.open(nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "runs"))
		must(t, err)
		return f, strings.Count(string(text), "\n")
	}
	if f, n := open(); f.Cached() || n < 5 {
		t.Errorf("the first start: %d runs", n)
	}
	if f, n := open(); !f.Cached() || n != 2 {
		t.Errorf("the next start: %d runs, from the cache: %v", n, f.Cached())
	}
	must(t, os.WriteFile(behind, []byte("ffmpeg version 7.2\n"), 0o600))
	if f, _ := open(); f.Cached() || f.Version() != "7.2" {
		t.Errorf("an upgrade behind the script is not noticed: %s", f.Version())
	}
}

// What is installed while ffmpeg is asked is not taken for what has answered.
func TestCacheDuringAnUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lib.so")
	begin := time.Now().Add(-time.Minute)
	must(t, os.WriteFile(path, nil, 0o600))
	id := identity{Files: map[string]string{path: ""}}
	if err := id.unchangedSince(begin); err == nil {
		t.Error("a new file passes for an old one")
	}
	if err := id.unchangedSince(time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
}

// The libraries in which the codecs are belong to the identity.
func TestLibraries(t *testing.T) {
	t.Parallel()
	f := tools(t)
	id, err := f.identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(id.Banners) > 0 {
		testmedia.Missing(t, "ffmpeg is a script")
	}
	var all strings.Builder
	for path := range id.Files {
		all.WriteString(filepath.Base(path) + "\n")
	}
	if out, err := exec.CommandContext(t.Context(), "ldd", f.ffmpeg).Output(); err == nil && strings.Contains(string(out), "libavcodec") {
		for _, want := range []string{"libavcodec.so", "libx264.so", "ffmpeg", "ffprobe", "ld.so.cache"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("%s is missing in %s", want, all.String())
			}
		}
	}
	for in, want := range map[string][]string{
		"\tlinux-vdso.so.1 (0x00007f)\n\tlibavutil.so.57 => /lib/libavutil.so.57 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n": {"/lib/libavutil.so.57", "/lib64/ld-linux-x86-64.so.2"},
		"\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibavutil.so.59 => /usr/lib/libavutil.so.59 (0x7f)\n":                                      {"/lib/ld-musl-x86_64.so.1", "/usr/lib/libavutil.so.59"},
		"\tlibx.so => not found\n": {},
	} {
		if d := cmp.Diff(want, parseLibraries([]byte(in))); d != "" {
			t.Error(d)
		}
	}
}

func TestCompareCache(t *testing.T) {
	t.Parallel()
	c := newCounted(t)
	f, err := c.open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CompareCache(t.Context(), c.cache); err != nil {
		t.Error(err)
	}
	inCache(`"libx264",`, ``)(t, c)
	if err := f.CompareCache(t.Context(), c.cache); !errors.Is(err, ErrCacheWrong) {
		t.Errorf("an encoder is missing: %v", err)
	}
	must(t, os.Remove(c.cache))
	if err := f.CompareCache(t.Context(), c.cache); err == nil || errors.Is(err, ErrCacheWrong) {
		t.Errorf("no file: %v", err)
	}
}

// inCache replaces a text in the cache file.
func inCache(old, with string) func(*testing.T, *counted) {
	return func(t *testing.T, c *counted) {
		t.Helper()
		withCache(func(text []byte) []byte {
			if !bytes.Contains(text, []byte(old)) {
				t.Fatalf("the file lacks %s", old)
			}
			return bytes.Replace(text, []byte(old), []byte(with), 1)
		})(t, c)
	}
}

func withCache(change func([]byte) []byte) func(*testing.T, *counted) {
	return func(t *testing.T, c *counted) {
		t.Helper()
		text, err := os.ReadFile(c.cache)
		must(t, err)
		must(t, os.WriteFile(c.cache, change(text), 0o600))
	}
}

// replaceWithCopy puts a copy in the place of a file, with its size, mode and
// modification time, as an upgrade may.
func replaceWithCopy(t *testing.T, path string) {
	t.Helper()
	st, err := os.Stat(path)
	must(t, err)
	copyFile(t, path, path+".new")
	must(t, os.Chtimes(path+".new", time.Time{}, st.ModTime()))
	must(t, os.Rename(path+".new", path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
