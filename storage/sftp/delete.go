package sftp

import (
	"context"
	"errors"
	"os"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Exists reports whether there is a file for key.
func (b *Bucket) Exists(ctx context.Context, key string) (found bool, err error) {
	err = b.use(ctx, func(c *client) error {
		found, err = isFile(c, b.path(key))
		return err
	})
	return found && err == nil, err // the connection may break after the answer
}

// Delete deletes the file for key, and leaves the folders above it.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.use(ctx, func(c *client) error {
		// The client would remove an empty folder too.
		if found, err := isFile(c, b.path(key)); err != nil || !found {
			return err
		}
		if err := c.Remove(b.path(key)); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
}

// isFile reports whether name exists and is not a folder.
func isFile(c *client, name string) (bool, error) {
	st, err := c.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && !st.IsDir(), err
}

// use calls f with the connection until it succeeds. f makes small requests, so
// a server that has not answered all of them within the idle time is cut off.
func (b *Bucket) use(ctx context.Context, f func(*client) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // checked here, since it would race with an open connection
	}
	return storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		c, err := b.get(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { b.drop(c) })
		defer stop()
		watch := remote.NewWatch(b.o.Idle, func() { c.Close() })
		err = f(c)
		if watch.Stop() {
			err = netguard.ErrStalled
		}
		err = b.explain(err)
		if _, lost := errors.AsType[*storage.Unavailable](err); lost {
			b.drop(c)
		}
		return err
	})
}
