package publish

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker/lease"
)

// leaseStore is a database that says whether the lease is valid.
type leaseStore struct {
	lease.Store

	mu  sync.Mutex
	n   int   // how often it was asked
	err error // its answer

	events []job.Event
}

func (s *leaseStore) Record(_ context.Context, _ string, _ int64, events ...job.Event) (job.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	return job.State{}, nil
}

func (s *leaseStore) Claim(context.Context, string, int64, int, string) (int64, error) { return 1, nil }

func (s *leaseStore) Load(context.Context, string) (job.LoadedJob, error) {
	return job.LoadedJob{State: job.State{Status: job.JobProcessing}}, nil
}

func (s *leaseStore) SetProgress(context.Context, string, int64, map[string]float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return s.err
}

// answer has the store answer err from now on.
func (s *leaseStore) answer(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// leased claims a job in store and returns the lease.
func leased(t *testing.T, store lease.Store) *lease.Lease {
	t.Helper()
	l, _, err := lease.NewClaimer(store, "node", slog.New(slog.DiscardHandler)).Claim(t.Context(), "job", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A result can be read while the lease is valid. The database is asked when its
// last answer is old.
func TestBodyNeedsLease(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.mp4"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store := &leaseStore{}
		r := New(Config{Log: slog.New(slog.DiscardHandler)}).Open(leased(t, store), Target{}, nil).Output(dir, &job.Output{})
		body, err := r.open(t.Context(), "a.mp4")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		part := make([]byte, 4)
		read := func() error { _, err := body.ReadAt(part, 3); return err }
		for range 3 {
			if err := read(); err != nil || !bytes.Equal(part, []byte("tent")) {
				t.Fatalf("%q, %v", part, err)
			}
		}
		if store.n != 1 {
			t.Errorf("asked %d times in one moment", store.n)
		}
		<-time.After(time.Minute) // as a stopped process does
		store.answer(job.ErrLeaseLost)
		if err := read(); !errors.Is(err, job.ErrLeaseLost) || store.n != 2 {
			t.Errorf("after a while: %v, asked %d times", err, store.n)
		}
	})
}

// TestBodyMoves: a result that may be moved loses its name, and can be read after that. It
// is not moved for a run that has lost the job.
func TestBodyMoves(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.mp4")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store := &leaseStore{}
		out := New(Config{Log: slog.New(slog.DiscardHandler)}).Open(leased(t, store), Target{}, nil).Output(dir, &job.Output{})
		calls := 0
		take := func(*os.File) (bool, error) { calls++; return true, nil }
		move := func() (bool, error) {
			t.Helper()
			body, err := out.open(t.Context(), "a.mp4")
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			moved, err := observedBody{body, newLastRead()}.Move(take)
			if got := make([]byte, 7); err == nil {
				if _, err := body.ReadAt(got, 0); err != nil || string(got) != "content" {
					t.Errorf("after that: %q, %v", got, err)
				}
			}
			return moved, err
		}
		if moved, err := move(); moved || err != nil || calls > 0 {
			t.Errorf("what may not be moved: %v, %v", moved, err)
		}
		out.MayMove(func(name string) bool { return name == "a.mp4" })
		<-time.After(time.Minute)
		store.answer(job.ErrLeaseLost)
		if moved, err := move(); moved || !errors.Is(err, job.ErrLeaseLost) || calls > 0 {
			t.Errorf("without a lease: %v, %v", moved, err)
		}
		store.answer(nil)
		if moved, err := move(); !moved || err != nil {
			t.Errorf("%v, %v", moved, err)
		}
		if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its name: %v", err)
		}
	})
}

// A result that is a link is not opened: ffmpeg may run as another user than this
// process.
func TestBodyFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	secret, link := filepath.Join(dir, "secret"), filepath.Join(dir, "a.mp4")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Symlink(secret, link)); err != nil {
		t.Fatal(err)
	}
	run := New(Config{Log: slog.New(slog.DiscardHandler)}).Open(leased(t, &leaseStore{}), Target{}, nil)
	if body, err := run.Output(dir, &job.Output{}).open(t.Context(), filepath.Base(link)); err == nil {
		body.Close()
		t.Error("a link was opened")
	}
	folder := filepath.Join(dir, "run")
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Mkdir(other, 0o700), os.WriteFile(filepath.Join(other, "1.ts"), []byte("another's"), 0o600),
		os.Symlink(other, filepath.Join(folder, "hls"))); err != nil {
		t.Fatal(err)
	}
	if body, err := run.Output(folder, &job.Output{}).open(t.Context(), filepath.Join("hls", "1.ts")); err == nil {
		body.Close()
		t.Error("a file in a folder that is a link was opened")
	}
}
