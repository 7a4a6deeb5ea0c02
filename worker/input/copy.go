package input

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/rangeserver"
	"github.com/copra-video/copra/storage/sparse"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/mp4index"
)

// smallBytes is up to which size an input is fetched before anything reads it: that takes
// hardly longer than to read parts of it.
const smallBytes = 2 << 20

// Copy is the copy of an input on the disk of this process, while it arrives. ffmpeg reads
// it from a range server as long as it is not complete, and the file afterwards. A file of
// the built-in storage is copied only where something needs its name.
type Copy struct {
	file   *sparse.File
	made   maker // the input is made of other files, and file is nil; nil: it is one file
	media  Media
	path   string
	serves bool
	ctx    context.Context //nolint:containedctx // of the range server and of transfers
	cancel context.CancelFunc

	mu     sync.Mutex
	stored bool // path has nothing: the input is a file of this machine that lies elsewhere
	users  int
	server *rangeserver.Server // nil: not needed yet
}

func (r Reader) open(ctx context.Context, jobID string, src storage.Source, dir string) (*Copy, error) {
	c := &Copy{media: r.Media, path: filepath.Join(dir, transcode.SourceName), serves: r.Serves, users: 1}
	c.ctx, c.cancel = context.WithCancel(ctx)
	var err error
	local, ok := src.(storage.Local)
	if c.stored = ok && r.Serves && src.Size() > smallBytes; c.stored {
		c.file, err = sparse.OpenLocal(c.ctx, local, sparse.Options{Limit: r.MaxBytes})
	} else {
		c.file, err = sparse.Open(c.ctx, src, c.path, sparse.Options{Limit: r.MaxBytes, Scope: jobID})
	}
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("fetch input: %w", err)
	}
	return c, nil
}

// Small reports whether the input is to be fetched before anything reads it: it is small,
// its size is not known, so that nothing can be sought in it, or ffmpeg may not read from a
// server.
func (c *Copy) Small() bool { return c.made != nil || c.file.Size() <= smallBytes || !c.serves }

// Fetch fetches the whole input and waits for it. A photo that ffmpeg does not read is then
// decoded in its place.
func (c *Copy) Fetch(ctx context.Context) error {
	if c.made != nil {
		return c.made.make(ctx)
	}
	err := c.file.FetchAll()
	if err == nil {
		err = c.file.Wait(ctx)
	}
	if err == nil {
		err = c.copyStored(ctx)
	}
	if err == nil {
		err = c.media.DecodePhoto(ctx, filepath.Dir(c.path), filepath.Base(c.path))
	}
	if err != nil {
		return fmt.Errorf("fetch input: %w", err)
	}
	return nil
}

// copyStored brings a file of this machine to its place in the work directory, if it is not
// there. ffmpeg gets no name of the file itself: its user could write to it.
func (c *Copy) copyStored(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stored {
		return nil
	}
	err := c.file.CopyTo(ctx, c.path)
	c.stored = err != nil
	return err
}

// inPlace reports whether all of the input is in the work directory.
func (c *Copy) inPlace() bool {
	if c.made != nil {
		return c.made.state().made
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.stored && c.file.Complete()
}

// FetchRest has all of the input fetched, in the background. What a reader needs comes
// before the rest.
func (c *Copy) FetchRest() error {
	if c.made != nil {
		return nil // Fetch comes before everything else
	}
	if err := c.file.FetchAll(); err != nil {
		return fmt.Errorf("fetch input: %w", err)
	}
	return nil
}

// Wait waits until all of the input is there.
func (c *Copy) Wait(ctx context.Context) error {
	if c.made != nil {
		return nil
	}
	return c.file.Wait(ctx)
}

// Complete reports whether all of the input is there.
func (c *Copy) Complete() bool {
	if c.made != nil {
		return c.made.state().made
	}
	return c.file.Complete()
}

// Made is what an input became that was made of other files; false: it is one file.
func (c *Copy) Made() (job.Media, bool) {
	if c.made == nil {
		return job.Media{}, false
	}
	return c.made.state().media, true
}

// Received is how many bytes have come from the source.
func (c *Copy) Received() int64 {
	if c.made != nil {
		return c.made.state().received
	}
	return c.file.Received()
}

// Err is why no more of the input can be read; nil while there is no reason.
func (c *Copy) Err() error {
	if c.made != nil {
		return nil
	}
	return c.file.Err()
}

// Unchanged returns an error when the source is known to have another file than the one that
// has been read. It may ask the source.
func (c *Copy) Unchanged(ctx context.Context) error {
	if c.made != nil {
		return nil
	}
	return c.file.Unchanged(ctx)
}

// Identity names the content of the input, equally in every process.
func (c *Copy) Identity(ctx context.Context) (string, error) {
	if c.made != nil {
		return c.made.state().identity, nil
	}
	return c.file.Identity(ctx)
}

// Index brings where the video of the input can be entered into m. Of an input that
// arrives, its index is fetched for that. The error says why that is not known.
func (c *Copy) Index(ctx context.Context, m *job.Media) error {
	if c.made != nil {
		return c.made.state().index(m)
	}
	return addIndex(c.file.ReaderAt(ctx), c.file.Size(), m)
}

// Use lets a run of ffmpeg in dir read the input. It returns nil when the input is in dir,
// under the name transcode.SourceName. done must be called when the run has ended.
func (c *Copy) Use(ctx context.Context, dir string) (served *ffmpeg.Served, done func(), err error) {
	if c.inPlace() || !c.serves {
		name := filepath.Join(dir, transcode.SourceName)
		if name == c.path {
			return nil, func() {}, nil
		}
		if err := os.Link(c.path, name); err == nil || os.IsExist(err) {
			return nil, func() {}, nil // the link stays when the folder of the copy is removed
		}
	}
	return c.Serve(ctx)
}

// Serve lets one program read the input from the range server. done must be called when
// the program has ended.
func (c *Copy) Serve(ctx context.Context) (served *ffmpeg.Served, done func(), err error) {
	if !c.serves || c.made != nil {
		return nil, nil, job.Errorf(job.InternalError, "The input could not be read on this server.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		if c.server, err = rangeserver.Serve(c.ctx, c.file); err != nil {
			return nil, nil, fmt.Errorf("serve input to ffmpeg: %w", err)
		}
	}
	address := c.server.Open(ctx)
	return &ffmpeg.Served{Name: transcode.SourceName, URL: address.URL, Activity: address.Served}, address.Close, nil
}

// Retain notes one more user, who has to call Close too.
func (c *Copy) Retain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
}

// Close ends one use. With the last one transfers end. The file stays.
func (c *Copy) Close() {
	c.mu.Lock()
	c.users--
	last, server := c.users == 0, c.server
	c.mu.Unlock()
	if !last {
		return
	}
	c.cancel()
	if server != nil {
		_ = server.Close()
	}
	if c.file != nil {
		_ = c.file.Close()
	}
}

// addIndex is mp4index.Add.
func addIndex(r io.ReaderAt, size int64, m *job.Media) error { return mp4index.Add(r, size, m) }
