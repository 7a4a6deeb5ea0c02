// Package sparse keeps an input on the disk while it arrives: a sparse file, and a map
// of what is there. Whoever reads what is not there waits for it, and it is fetched next;
// the more is read in a row, the more is fetched ahead. The rest is fetched only when the
// whole is wanted.
//
// All parts come from one version of the file: a source reports when it has changed,
// and then nothing more can be read. A file that arrives is read, and fetched, by any
// number of goroutines.
package sparse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/storage"
)

// Options of a File.
type Options struct {
	// Retry is for broken connections, with the defaults of storage.Retry. Its Tries are
	// how many attempts in a row at one part may make no progress. Its Retryable is not
	// used.
	Retry retry.Policy
	// Limit bounds the size of the file in bytes; 0: no limit.
	Limit int64
	// Scope is within which names made of parts (Identity) are compared, such as a job; "":
	// with all.
	Scope string
	// Crawl is how long a connection may take for progressBytes, before another one is
	// made. Defaults to two minutes.
	Crawl time.Duration
}

const (
	// connections is how many requests are under way at once, unless the server refuses
	// that many.
	connections = 4
	// progressBytes is how much must arrive to count as progress.
	progressBytes = 64 << 10
	defaultCrawl  = 2 * time.Minute
)

// File is an input that arrives.
type File struct {
	src     storage.Source
	o       Options
	file    *os.File
	ctx     context.Context //nolint:containedctx // of all transfers
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	checking sync.Mutex // held by Unchanged
	checked  int        // how many answers there were when it last looked

	mu        sync.Mutex
	changed   chan struct{} // closed, and made anew, when anything below has changed
	size      int64         // -1: not known yet
	have      spans
	transfers []*transfer
	limit     int       // of transfers
	whole     bool      // all of it is wanted
	front     bool      // the source is read from its beginning, in one go
	held      bool      // no new request is made: the server refuses them, but sends the rest
	urgent    int       // readers that wait until a transfer may begin
	received  int64     // bytes from the source
	answers   int       // of the source, of which something is in the file
	first     spans     // where the first of them begin
	replaced  error     // the source has another file by now
	begun     time.Time // when the first byte came
	err       error     // why nothing more will come
}

var errClosed = errors.New("the input is no longer needed")

// Open makes the file path for an input, of which nothing is fetched yet. Transfers end
// with ctx. Close must be called. The path may be removed before that.
func Open(ctx context.Context, src storage.Source, path string, o Options) (*File, error) {
	if o.Limit > 0 && src.Size() > o.Limit {
		return nil, storage.TooLarge(o.Limit)
	}
	if o.Crawl == 0 {
		o.Crawl = defaultCrawl
	}
	o.Retry = storage.WithDefaults(o.Retry)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make work file: %w", err)
	}
	f := &File{src: src, o: o, file: file, size: src.Size(), limit: connections, changed: make(chan struct{})}
	f.front = !src.Ranges() || f.size < 0
	if f.size > 0 {
		if err := file.Truncate(f.size); err != nil {
			_ = file.Close()
			return nil, storage.DiskError(err)
		}
	}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f, nil
}

// OpenLocal returns a File for an input that is a file of this machine. All of it is there,
// and none of it is copied. Close must be called.
func OpenLocal(ctx context.Context, src storage.Local, o Options) (*File, error) {
	size := src.Size()
	if o.Limit > 0 && size > o.Limit {
		return nil, storage.TooLarge(o.Limit)
	}
	file, err := src.File()
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	f := &File{src: src, o: o, file: file, size: size, changed: make(chan struct{})}
	f.have.add(0, size)
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f, nil
}

// CopyTo writes all of the file, which must be there, to a new file.
func (f *File) CopyTo(ctx context.Context, path string) error {
	to, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make work file: %w", err)
	}
	err = storage.CheckSpace(to, f.Size())
	in := f.Reader(0)
	defer in.Close()
	for done := int64(0); err == nil && done < f.Size(); {
		var n int64
		if n, err = in.Wait(ctx, 16<<20); err == nil {
			n, err = in.Send(to, n)
			done += n
		}
	}
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return storage.DiskError(err)
	}
	return nil
}

// Size is the size in bytes, -1 as long as it is not known.
func (f *File) Size() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}

// Received is how many bytes have come from the source.
func (f *File) Received() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.received
}

// Complete reports whether all of the file is there.
func (f *File) Complete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.complete()
}

func (f *File) complete() bool { return f.size >= 0 && f.have.end(0) >= f.size }

// Err is why nothing more can be read; nil while there is no reason.
func (f *File) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// FetchAll has all of the file fetched, in the background.
func (f *File) FetchAll() error {
	if err := storage.CheckSpace(f.file, f.missing()); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whole = true
	f.fetchRest()
	return nil
}

