// Package storage moves bytes: results into a Bucket, inputs out of a Source.
// Each protocol has a package of its own below this one. Package
// storage/backends opens them by name.
package storage

import (
	"context"
	"io"
	"os"
	"time"
)

// Bucket is a destination of results. Implementations retry with backoff after
// failures that may pass (5xx, 429, broken connections). For other failures they
// return a *job.Error that names the bucket and the service's error code.
type Bucket interface {
	// Check reports early whether a Put can work at all: wrong credentials, a
	// missing bucket. It writes nothing.
	Check(ctx context.Context) error
	// Put stores body under key and replaces an earlier object. If it fails, no
	// reader can take a part for the whole object.
	Put(ctx context.Context, key string, body Body, opts PutOptions) error
	// URL is the public address of key, without any credential. Services that
	// choose the address themselves know it only after Put.
	URL(key string) string
}

// BatchPutter is a Bucket that needs all files of an output at once, because
// they share one address: IPFS names a folder by its content.
type BatchPutter interface {
	Bucket
	PutBatch(ctx context.Context, items []Item) error
}

// Deleter is a Bucket that can look for an object and delete it. Both may need
// permissions that Put does not need. A refusal by the service must be returned
// as an error, never as "not found".
type Deleter interface {
	Bucket
	// Exists reports whether there is an object under key. Some services give
	// the same answer for a missing bucket; then it is false.
	Exists(ctx context.Context, key string) (bool, error)
	// Delete deletes the object under key. A missing object is no error.
	Delete(ctx context.Context, key string) error
}

// Item is one file for PutBatch.
type Item struct {
	Key     string
	Body    Body
	Options PutOptions
}

// Close closes the connections of a Bucket that keeps any.
func Close(b Bucket) error {
	if c, ok := b.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Body is a file to be stored. It may be read several times and from any offset.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Movable is a Body that is all of a file, which nobody reads or writes after its upload.
// A Bucket on the same disk may take the file instead of a copy.
type Movable interface {
	Body
	// Move calls take, which may give the file another name. If take reports that it did,
	// the old name is removed, and the Body must not be moved again. Move may block as
	// ReadAt does. The Body can be read afterwards, whatever it returned.
	Move(take func(f *os.File) (taken bool, err error)) (taken bool, err error)
}

// PutOptions are the headers of an object.
type PutOptions struct {
	ContentType string
	// Form are the fields that an HTTP upload sends beside the file
	// (coconut-v2.md section 3.3: job_id, encoded_video_id, video_id). Other
	// storages ignore them.
	Form map[string]string
}

// Source is an input that can be read from any offset.
type Source interface {
	// Size in bytes, -1 when the server does not say.
	Size() int64
	// Open reads from offset to the end. A source whose server knows no ranges
	// serves offsets other than 0 by reading and discarding.
	Open(ctx context.Context, offset int64) (io.ReadCloser, error)
	// Ranges reports whether Open at an offset is cheap.
	Ranges() bool
}

// Local is a Source that is a file of this machine, which nothing changes.
type Local interface {
	Source
	// File opens it for reading.
	File() (*os.File, error)
}

// Namespace identifies the job and the kind of output for which a bucket is
// opened. The built-in storage, which all jobs share, keeps their files apart by
// it.
type Namespace struct {
	JobID   string
	Kind    string // "files" or "streams": each gets a folder of its own (coconut-v2.md section 2.4)
	Created time.Time
}
