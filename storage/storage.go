// Package storage moves bytes: results into a Bucket, inputs out of a Source.
// Each protocol has a folder of its own; this package holds what they share,
// the table of named services and the opener.
package storage

import (
	"context"
	"io"
	"time"
)

// Bucket is a place for results. Implementations retry what is worth retrying
// (5xx, 429, broken connections) with backoff and return a *job.Error, naming
// bucket and the service's error code, for what is not.
type Bucket interface {
	// Check reports early whether a Put can work at all: wrong credentials,
	// missing bucket. It writes nothing.
	Check(ctx context.Context) error
	// Put stores body under key, replacing what was there. It either stores the
	// whole object or nothing that a reader could take for it.
	Put(ctx context.Context, key string, body Body, opts PutOptions) error
	// URL is the public address of key, without any credential. Services that
	// name a file themselves know it only after Put.
	URL(key string) string
}

// BatchPutter is a Bucket that wants the files of an output all at once, because
// they get one address: on IPFS a folder is named by what is in it.
type BatchPutter interface {
	Bucket
	PutBatch(ctx context.Context, items []Item) error
}

// Deleter is a Bucket that can say whether an object is there and take one away.
// Both may need permissions that Put does not: what the service refuses is an
// error, never an answer.
type Deleter interface {
	Bucket
	// Exists reports whether there is an object under key. Where a service does not
	// tell them apart, an object of a bucket that does not exist is one that is
	// not there.
	Exists(ctx context.Context, key string) (bool, error)
	// Delete takes away the object under key; one that is not there is no error.
	Delete(ctx context.Context, key string) error
}

// Item is one file for Together.
type Item struct {
	Key     string
	Body    Body
	Options PutOptions
}

// Close ends the connections of a Bucket that keeps some.
func Close(b Bucket) error {
	if c, ok := b.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Body is a file to be stored; it may be read several times and from the
// middle.
type Body interface {
	io.ReaderAt
	Size() int64
}

// PutOptions are the headers of an object.
type PutOptions struct {
	ContentType string
	// Form are the fields that an HTTP upload sends beside the file
	// (coconut-v2.md section 3.3: job_id, encoded_video_id, video_id); others ignore them.
	Form map[string]string
}

// Source is an input that can be read from any place.
type Source interface {
	// Size in bytes, -1 when the server does not say.
	Size() int64
	// Open reads from offset to the end. A source whose server knows no ranges
	// serves offsets other than 0 by reading and discarding.
	Open(ctx context.Context, offset int64) (io.ReadCloser, error)
	// Ranges reports whether Open at an offset is cheap.
	Ranges() bool
}

// Namespace says for whom a bucket is opened: storage that all jobs share keeps
// them apart by it.
type Namespace struct {
	JobID   string
	Kind    string // "files" or "streams": each gets a folder of its own (coconut-v2.md section 2.4)
	Created time.Time
}
