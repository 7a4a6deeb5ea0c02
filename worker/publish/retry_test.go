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

// flaky is a bucket whose Put gives one answer after the other; the last is
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

type flakyTogether struct{ *flaky }

func (f flakyTogether) PutBatch(ctx context.Context, _ []storage.Item) error {
	return f.Put(ctx, "", nil, storage.PutOptions{})
}

// waiter is a run whose uploads may wait for as long as patience, with its slot.
func waiter(t *testing.T, patience time.Duration) (*Run, *admission.SlotLease, *admission.Yielded) {
	yielded := &admission.Yielded{}
	slot := yielded.Lease()
	p := New(Config{RetryTimeout: patience, Log: slog.New(slog.DiscardHandler)})
	return p.Run(leased(t, &asked{}), Target{}, slot.WaitForStorage), slot, yielded
}

func TestPatience(t *testing.T) {
	away := &storage.Unavailable{Message: "The storage could not be reached."}
	refused := job.Errorf(job.StorageRefused, "The bucket does not exist.")
	stopped := errors.New("stopped")
	tests := []struct {
		name              string
		patience          time.Duration
		answers           []error
		stop              time.Duration
		is                error
		says              string
		atLeast, atMost   time.Duration
		tries, triesAbove int
	}{
		{name: "at once", patience: time.Hour, answers: []error{nil}, tries: 1},
		{name: "refused", patience: time.Hour, answers: []error{refused}, is: refused, tries: 1},
		{name: "away for a while", patience: time.Hour, answers: []error{away, away, away, away, away, away, nil}, atLeast: time.Minute, atMost: 3 * time.Minute, tries: 7},
		{name: "away, then refused", patience: time.Hour, answers: []error{away, refused}, is: refused, atMost: 5 * time.Second, tries: 2},
		{name: "away for good", patience: 30 * time.Minute, answers: []error{away}, says: "The storage could not be reached. It was tried for 30 minutes.",
			atLeast: 30 * time.Minute, atMost: 30*time.Minute + 5*time.Second, triesAbove: 50},
		{name: "no patience", answers: []error{away}, says: "The storage could not be reached.", tries: 1},
		{name: "cancelled", patience: time.Hour, answers: []error{away}, stop: 100 * time.Second, is: stopped, atLeast: 100 * time.Second, atMost: 100 * time.Second, triesAbove: 3},
	}
	for _, together := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, _, yielded := waiter(t, tt.patience)
					f := &flaky{answers: tt.answers}
					ctx, stop := context.WithCancelCause(t.Context())
					defer stop(nil)
					if tt.stop > 0 {
						time.AfterFunc(tt.stop, func() { stop(stopped) })
					}
					begin := time.Now()
					var err error
					if together {
						err = r.patiently(flakyTogether{f}, &job.Output{}).(storage.BatchPutter).PutBatch(ctx, nil)
					} else {
						err = r.patiently(f, &job.Output{}).Put(ctx, "a", nil, storage.PutOptions{})
					}
					took := time.Since(begin)
					if tt.is != nil && !errors.Is(err, tt.is) || tt.says != "" && message(err) != tt.says || tt.is == nil && tt.says == "" && err != nil {
						t.Errorf("error %v", err)
					}
					if took < tt.atLeast || took > tt.atMost || tt.tries != 0 && f.n != tt.tries || f.n <= tt.triesAbove {
						t.Errorf("%d tries in %s", f.n, took)
					}
					if yielded.Count() != 0 {
						t.Error("a seat is given up for good")
					}
				})
			})
		}
	}
}

// A storage that hangs counts as away, though it has not failed yet; one that is
// slow does not.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, slot, yielded := waiter(t, time.Hour)
		slot.SetEncoded(true)
		b := r.patiently(&flaky{answers: []error{nil}, takes: 10 * time.Minute, reads: 5 * time.Minute}, &job.Output{})
		ended := make(chan error)
		go func() { ended <- b.Put(t.Context(), "a", bytesBody("content"), storage.PutOptions{}) }()
		<-time.After(4 * time.Minute)
		if yielded.Count() != 0 {
			t.Error("a slow storage has cost the seat")
		}
		<-time.After(2 * time.Minute)
		if yielded.Count() != 1 {
			t.Error("a silent storage keeps the seat")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		slot.Release()
		if yielded.Count() != 0 {
			t.Error("a seat is given up for good")
		}
	})
}

type bytesBody string

func (b bytesBody) ReadAt(p []byte, off int64) (int, error) { return copy(p, b[off:]), nil }
func (b bytesBody) Size() int64                             { return int64(len(b)) }

// A run gives its seat up when nothing is left but to wait, and not before.
func TestSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, slot, yielded := waiter(t, time.Hour)
		parked := func(want int, when string) {
			t.Helper()
			synctest.Wait()
			if n := yielded.Count(); n != want {
				t.Errorf("%s: %d parked", when, n)
			}
		}
		b := r.patiently(&flaky{answers: []error{&storage.Unavailable{Message: "away"}, &storage.Unavailable{}, nil}}, &job.Output{})
		ended := make(chan error)
		go func() { ended <- b.Put(t.Context(), "a", nil, storage.PutOptions{}) }()
		parked(0, "while it encodes")
		slot.SetEncoded(true)
		parked(1, "when only the upload is left")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		parked(1, "after the upload: the seat may be another's by now")
		slot.Release()
		parked(0, "at the end")
	})
}
