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

type deletingBucket struct{ fakeBucket }

func (k deletingBucket) Exists(_ context.Context, key string) (bool, error) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	k.s.asked = append(k.s.asked, key)
	if k.s.there == nil {
		return false, errors.New("403 Forbidden")
	}
	return k.s.there[key], nil
}

func (k deletingBucket) Delete(_ context.Context, key string) error {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.delete != nil {
		if err := k.s.delete(key); err != nil {
			return err
		}
	}
	k.s.deleted = append(k.s.deleted, key)
	return nil
}

var filmOutput = &job.Output{Key: "httpstream", Type: job.TypeStream}

// The segments of an output that fails are deleted, once.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{deletes: true, there: map[string]bool{"/elsewhere.m3u8": true}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * scanEvery)
		e.Abandon()
		f.run.Rollback(t.Context(), "another")
		if len(s.deleted) > 0 {
			t.Fatalf("another output has deleted %v", s.deleted)
		}
		f.run.Rollback(t.Context(), filmOutput.Key)
		f.run.Rollback(t.Context(), filmOutput.Key)
		if diff := cmp.Diff(s.list(), sorted(s.deleted)); diff != "" || len(s.list()) != 2 {
			t.Errorf("stored and deleted (-stored +deleted):\n%s", diff)
		}
		if s.opened != s.closed {
			t.Errorf("opened %d times, closed %d times", s.opened, s.closed)
		}
	})
}

func sorted(keys []string) []string { return slices.Sorted(slices.Values(keys)) }

// Playlists are deleted first, beginning with the outermost, and then the segments.
// What the storage may have in spite of an error is deleted too.
func TestRollbackOrder(t *testing.T) {
	s := &fakeStorage{deletes: true, there: map[string]bool{}}
	f := newFilm(t, s)
	f.out.c.Uploads = 1
	f.segments("out1", "%d", 4)
	bucket, _ := s.Bucket(t.Context(), nil, storage.Namespace{})
	if f.out.streamExists(t.Context(), bucket, filmPackages) {
		t.Fatal("a stream exists in an empty storage")
	}
	s.put = func(_ context.Context, key string) error {
		if key == "/hls/master.m3u8" {
			return errors.New("connection reset")
		}
		return nil
	}
	file := func(n string) string { return filepath.Join("out1", n) }
	err := f.out.upload(t.Context(), bucket, []object{
		{key: "/hls/720p.m3u8", name: file("2"), isPlaylist: true}, {key: "/hls/master.m3u8", name: file("3"), isPlaylist: true}, {key: "/hls/720p/1.ts", name: file("1")},
		{key: "/hls/never.m3u8", name: file("4"), isPlaylist: true},
	})
	if err == nil {
		t.Fatal("it was uploaded")
	}
	f.run.Rollback(t.Context(), filmOutput.Key)
	if diff := cmp.Diff([]string{"/hls/master.m3u8", "/hls/720p.m3u8", "/hls/720p/1.ts"}, s.deleted); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}

// The segments of an older stream are not replaced before the new stream is
// complete, and nothing is deleted.
func TestExistingStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{deletes: true, there: map[string]bool{"/dash/master.mpd": true}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(time.Minute)
		if stored := e.Finish(); len(stored) > 0 || len(s.list()) > 0 {
			t.Errorf("uploaded: %v", s.list())
		}
		bucket, _ := s.Bucket(t.Context(), nil, storage.Namespace{})
		if err := f.out.upload(t.Context(), bucket, []object{{key: "/hls/1.ts", name: "out1/hls/720p/segment-00001.ts"}}); err != nil {
			t.Fatal(err)
		}
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.deleted) > 0 {
			t.Errorf("deleted: %v", s.deleted)
		}
		if len(s.asked) == 0 {
			t.Error("the storage was not asked")
		}
	})
}

// Without the permission to look for an older stream, segments are uploaded and
// nothing is deleted. Without the permission to delete, a warning is logged.
func TestRollbackForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, s := range map[string]*fakeStorage{
			"look":   {deletes: true},
			"remove": {deletes: true, there: map[string]bool{}, delete: func(string) error { return errors.New("403 Forbidden") }},
		} {
			f := newFilm(t, s)
			f.segments("out1/hls/720p", "segment-%05d.ts", 3)
			e := f.start()
			<-time.After(2 * scanEvery)
			if stored := e.Finish(); len(stored) != 2 {
				t.Errorf("%s: uploaded: %v", name, stored)
			}
			f.run.Rollback(t.Context(), filmOutput.Key)
			if len(s.deleted) > 0 {
				t.Errorf("%s: deleted: %v", name, s.deleted)
			}
			if warned := strings.Contains(f.log.String(), "rollback failed"); warned != (name == "remove") {
				t.Errorf("%s: %s", name, f.log)
			}
		}
	})
}

// In a bucket another job may have stored objects under the same keys.
func TestNoRollbackInBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{deletes: true, there: map[string]bool{}}
		f := newFilm(t, s)
		f.run.target.Storage.Service = "s3"
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * scanEvery)
		e.Abandon()
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.list()) != 2 || len(s.deleted) > 0 {
			t.Errorf("stored %v, deleted %v", s.list(), s.deleted)
		}
	})
}

// A run that has lost its lease deletes nothing: its successor may have stored
// objects under the same keys.
func TestNoRollbackWithoutLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStorage{deletes: true, there: map[string]bool{}}
		f := newFilm(t, s)
		f.segments("out1/hls/720p", "segment-%05d.ts", 3)
		e := f.start()
		<-time.After(2 * scanEvery)
		e.Abandon()
		<-time.After(time.Minute) // the last answer is old
		f.store.answer(job.ErrLeaseLost)
		f.run.Rollback(t.Context(), filmOutput.Key)
		if len(s.deleted) > 0 {
			t.Errorf("deleted: %v", s.deleted)
		}
	})
}
