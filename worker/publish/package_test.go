package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestBrokenStream: the customer is told which segments are missing or broken. What this
// server could not read is an error of the server.
func TestBrokenStream(t *testing.T) {
	for _, tt := range []struct {
		err      error
		customer bool
	}{
		{errors.New("segment a/1.ts is broken: there is no picture in it"), true},
		{fmt.Errorf("list segments: %w", &fs.PathError{Op: "open", Path: "a", Err: syscall.ENOENT}), true},
		{fmt.Errorf("read segment: %w", &fs.PathError{Op: "read", Path: "a", Err: syscall.EIO}), false},
	} {
		e, shown := errors.AsType[*job.Error](brokenStream(tt.err))
		if shown != tt.customer || shown && (e.Reason != job.OutputNotValid || !errors.Is(e, tt.err)) {
			t.Errorf("%v: a customer reads %v", tt.err, e)
		}
	}
}
