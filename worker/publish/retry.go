package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// patient is a bucket whose storage may be away for a while: what was encoded is
// not thrown away for it. A Put that the storage could not do, after the tries
// that each of its protocols makes, is made again until Config.RetryTimeout is over.
// What the storage refuses fails at once, and the end of the run ends the wait.
//
// The results stay in the work directory meanwhile, and the run keeps its job: it goes on
// asking whether it has it, see hold.
type patient struct {
	storage.Bucket
	r   *Run
	key string // of the output
}

// patientTogether is a patient storage.BatchPutter.
type patientTogether struct {
	patient
	all storage.BatchPutter
}

// patiently makes b wait as long as the worker's settings say.
func (r *Run) patiently(b storage.Bucket, o *job.Output) storage.Bucket {
	p := patient{Bucket: b, r: r, key: o.Key}
	if all, ok := b.(storage.BatchPutter); ok {
		return patientTogether{p, all}
	}
	return p
}

// Put implements storage.Bucket.
func (p patient) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	read := newReadTime()
	return p.insist(ctx, read, func() error { return p.Bucket.Put(ctx, key, timedBody{body, read}, opts) })
}

// PutBatch implements storage.BatchPutter.
func (p patientTogether) PutBatch(ctx context.Context, items []storage.Item) error {
	read := newReadTime()
	items = slices.Clone(items)
	for i := range items {
		items[i].Body = timedBody{items[i].Body, read}
	}
	return p.insist(ctx, read, func() error { return p.all.PutBatch(ctx, items) })
}

// Close implements io.Closer.
func (p patient) Close() error { return storage.Close(p.Bucket) }

// uploadWaits are the waits between the attempts of an upload.
var uploadWaits = retry.Doubling(2*time.Second, 30*time.Second)

// insist calls put until the storage takes the upload, refuses it, or
// Config.RetryTimeout is over.
func (p patient) insist(ctx context.Context, read *readTime, put func() error) error {
	c, begin, failures := p.r.c, time.Now(), 0
	log := c.Log.With("job", p.r.lease.JobID(), "output", p.key)
	defer p.noteSilence(read)()
	var stopWaiting func()
	policy := retry.Policy{
		Waits: uploadWaits, Jitter: 0.125, Limit: c.RetryTimeout, Retryable: storage.IsUnavailable,
		OnRetry: func(n int, err error, _ time.Duration) {
			failures = n
			if n > 1 {
				log.Debug("storage is still away", "error", err)
				return
			}
			log.Warn("storage is away: the results of an output wait for it", "patience", c.RetryTimeout, "error", err)
			stopWaiting = p.r.waits()
		},
	}
	if policy.Limit <= 0 {
		policy.Tries = 1
	}
	err := policy.Do(ctx, func(context.Context) error { return put() })
	if stopWaiting != nil {
		stopWaiting()
	}
	if err == nil && failures > 0 {
		log.Info("storage is back", "waited", time.Since(begin).Round(time.Second))
	}
	if away, ok := errors.AsType[*storage.Unavailable](err); ok {
		message := away.Message
		if n := int(time.Since(begin).Minutes()); n > 1 {
			message += fmt.Sprintf(" It was tried for %d minutes.", n)
		}
		return &storage.Unavailable{Message: message, Cause: away.Cause}
	}
	return err
}

// silence is how long a storage that takes nothing and answers nothing counts as
// at work: it may be putting a large file together.
const silence = 45 * time.Second

// readTime is when an upload was last read.
type readTime struct{ atomic.Int64 }

func newReadTime() *readTime {
	r := &readTime{}
	r.now()
	return r
}

func (r *readTime) now()               { r.Store(time.Now().UnixNano()) }
func (r *readTime) ago() time.Duration { return time.Since(time.Unix(0, r.Load())) }

// timedBody notes when it is read.
type timedBody struct {
	storage.Body
	read *readTime
}

// ReadAt implements io.ReaderAt.
func (b timedBody) ReadAt(p []byte, off int64) (int, error) {
	b.read.now()
	return b.Body.ReadAt(p, off)
}

// noteSilence lets an upload count as one that waits once its storage takes
// nothing any more, until the returned function.
func (p patient) noteSilence(read *readTime) (end func()) {
	var mu sync.Mutex
	var timer *time.Timer
	var done func()
	ended := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(silence, func() {
		mu.Lock()
		defer mu.Unlock()
		switch quiet := read.ago(); {
		case ended:
		case quiet < silence:
			timer.Reset(silence - quiet)
		default:
			p.r.c.Log.Warn("storage does not answer", "job", p.r.lease.JobID(), "output", p.key)
			done = p.r.waits()
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
		if done != nil {
			done()
		}
	}
}

// waits tells that an upload waits for its storage, until the returned function.
func (r *Run) waits() (done func()) {
	end := r.waiting()
	r.c.Metrics.waiting(1)
	return func() {
		end()
		r.c.Metrics.waiting(-1)
	}
}
