package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/copra-video/copra/storage"
)

func wantExists(t *testing.T, d storage.Deleter, key string, want bool) {
	t.Helper()
	if got, err := d.Exists(t.Context(), key); got != want || err != nil {
		t.Errorf("Exists(%q) = %t, %v; want %t", key, got, err, want)
	}
}

func remove(t *testing.T, d storage.Deleter, key string) {
	t.Helper()
	if err := d.Delete(t.Context(), key); err != nil {
		t.Errorf("Delete(%q): %v", key, err)
	}
}

func wantGone(t *testing.T, target Target, key string) {
	t.Helper()
	if got, _, err := target.Read(key); err != nil || got != nil {
		t.Errorf("%q is still there: %d bytes, %v", key, len(got), err)
	}
}

func testDelete(t *testing.T, target Target) {
	d := target.Bucket.(storage.Deleter)
	const key = "folder/file.bin"
	wantExists(t, d, key, false)
	remove(t, d, key)
	for range 2 { // a name can be reused
		put(t, target, key, Random(1000))
		put(t, target, key, Random(2000)) // the replaced object must not come back
		wantExists(t, d, key, true)
		remove(t, d, key)
		wantExists(t, d, key, false)
		wantGone(t, target, key)
		remove(t, d, key)
		wantExists(t, d, key, false)
	}
	put(t, target, "empty.bin", nil)
	wantExists(t, d, "empty.bin", true)
}

// testDeleteNeighbours checks that Exists and Delete act on one name alone, and
// that the folder of an object is no object.
func testDeleteNeighbours(t *testing.T, target Target) {
	d := target.Bucket.(storage.Deleter)
	others := []string{"a/seg_10.ts", "a/seg_1.ts.bak", "a/seg_1/x.ts", "a/seg_", "ab/seg_1.ts"}
	for _, key := range others {
		put(t, target, key, []byte(key))
	}
	for _, key := range []string{"a/seg_1.ts", "a/seg_1", "a/se", "a", "none/seg_1.ts"} {
		wantExists(t, d, key, false)
		remove(t, d, key)
	}
	put(t, target, "a/seg_1.ts", []byte("mine"))
	wantExists(t, d, "a/seg_1.ts", true)
	remove(t, d, "a/seg_1.ts")
	wantExists(t, d, "a/seg_1.ts", false)
	for _, key := range others {
		wantExists(t, d, key, true)
		want(t, target, key, []byte(key))
	}
}

func testDeleteNames(t *testing.T, target Target) {
	d := target.Bucket.(storage.Deleter)
	for _, key := range names {
		wantExists(t, d, key, false)
		put(t, target, key, []byte(key))
		wantExists(t, d, key, true)
	}
	for _, key := range names {
		remove(t, d, key)
		wantExists(t, d, key, false)
		wantGone(t, target, key)
	}
}

func testDeleteCancelled(t *testing.T, target Target) {
	d := target.Bucket.(storage.Deleter)
	put(t, target, "file.bin", []byte("x"))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if found, err := d.Exists(ctx, "file.bin"); found || err == nil {
		t.Errorf("Exists with a cancelled context = %t, %v", found, err)
	}
	if err := d.Delete(ctx, "file.bin"); err == nil {
		t.Error("Delete with a cancelled context succeeded")
	}
	wantExists(t, d, "file.bin", true)
}
