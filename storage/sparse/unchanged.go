package sparse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// A server that sends neither an ETag nor a date does not say when the file is replaced by
// another one of the same length. So parts of what has come are read once more when they have
// been used, and compared.
const (
	// partBytes is how much of a file is looked at in one place.
	partBytes = 4 << 10
	// againParts is how many parts of what has come are read again, from one end to the
	// other.
	againParts = 8
	// firstParts is how many answers are remembered, because they are of the older of two
	// files.
	firstParts = 4
	// againTimeout bounds the time for all of them.
	againTimeout = 30 * time.Second
)

// errWhole: the server was asked for a part, and sends the whole file.
var errWhole = errors.New("the server answers with the whole file")

// answered notes what the first bytes of an answer were. The lock is held.
func (f *File) answered(p span) {
	f.answers++
	if len(f.first) < firstParts {
		f.first = append(f.first, span{p.from, min(p.to, p.from+partBytes)})
	}
}

// Unchanged returns an error, which is Err from then on, when the source has no version and
// has another file by now than the one of which parts have come. It asks the source only if
// there was an answer since the last time, and another one before. A source that does not
// answer any more is no error: its address may have expired.
func (f *File) Unchanged(ctx context.Context) error {
	f.checking.Lock()
	defer f.checking.Unlock()
	f.mu.Lock()
	answers, replaced := f.answers, f.replaced
	ask := answers > 1 && answers != f.checked && f.err == nil && f.size >= 0 && !f.front
	parts := slices.Concat(f.first, evenly(f.have, againParts))
	f.mu.Unlock()
	if replaced != nil || !ask || storage.VersionOf(f.src) != "" {
		return replaced
	}
	limited, cancel := context.WithTimeout(ctx, againTimeout)
	defer cancel()
	for _, p := range parts {
		same, err := f.compare(limited, p)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			break
		}
		if !same {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.replaced = job.InputErrorf(job.InputNotReadable, "changed while it was being read: at byte %d the server sends something else than before", p.from)
			f.fail(f.replaced)
			return f.replaced
		}
	}
	f.checked = answers
	return nil
}

// compare reads a part from the source, and compares it with what has come of it.
func (f *File) compare(ctx context.Context, p span) (same bool, err error) {
	now, err := f.again(ctx, p)
	if err != nil {
		return false, err
	}
	was := make([]byte, p.to-p.from)
	if _, err := f.file.ReadAt(was, p.from); err != nil {
		return false, fmt.Errorf("read input: %w", err)
	}
	return bytes.Equal(was, now), nil
}

// part returns a part of the file, from the source if it is not there. It is not kept: what
// lies scattered in the file would break up its transfer.
func (f *File) part(ctx context.Context, p span) (part []byte, err error) {
	f.mu.Lock()
	there, failed := f.have.end(p.from) >= p.to, f.err
	f.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	if there {
		part = make([]byte, p.to-p.from)
		if _, err := f.file.ReadAt(part, p.from); err != nil {
			return nil, fmt.Errorf("read input: %w", err)
		}
		return part, nil
	}
	policy := f.o.Retry
	policy.Retryable = func(err error) bool {
		_, final := errors.AsType[*job.Error](err)
		return !final && !errors.Is(err, errWhole)
	}
	err = policy.Do(ctx, func(ctx context.Context) (err error) {
		part, err = f.again(ctx, p)
		return err
	})
	return part, err
}

// again reads a part from the source.
func (f *File) again(ctx context.Context, p span) ([]byte, error) {
	body, at, err := storage.OpenRange(ctx, f.src, p.from, p.to)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	defer func() { _ = body.Close() }()
	if at != p.from {
		return nil, errWhole
	}
	part := make([]byte, p.to-p.from)
	n, err := io.ReadFull(body, part)
	f.mu.Lock()
	f.received += int64(n)
	f.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("read source: %w", err)
	}
	return part, nil
}

// evenly returns up to n parts of at most partBytes, which lie evenly in s from its first byte
// to its last one. n is 2 or more.
func evenly(s spans, n int) (parts spans) {
	total := s.bytes()
	for k := range int64(n) {
		at := max(0, total-partBytes) * k / int64(n-1)
		for _, p := range s {
			if length := p.to - p.from; at >= length {
				at -= length
				continue
			}
			parts = append(parts, span{p.from + at, min(p.from+at+partBytes, p.to)})
			break
		}
	}
	return slices.Compact(parts)
}
