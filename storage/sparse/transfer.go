package sparse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// transfer is one request, or several of them after broken connections. The lock of its
// File guards its members.
type transfer struct {
	at, to  int64 // what is still to come
	rest    bool  // it fetches the rest of the file, which nobody waits for
	replace bool  // it makes way for another
	answer  bool  // an answer has begun of which nothing is written

	failures int   // in a row without progress
	fresh    int64 // bytes since the last failure
	cancel   context.CancelCauseFunc
}

var (
	errCrawls  = errors.New("the server sends next to nothing")
	errReplace = errors.New("another part is needed first")
)

// demand has what a reader at an offset needs fetched, and what it will need soon.
// waits: it has nothing to read now. ok is false when no transfer could be begun although
// it waits. The lock is held.
func (f *File) demand(at, ahead int64, waits bool) (ok bool) {
	if f.err != nil || f.complete() {
		return true
	}
	if f.front || f.held {
		f.fetchRest()
		return true
	}
	from := f.covered(at)
	if from >= f.end() || from-at > ahead/2 {
		return true
	}
	to := f.have.next(from, min(from+ahead, f.end()))
	for _, t := range f.transfers {
		if t.at > from {
			to = min(to, t.at)
		}
	}
	if len(f.transfers) >= f.limit {
		if waits = waits && from == at; waits {
			f.makeWay()
		}
		return !waits
	}
	f.start(&transfer{at: from, to: to})
	return true
}

// covered returns the first offset from at on that is neither there nor about to come.
func (f *File) covered(at int64) int64 {
	for {
		next := f.have.end(at)
		for _, t := range f.transfers {
			if t.at <= next && next < t.to && !t.replace && (!t.rest || next-t.at <= f.near()) {
				next = max(next, min(t.to, t.at+f.reach(t)))
			}
		}
		if next == at {
			return at
		}
		at = next
	}
}

// reach is how far ahead of its place a transfer is waited for.
func (f *File) reach(t *transfer) int64 {
	if t.rest {
		return f.near() + maxAhead // a reader that follows it asks for no more
	}
	return math.MaxInt64 - t.at
}

// near is within how many bytes of the transfer of the rest a reader waits for it: about
// what comes in a second.
func (f *File) near() int64 {
	if f.begun.IsZero() {
		return 1 << 20
	}
	rate := float64(f.received) / max(time.Since(f.begun).Seconds(), 0.1)
	return min(max(int64(rate), 1<<20), maxAhead)
}

// makeWay ends the transfer of the rest for what a reader waits for. It begins again when
// there is room.
func (f *File) makeWay() {
	for _, t := range f.transfers {
		if t.rest && !t.replace {
			t.replace = true
			t.cancel(errReplace)
		}
	}
}

// fetchRest begins to fetch what is missing, if all of the file is wanted. The lock is
// held.
func (f *File) fetchRest() {
	if f.err != nil || f.urgent > 0 || f.complete() || !f.whole && !f.front || len(f.transfers) >= f.limit {
		return
	}
	if slices.ContainsFunc(f.transfers, func(t *transfer) bool { return t.rest }) {
		return
	}
	from := f.have.end(0)
	for !f.front { // what is about to come is left out
		i := slices.IndexFunc(f.transfers, func(t *transfer) bool { return t.at <= from && from < t.to })
		if i < 0 {
			break
		}
		from = f.have.end(f.transfers[i].to)
	}
	to := f.end()
	if !f.front {
		to = f.have.next(from, to)
	}
	if from < to {
		f.start(&transfer{at: from, to: to, rest: true})
	}
}

// start starts a transfer. The lock is held.
func (f *File) start(t *transfer) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	t.cancel = cancel
	f.transfers = append(f.transfers, t)
	f.running.Go(func() {
		defer cancel(nil)
		f.run(ctx, t)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.transfers = slices.DeleteFunc(f.transfers, func(other *transfer) bool { return other == t })
		f.fetchRest()
		f.wake()
	})
}

