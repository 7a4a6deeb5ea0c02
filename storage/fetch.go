package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
)

// Fetch copies src to dst from its beginning, and resumes after a broken
// connection. More than limit bytes (0: unlimited) and a full disk are
// *job.Errors.
func Fetch(ctx context.Context, src Source, dst *os.File, limit int64) error {
	return FetchRetrying(ctx, retry.Policy{}, src, dst, limit)
}

// FetchRetrying is Fetch with a retry policy of the caller.
func FetchRetrying(ctx context.Context, p retry.Policy, src Source, dst *os.File, limit int64) error {
	size := src.Size()
	if limit > 0 && size > limit {
		return TooLarge(limit)
	}
	if err := dst.Truncate(0); err != nil {
		return fmt.Errorf("empty the file for the input: %w", err)
	}
	if err := CheckSpace(dst, size); err != nil {
		return err
	}
	in := NewReader(ctx, src, 0, p)
	defer func() { _ = in.Close() }()
	buf := make([]byte, 256<<10)
	for done := int64(0); ; {
		n, err := in.Read(buf)
		if limit > 0 && done+int64(n) > limit {
			return TooLarge(limit)
		}
		if _, werr := dst.WriteAt(buf[:n], done); werr != nil {
			return DiskError(werr)
		}
		done += int64(n)
		if err == io.EOF { //nolint:errorlint // a wrapped EOF is a broken connection
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetch input: %w", err)
		}
	}
}

// TooLarge is the error of an input of more than limit bytes.
func TooLarge(limit int64) error {
	return job.InputErrorf(job.InputTooLarge, "is larger than %d bytes, the limit of this server", limit)
}

// CheckSpace fails before a long download of size bytes for which the disk of dst
// has no room.
func CheckSpace(dst *os.File, size int64) error {
	var st unix.Statfs_t
	if size <= 0 {
		return nil
	}
	if err := unix.Fstatfs(int(dst.Fd()), &st); err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free := int64(st.Bavail) * st.Bsize; free < size {
		return job.InputErrorf(job.ServerDiskFull, "does not fit on the disk of this server: it has %d bytes, %d are free", size, free)
	}
	return nil
}

// DiskError is what follows from an error of writing the input to the disk.
func DiskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return job.InputErrorf(job.ServerDiskFull, "does not fit on the disk of this server, which is full").WithCause(err)
	}
	return fmt.Errorf("write input: %w", err)
}
