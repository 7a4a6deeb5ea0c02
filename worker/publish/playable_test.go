package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// playableFilm is an early stream whose segments are made one by one.
type playableFilm struct {
	film
	made     chan struct{}
	failed   error
	playable *PlayableStream
}

func newPlayableFilm(t *testing.T, s *fakeStorage, again bool) *playableFilm {
	s.bodies = map[string]string{}
	f := &playableFilm{film: newFilm(t, s), made: make(chan struct{})}
	if err := os.Mkdir(filepath.Join(f.out.dir, "early"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.playable = f.out.StartPlayable(t.Context(), transcode.Early{
		Package: stream.Package{Layout: stream.TS, HLS: true, Dir: "early", Path: "/hls/early", Name: "master", TargetDuration: 6, Tracks: []stream.Track{
			{ID: "early", Type: stream.Muxed, Segments: "segment-%05d.ts"},
		}},
		Later: stream.Package{Layout: stream.TS, HLS: true, Path: "/hls", Name: "master"}, PeakK: 100,
	}, again, f.made, func() error { return f.failed })
	return f
}

// cut makes segment n.
func (f *playableFilm) cut(n int) {
	f.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("../testdata/segment-%05d.ts", n))
	if err == nil {
		err = os.WriteFile(filepath.Join(f.out.dir, fmt.Sprintf("early/segment-%05d.ts", n)), data, 0o600)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// wait gives the early stream time for what it does at once.
func (f *playableFilm) wait() {
	<-time.After(10 * time.Second)
	synctest.Wait()
}

func (f *playableFilm) playlist() string { return f.storage.bodies["/hls/early/stream.m3u8"] }

// TestPlayableStream: the first segment is told of as soon as it is complete, and only what is
// stored is in a playlist.
func TestPlayableStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{}
		f := newPlayableFilm(t, s, false)
		f.cut(1)
		f.wait()
		if len(s.keys) > 0 {
			t.Fatalf("%v is stored while the first segment is made", s.keys)
		}
		f.cut(2)
		f.wait()
		if diff := cmp.Diff([]string{"/hls/early/segment-00001.ts", "/hls/early/stream.m3u8", "/hls/early/master.m3u8"}, s.keys); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if list := f.playlist(); strings.Count(list, "#EXTINF") != 1 || strings.Contains(list, "ENDLIST") {
			t.Errorf("the playlist:\n%s", list)
		}
		if len(f.store.events) != 1 || f.store.events[0].Kind != job.StreamPlayableEvent || f.store.events[0].Result.Early != "https://storage/hls/early/master.m3u8" {
			t.Errorf("the events %+v", f.store.events)
		}
		close(f.made)
		f.wait()
		f.playable.Close()
		if diff := cmp.Diff([]string{"/hls/early/segment-00002.ts", "/hls/early/stream.m3u8"}, s.keys[3:]); diff != "" {
			t.Errorf("stored afterwards (-want +got):\n%s", diff)
		}
		if list := f.playlist(); strings.Count(list, "#EXTINF") != 2 || !strings.HasSuffix(list, "#EXT-X-ENDLIST\n") || len(f.store.events) != 1 {
			t.Errorf("the playlist in the end:\n%s", list)
		}
		if s.opened != s.closed {
			t.Errorf("opened %d times, closed %d times", s.opened, s.closed)
		}
	})
}

// TestPlayableStreamAgain: a run that finds the stream of an earlier one replaces its playlist by
// the whole one only, and tells of nothing. All segments may be there at once.
func TestPlayableStreamAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{}
		f := newPlayableFilm(t, s, true)
		f.cut(1)
		f.cut(2)
		f.wait()
		if diff := cmp.Diff([]string{"/hls/early/segment-00001.ts"}, s.keys); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		close(f.made)
		f.wait()
		f.playable.Close()
		if list := f.playlist(); strings.Count(list, "#EXTINF") != 2 || !strings.HasSuffix(list, "#EXT-X-ENDLIST\n") || len(f.store.events) > 0 {
			t.Errorf("events %v, the playlist:\n%s", f.store.events, list)
		}
	})
}

