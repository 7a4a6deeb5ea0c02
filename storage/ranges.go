package storage

import (
	"context"
	"io"
)

// RangeOpener is a Source whose server can be asked for a part of the file.
type RangeOpener interface {
	// OpenRange reads from the offset from up to, not including, to. at is where the
	// body begins. It is before from, and the body goes on to the end, when the server
	// answers with the whole file after all; Ranges reports false from then on. A file
	// that has changed since the first request is a *job.Error.
	OpenRange(ctx context.Context, from, to int64) (body io.ReadCloser, at int64, err error)
}

// OpenRange reads a part of src, see RangeOpener. A Source that is none reads from
// the offset on, and the caller stops at the end of the part.
func OpenRange(ctx context.Context, src Source, from, to int64) (body io.ReadCloser, at int64, err error) {
	if r, ok := src.(RangeOpener); ok {
		return r.OpenRange(ctx, from, to)
	}
	body, err = src.Open(ctx, from)
	return body, from, err
}

// Versioned is a Source that can tell whether the file is still the same.
type Versioned interface {
	// Version is what the server says of the file: its ETag, or when it was changed.
	// It is "" when the server says nothing.
	Version() string
}

// VersionOf returns the version of src; "": not known.
func VersionOf(src Source) string {
	if v, ok := src.(Versioned); ok {
		return v.Version()
	}
	return ""
}