// missing is how many bytes are still to come; 0: not known.
func (f *File) missing() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.size < 0 {
		return 0
	}
	return f.size - f.have.bytes()
}

// Wait waits until all of the file is there, and is known to be of one version as far as can
// be. From then on the source is asked for nothing more.
func (f *File) Wait(ctx context.Context) error {
	if err := f.await(ctx, f.complete); err != nil {
		return err
	}
	return f.Unchanged(ctx)
}

// await waits until ready, which is called with the lock held, reports true.
func (f *File) await(ctx context.Context, ready func() bool) error {
	for {
		f.mu.Lock()
		if err := f.err; err != nil {
			f.mu.Unlock()
			return err
		}
		if ready() {
			f.mu.Unlock()
			return nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close ends all transfers and closes the file, whose path stays.
func (f *File) Close() error {
	f.mu.Lock()
	f.fail(errClosed)
	f.mu.Unlock()
	f.running.Wait()
	return f.file.Close()
}

// wake wakes all who wait.
func (f *File) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// fail ends the file. The first error counts.
func (f *File) fail(err error) {
	if f.err == nil && !(errors.Is(err, errClosed) && f.complete()) {
		f.err = err
	}
	f.cancel(err)
	f.wake()
}

// end is where the file ends, as far as is known.
func (f *File) end() int64 {
	if f.size < 0 {
		return math.MaxInt64
	}
	return f.size
}

// Reader reads a File in a row. It is for one goroutine.
type Reader struct {
	f        *File
	from, at int64
	own      *os.File // with a position of its own, at at; nil: not needed yet
}

// Close frees what Send has opened.
func (r *Reader) Close() {
	if r.own != nil {
		_ = r.own.Close()
		r.own = nil
	}
}

// Wait waits until bytes are there, and returns how many, at most so many. It returns io.EOF
// at the end of the file.
func (r *Reader) Wait(ctx context.Context, most int64) (n int64, err error) {
	return r.await(ctx, most)
}

// Send writes n bytes, which must be there, to w. The system copies them, where w is a file
// or a connection.
func (r *Reader) Send(w io.Writer, n int64) (sent int64, err error) {
	if r.own == nil {
		// By its descriptor: the file may have lost its name.
		if r.own, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", r.f.file.Fd())); err != nil {
			return 0, fmt.Errorf("read input: %w", err)
		}
		if _, err := r.own.Seek(r.at, io.SeekStart); err != nil {
			return 0, fmt.Errorf("read input: %w", err)
		}
	}
	sent, err = io.CopyN(w, r.own, n)
	r.at += sent
	return sent, err
}

// Reader returns a reader that begins at an offset.
func (f *File) Reader(at int64) *Reader { return &Reader{f: f, from: at, at: at} }

// Read reads what is there, or waits for it. It returns io.EOF at the end of the file.
func (r *Reader) Read(ctx context.Context, p []byte) (int, error) {
	n, err := r.await(ctx, int64(len(p)))
	if n == 0 || err != nil {
		return 0, err
	}
	got, err := r.f.file.ReadAt(p[:n], r.at)
	r.at += int64(got)
	if got > 0 {
		return got, nil
	}
	return 0, fmt.Errorf("read input: %w", err)
}

// await waits until bytes are there, and returns how many, at most n. It returns io.EOF
// at the end of the file.
func (r *Reader) await(ctx context.Context, n int64) (there int64, err error) {
	f, urgent := r.f, 0
	err = f.await(ctx, func() bool {
		f.urgent -= urgent
		urgent = 0
		if there = min(n, f.have.end(r.at)-r.at); r.at >= f.end() {
			return true
		}
		if !f.demand(r.at, r.ahead(), there == 0) {
			urgent = 1
			f.urgent++
		}
		return there > 0
	})
	if urgent > 0 {
		f.mu.Lock()
		f.urgent -= urgent
		f.fetchRest()
		f.mu.Unlock()
	}
	if err == nil && there == 0 && n > 0 {
		err = io.EOF
	}
	return there, err
}

// ReaderAt reads parts of the file, and waits for them.
func (f *File) ReaderAt(ctx context.Context) io.ReaderAt { return readerAt{f, ctx} }

type readerAt struct {
	f   *File
	ctx context.Context //nolint:containedctx // io.ReaderAt takes none
}

// ReadAt implements io.ReaderAt.
func (r readerAt) ReadAt(p []byte, at int64) (n int, err error) {
	in := r.f.Reader(at)
	for n < len(p) && err == nil {
		var got int
		got, err = in.Read(r.ctx, p[n:])
		n += got
	}
	return n, err
}

// How many bytes are fetched ahead of a reader: a part of what it has read in a row,
// within these bounds.
const (
	aheadShare = 4
	minAhead   = 512 << 10
	maxAhead   = 16 << 20
)

func (r *Reader) ahead() int64 { return min(max((r.at-r.from)/aheadShare, minAhead), maxAhead) }
