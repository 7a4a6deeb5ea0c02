// Package testmedia makes the clips that tests need, above all those that are hard to
// transcode, with the installed ffmpeg. A clip is made once for each build of ffmpeg. It is
// kept under a hash of its recipe, in a folder that all packages and runs share. Tests must
// not change it.
//
// It also has the only ways to skip a test, in need.go.
package testmedia

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Recipe says how a clip is made: by ffmpeg with Args and then Edit, or, with
// Literal, as the bytes of Content.
type Recipe struct {
	Name    string            // of the file, with the extension that chooses the container
	Args    []string          // of ffmpeg, up to the name of the output
	Files   map[string]string // written beside it first, for inputs such as subtitles
	Edit    Edit
	Literal bool
	Content string
}

// Clip returns the path of the clip, and makes it if it is not there yet.
func Clip(t testing.TB, r Recipe) string {
	t.Helper()
	if !r.Literal {
		Long(t)
	}
	id, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return cached(t, r.Name, id, func(out string) error {
		if r.Literal {
			return os.WriteFile(out, []byte(r.Content), 0o644)
		}
		dir := filepath.Dir(out)
		for name, content := range r.Files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				return err
			}
		}
		if _, err := ffmpeg(t, dir, nil, append(append([]string(nil), r.Args...), out)...); err != nil {
			return err
		}
		if r.Edit == "" {
			return nil
		}
		return EditFile(out, r.Edit)
	})
}

// cached returns the file that is kept under a hash of id. If it is missing, build makes it.
// Several processes may do so at once. The last one replaces the file by an equal one.
func cached(t testing.TB, name string, id []byte, build func(out string) error) string {
	t.Helper()
	sum := sha256.Sum256(id)
	root := Dir(t)
	path := filepath.Join(root, hex.EncodeToString(sum[:8]), name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp(root, "making-") //nolint:usetesting // beside its place, to be renamed there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, name)
	if err := build(out); err != nil {
		t.Fatalf("make clip %s: %v", name, err)
	}
	if err := os.Chmod(out, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(out, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Dir returns the folder of what is made once for the installed ffmpeg: in the user's
// cache, under a hash of the program's path, size and modification time.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := dirOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var dirOnce = sync.OnceValues(func() (string, error) {
	root, err := os.UserCacheDir()
	if err != nil {
		root = filepath.Join(os.TempDir(), "copra-"+strconv.Itoa(os.Getuid()))
	}
	identity := "none"
	if path, err := exec.LookPath("ffmpeg"); err == nil {
		st, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", path, st.Size(), st.ModTime().UnixNano()))
		identity = hex.EncodeToString(sum[:8])
	}
	dir := filepath.Join(root, "copra-testmedia", identity)
	return dir, os.MkdirAll(dir, 0o700)
})

// ffmpeg runs ffmpeg in dir and returns its standard output.
func ffmpeg(t testing.TB, dir string, stdin io.Reader, args ...string) ([]byte, error) {
	t.Helper()
	path := FFmpeg(t, "ffmpeg")
	ctx, end := context.WithTimeout(context.Background(), 2*time.Minute)
	defer end()
	args = append([]string{"-hide_banner", "-nostats", "-loglevel", "error", "-y"}, args...)
	if stdin == nil {
		args = append([]string{"-nostdin"}, args...)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var out, messages bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &out, &messages
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run ffmpeg %q: %w: %s", args, err, messages.Bytes())
	}
	return out.Bytes(), nil
}

// Shared returns the path of a real clip of the shared media folder: the one
// that COPRA_TEST_MEDIA names, else shared/media in a folder above.
func Shared(t testing.TB, name string) string {
	t.Helper()
	Long(t)
	if dir := os.Getenv("COPRA_TEST_MEDIA"); dir != "" {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			Missing(t, fmt.Sprintf("no %s in COPRA_TEST_MEDIA: %v", name, err))
		}
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "media", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		up := filepath.Dir(dir)
		if up == dir {
			Missing(t, "no shared/media/"+name+" in a folder above; COPRA_TEST_MEDIA can name it")
		}
		dir = up
	}
}
