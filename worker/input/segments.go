package input

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/sparse"
	"github.com/copra-video/copra/transcode/recording"
	"github.com/copra-video/copra/worker/workdir"
)

// fetches is how many segments are fetched at once. Each of them lies in a file of its own
// until those before it were appended.
const fetches = 4

// fetched is a piece that is being fetched.
type fetched struct {
	piece recording.Piece
	name  string
	done  chan error // gets one value
}

// track fetches a run of a track to the file name: its pieces, decrypted, one after the
// other. A piece whose connection breaks is taken up again; the others stay.
func (w *walker) track(ctx context.Context, t recording.Track, run int, name string) error {
	out, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make work file: %w", err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	slots, queue := make(chan struct{}, fetches), make(chan *fetched, fetches)
	running.Go(func() {
		defer close(queue)
		for i, p := range t.Runs[run].Pieces {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			f := &fetched{piece: p, name: fmt.Sprintf("%s-piece-%d", name, i), done: make(chan error, 1)}
			queue <- f // has room for as many as there are slots
			running.Go(func() { f.done <- w.fetch(ctx, f) })
		}
	})
	for f := range queue {
		if err := <-f.done; err != nil {
			return of(w.piece(f.piece, t), err)
		}
		if err := w.append(ctx, out, name, f, t); err != nil {
			return err
		}
		_ = os.Remove(filepath.Join(w.dir, f.name)) // the folder goes with the run
		<-slots
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := out.Close(); err != nil {
		return diskError(err)
	}
	return nil
}

// piece names a piece for people.
func (w *walker) piece(p recording.Piece, t recording.Track) string {
	kind := ""
	if t.Kind != "" {
		kind = " of its " + t.Kind
	}
	switch {
	case p.Number == 0:
		return "the initialization segment" + kind
	case p.Until > p.Number:
		return fmt.Sprintf("segments %d to %d of %d%s", p.Number, p.Until, t.Segments, kind)
	}
	return fmt.Sprintf("segment %d of %d%s", p.Number, t.Segments, kind)
}

// fetch fetches a piece to its file.
func (w *walker) fetch(ctx context.Context, f *fetched) error {
	src, err := w.source(ctx, f.piece)
	if err != nil {
		return err
	}
	limit := w.reader.MaxBytes
	if limit > 0 {
		if limit -= w.received.Load(); limit <= 0 || src.Size() > limit {
			return w.tooLarge()
		}
	}
	file, err := sparse.Open(ctx, src, filepath.Join(w.dir, f.name), sparse.Options{Limit: limit})
	if err != nil {
		return err
	}
	if err = file.FetchAll(); err == nil {
		err = file.Wait(ctx)
	}
	w.received.Add(file.Received())
	if cerr := file.Close(); err == nil && cerr != nil {
		err = diskError(cerr)
	}
	if e, ok := errors.AsType[*job.Error](err); ok && e.Reason == job.InputTooLarge {
		return w.tooLarge() // the bound is for all files
	}
	if left := w.reader.MaxBytes; err == nil && left > 0 && w.received.Load() > left {
		return w.tooLarge()
	}
	return err
}

// tooLarge is the error of a recording that is too large as a whole. It has no About, so
// no segment is named with it.
func (w *walker) tooLarge() error {
	e := storage.TooLarge(w.reader.MaxBytes)
	return &job.Error{Reason: job.InputTooLarge, Message: fmt.Sprintf("The files of the input are together larger than %d bytes, the limit of this server.", w.reader.MaxBytes), Cause: e}
}

func diskError(err error) error { return storage.DiskError(err) }

// source opens a piece.
func (w *walker) source(ctx context.Context, p recording.Piece) (storage.Source, error) {
	in, err := w.address(p.URL)
	if err != nil {
		return nil, err
	}
	if p.Length == 0 {
		return w.reader.Opener.Whole(ctx, in)
	}
	src, err := w.rangeSource(ctx, p, in)
	if err != nil {
		return nil, err
	}
	if size := src.Size(); size >= 0 && p.From > size-p.Length {
		return nil, job.InputErrorf(job.InputDamaged, "reaches beyond the end of its file of %d bytes", size)
	}
	return &part{src: src, from: p.From, length: p.Length}, nil
}

// rangeSource opens a file of which several ranges are fetched. The last few stay open.
func (w *walker) rangeSource(ctx context.Context, p recording.Piece, in job.Input) (storage.Source, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := p.URL.String()
	if src, ok := w.ranged[name]; ok {
		return src, nil
	}
	src, err := w.reader.Opener.Source(ctx, in)
	if err != nil {
		return nil, err
	}
	if len(w.ranged) >= fetches {
		clear(w.ranged)
	}
	w.ranged[name] = src
	return src, nil
}

// part is a range of a source.
type part struct {
	src          storage.Source
	from, length int64
}

func (p *part) Size() int64  { return p.length }
func (p *part) Ranges() bool { return p.src.Ranges() }

// Open implements storage.Source.
func (p *part) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	body, at, err := storage.OpenRange(ctx, p.src, p.from+offset, p.from+p.length)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, body, p.from+offset-at); err != nil {
		_ = body.Close()
		return nil, fmt.Errorf("skip to the range: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, p.length-offset), body}, nil
}

// append appends a piece, decrypted, to a track.
func (w *walker) append(ctx context.Context, out *os.File, name string, f *fetched, t recording.Track) error {
	file, err := workdir.OpenRegularIn(w.dir, f.name, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("read work file: %w", err)
	}
	defer file.Close()
	var in io.Reader = file
	if k := f.piece.Key; k != nil {
		key, err := w.key(ctx, k.URL)
		if err != nil {
			return err
		}
		st, err := file.Stat()
		if err != nil {
			return fmt.Errorf("read work file: %w", err)
		}
		if in, err = newDecrypter(file, st.Size(), key, k.IV); err != nil {
			return of(w.piece(f.piece, t), err)
		}
	}
	plain := bufio.NewReaderSize(in, 64<<10)
	at, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("write work file: %w", err)
	}
	kind, err := w.start(plain, name, at)
	if err == nil {
		if _, err = io.Copy(io.MultiWriter(out, w.sums), plain); err != nil {
			err = diskError(err)
		}
	}
	if err == nil {
		err = whole(out, at, kind)
	}
	if e, ok := errors.AsType[*job.Error](err); ok && f.piece.Key != nil && e.Reason == job.InputDamaged {
		err = job.InputErrorf(job.InputEncrypted, "is no media once it is decrypted with the key that the playlist gives: the key is not the one that it was encrypted with, or the segment is not complete").WithCause(err)
	}
	return of(w.piece(f.piece, t), err)
}
