package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/storage"
)

// retryingBucket is a bucket whose storage may be away for a while, so that what was
// encoded is not lost. It repeats a Put that fails with storage.Unavailable, after
// the attempts that each protocol makes by itself, until Config.RetryTimeout. What
// the storage refuses fails at once, and the end of the run ends the attempts.
//
// Meanwhile the results stay in the work directory and the run keeps its lease.
type retryingBucket struct {
	storage.Bucket
	p *Output
}

// retryingBatch is a retryingBucket that is a storage.BatchPutter.
type retryingBatch struct {
	retryingBucket
	batch storage.BatchPutter
}

// retrying makes a bucket repeat what fails.
func (p *Output) retrying(b storage.Bucket) storage.Bucket {
	r := retryingBucket{Bucket: b, p: p}
	if batch, ok := b.(storage.BatchPutter); ok {
		return retryingBatch{r, batch}
	}
	return r
}

// Put implements storage.Bucket.
func (b retryingBucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	read := newLastRead()
	return b.putWithRetry(ctx, read, func() error { return b.Bucket.Put(ctx, key, observedBody{body, read}, opts) })
}

// PutBatch implements storage.BatchPutter.
func (b retryingBatch) PutBatch(ctx context.Context, items []storage.Item) error {
	read := newLastRead()
	items = slices.Clone(items)
	for i := range items {
		items[i].Body = observedBody{items[i].Body, read}
	}
	return b.putWithRetry(ctx, read, func() error { return b.batch.PutBatch(ctx, items) })
}

// Close implements io.Closer.
func (b retryingBucket) Close() error { return storage.Close(b.Bucket) }

// uploadWaits are the waits between the attempts of an upload.
var uploadWaits = retry.Doubling(2*time.Second, 30*time.Second)

// putWithRetry calls put until the storage accepts the upload, refuses it, or
// Config.RetryTimeout is over.
func (b retryingBucket) putWithRetry(ctx context.Context, read *lastRead, put func() error) error {
	c, log, begin, failures := b.p.c, b.p.log, time.Now(), 0
	defer b.p.watchIdle(ctx, read)()
	var stopWaiting func()
	policy := retry.Policy{
		Waits: uploadWaits, Jitter: 0.125, Limit: c.RetryTimeout, Retryable: storage.IsUnavailable,
		OnRetry: func(n int, err error, _ time.Duration) {
			failures = n
			if n > 1 {
				log.DebugContext(ctx, "upload still waiting for storage", "error", err)
				return
			}
			log.WarnContext(ctx, "upload waiting for storage", "timeout", c.RetryTimeout, "error", err)
			telemetry.Note(ctx, "waits for the storage")
			stopWaiting = b.p.waitForStorage()
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
		log.InfoContext(ctx, "storage is back", "waited", time.Since(begin).Round(time.Second))
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

// waitForStorage counts an upload as one that waits until done is called.
func (s *Session) waitForStorage() (done func()) {
	end := s.waiting()
	s.c.Metrics.waiting(1)
	return func() {
		end()
		s.c.Metrics.waiting(-1)
	}
}
