package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// fakeStorage notes what is stored in it.
type fakeStorage struct {
	put func(ctx context.Context, key string) error // nil: accepts all

	mu     sync.Mutex
	opened int
	closed int
	keys   []string
	types  map[string]string
	bodies map[string]string // nil: they are not kept
	batch  bool              // it is a storage.BatchPutter

	deletes bool            // it is a storage.Deleter
	there   map[string]bool // what is there beforehand; nil: it does not tell
	asked   []string
	deleted []string
	delete  func(key string) error // nil: deletes all
}

type fakeBucket struct {
	storage.Bucket
	s *fakeStorage
}

type batchBucket struct{ fakeBucket }

func (batchBucket) PutBatch(context.Context, []storage.Item) error { return nil }

func (s *fakeStorage) Upload(context.Context, job.Secret) (storage.Bucket, error) {
	return nil, errors.New("no output has an address of its own here")
}

func (s *fakeStorage) Bucket(context.Context, *job.Storage, storage.Namespace) (storage.Bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	if s.batch {
		return batchBucket{fakeBucket{s: s}}, nil
	}
	if s.deletes {
		return deletingBucket{fakeBucket{s: s}}, nil
	}
	return fakeBucket{s: s}, nil
}

func (b fakeBucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	if b.s.put != nil {
		if err := b.s.put(ctx, key); err != nil {
			return err
		}
	}
	content, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil {
		return err
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.keys = append(b.s.keys, key)
	b.s.types[key] = opts.ContentType
	if b.s.bodies != nil {
		b.s.bodies[key] = string(content)
	}
	return nil
}

func (b fakeBucket) URL(key string) string { return "https://storage" + key }

func (b fakeBucket) Close() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.closed++
	return nil
}

func (s *fakeStorage) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.keys))
}

// times returns how often the storage was opened.
func (s *fakeStorage) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// film is a stream whose segments are cut one by one.
type film struct {
	t       *testing.T
	run     *Session
	out     *Output
	storage *fakeStorage
	store   *leaseStore
	log     *bytes.Buffer
}

var filmPackages = []stream.Package{
	{Layout: stream.TS, HLS: true, Name: "master", Dir: "out1/hls", Path: "/hls", Tracks: []stream.Track{
		{ID: "720p", Type: stream.Muxed, Dir: "720p", Segments: "segment-%05d.ts"},
		{ID: "de", Type: stream.Text, Dir: "de", Segments: "text.vtt"},
	}},
	{Layout: stream.CMAF, DASH: true, Name: "master", Dir: "out1/dash", Path: "/dash", Tracks: []stream.Track{
		{ID: "audio", Type: stream.Audio, Dir: "audio", Init: "init.mp4", Segments: "segment-%05d.m4s"},
	}},
}

func newFilm(t *testing.T, s *fakeStorage) film {
	s.types = map[string]string{}
	f := film{t: t, storage: s, store: &leaseStore{}, log: &bytes.Buffer{}}
	p := New(Config{Opener: s, Uploads: 2, Log: slog.New(slog.NewTextHandler(f.log, nil))})
	f.run = p.Open(leased(t, f.store), Target{Storage: &job.Storage{Service: job.ServiceBuiltIn}}, func() func() { return func() {} })
	f.out = f.run.Output(t.TempDir(), filmOutput)
	return f
}

// segments makes the first n segments of a track.
func (f film) segments(dir, pattern string, n int) {
	f.t.Helper()
	for i := range n {
		name := filepath.Join(f.out.dir, dir, fmt.Sprintf(pattern, i+1))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(name), 0o600)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f film) start() *SegmentUploader { return f.out.StartSegments(f.t.Context(), filmPackages) }

