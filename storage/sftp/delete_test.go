package sftp

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// An empty folder is no file, and stays. A lost connection is replaced.
func TestDeleter(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	b := open(t, &job.Storage{URL: at(s.addr, dir)}, options())
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if found, err := b.Exists(t.Context(), "folder"); found || err != nil {
		t.Errorf("Has of a folder = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "folder"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "folder")); err != nil {
		t.Error(err)
	}
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if s.total != 1 {
		t.Errorf("%d connections", s.total)
	}
	s.cutAll()
	if found, err := b.Exists(t.Context(), "k"); !found || err != nil {
		t.Errorf("Has after a lost connection = %t, %v", found, err)
	}
	s.cutAll()
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Errorf("Remove after a lost connection: %v", err)
	}
}

// A server that stops answering is given up after the idle time.
func TestDeleterStalls(t *testing.T) {
	s := startServer(t, nil)
	o := options()
	inner, silent := o.Dial, make(chan struct{})
	o.Retry.Tries = 2
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := inner(ctx, network, addr)
		return muted{c, silent}, err
	}
	b := open(t, &job.Storage{URL: at(s.addr, t.TempDir())}, o)
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(silent)
	b.o.Idle = 50 * time.Millisecond
	if _, err := b.Exists(t.Context(), "k"); !unavailable(err) {
		t.Errorf("Has = %v", err)
	}
	if err := b.Delete(t.Context(), "k"); !unavailable(err) {
		t.Errorf("Remove = %v", err)
	}
}

func unavailable(err error) bool {
	_, ok := errors.AsType[*storage.Unavailable](err)
	return ok
}

// muted drops what is sent once silent is closed.
type muted struct {
	net.Conn
	silent chan struct{}
}

func (m muted) Write(p []byte) (int, error) {
	select {
	case <-m.silent:
		return len(p), nil
	default:
		return m.Conn.Write(p)
	}
}
