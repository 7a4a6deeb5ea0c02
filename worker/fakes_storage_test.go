package worker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// fakeStorage has the inputs and takes the results.
type fakeStorage struct {
	j     *journal
	hangs bool // sources give nothing for an hour

	mu     sync.Mutex
	stored map[string]bool // by key
}

func (s *fakeStorage) Source(_ context.Context, in job.Input) (storage.Source, error) {
	name := path.Base(in.URL.Reveal())
	return fakeSource{s.j, name, s.hangs}, s.j.do("open:"+shortName(name), nothing)
}

func (s *fakeStorage) Whole(ctx context.Context, in job.Input) (storage.Source, error) {
	return s.Source(ctx, in)
}

func (s *fakeStorage) Upload(context.Context, job.Secret) (storage.Bucket, error) {
	return nil, errors.New("no output has a URL of its own")
}

func (s *fakeStorage) Bucket(context.Context, *job.Storage, storage.Namespace) (storage.Bucket, error) {
	return fakeBucket{s}, nil
}

// keys returns the short names of the stored objects.
func (s *fakeStorage) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for key := range s.stored {
		names = append(names, shortName(key))
	}
	slices.Sort(names)
	return names
}

// shortName returns a file's name without its extension, and of a segment the number.
func shortName(key string) string {
	return strings.TrimPrefix(strings.TrimSuffix(path.Base(key), path.Ext(key)), "segment-0000")
}

type fakeBucket struct{ s *fakeStorage }

func (b fakeBucket) Check(context.Context) error { return b.s.j.do("check", nothing) }

func (b fakeBucket) Put(_ context.Context, key string, body storage.Body, _ storage.PutOptions) error {
	return b.s.j.do("put:"+shortName(key), func() error {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(body, 0, body.Size())); err != nil {
			return err
		}
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		b.s.stored[key] = true
		return nil
	})
}

func (b fakeBucket) URL(key string) string { return "https://results.example.com" + key }

func (b fakeBucket) Exists(_ context.Context, key string) (there bool, err error) {
	err = b.s.j.do("exists:"+shortName(key), func() error {
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		there = b.s.stored[key]
		return nil
	})
	return there, err
}

func (b fakeBucket) Delete(_ context.Context, key string) error {
	return b.s.j.do("delete:"+shortName(key), func() error {
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		delete(b.s.stored, key)
		return nil
	})
}

type fakeSource struct {
	j     *journal
	name  string
	hangs bool
}

func (s fakeSource) Size() int64 { return int64(len(s.name)) }

func (s fakeSource) Ranges() bool { return false }

func (s fakeSource) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	err := s.j.do("fetch:"+shortName(s.name), func() error {
		if s.hangs {
			return pass(ctx, time.Hour)
		}
		return nil
	})
	return io.NopCloser(bytes.NewReader([]byte(s.name)[offset:])), err
}