// TestPlayableStreamAtOnce: what is whole before anything is stored has one playlist, which ends.
func TestPlayableStreamAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPlayableFilm(t, &fakeStorage{}, false)
		f.cut(1)
		f.cut(2)
		close(f.made)
		f.wait()
		f.playable.Close()
		if list := f.playlist(); strings.Count(list, "#EXTINF") != 2 || !strings.HasSuffix(list, "#EXT-X-ENDLIST\n") || len(f.store.events) != 1 {
			t.Errorf("events %v, the playlist:\n%s", f.store.events, list)
		}
	})
}

// TestPlayableStreamStops: a run that ends leaves the playlist as it is, since another may go on. An
// output that fails ends it, and then takes it back. One that is published takes its place.
func TestPlayableStreamStops(t *testing.T) {
	for name, test := range map[string]struct {
		stop func(f *playableFilm)
		ends bool
	}{
		"the run ends":     {func(f *playableFilm) { f.playable.Close() }, false},
		"the output fails": {func(f *playableFilm) { f.playable.End(f.t.Context()) }, true},
		"the output is published": {func(f *playableFilm) {
			name := filepath.Join(f.out.dir, "out1/hls"+publishedSuffix, "master.m3u8")
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("#EXTM3U\n720p/stream.m3u8\n"), 0o600)); err != nil {
				f.t.Fatal(err)
			}
			f.playable.Replace(f.t.Context(), filmPackages)
			if got := f.storage.bodies["/hls/early/master.m3u8"]; got != "#EXTM3U\n../720p/stream.m3u8\n" {
				f.t.Errorf("the address of the early stream has %q", got)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeStorage{deletes: true, there: map[string]bool{}}
				f := newPlayableFilm(t, s, false)
				f.cut(1)
				f.cut(2)
				f.wait()
				test.stop(f)
				f.playable.Close()
				if got := strings.HasSuffix(f.playlist(), "#EXT-X-ENDLIST\n"); got != test.ends {
					t.Errorf("ended: %v\n%s", got, f.playlist())
				}
				f.run.Rollback(t.Context(), filmOutput.Key)
				keys := sorted(s.keys)
				if diff := cmp.Diff(slices.Compact(keys), sorted(s.deleted)); diff != "" || len(keys) < 3 {
					t.Errorf("stored and taken back (-stored +deleted):\n%s", diff)
				}
			})
		})
	}
}

// TestPlayableStreamFails: a step that fails leaves nothing; a storage that is away is tried again;
// one that takes all at once has no early stream; a lost lease ends it.
func TestPlayableStreamFails(t *testing.T) {
	for name, test := range map[string]struct {
		storage *fakeStorage
		failed  error
		lost    bool
		stored  int
		log     string
	}{
		"step":        {&fakeStorage{}, errors.New("ffmpeg has failed"), false, 0, "ffmpeg has failed"},
		"batch":       {&fakeStorage{batch: true}, nil, false, 0, errNotByFiles.Error()},
		"lease":       {&fakeStorage{}, nil, true, 0, job.ErrLeaseLost.Error()},
		"unavailable": {&fakeStorage{put: twice(&storage.Unavailable{Message: "503"})}, nil, false, 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newPlayableFilm(t, test.storage, false)
				f.failed = test.failed
				if test.lost {
					f.store.answer(job.ErrLeaseLost)
				}
				if test.failed == nil {
					f.cut(1)
					f.cut(2)
				}
				f.wait()
				close(f.made)
				<-time.After(time.Minute)
				f.playable.Close()
				if n := len(test.storage.keys); n != test.stored || !strings.Contains(f.log.String(), test.log) || (test.log == "") != !strings.Contains(f.log.String(), "WARN") {
					t.Errorf("%v is stored, the log says %s", test.storage.keys, f.log)
				}
			})
		})
	}
}

// twice fails the first two uploads.
func twice(err error) func(context.Context, string) error {
	n := 0
	return func(context.Context, string) error {
		if n++; n <= 2 {
			return err
		}
		return nil
	}
}
