package storage

import (
	"fmt"
	"io"
)

// Section is length bytes of body from offset. It can be read again for a retry.
// Its errors are *BodyErrors.
func Section(body Body, offset, length int64) *io.SectionReader {
	return io.NewSectionReader(localBody{body}, offset, length)
}

// BodyError is a failure to read our own file while it was uploaded. No retry
// repairs it, and the service is not at fault.
type BodyError struct{ Err error }

// Error returns the text of the cause.
func (e *BodyError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BodyError) Unwrap() error { return e.Err }

type localBody struct{ io.ReaderAt }

func (l localBody) ReadAt(p []byte, offset int64) (int, error) {
	n, err := l.ReaderAt.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		err = &BodyError{fmt.Errorf("read the file to upload: %w", err)}
	}
	return n, err
}
