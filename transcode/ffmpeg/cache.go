package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/transcode"
)

// cacheFormat is the version of the cache file. It changes with the meaning of
// cacheFile. What an older copra has detected is not read in any case, because
// our own program is part of the identity.
const cacheFormat = 1

// maxCacheBytes bounds what is read. 200 libraries and 1,200 names are 60 kB.
const maxCacheBytes = 4 << 20

// cacheFile is what ffmpeg can do, with the identity of the programs that said
// so, as a file of JSON with mode 0600. A file that cannot be read, is of
// another format, or belongs to other programs is ignored and written anew:
// losing it costs one detection. Processes that start together each write a
// whole file, of which one stays.
type cacheFile struct {
	Format       int
	Identity     identity
	Capabilities transcode.Capabilities
	ProbeVersion string
}

// loadCache takes the capabilities from the cache file. The error says why the
// file is of no use.
func (t *Toolchain) loadCache(ctx context.Context, path string) error {
	c, err := readCache(path)
	if err != nil {
		return err
	}
	if err := c.Identity.differs(ctx, t); err != nil {
		return err
	}
	t.capabilities, t.probeVersion, t.cached = c.Capabilities, c.ProbeVersion, true
	return nil
}

// retryDevices tries the encoders of cards again that the cache file says do not
// work, and keeps the outcome when it is another one.
func (t *Toolchain) retryDevices(ctx context.Context, o Options) error {
	was := t.capabilities.Devices
	if !slices.ContainsFunc(was, func(d transcode.DeviceEncoder) bool { return !d.Works }) {
		return nil
	}
	if err := t.tryDevices(ctx, was); err != nil {
		return err
	}
	if slices.Equal(was, t.capabilities.Devices) {
		return nil
	}
	c, err := readCache(o.CacheFile)
	if err == nil {
		c.Capabilities.Devices = t.capabilities.Devices
		err = c.write(o.CacheFile)
	}
	if err != nil {
		o.Log.WarnContext(ctx, "what the cards can do is not kept, so that the next start tries them again", "file", o.CacheFile, "error", err)
	}
	return nil
}

// ErrCacheWrong says that a cache file of these very programs holds other answers
// than they give.
var ErrCacheWrong = errors.New("the file holds other capabilities than were detected")

// CompareCache compares a cache file with what was detected. It fails with
// ErrCacheWrong when Open would take other capabilities from the file, with
// another error when Open would not use the file and asks the programs.
func (t *Toolchain) CompareCache(ctx context.Context, path string) error {
	read := *t
	if err := read.loadCache(ctx, path); err != nil {
		return err
	}
	is, was := t.capabilities, read.capabilities
	same := is.Version == was.Version && slices.Equal(is.Encoders, was.Encoders) && slices.Equal(is.Filters, was.Filters)
	for encoder, list := range was.PixFmts {
		same = same && slices.Equal(list, is.PixFmts[encoder])
	}
	if !same {
		return ErrCacheWrong
	}
	return nil
}

func readCache(path string) (cacheFile, error) {
	// No wait for the other end of a pipe, and no file of somebody else.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %w", err)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !st.Mode().IsRegular() || !ok || int(sys.Uid) != os.Geteuid() {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %s is not a file of this user", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCacheBytes))
	if err != nil {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %w", err)
	}
	var c cacheFile
	if err := json.Unmarshal(text, &c); err != nil {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %w", err)
	}
	if c.Format != cacheFormat || len(c.Capabilities.Encoders) == 0 || c.Capabilities.Version == "" {
		return cacheFile{}, fmt.Errorf("read what ffmpeg can do: %s has another format", path)
	}
	return c, nil
}

// detectAndStore asks the programs what they can do, and keeps the answers. A
// file that cannot be written is logged and no error.
func (t *Toolchain) detectAndStore(ctx context.Context, o Options) error {
	begin := time.Now()
	c := cacheFile{Format: cacheFormat}
	var unidentified error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.detect(gctx, o.Complete) })
	g.Go(func() error {
		c.Identity, unidentified = t.identify(gctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return contextCause(ctx, err)
	}
	if err := t.tryDevices(ctx, nil); err != nil {
		return err
	}
	c.Capabilities, c.ProbeVersion = t.capabilities, t.probeVersion
	err := unidentified
	if err == nil {
		err = c.Identity.unchangedSince(begin)
	}
	if err == nil {
		err = c.write(o.CacheFile)
	}
	if err != nil && ctx.Err() == nil {
		o.Log.WarnContext(ctx, "what ffmpeg can do is not kept, so that the next start asks again", "file", o.CacheFile, "error", err)
	}
	return nil
}

// unchangedSince fails when a file was changed after begin: an upgrade may have
// put it there between an answer and the look at the file.
func (id identity) unchangedSince(begin time.Time) error {
	for path := range id.Files {
		if _, changed, err := fileState(path); err != nil || changed.After(begin) {
			return errors.Join(fmt.Errorf("%s was changed just now", path), err)
		}
	}
	return nil
}

// write puts the whole file in place, or nothing.
func (c cacheFile) write(path string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode what ffmpeg can do: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write what ffmpeg can do: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write what ffmpeg can do: %w", err)
	}
	return nil
}
