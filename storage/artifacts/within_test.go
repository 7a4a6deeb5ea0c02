package artifacts

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/storage"
)

// stuck is a volume whose server is away. Calls ignore their context, and end
// only when the server is back.
type stuck struct {
	backend
	back  chan struct{}
	calls atomic.Int32
}

func (s *stuck) list(context.Context, string, func(string, time.Time)) error {
	s.calls.Add(1)
	<-s.back
	return nil
}

func TestHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &stuck{back: make(chan struct{})}
		s := &Store{b: b}
		begin := time.Now()
		if _, err := s.List(t.Context(), jobA); !errors.Is(err, errHangs) {
			t.Errorf("list: %v", err)
		}
		if took := time.Since(begin); took != callTimeout+cancelGrace {
			t.Errorf("waited for %s", took)
		}
		begin = time.Now()
		for range 10 {
			if _, err := s.List(t.Context(), jobA); !errors.Is(err, errHangs) {
				t.Errorf("list while another hangs: %v", err)
			}
		}
		if time.Since(begin) != 0 || b.calls.Load() != 1 {
			t.Errorf("%d calls in %s while one hangs", b.calls.Load(), time.Since(begin))
		}
		close(b.back)
		synctest.Wait()
		if _, err := s.List(t.Context(), jobA); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// slow delivers a byte now and then, or stops.
type slow struct {
	backend
	every time.Duration
	stop  int64 // stops after so many bytes; 0: never
}

func (s slow) open(context.Context, string) (storage.Source, error) { return s, nil }
func (s slow) Size() int64                                          { return 1 << 20 }
func (s slow) Ranges() bool                                         { return true }
func (s slow) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	return &slowReader{slow: s, ctx: ctx, at: offset}, nil
}

type slowReader struct {
	slow
	ctx context.Context
	at  int64
}

func (r *slowReader) Close() error { return nil }
func (r *slowReader) Read(p []byte) (int, error) {
	wait := r.every
	if r.stop > 0 && r.at >= r.stop {
		wait = time.Hour
	}
	select {
	case <-time.After(wait):
		r.at++
		p[0] = 'x'
		return 1, nil
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}

func TestSlow(t *testing.T) {
	nowhere := func(string) (string, bool) { return os.DevNull, false }
	for name, tt := range map[string]struct {
		s    slow
		want string
		took time.Duration
	}{
		"nothing at all":    {slow{every: time.Hour}, "brought nothing for 15s", 15 * time.Second},
		"stops":             {slow{every: time.Second, stop: 5}, "brought nothing for 15s", 20 * time.Second},
		"a byte now, later": {slow{every: 10 * time.Second}, "took longer than 31s", 31 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Store{b: tt.s, stall: 15 * time.Second}
				begin := time.Now()
				_, err := s.Restore(t.Context(), jobA, key1, nil, nowhere)
				if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, ErrBroken) {
					t.Errorf("restore: %v", err)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
			})
		})
	}
}
