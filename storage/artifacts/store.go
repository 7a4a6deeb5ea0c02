// Package artifacts is the artifact store: it holds what jobs have encoded, where
// all workers reach it, so that a later run of a job, on any machine, need not
// encode it again. It is a folder on a shared volume or a bucket of the S3
// family. It is no place for results.
//
// An artifact is a set of files under the job's id and a key. The caller makes
// the key from everything that shapes the bytes. An artifact is stored as one
// object: a head with name, size and checksum of each file, then the files. So it
// exists as a whole or not at all, without a protocol between several objects,
// and thousands of small pictures are one request. Every byte is under a
// checksum: what comes back is what was stored, or an error.
//
// To lose an artifact costs time and nothing else. Callers go on without this
// package when it fails, so nothing here takes long to fail.
package artifacts

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Errors of an artifact that cannot be restored: it is missing, or it is not
// what was stored.
var (
	ErrMissing = errors.New("the part is not in the artifact store")
	ErrBroken  = errors.New("the part in the artifact store is damaged")
)

// Options name a store.
type Options struct {
	// Address is the path of a folder, or s3://bucket/prefix.
	Address string
	// OpenBucket opens a bucket: s3bucket.Open. Defaults to none, so that only folders
	// can be opened.
	OpenBucket func(ctx context.Context, o Options, name string) (Bucket, error)
	// Endpoint, Region and the keys are for s3: the server (defaults to Amazon),
	// the region of the bucket (defaults to what the SDK finds, or us-east-1)
	// and the keys to sign with (default to what the SDK finds: its variables
	// and files, or the role of the machine or pod).
	Endpoint, Region string
	AccessKey        string
	SecretKey        job.Secret
	// Client makes the requests. The address is the operator's own, so it need
	// not be guarded. Defaults to a client with time limits.
	Client *http.Client
	// Stall is how long a store may deliver no byte. Defaults to 15 s.
	Stall time.Duration
}

// Store stores artifacts. It is safe for concurrent use.
type Store struct {
	b     backend
	name  string
	stall time.Duration
	hung  atomic.Int32 // abandoned calls, see within
}

// backend stores objects by name: "job/key.part".
type backend interface {
	// put stores all of body under name, or nothing.
	put(ctx context.Context, name string, body storage.Body) error
	// open opens an object. If it is missing the error is ErrMissing.
	open(ctx context.Context, name string) (storage.Source, error)
	// list calls each for every object in a folder ("": in all folders), also
	// for incomplete ones.
	list(ctx context.Context, folder string, each func(name string, stored time.Time)) error
	// remove deletes a folder with everything in it. A missing folder is no
	// error.
	remove(ctx context.Context, folder string) error
	// tidy deletes the rests of Puts that were begun before a time and
	// interrupted, as far as list does not show them.
	tidy(ctx context.Context, before time.Time) error
}

// place is the name of our own folder below the operator's folder or prefix.
// Nothing outside of it is ever listed or deleted.
const place = "copra-parts"

// Open parses the address, and creates what it needs on the local machine. It
// does not connect. The errors are messages for the operator.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Stall == 0 {
		o.Stall = 15 * time.Second
	}
	s := &Store{name: o.Address, stall: o.Stall}
	if !strings.Contains(o.Address, "://") {
		dir, err := filepath.Abs(o.Address)
		if err != nil {
			return nil, fmt.Errorf("find the folder %q: %w", o.Address, err)
		}
		s.name, s.b = dir, folder{filepath.Join(dir, place)}
		return s, folder{dir}.make()
	}
	u, err := url.Parse(o.Address)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// The value is not repeated, since it may hold credentials.
		return nil, errors.New("the address is neither a folder nor of the form s3://bucket/prefix, without credentials or query")
	}
	s.b, err = openBucket(ctx, o, u.Host, strings.Trim(u.Path, "/"))
	return s, err
}

// String names the store for logs.
func (s *Store) String() string { return s.name }

var (
	jobName  = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)
	partName = regexp.MustCompile(`^([A-Za-z0-9]{1,64})/([0-9a-f]{64})\.part$`)
)

func objectName(job, key string) (string, error) {
	name := job + "/" + key + ".part"
	if !partName.MatchString(name) {
		return "", fmt.Errorf("%q and %q are no names of a part", job, key)
	}
	return name, nil
}

// callTimeout is the time limit of calls that transfer hardly any data.
const callTimeout = 5 * time.Second

// List returns the keys of a job's artifacts.
func (s *Store) List(ctx context.Context, job string) ([]string, error) {
	if !jobName.MatchString(job) {
		return nil, fmt.Errorf("%q is no job", job)
	}
	var keys []string
	err := s.within(ctx, callTimeout, func(ctx context.Context) error {
		return s.b.list(ctx, job, func(name string, _ time.Time) {
			if m := partName.FindStringSubmatch(name); m != nil && m[1] == job {
				keys = append(keys, m[2])
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the parts of job %s: %w", job, err)
	}
	return keys, nil
}

// Jobs returns the jobs that have anything in the store, with the time at which
// the last of it was stored.
func (s *Store) Jobs(ctx context.Context) (map[string]time.Time, error) {
	jobs := map[string]time.Time{}
	err := s.within(ctx, time.Minute, func(ctx context.Context) error {
		return s.b.list(ctx, "", func(name string, stored time.Time) {
			job, _, _ := strings.Cut(name, "/")
			if jobName.MatchString(job) && !jobs[job].After(stored) {
				jobs[job] = stored
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the jobs in the artifact store: %w", err)
	}
	return jobs, nil
}

// Drop removes all artifacts of a job.
func (s *Store) Drop(ctx context.Context, job string) error {
	if !jobName.MatchString(job) {
		return fmt.Errorf("%q is no job", job)
	}
	err := s.within(ctx, 2*callTimeout, func(ctx context.Context) error { return s.b.remove(ctx, job) })
	if err != nil {
		return fmt.Errorf("remove the parts of job %s: %w", job, err)
	}
	return nil
}

// Tidy deletes what was begun before a time, never completed, and appears in no
// list.
func (s *Store) Tidy(ctx context.Context, before time.Time) error {
	if err := s.within(ctx, time.Minute, func(ctx context.Context) error { return s.b.tidy(ctx, before) }); err != nil {
		return fmt.Errorf("tidy the artifact store: %w", err)
	}
	return nil
}

// Check writes, reads and deletes an object.
func (s *Store) Check(ctx context.Context) error {
	name := "check" + strings.ToLower(rand.Text())
	text := []byte("May be removed.\n")
	return s.within(ctx, 4*callTimeout, func(ctx context.Context) error {
		if err := s.b.put(ctx, name+"/check", bytes.NewReader(text)); err != nil {
			return fmt.Errorf("write to the artifact store: %w", err)
		}
		if err := s.reads(ctx, name+"/check", text); err != nil {
			return fmt.Errorf("read from the artifact store: %w", err)
		}
		if err := s.b.remove(ctx, name); err != nil {
			return fmt.Errorf("remove from the artifact store: %w", err)
		}
		return nil
	})
}

func (s *Store) reads(ctx context.Context, name string, want []byte) error {
	src, err := s.b.open(ctx, name)
	if err != nil {
		return err
	}
	r := storage.NewReader(ctx, src, 0, readRetry)
	defer r.Close()
	got, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("it holds something else than was written")
	}
	return err
}

// readRetry is for reads that broke. It gives up soon, since what cannot be read
// is encoded again.
var readRetry = retry.Policy{Tries: 3, Waits: []time.Duration{200 * time.Millisecond, 400 * time.Millisecond}}
