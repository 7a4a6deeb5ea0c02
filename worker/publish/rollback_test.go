package publish

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

type shelfKeeper struct{ shelfBucket }

func (k shelfKeeper) Exists(_ context.Context, key string) (bool, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.looked = append(k.s.looked, key)
	if k.s.there == nil {
		return false, errors.New("403 Forbidden")
	}
	return k.s.there[key], nil
}

func (k shelfKeeper) Delete(_ context.Context, key string) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.remove != nil {
		if err := k.s.remove(key); err != nil {
			return err
		}
	}
	k.s.removed = append(k.s.removed, key)
	return nil
}

var filmOutput = &job.Output{Key: "httpstream", Type: job.TypeStream}

// What was uploaded early of an output that fails is taken away, once.
func TestWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{keeps: true, there: map[string]bool{"/elsewhere.m3u8": true}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * earlyEvery)
		e.Abandon()
		f.run.Rollback(t.Context(), "another")
		if len(s.removed) > 0 {
			t.Fatalf("another output has taken away %v", s.removed)
		}
		f.run.Rollback(t.Context(), filmOutput.Key)
		f.run.Rollback(t.Context(), filmOutput.Key)
		if diff := cmp.Diff(s.list(), sorted(s.removed)); diff != "" || len(s.list()) != 2 {
			t.Errorf("stored and taken away (-stored +away):\n%s", diff)
		}
		if s.opened != s.closed {
			t.Errorf("opened %d times, closed %d times", s.opened, s.closed)
		}
	})
}

func sorted(keys []string) []string { return slices.Sorted(slices.Values(keys)) }

// Playlists go first, the outermost at once, and their segments after them; so
// does what was not stored for certain.
func TestWithdrawPublished(t *testing.T) {
	s := &shelf{keeps: true, there: map[string]bool{}}
	f := newFilm(t, s)
	f.out.c.Uploads = 1
	f.segments("out1", "%d", 4)
	bucket, _ := s.Bucket(t.Context(), nil, storage.Namespace{})
	if f.run.stands(t.Context(), bucket, filmOutput, filmPackages) {
		t.Fatal("a stream stands in an empty storage")
	}
	s.put = func(_ context.Context, key string) error {
		if key == "/hls/master.m3u8" {
			return errors.New("connection reset")
		}
		return nil
	}
	file := func(n string) string { return filepath.Join("out1", n) }
	err := f.out.publish(t.Context(), bucket, []publication{
		{key: "/hls/720p.m3u8", file: file("2"), last: true}, {key: "/hls/master.m3u8", file: file("3"), last: true}, {key: "/hls/720p/1.ts", file: file("1")},
		{key: "/hls/never.m3u8", file: file("4"), last: true},
	})
	if err == nil {
		t.Fatal("it was published")
	}
	f.run.Rollback(t.Context(), filmOutput.Key)
	if diff := cmp.Diff([]string{"/hls/master.m3u8", "/hls/720p.m3u8", "/hls/720p/1.ts"}, s.removed); diff != "" {
		t.Errorf("taken away (-want +got):\n%s", diff)
	}
}

// Where an older stream stands, its segments are not replaced before all of the
// new one is there, and nothing of it is taken away.
func TestOlderStreamStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{keeps: true, there: map[string]bool{"/dash/master.mpd": true}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(time.Minute)
		if stored := e.End(); len(stored) > 0 || len(s.list()) > 0 {
			t.Errorf("stored early: %v", s.list())
		}
		bucket, _ := s.Bucket(t.Context(), nil, storage.Namespace{})
		if err := f.out.publish(t.Context(), bucket, []publication{{key: "/hls/1.ts", file: "out1/hls/720p/segment-00001.ts"}}); err != nil {
			t.Fatal(err)
		}
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.removed) > 0 {
			t.Errorf("taken away: %v", s.removed)
		}
		if len(s.looked) == 0 {
			t.Error("nobody has looked")
		}
	})
}

// Who may not look uploads early as before, and takes nothing away: what stood
// there is not known. Who may not remove leaves the rest.
func TestWithdrawForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, s := range map[string]*shelf{
			"look":   {keeps: true},
			"remove": {keeps: true, there: map[string]bool{}, remove: func(string) error { return errors.New("403 Forbidden") }},
		} {
			f := newFilm(t, s)
			f.segments("out1/hls/720p", "segment-%05d.ts", 3)
			e := f.start()
			<-time.After(2 * earlyEvery)
			if stored := e.End(); len(stored) != 2 {
				t.Errorf("%s: stored early: %v", name, stored)
			}
			f.run.Rollback(t.Context(), filmOutput.Key)
			if len(s.removed) > 0 {
				t.Errorf("%s: taken away: %v", name, s.removed)
			}
			if warned := strings.Contains(f.log.String(), "stay in its storage"); warned != (name == "remove") {
				t.Errorf("%s: %s", name, f.log)
			}
		}
	})
}

// In a bucket another job may have stored the same names.
func TestWithdrawFromBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{keeps: true, there: map[string]bool{}}
		f := newFilm(t, s)
		f.run.target.Storage.Service = "s3"
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * earlyEvery)
		e.Abandon()
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.list()) != 2 || len(s.removed) > 0 {
			t.Errorf("stored %v, taken away %v", s.list(), s.removed)
		}
	})
}

// A run that has lost its job takes nothing away: its successor may have stored
// the same names.
func TestWithdrawIsNotForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{keeps: true, there: map[string]bool{}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * earlyEvery)
		e.Abandon()
		<-time.After(time.Minute) // the last answer is old
		f.store.err = job.ErrLeaseLost
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.removed) > 0 {
			t.Errorf("taken away: %v", s.removed)
		}
	})
}
