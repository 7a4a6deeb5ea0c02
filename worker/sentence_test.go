package worker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

func TestSentence(t *testing.T) {
	const fallback = "Something else."
	away := &storage.Unavailable{Message: "The storage could not be reached.", Cause: errors.New("dial 10.0.0.1")}
	tests := []struct {
		err  error
		want string
	}{
		{errors.New("inside"), fallback},
		{fmt.Errorf("publish: %w", away), "The storage could not be reached."},
		{fmt.Errorf("publish: %w", job.Errorf("", "The bucket is locked.")), "The bucket is locked."},
		{job.Errorf("", "The input broke off.").WithCause(away), "The input broke off."},
		{fmt.Errorf("write playlist: %w", &os.PathError{Op: "write", Err: syscall.ENOSPC}), "The server ran out of disk space."},
	}
	for _, tt := range tests {
		if got := sentence(tt.err, fallback); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestDiskFull(t *testing.T) {
	for err, want := range map[error]bool{
		fmt.Errorf("fetch: %w", job.Errorf(storage.CodeDiskFull, "No room.")): true,
		fmt.Errorf("lay out stream: %w", syscall.ENOSPC):                      true,
		job.Errorf("", "The bucket is locked."):                               false,
		errors.New("inside"):                                                  false,
	} {
		if diskFull(err) != want {
			t.Errorf("%v: want %v", err, want)
		}
	}
}
