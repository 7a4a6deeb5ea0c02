package input

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// text is a storage whose only file is a text.
type text string

func (s text) Source(context.Context, job.Input) (storage.Source, error) { return s, nil }
func (s text) Whole(context.Context, job.Input) (storage.Source, error)  { return s, nil }
func (s text) Size() int64                                               { return int64(len(s)) }
func (s text) Ranges() bool                                              { return true }
func (s text) Open(_ context.Context, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte(s)[offset:])), nil
}

// TestFetchLUT: ffmpeg gets what was read of a LUT and nothing else of the file; what is no
// LUT fails with a sentence.
func TestFetchLUT(t *testing.T) {
	explain := func(err error, _ job.Reason) *job.Error {
		if e, ok := errors.AsType[*job.Error](err); ok {
			return e
		}
		return job.Errorf(job.InternalError, "The LUT could not be read.")
	}
	fetch := func(body string) (string, error) {
		dir := t.TempDir()
		err := Reader{Opener: text(body), MaxBytes: 1 << 20}.Fetch(t.Context(), transcode.Fetch{Name: "lut.cube", LUT: true}, job.NewSecret("https://example.com/a.cube"), dir, explain)
		written, _ := os.ReadFile(filepath.Join(dir, "lut.cube"))
		return string(written), err
	}
	const table = "LUT_3D_SIZE 2\n" + "0 0 0\n0 0 1\n0 1 0\n0 1 1\n1 0 0\n1 0 1\n1 1 0\n1 1 1\n"
	got, err := fetch("# a comment\nTITLE \"odd\"\n" + table)
	if err != nil || !strings.HasPrefix(got, "LUT_3D_SIZE 2\nDOMAIN_MIN 0.0000000") || strings.Contains(got, "odd") || strings.Count(got, "\n") != 11 {
		t.Errorf("%v: %s", err, got)
	}
	_, err = fetch("<html>")
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.OverlayNotValid || !strings.Contains(e.Message, "line 1") {
		t.Errorf("a page of HTML: %v", err)
	}
	observed.Row(t, "errors.md overlay_not_valid")
}
