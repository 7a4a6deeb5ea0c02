package ftp

import (
	"context"
	"crypto/rand"
	"errors"
	"path"
	"strings"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// maxConns is how many uploads run at once. Each needs a connection of its own,
// and servers allow a user only a few.
const maxConns = 3

// Bucket is a folder at a server. It implements storage.Deleter. It keeps its
// connections until Close.
type Bucket struct {
	*server
	slots chan struct{}
	mu    sync.Mutex
	idle  []*conn
	made  map[string]bool // folders that exist
}

// Open makes a Bucket of the URL of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	s, err := parse(st, o)
	if err != nil {
		return nil, err
	}
	return &Bucket{server: s, slots: make(chan struct{}, maxConns), made: map[string]bool{}}, nil
}

// Close closes the connections.
func (b *Bucket) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.idle {
		_ = c.Quit()
		_ = c.Close()
	}
	b.idle = nil
	return nil
}

// Check logs in.
func (b *Bucket) Check(ctx context.Context) error {
	return b.use(ctx, func(c *conn) error { return c.NoOp() })
}

// URL is the address of key, or that below the public_host.
func (b *Bucket) URL(key string) string { return b.address.Reported(key) }

// Put writes body under a temporary name and renames it when it is complete, so
// that a reader finds the whole file or none.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, _ storage.PutOptions) error {
	target := b.path(key)
	part := path.Join(path.Dir(target), "copra-"+rand.Text()[:16]+".part")
	if strings.HasPrefix(target, "/") {
		part = "/" + strings.TrimLeft(part, "/")
	}
	wrote := false
	err := b.use(ctx, func(c *conn) error {
		b.makeFolder(c, path.Dir(target))
		wrote = true
		err := c.Stor(part, storage.Section(body, 0, body.Size()))
		if err == nil {
			err = rename(c, part, target)
		}
		if err == nil {
			wrote = false
		}
		return err
	})
	if err != nil && wrote && ctx.Err() == nil {
		_ = b.use(ctx, func(c *conn) error { return c.Delete(part) })
	}
	return err
}

// rename replaces target. Servers on Windows refuse a target that exists.
func rename(c *conn, part, target string) error {
	err := c.Rename(part, target)
	if err == nil {
		return nil
	}
	if c.Delete(target) != nil {
		return err
	}
	return c.Rename(part, target)
}

// makeFolder creates dir and its parents. It ignores errors: the folder may
// exist, and the user may have no right to create it then. A missing folder
// shows when a file is stored in it.
func (b *Bucket) makeFolder(c *conn, dir string) {
	for i := range len(dir) + 1 {
		if i == 0 || i < len(dir) && dir[i] != '/' {
			continue
		}
		name := dir[:i]
		b.mu.Lock()
		known := b.made[name]
		b.mu.Unlock()
		if known || name == "." {
			continue
		}
		_ = c.MakeDir(name)
		b.mu.Lock()
		b.made[name] = true // only now: other uploads rely on it
		b.mu.Unlock()
	}
}

// use calls f with a connection, with retries. After an error other than a plain
// refusal the connection is not used again.
func (b *Bucket) use(ctx context.Context, f func(*conn) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // checked here, since it would race with an idle connection
	}
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		c, err := b.take(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { c.Close() })
		err = f(c)
		if !stop() {
			return context.Cause(ctx)
		}
		if err == nil {
			b.mu.Lock()
			b.idle = append(b.idle, c)
			b.mu.Unlock()
			return nil
		}
		c.Close()
		err = b.explain(err)
		if _, passing := errors.AsType[*storage.Unavailable](err); passing {
			b.mu.Lock()
			clear(b.made) // perhaps another server of the same name
			b.mu.Unlock()
		}
		return err
	})
}

// take returns a connection that is not in use.
func (b *Bucket) take(ctx context.Context) (*conn, error) {
	b.mu.Lock()
	if n := len(b.idle); n > 0 {
		c := b.idle[n-1]
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		return c, nil
	}
	b.mu.Unlock()
	return b.connect(ctx)
}

var _ storage.Deleter = (*Bucket)(nil)
