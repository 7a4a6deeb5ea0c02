package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/copra-video/copra/storage"
)

func wantHas(t *testing.T, k storage.Deleter, key string, want bool) {
	t.Helper()
	if got, err := k.Exists(t.Context(), key); got != want || err != nil {
		t.Errorf("Has(%q) = %t, %v; want %t", key, got, err, want)
	}
}

func remove(t *testing.T, k storage.Deleter, key string) {
	t.Helper()
	if err := k.Delete(t.Context(), key); err != nil {
		t.Errorf("Remove(%q): %v", key, err)
	}
}

func wantGone(t *testing.T, target Target, key string) {
	t.Helper()
	if got, _, err := target.Read(key); err != nil || got != nil {
		t.Errorf("%q is still there: %d bytes, %v", key, len(got), err)
	}
}

func testDelete(t *testing.T, target Target) {
	k := target.Bucket.(storage.Deleter)
	const key = "folder/file.bin"
	wantHas(t, k, key, false)
	remove(t, k, key)
	for range 2 { // a name can be reused
		put(t, target, key, Random(1000))
		put(t, target, key, Random(2000)) // the replaced object must not come back
		wantHas(t, k, key, true)
		remove(t, k, key)
		wantHas(t, k, key, false)
		wantGone(t, target, key)
		remove(t, k, key)
		wantHas(t, k, key, false)
	}
	put(t, target, "empty.bin", nil)
	wantHas(t, k, "empty.bin", true)
}

// testDeleteNeighbours checks that Exists and Delete act on one name alone, and
// that the folder of an object is no object.
func testDeleteNeighbours(t *testing.T, target Target) {
	k := target.Bucket.(storage.Deleter)
	others := []string{"a/seg_10.ts", "a/seg_1.ts.bak", "a/seg_1/x.ts", "a/seg_", "ab/seg_1.ts"}
	for _, key := range others {
		put(t, target, key, []byte(key))
	}
	for _, key := range []string{"a/seg_1.ts", "a/seg_1", "a/se", "a", "none/seg_1.ts"} {
		wantHas(t, k, key, false)
		remove(t, k, key)
	}
	put(t, target, "a/seg_1.ts", []byte("mine"))
	wantHas(t, k, "a/seg_1.ts", true)
	remove(t, k, "a/seg_1.ts")
	wantHas(t, k, "a/seg_1.ts", false)
	for _, key := range others {
		wantHas(t, k, key, true)
		want(t, target, key, []byte(key))
	}
}

func testDeleteNames(t *testing.T, target Target) {
	k := target.Bucket.(storage.Deleter)
	for _, key := range names {
		wantHas(t, k, key, false)
		put(t, target, key, []byte(key))
		wantHas(t, k, key, true)
	}
	for _, key := range names {
		remove(t, k, key)
		wantHas(t, k, key, false)
		wantGone(t, target, key)
	}
}

func testDeleteCancelled(t *testing.T, target Target) {
	k := target.Bucket.(storage.Deleter)
	put(t, target, "file.bin", []byte("x"))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if found, err := k.Exists(ctx, "file.bin"); found || err == nil {
		t.Errorf("Has with a cancelled context = %t, %v", found, err)
	}
	if err := k.Delete(ctx, "file.bin"); err == nil {
		t.Error("Remove with a cancelled context succeeded")
	}
	wantHas(t, k, "file.bin", true)
}