// Finalized segments are uploaded while more are cut, each of them once. All that
// stream.Build makes besides is left for the end.
func TestSegmentUploader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilm(t, &fakeStorage{})
		e := f.start()
		<-time.After(3 * scanEvery)
		if f.storage.times() > 0 {
			t.Error("the storage was opened before there was a segment")
		}
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		f.segments("out1/dash/audio", "segment-%05d.m4s", 3)
		<-time.After(2 * scanEvery)
		want := []string{"/dash/audio-00001.m4s", "/hls/720p/segment-00001.ts", "/hls/720p/segment-00002.ts"}
		if diff := cmp.Diff(want, f.storage.list()); diff != "" {
			t.Errorf("uploaded (-want +got):\n%s", diff)
		}
		f.segments("out1/hls/720p", "segment-%05d.ts", 4)
		<-time.After(2 * scanEvery)
		stored := e.Finish()
		if diff := cmp.Diff(append(want, "/hls/720p/segment-00003.ts"), f.storage.list()); diff != "" {
			t.Errorf("uploaded (-want +got):\n%s", diff)
		}
		if got := f.storage.types["/dash/audio-00001.m4s"] + " " + f.storage.types["/hls/720p/segment-00001.ts"]; got != "video/iso.segment video/mp2t" {
			t.Errorf("types %s", got)
		}
		if f.storage.opened != 1 || f.storage.closed != 1 {
			t.Errorf("opened %d times, closed %d times", f.storage.opened, f.storage.closed)
		}
		pub := func(source, key string) object {
			return object{source: source, key: key, name: source}
		}
		same, joined := pub("out1/hls/720p/segment-00001.ts", "/a"), pub("", "/b") // of which Build made another
		other, list := pub("out1/hls/720p/segment-00002.ts", "/c"), object{key: "/master.m3u8", isPlaylist: true}
		if err := os.WriteFile(filepath.Join(f.out.dir, other.name), []byte("of another size"), 0o600); err != nil {
			t.Fatal(err)
		}
		late := pub("out1/hls/720p/segment-00004.ts", "/d")
		if diff := cmp.Diff([]string{"/b", "/c", "/d", "/master.m3u8"}, keysOf(remaining(f.out.dir, []object{same, joined, other, late, list}, stored))); diff != "" {
			t.Errorf("left to publish (-want +got):\n%s", diff)
		}
		e.Abandon()
	})
}

func keysOf(objects []object) (keys []string) {
	for _, p := range objects {
		keys = append(keys, p.key)
	}
	return keys
}

// After a failure the uploader pauses and opens the storage again. It warns once.
func TestSegmentUploaderRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{}
		var tries []time.Time
		s.put = func(_ context.Context, key string) error {
			if !strings.HasSuffix(key, "1.ts") {
				return nil
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if tries = append(tries, time.Now()); len(tries) < 3 {
				return errors.New("connection reset")
			}
			return nil
		}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(time.Minute)
		stored := e.Finish()
		if len(tries) != 3 || tries[1].Sub(tries[0]) < segmentRetry.Delay(1) || tries[2].Sub(tries[1]) < segmentRetry.Delay(2) || len(stored) != 2 {
			t.Errorf("tried at %v, stored %v", tries, stored)
		}
		if s.opened != 3 || s.closed != 3 {
			t.Errorf("opened %d times, closed %d times", s.opened, s.closed)
		}
		if n := strings.Count(f.log.String(), "segment upload failed"); n != 1 {
			t.Errorf("warned %d times:\n%s", n, f.log)
		}
		e.Abandon()
	})
}

// Nothing is uploaded where that is not possible or of no use.
func TestSegmentUploaderDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, s := range map[string]*fakeStorage{
			"a storage that takes all files in one call": {batch: true},
			"a storage that refuses":                     {put: func(context.Context, string) error { return job.Errorf(job.StorageRefused, "The bucket is not yours.") }},
		} {
			f := newFilm(t, s)
			f.segments("out1/hls/720p", "segment-%05d.ts", 4)
			e := f.start()
			<-time.After(time.Hour)
			if stored := e.Finish(); len(stored) > 0 || s.opened != 1 || s.closed != 1 {
				t.Errorf("%s: stored %v, opened %d times, closed %d times", name, stored, s.opened, s.closed)
			}
			e.Abandon()
		}
		f := newFilm(t, &fakeStorage{})
		o := &job.Output{Type: job.TypeStream, URL: job.NewSecret("https://a/b")}
		none := f.run.Output(f.out.dir, o).StartSegments(t.Context(), filmPackages)
		if none != nil || none.Finish() != nil {
			t.Error("segments of an output with a URL of its own are uploaded")
		}
		none.Abandon()
	})
}

// Abandon cancels the uploads in flight.
func TestSegmentUploaderAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended int
		s := &fakeStorage{}
		s.put = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			s.mu.Lock()
			defer s.mu.Unlock()
			ended++
			return context.Cause(ctx)
		}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 9)
		e := f.start()
		<-time.After(2 * scanEvery)
		e.Abandon()
		if ended != 2 || len(s.list()) > 0 || s.closed != 1 {
			t.Errorf("%d uploads were ended, %v stored, closed %d times", ended, s.list(), s.closed)
		}
	})
}
