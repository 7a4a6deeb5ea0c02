package input

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// failing is a storage that cannot be opened.
type failing struct{ err error }

func (f failing) Source(context.Context, job.Input) (storage.Source, error) { return nil, f.err }

func (f failing) Whole(context.Context, job.Input) (storage.Source, error) { return nil, f.err }

// TestWatermarkFails: the customer is at fault for a watermark that cannot be
// read, unless this server is.
func TestWatermarkFails(t *testing.T) {
	explain := func(err error, _ job.Reason) *job.Error {
		if e, ok := errors.AsType[*job.Error](err); ok {
			return e
		}
		return job.Errorf(job.InternalError, "The watermark could not be read.")
	}
	for _, tt := range []struct {
		err    error
		reason job.Reason
		says   string
	}{
		{job.InputErrorf(job.InputNotFound, "is gone"), job.WatermarkNotValid, "The watermark is gone."},
		{job.Errorf(job.StorageRefused, "The server the-input.example.com is closed."), job.WatermarkNotValid, "The server the-input.example.com is closed."},
		{job.InputErrorf(job.ServerDiskFull, "does not fit"), job.ServerDiskFull, "The watermark does not fit."},
		{fmt.Errorf("open: %w", syscall.EMFILE), job.InternalError, "The watermark could not be read."},
	} {
		r := Reader{Opener: failing{tt.err}}
		err := r.Fetch(t.Context(), transcode.Fetch{Name: "logo"}, job.NewSecret("https://example.com/logo.png"), t.TempDir(), explain)
		e, ok := errors.AsType[*job.Error](err)
		if !ok || e.Reason != tt.reason || e.Message != tt.says || !errors.Is(err, tt.err) {
			t.Errorf("%v: got %v", tt.err, err)
		}
	}
}