// run carries a transfer out, and takes it up again after a broken connection.
func (f *File) run(ctx context.Context, t *transfer) {
	for {
		err := f.receive(ctx, t)
		if err == nil || ctx.Err() != nil && !errors.Is(context.Cause(ctx), errCrawls) {
			return
		}
		wait, again := f.judge(t, err)
		if !again {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// judge decides what follows from an error of a transfer.
func (f *File) judge(t *transfer, err error) (wait time.Duration, again bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	others := len(f.transfers) - 1
	if e, final := errors.AsType[*job.Error](err); final {
		if !t.rest && e.Reason == job.InputHTTPError && f.restComes() {
			f.held = true // a signed address that has expired, for example
		} else {
			f.fail(err)
		}
		return 0, false
	}
	away, known := errors.AsType[*storage.Unavailable](err)
	if known && away.Busy && others > 0 {
		f.limit = max(1, min(f.limit, others))
		return 0, false // whoever waits asks again
	}
	t.fresh = 0
	t.failures++
	if t.failures >= f.o.Retry.Tries {
		f.fail(f.exhausted(err, t))
		return 0, false
	}
	wait = f.o.Retry.Delay(t.failures)
	if known {
		wait = max(wait, min(away.After, maxRetryAfter))
	}
	return wait, true
}

// maxRetryAfter bounds how long a server may have us wait.
const maxRetryAfter = 2 * time.Minute

// restComes reports whether a running transfer fetches all that is missing.
func (f *File) restComes() bool {
	return slices.ContainsFunc(f.transfers, func(t *transfer) bool { return t.rest && t.to >= f.end() && f.have.end(0) >= t.at })
}

func (f *File) exhausted(err error, t *transfer) error {
	if errors.Is(err, errCrawls) {
		return job.InputErrorf(job.InputNotReadable, "could not be downloaded: the server sends less than %d KiB in %s, again and again",
			progressBytes>>10, f.o.Crawl).WithCause(err)
	}
	return storage.Exhausted(err, t.at)
}

// receive makes one request and writes what comes to the file. An error is a broken
// connection or worse.
func (f *File) receive(ctx context.Context, t *transfer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newCrawlWatch(f.o.Crawl, func() { cancel(errCrawls) })
	defer watch.stop()
	body, err := f.open(ctx, t)
	if err != nil {
		return crawled(ctx, err)
	}
	defer func() { _ = body.Close() }()
	f.mu.Lock()
	t.answer = true
	f.mu.Unlock()
	buf := make([]byte, 128<<10)
	for {
		if err := f.giveWay(ctx, t, watch); err != nil {
			return err
		}
		n, err := body.Read(buf[:min(int64(len(buf)), f.left(t))])
		watch.add(n)
		if n > 0 {
			if err := f.write(t, buf[:n]); err != nil {
				return err
			}
		}
		done, end := f.ended(t, err)
		if done {
			return nil
		}
		if end != nil {
			return crawled(ctx, end)
		}
	}
}

// crawled returns the cause of an error of a connection that crawled.
func crawled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errCrawls) {
		return errCrawls
	}
	return err
}

// open makes the request of a transfer.
func (f *File) open(ctx context.Context, t *transfer) (io.ReadCloser, error) {
	f.mu.Lock()
	from, to, front := t.at, t.to, f.front
	f.mu.Unlock()
	if front || to == f.Size() && t.rest {
		body, err := f.src.Open(ctx, from)
		if err != nil {
			return nil, fmt.Errorf("open source: %w", err) // a bare EOF would be taken for the end
		}
		return body, nil
	}
	body, at, err := storage.OpenRange(ctx, f.src, from, to)
	if err != nil {
		return nil, fmt.Errorf("open source: %w", err)
	}
	if at < from {
		f.readFromFront(t, at)
	}
	return body, nil
}

// readFromFront turns a transfer into that of the whole file: the server knows no ranges
// after all, and sends the file from an offset before the one that was asked for.
func (f *File) readFromFront(t *transfer, at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.front = true
	t.at, t.to, t.rest = at, f.end(), true
	for _, other := range f.transfers {
		if other != t {
			other.replace = true
			other.cancel(errReplace)
		}
	}
}

// left is how many bytes a transfer may still take.
func (f *File) left(t *transfer) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return t.to - t.at
}

// giveWay stops the transfer of the rest while a part is fetched that a reader needs.
func (f *File) giveWay(ctx context.Context, t *transfer, watch *crawlWatch) error {
	return f.await(ctx, func() bool {
		wait := t.rest && slices.ContainsFunc(f.transfers, func(other *transfer) bool { return !other.rest && other != t })
		watch.pause(wait)
		return !wait
	})
}

// write writes what has come for a transfer.
func (f *File) write(t *transfer, p []byte) error {
	f.mu.Lock()
	at := t.at
	f.mu.Unlock()
	if f.o.Limit > 0 && at+int64(len(p)) > f.o.Limit {
		return storage.TooLarge(f.o.Limit)
	}
	if _, err := f.file.WriteAt(p, at); err != nil {
		return storage.DiskError(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := int64(len(p))
	if f.begun.IsZero() {
		f.begun = time.Now()
	}
	if t.answer {
		t.answer = false
		f.answered(span{at, at + n})
	}
	f.have.add(at, at+n)
	t.at += n
	f.received += n
	if t.fresh += n; t.fresh >= progressBytes {
		t.failures = 0
	}
	f.wake()
	return nil
}

// ended reports whether a transfer has all that it is for. err is how its last read ended;
// broken is why it has to be taken up again.
func (f *File) ended(t *transfer, err error) (done bool, broken error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case t.at >= t.to, !f.front && f.have.end(t.at) > t.at:
		return true, nil // the rest of it is there
	case err == io.EOF && f.size < 0: //nolint:errorlint // a wrapped EOF is a broken connection
		f.size = t.at
		f.wake()
		return true, nil
	case err == io.EOF: //nolint:errorlint // see above
		return false, io.ErrUnexpectedEOF
	default:
		return false, err
	}
}
