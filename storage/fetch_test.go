package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

// memory is a Source whose connections break as open says.
type memory struct {
	content []byte
	size    int64 // as reported; -1 unknown
	opened  []int64
	// open may refuse a connection, or cut it after so many bytes (-1: never).
	open func(n int, offset int64) (cut int, err error)
}

func (m *memory) Size() int64  { return m.size }
func (m *memory) Ranges() bool { return true }

func (m *memory) Open(_ context.Context, offset int64) (io.ReadCloser, error) {
	m.opened = append(m.opened, offset)
	rest := m.content[offset:]
	if m.open != nil {
		cut, err := m.open(len(m.opened), offset)
		if err != nil {
			return nil, err
		}
		if cut >= 0 && cut < len(rest) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(rest[:cut]), brokenReader{})), nil
		}
	}
	return io.NopCloser(bytes.NewReader(rest)), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func at(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "input"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

// everySecond waits for a second before each retry.
var everySecond = retry.Policy{Waits: []time.Duration{time.Second}}

func TestFetch(t *testing.T) {
	content := pattern(3_000_000)
	tests := []struct {
		name   string
		size   int64
		open   func(n int, offset int64) (int, error)
		opened int
		waits  int
	}{
		{"straight", 3_000_000, nil, 1, 0},
		{"unknown size", -1, nil, 1, 0},
		{"broken twice", 3_000_000, func(n int, _ int64) (int, error) { return map[int]int{1: 1_000_000, 2: 500_000, 3: -1}[n], nil }, 3, 2},
		{"cut short without an error", 3_000_000, nil, 3, 2},
		{"four refusals", 3_000_000, func(n int, _ int64) (int, error) {
			if n <= 4 {
				return 0, errors.New("refused")
			}
			return -1, nil
		}, 5, 4},
		{"many breaks with progress", 3_000_000, func(int, int64) (int, error) { return 300_000, nil }, 10, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := &memory{content: content, size: tt.size, open: tt.open}
			var source Source = src
			if strings.HasPrefix(tt.name, "cut") {
				source = &truncating{src}
			}
			f := at(t)
			if _, err := f.WriteString("from an earlier try"); err != nil {
				t.Fatal(err)
			}
			var err error
			var waited time.Duration
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				err = FetchRetrying(t.Context(), everySecond, source, f, 0)
				waited = time.Since(begin)
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(f.Name())
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes differ from the %d of the source (%v)", len(got), len(content), err)
			}
			if waits := int(waited / time.Second); len(src.opened) != tt.opened || waits != tt.waits {
				t.Errorf("opened at %v, %d waits; want %d and %d", src.opened, waits, tt.opened, tt.waits)
			}
		})
	}
}

// truncating ends each connection after 1 MiB without an error.
type truncating struct{ *memory }

func (m *truncating) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	r, err := m.memory.Open(ctx, offset)
	return io.NopCloser(io.LimitReader(r, 1<<20)), err
}

func TestFetchGivesUp(t *testing.T) {
	content := pattern(1_000_000)
	refused := job.Errorf(job.InputNotFound, "The file is gone.")
	tests := []struct {
		name  string
		size  int64
		limit int64
		open  func(n int, offset int64) (int, error)
		want  string
		tries int
	}{
		{"no progress", 1_000_000, 0, func(n int, _ int64) (int, error) { return map[int]int{1: 100_000}[n], nil }, "broke off after 100000 bytes", 5},
		{"a byte a time", 1_000_000, 0, func(int, int64) (int, error) { return 1, nil }, "broke off after 5 bytes", 5},
		{"end while opening", 1_000_000, 0, func(int, int64) (int, error) { return 0, io.EOF }, "broke off after 0 bytes", 5},
		{"sentence of the service", 1_000_000, 0, func(int, int64) (int, error) { return 0, &Unavailable{Message: "The server is ill."} }, "The server is ill.", 5},
		{"permanent", 1_000_000, 0, func(int, int64) (int, error) { return 0, refused }, "The file is gone.", 1},
		{"known to be too large", 1_000_000, 999_999, nil, "larger than 999999 bytes", 0},
		{"found to be too large", -1, 999_999, nil, "larger than 999999 bytes", 1},
		{"no room", 1 << 62, 0, nil, "does not fit", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := &memory{content: content, size: tt.size, open: tt.open}
			f := at(t)
			var err error
			synctest.Test(t, func(t *testing.T) { err = FetchRetrying(t.Context(), everySecond, src, f, tt.limit) })
			e, ok := errors.AsType[*job.Error](err)
			if !ok || !strings.Contains(e.Message, tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
			if len(src.opened) != tt.tries {
				t.Errorf("opened at %v, want %d tries", src.opened, tt.tries)
			}
		})
	}
}

func TestFetchDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		testmedia.Missing(t, "no /dev/full: "+err.Error())
	}
	defer full.Close()
	if _, err := full.WriteAt([]byte("x"), 0); err == nil {
		testmedia.Missing(t, "/dev/full takes bytes")
	}
	if e, ok := errors.AsType[*job.Error](DiskError(mustFail(full))); !ok || e.Reason != job.ServerDiskFull {
		t.Errorf("error = %v", e)
	}
}

func mustFail(f *os.File) error {
	_, err := f.WriteAt([]byte("x"), 0)
	return err
}

func TestFetchCancelled(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	src := &memory{content: pattern(100), size: 100, open: func(int, int64) (int, error) {
		cancel(cause)
		return 0, nil
	}}
	if err := Fetch(ctx, src, at(t), 0); !errors.Is(err, cause) || len(src.opened) != 1 {
		t.Errorf("error = %v after %d tries", err, len(src.opened))
	}
}

func TestRetryDefaults(t *testing.T) {
	p := WithDefaults(retry.Policy{})
	if p.Tries != 5 {
		t.Errorf("%d tries", p.Tries)
	}
	for failures, want := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 4: 4 * time.Second, 9: 10 * time.Second, 99: 10 * time.Second} {
		if got := p.Delay(failures); got != want {
			t.Errorf("wait after %d failures = %v, want %v", failures, got, want)
		}
	}
}
