package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// concurrency is how many writes of 32 KiB are under way at once. Fewer would
// not fill a connection with a long round trip.
const concurrency = 64

// Put writes body under a temporary name and renames it when it is complete, so
// that a reader finds the whole file or none.
func (b *Bucket) Put(ctx context.Context, key string, body storage.Body, _ storage.PutOptions) error {
	target := b.path(key)
	part := path.Join(path.Dir(target), ".copra-"+rand.Text()[:16]+".part")
	err := storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		c, err := b.get(ctx)
		if err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { b.drop(c) })
		defer stop()
		err = b.explain(store(c, part, target, body, b.o.Idle))
		if _, lost := errors.AsType[*storage.Unavailable](err); lost {
			b.drop(c)
		}
		return err
	})
	if err != nil {
		b.remove(ctx, part)
	}
	return err
}

// remove deletes what a failed Put has left, if it can.
func (b *Bucket) remove(ctx context.Context, part string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if c, err := b.get(ctx); err == nil {
		stop := context.AfterFunc(ctx, func() { b.drop(c) })
		_ = c.Remove(part)
		stop()
	}
}

func store(c *client, part, target string, body storage.Body, idle time.Duration) error {
	watch := remote.NewWatch(idle, func() { c.Close() })
	err := write(c, part, body, watch)
	if err == nil {
		watch.Touch()
		err = rename(c, part, target)
	}
	if watch.Stop() {
		return netguard.ErrStalled
	}
	return err
}

func write(c *client, part string, body storage.Body, watch *remote.Watch) error {
	f, err := c.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if errors.Is(err, os.ErrNotExist) {
		if err := c.MkdirAll(path.Dir(part)); err != nil {
			return err
		}
		f, err = c.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	}
	if err != nil {
		return err
	}
	n, err := f.ReadFromWithConcurrency(touching{storage.Section(body, 0, body.Size()), watch}, concurrency)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil && n != body.Size() {
		return io.ErrShortWrite
	}
	return err
}

// rename replaces target. Servers without the extension for that refuse a target
// that exists.
func rename(c *client, part, target string) error {
	if _, ok := c.HasExtension("posix-rename@openssh.com"); ok {
		return c.PosixRename(part, target)
	}
	err := c.Rename(part, target)
	if err == nil {
		return nil
	}
	if st, serr := c.Stat(target); serr != nil || st.IsDir() {
		return err
	}
	if err := c.Remove(target); err != nil {
		return err
	}
	return c.Rename(part, target)
}

// touching reports each read to a Watch.
type touching struct {
	io.Reader
	watch *remote.Watch
}

func (t touching) Read(p []byte) (int, error) {
	t.watch.Touch()
	return t.Reader.Read(p)
}

// Source finds the file at address and returns it for reading. Each Open has a
// connection of its own.
func Source(ctx context.Context, address job.Secret, o Options) (storage.Source, error) {
	o.Exact = true
	s, err := parse(&job.Storage{URL: address}, o)
	if err != nil {
		return nil, err
	}
	src := &source{server: s}
	err = storage.Retry(ctx, o.Retry, func(ctx context.Context) error {
		c, err := s.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		watch := remote.NewWatch(s.o.Idle, func() { c.Close() })
		defer watch.Stop()
		st, err := c.Stat(s.path(""))
		if err != nil {
			return s.explain(err)
		}
		if st.IsDir() {
			return job.InputErrorf(job.StorageRefused, "is a folder on %s (SFTP)", s.peer.Noun)
		}
		src.size, src.modified = st.Size(), st.ModTime()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return src, nil
}

type source struct {
	*server
	size     int64
	modified time.Time
}

func (s *source) Size() int64  { return s.size }
func (s *source) Ranges() bool { return true }

// Open reads from offset. It refuses a file that was changed since it was found.
func (s *source) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &reader{s: s.server, c: c, done: make(chan struct{})}
	r.watch = remote.NewWatch(s.o.Idle, func() { c.Close() })
	f, err := c.Open(s.path(""))
	if err == nil {
		var st os.FileInfo
		if st, err = f.Stat(); err == nil && (st.Size() != s.size || !st.ModTime().Equal(s.modified)) {
			err = job.InputErrorf(job.StorageRefused, "changed on %s while it was being read (SFTP)", s.peer.Noun)
		}
	}
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		r.watch.Stop()
		c.Close()
		return nil, s.explain(err)
	}
	pr, pw := io.Pipe()
	r.PipeReader = pr
	r.stop = context.AfterFunc(ctx, func() { c.Close() })
	r.watch.Stop() // only while the reader waits
	go func() {
		defer close(r.done)
		_, err := f.WriteTo(pw) // requests many blocks ahead
		if err == nil {
			err = io.EOF
		} else {
			err = s.explain(err)
		}
		pw.CloseWithError(err)
	}()
	return r, nil
}

// reader is the reading end. Its goroutine ends with Close.
type reader struct {
	*io.PipeReader
	s     *server
	c     *client
	watch *remote.Watch
	stop  func() bool
	done  chan struct{}
}

func (r *reader) Read(p []byte) (int, error) {
	r.watch.Touch()
	n, err := r.PipeReader.Read(p)
	if r.watch.Stop() && n == 0 {
		return 0, r.s.explain(netguard.ErrStalled)
	}
	return n, err
}

func (r *reader) Close() error {
	r.stop()
	r.watch.Stop()
	err := r.c.Close()
	r.PipeReader.Close()
	<-r.done
	return err
}
