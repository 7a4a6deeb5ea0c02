package local

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// movable is a file that may be moved.
type movable struct {
	*os.File
	size int64
}

func (m movable) Size() int64 { return m.size }

func (m movable) Move(take func(*os.File) (bool, error)) (bool, error) {
	taken, err := take(m.File)
	if taken {
		err = errors.Join(err, os.Remove(m.Name()))
	}
	return taken, err
}

// openResult makes a large file in dir, as ffmpeg leaves it, and opens it.
func openResult(t *testing.T, dir string) (movable, []byte) {
	t.Helper()
	name, content := filepath.Join(dir, "result.mp4"), bytes.Repeat([]byte("result 1"), takeFrom/8)
	old := time.Now().Add(-48 * time.Hour)
	if err := errors.Join(os.WriteFile(name, content, 0o666), os.Chmod(name, 0o666), os.Chtimes(name, old, old)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // the sandbox's user
		if err := os.Chown(name, 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return movable{f, int64(len(content))}, content
}

func inode(t *testing.T, info fs.FileInfo) *syscall.Stat_t {
	t.Helper()
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no inode")
	}
	return st
}

// TestTake: a result on the disk of the store is taken and not copied, and it has the owner,
// the mode and the age of one that was copied.
func TestTake(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	putString(t, b, "/copied.mp4", "copied")
	dir := t.TempDir()
	body, content := openResult(t, dir)
	if err := b.Put(t.Context(), "/a/taken.mp4", body, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.o.Dir, "23/07", testHash)
	taken, err := os.Stat(filepath.Join(folder, "a", "taken.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.Stat(filepath.Join(folder, "copied.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := body.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, y := inode(t, taken), inode(t, copied)
	switch {
	case !os.SameFile(taken, before):
		t.Error("the file was copied")
	case x.Uid != y.Uid || x.Gid != y.Gid || taken.Mode() != copied.Mode() || x.Nlink != 1:
		t.Errorf("taken: %d:%d %v, %d names; copied: %d:%d %v", x.Uid, x.Gid, taken.Mode(), x.Nlink, y.Uid, y.Gid, copied.Mode())
	case time.Since(taken.ModTime()) > time.Hour:
		t.Errorf("it is as old as %v, so the next sweep removes it", taken.ModTime())
	}
	if resp, got := request(t, "GET", b.URL("/a/taken.mp4")); got != string(content) {
		t.Errorf("GET: %s, %d bytes", resp.Status, len(got))
	}
	if left, err := os.ReadDir(filepath.Join(s.o.Dir, tmpDir)); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestTakeCopies: what could be written to by its other name is copied, and what another
// key has is whole before and after.
func TestTakeCopies(t *testing.T) {
	s, _ := newStore(t, Options{})
	b := newBucket(t, s)
	dir := t.TempDir()
	body, content := openResult(t, dir)
	other := filepath.Join(dir, "other")
	if err := os.Link(body.Name(), other); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "/a.mp4", body, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, []byte("written later"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, got := request(t, "GET", b.URL("/a.mp4")); got != string(content) {
		t.Errorf("the result was changed by another name of the file: %d bytes", len(got))
	}
	// In the place of a folder.
	body, _ = openResult(t, t.TempDir())
	if err := b.Put(t.Context(), "/a.mp4/b.mp4", body, storage.PutOptions{}); err == nil {
		t.Error("a file is in a file")
	}
	// Nothing is taken for a run that has ended.
	body, _ = openResult(t, t.TempDir())
	ended, end := context.WithCancel(t.Context())
	end()
	if err := b.Put(ended, "/late.mp4", body, storage.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	// Refused by the owner, as after a lost lease.
	refused := errors.New("lease lost")
	if err := b.Put(t.Context(), "/late.mp4", refusing{storagetest.Body(content), refused}, storage.PutOptions{}); !errors.Is(err, refused) {
		t.Errorf("refused: %v", err)
	}
	if resp, _ := request(t, "GET", b.URL("/late.mp4")); resp.StatusCode != 404 {
		t.Errorf("late: %s", resp.Status)
	}
	if left, err := os.ReadDir(filepath.Join(s.o.Dir, tmpDir)); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

type refusing struct {
	storage.Body
	err error
}

func (r refusing) Move(func(*os.File) (bool, error)) (bool, error) { return false, r.err }
