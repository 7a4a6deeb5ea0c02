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

// shelf is a storage that remembers what it was given.
type shelf struct {
	put func(ctx context.Context, key string) error // nil: takes all

	mu     sync.Mutex
	opened int
	closed int
	keys   []string
	types  map[string]string
	all    bool // it takes files together

	keeps   bool            // it is a storage.Deleter
	there   map[string]bool // what stood there before
	looked  []string
	removed []string
	remove  func(key string) error // nil: takes all away
}

type shelfBucket struct {
	storage.Bucket
	s *shelf
}

type shelfTogether struct{ shelfBucket }

func (shelfTogether) PutBatch(context.Context, []storage.Item) error { return nil }

func (s *shelf) Upload(context.Context, job.Secret) (storage.Bucket, error) {
	return nil, errors.New("no output has an address of its own here")
}

func (s *shelf) Bucket(context.Context, *job.Storage, storage.Namespace) (storage.Bucket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	if s.all {
		return shelfTogether{shelfBucket{s: s}}, nil
	}
	if s.keeps {
		return shelfKeeper{shelfBucket{s: s}}, nil
	}
	return shelfBucket{s: s}, nil
}

func (b shelfBucket) Put(ctx context.Context, key string, body storage.Body, opts storage.PutOptions) error {
	if b.s.put != nil {
		if err := b.s.put(ctx, key); err != nil {
			return err
		}
	}
	if _, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size())); err != nil {
		return err
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.keys = append(b.s.keys, key)
	b.s.types[key] = opts.ContentType
	return nil
}

func (b shelfBucket) Close() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.closed++
	return nil
}

func (s *shelf) list() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.keys))
}

// film is a stream whose segments appear one by one.
type film struct {
	t     *testing.T
	run   *Run
	out   *Output
	shelf *shelf
	store *asked
	log   *bytes.Buffer
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

func newFilm(t *testing.T, s *shelf) film {
	s.types = map[string]string{}
	f := film{t: t, shelf: s, store: &asked{}, log: &bytes.Buffer{}}
	p := New(Config{Opener: s, Uploads: 2, Log: slog.New(slog.NewTextHandler(f.log, nil))})
	f.run = p.Run(leased(t, f.store), Target{Storage: &job.Storage{Service: job.ServiceBuiltIn}}, func() func() { return func() {} })
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

// What is certain to stay is uploaded while more comes, each file once, and
// what is left is all that stream.Build makes besides.
func TestEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFilm(t, &shelf{})
		e := f.start()
		<-time.After(3 * earlyEvery)
		if f.shelf.opened > 0 {
			t.Error("the storage was opened for nothing")
		}
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		f.segments("out1/dash/audio", "segment-%05d.m4s", 3)
		<-time.After(2 * earlyEvery)
		want := []string{"/dash/audio-00001.m4s", "/hls/720p/segment-00001.ts", "/hls/720p/segment-00002.ts"}
		if diff := cmp.Diff(want, f.shelf.list()); diff != "" {
			t.Errorf("stored early (-want +got):\n%s", diff)
		}
		f.segments("out1/hls/720p", "segment-%05d.ts", 4)
		<-time.After(2 * earlyEvery)
		stored := e.End()
		if diff := cmp.Diff(append(want, "/hls/720p/segment-00003.ts"), f.shelf.list()); diff != "" {
			t.Errorf("stored early (-want +got):\n%s", diff)
		}
		if got := f.shelf.types["/dash/audio-00001.m4s"] + " " + f.shelf.types["/hls/720p/segment-00001.ts"]; got != "video/iso.segment video/mp2t" {
			t.Errorf("types %s", got)
		}
		if f.shelf.opened != 1 || f.shelf.closed != 1 {
			t.Errorf("opened %d times, closed %d times", f.shelf.opened, f.shelf.closed)
		}
		pub := func(source, key string) publication {
			return publication{source: source, key: key, file: source}
		}
		same, joined := pub("out1/hls/720p/segment-00001.ts", "/a"), pub("", "/b") // of which Build made another
		other, list := pub("out1/hls/720p/segment-00002.ts", "/c"), publication{key: "/master.m3u8", last: true}
		if err := os.WriteFile(filepath.Join(f.out.dir, other.file), []byte("of another size"), 0o600); err != nil {
			t.Fatal(err)
		}
		late := pub("out1/hls/720p/segment-00004.ts", "/d")
		if diff := cmp.Diff([]string{"/b", "/c", "/d", "/master.m3u8"}, keysOf(remaining(f.out.dir, []publication{same, joined, other, late, list}, stored))); diff != "" {
			t.Errorf("left to publish (-want +got):\n%s", diff)
		}
		e.Abandon()
	})
}

func keysOf(pubs []publication) (keys []string) {
	for _, p := range pubs {
		keys = append(keys, p.key)
	}
	return keys
}

// A storage that fails is left alone for a while and then opened anew; it is
// told once.
func TestEarlyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
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
		stored := e.End()
		if len(tries) != 3 || tries[1].Sub(tries[0]) < earlyRetry.Delay(1) || tries[2].Sub(tries[1]) < earlyRetry.Delay(2) || len(stored) != 2 {
			t.Errorf("tried at %v, stored %v", tries, stored)
		}
		if s.opened != 3 || s.closed != 3 {
			t.Errorf("opened %d times, closed %d times", s.opened, s.closed)
		}
		if n := strings.Count(f.log.String(), "segments are not uploaded early"); n != 1 {
			t.Errorf("told %d times:\n%s", n, f.log)
		}
		e.Abandon()
	})
}

// Where uploading early is of no use, nothing is uploaded.
func TestEarlyIsNotFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, s := range map[string]*shelf{
			"a storage that takes files together": {all: true},
			"a storage that refuses":              {put: func(context.Context, string) error { return job.Errorf(job.StorageRefused, "The bucket is not yours.") }},
		} {
			f := newFilm(t, s)
			f.segments("out1/hls/720p", "segment-%05d.ts", 4)
			e := f.start()
			<-time.After(time.Hour)
			if stored := e.End(); len(stored) > 0 || s.opened != 1 || s.closed != 1 {
				t.Errorf("%s: stored %v, opened %d times, closed %d times", name, stored, s.opened, s.closed)
			}
			e.Abandon()
		}
		f := newFilm(t, &shelf{})
		o := &job.Output{Type: job.TypeStream, URL: job.NewSecret("https://a/b")}
		none := f.run.Output(f.out.dir, o).StartSegments(t.Context(), filmPackages)
		if none != nil || none.End() != nil {
			t.Error("an output with an address of its own is uploaded early")
		}
		none.Abandon()
	})
}

// A run that ends, or an output that is given up, stops what is on its way.
func TestEarlyIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended int
		s := &shelf{}
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
		<-time.After(2 * earlyEvery)
		e.Abandon()
		if ended != 2 || len(s.list()) > 0 || s.closed != 1 {
			t.Errorf("%d uploads were ended, %v stored, closed %d times", ended, s.list(), s.closed)
		}
	})
}
