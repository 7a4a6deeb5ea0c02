package input

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// stored is a file of this machine.
type stored string

func (s stored) Source(context.Context, job.Input) (storage.Source, error) { return s, nil }

func (s stored) Whole(ctx context.Context, in job.Input) (storage.Source, error) {
	return s.Source(ctx, in)
}

func (s stored) Size() int64 {
	st, err := os.Stat(string(s))
	if err != nil {
		return -1
	}
	return st.Size()
}

func (stored) Ranges() bool { return true }

func (s stored) File() (*os.File, error) { return os.Open(string(s)) }

func (stored) Open(context.Context, int64) (io.ReadCloser, error) {
	return nil, errors.New("it was copied")
}

type noPhotos struct{ Media }

func (noPhotos) DecodePhoto(context.Context, string, string) error { return nil }

// TestStoredInput: a file of the built-in storage is served from where it lies, also when
// it is deleted meanwhile, and copied only when it is needed in the work directory.
func TestStoredInput(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), smallBytes/16+1)
	file, dir := filepath.Join(t.TempDir(), "upload"), t.TempDir()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Reader{Opener: stored(file), Media: noPhotos{}, Serves: true}.Open(t.Context(), "job", job.Input{}, false, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.Complete() || c.Received() != 0 {
		t.Errorf("complete: %v, received %d", c.Complete(), c.Received())
	}
	if err := errors.Join(c.FetchRest(), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	served, done, err := c.Use(t.Context(), dir)
	if err != nil || served == nil {
		t.Fatalf("served: %v, %v", served, err)
	}
	r, err := http.NewRequest(http.MethodGet, served.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", "bytes=5-")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || !bytes.Equal(got, content[5:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	done()
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("the work directory has %v, %v", list, err)
	}
	if err := c.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, transcode.SourceName)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("copied: %d bytes, %v", len(got), err)
	}
	if served, _, err := c.Use(t.Context(), dir); err != nil || served != nil {
		t.Errorf("after that: %v, %v", served, err)
	}
}
