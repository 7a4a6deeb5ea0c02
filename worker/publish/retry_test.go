package publish

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/worker/admission"
)

// flaky is a bucket whose Put gives one answer after the other. The last one is
// repeated.
type flaky struct {
	storage.Bucket
	answers []error
	n       int
	takes   time.Duration
	reads   time.Duration // for so long it reads, slowly
}

func (f *flaky) Put(ctx context.Context, _ string, body storage.Body, _ storage.PutOptions) error {
	f.n++
	for begin := time.Now(); time.Since(begin) < f.reads; <-time.After(time.Second) {
		if _, err := body.ReadAt(make([]byte, 1), 0); err != nil {
			return err
		}
	}
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.answers[min(f.n, len(f.answers))-1]
}

// message is what a customer is told of err.
func message(err error) string {
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		return u.Message
	}
	return ""
}

type flakyBatch struct{ *flaky }

func (f flakyBatch) PutBatch(ctx context.Context, _ []storage.Item) error {
	return f.Put(ctx, "", nil, storage.PutOptions{})
}

// waiter is an output whose uploads may wait for so long, with its slot.
func waiter(t *testing.T, timeout time.Duration) (*Output, *admission.SlotLease, *admission.Yielded) {
	yielded := &admission.Yielded{}
	slot := yielded.Lease()
	p := New(Config{RetryTimeout: timeout, Log: slog.New(slog.DiscardHandler)})
	return p.Open(leased(t, &leaseStore{}), Target{}, slot.WaitForOthers).Output(t.TempDir(), &job.Output{}), slot, yielded
}

func TestPutWithRetry(t *testing.T) {
	away := &storage.Unavailable{Message: "The storage could not be reached."}
	refused := job.Errorf(job.StorageRefused, "The bucket does not exist.")
	stopped := errors.New("stopped")
	tests := []struct {
		name              string
		timeout           time.Duration
		answers           []error
		stop              time.Duration
		is                error
		says              string
		atLeast, atMost   time.Duration
		tries, triesAbove int
	}{
		{name: "at once", timeout: time.Hour, answers: []error{nil}, tries: 1},
		{name: "refused", timeout: time.Hour, answers: []error{refused}, is: refused, tries: 1},
		{name: "away for a while", timeout: time.Hour, answers: []error{away, away, away, away, away, away, nil}, atLeast: time.Minute, atMost: 3 * time.Minute, tries: 7},
		{name: "away, then refused", timeout: time.Hour, answers: []error{away, refused}, is: refused, atMost: 5 * time.Second, tries: 2},
		{name: "away for good", timeout: 30 * time.Minute, answers: []error{away}, says: "The storage could not be reached. It was tried for 30 minutes.",
			atLeast: 30 * time.Minute, atMost: 30*time.Minute + 5*time.Second, triesAbove: 50},
		{name: "no waiting", answers: []error{away}, says: "The storage could not be reached.", tries: 1},
		{name: "cancelled", timeout: time.Hour, answers: []error{away}, stop: 100 * time.Second, is: stopped, atLeast: 100 * time.Second, atMost: 100 * time.Second, triesAbove: 3},
	}
	for _, batch := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, _, yielded := waiter(t, tt.timeout)
					f := &flaky{answers: tt.answers}
					ctx, stop := context.WithCancelCause(t.Context())
					defer stop(nil)
					if tt.stop > 0 {
						time.AfterFunc(tt.stop, func() { stop(stopped) })
					}
					begin := time.Now()
					var err error
					if batch {
						err = r.retrying(flakyBatch{f}).(storage.BatchPutter).PutBatch(ctx, nil)
					} else {
						err = r.retrying(f).Put(ctx, "a", nil, storage.PutOptions{})
					}
					took := time.Since(begin)
					if tt.is != nil && !errors.Is(err, tt.is) || tt.says != "" && message(err) != tt.says || tt.is == nil && tt.says == "" && err != nil {
						t.Errorf("error %v", err)
					}
					if took < tt.atLeast || took > tt.atMost || tt.tries != 0 && f.n != tt.tries || f.n <= tt.triesAbove {
						t.Errorf("%d tries in %s", f.n, took)
					}
					if yielded.Count() != 0 {
						t.Error("the slot is yielded for ever")
					}
				})
			})
		}
	}
}

// An upload that is not read counts as waiting. One that is read slowly does not.
func TestIdleUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, slot, yielded := waiter(t, time.Hour)
		slot.SetEncoded(true)
		b := r.retrying(&flaky{answers: []error{nil}, takes: 10 * time.Minute, reads: 5 * time.Minute})
		ended := make(chan error)
		go func() { ended <- b.Put(t.Context(), "a", bytesBody("content"), storage.PutOptions{}) }()
		<-time.After(4 * time.Minute)
		if yielded.Count() != 0 {
			t.Error("the slot was yielded for a slow storage")
		}
		<-time.After(2 * time.Minute)
		if yielded.Count() != 1 {
			t.Error("the slot was not yielded for a storage that hangs")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		slot.Release()
		if yielded.Count() != 0 {
			t.Error("the slot is yielded for ever")
		}
	})
}

type bytesBody string

func (b bytesBody) ReadAt(p []byte, off int64) (int, error) { return copy(p, b[off:]), nil }
func (b bytesBody) Size() int64                             { return int64(len(b)) }

// A run yields its slot when it only waits for its storage, and not before.
func TestYieldedSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, slot, yielded := waiter(t, time.Hour)
		yieldedSlots := func(want int, when string) {
			t.Helper()
			synctest.Wait()
			if n := yielded.Count(); n != want {
				t.Errorf("%s: %d yieldedSlots", when, n)
			}
		}
		b := r.retrying(&flaky{answers: []error{&storage.Unavailable{Message: "away"}, &storage.Unavailable{}, nil}})
		ended := make(chan error)
		go func() { ended <- b.Put(t.Context(), "a", nil, storage.PutOptions{}) }()
		yieldedSlots(0, "while it encodes")
		slot.SetEncoded(true)
		yieldedSlots(1, "when only the upload is left")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		yieldedSlots(1, "after the upload: another job may have the slot")
		slot.Release()
		yieldedSlots(0, "at the end")
	})
}
