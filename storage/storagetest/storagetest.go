// Package storagetest is the conformance suite that every storage.Bucket
// passes, against a real server where there is one.
package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/copra-video/copra/storage"
)

// Target is one bucket under test.
type Target struct {
	Bucket storage.Bucket
	// Read returns an object as a reader of the service gets it, with the HTTP headers
	// that the service has for it. If there is no such object, it returns nil and no
	// error.
	Read func(key string) ([]byte, http.Header, error)
	// Break makes the server drop the connection in the middle of the next upload, once.
	// It is nil where that cannot be done.
	Break func()
	// Untyped is set for services that do not keep the content type.
	Untyped bool
	// LargeSize is the size of a large object in bytes. Defaults to 20 MiB.
	LargeSize int
}

// Run runs the suite; open makes a fresh, empty bucket for each test.
func Run(t *testing.T, open func(t *testing.T) Target) {
	some := open(t)
	_, deletes := some.Bucket.(storage.Deleter)
	tests := []struct {
		name    string
		applies bool
		run     func(t *testing.T, target Target)
	}{
		{"check", true, testCheck},
		{"put", true, testPut},
		{"replace", true, testReplace},
		{"empty", true, testEmpty},
		{"names", true, testNames},
		{"content type", !some.Untyped, testContentType},
		{"large", true, testLarge},
		{"body fails", true, testBodyFails},
		{"cancelled", true, testCancelled},
		{"connection breaks", some.Break != nil, testConnectionBreaks},
		{"delete", deletes, testDelete},
		{"delete neighbours", deletes, testDeleteNeighbours},
		{"delete names", deletes, testDeleteNames},
		{"delete cancelled", deletes, testDeleteCancelled},
	}
	for _, tt := range tests {
		if tt.applies {
			t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
		}
	}
}

// Body is a storage.Body of bytes.
func Body(b []byte) storage.Body { return bytes.NewReader(b) }

// Random returns n pseudo-random bytes, which depend on n alone.
func Random(n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	_, _ = src.Read(b)
	return b
}

func put(t *testing.T, target Target, key string, content []byte) {
	t.Helper()
	err := target.Bucket.Put(t.Context(), key, Body(content), storage.PutOptions{ContentType: "application/octet-stream"})
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func want(t *testing.T, target Target, key string, content []byte) http.Header {
	t.Helper()
	got, header, err := target.Read(key)
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	if !bytes.Equal(got, content) {
		t.Fatalf("%q holds %d bytes, not the %d that were put", key, len(got), len(content))
	}
	return header
}

func testCheck(t *testing.T, target Target) {
	if err := target.Bucket.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func testPut(t *testing.T, target Target) {
	content := Random(12345)
	put(t, target, "folder/file.bin", content)
	want(t, target, "folder/file.bin", content)
}

func testReplace(t *testing.T, target Target) {
	put(t, target, "a/file.bin", Random(1000))
	put(t, target, "a/file.bin", Random(10))
	want(t, target, "a/file.bin", Random(10))
}

func testEmpty(t *testing.T, target Target) {
	put(t, target, "empty.bin", nil)
	want(t, target, "empty.bin", nil)
}

// names are keys with characters that often go wrong in addresses, signatures and paths.
var names = []string{
	"with space.mp4", "plus+plus.mp4", "ünïcödé/日本語.mp4", "a&b=c;d,e.mp4", "percent%20sign%.mp4", "quote'(1)!*.mp4",
	"colon:at@dollar$.mp4", "hash#question?.mp4", "~tilde_-.mp4", "deep/er/and/deeper/file.ts",
}

func testNames(t *testing.T, target Target) {
	for _, key := range names {
		put(t, target, key, []byte(key))
		want(t, target, key, []byte(key))
		address := target.Bucket.URL(key)
		u, err := url.Parse(address)
		if err != nil || u.Scheme == "" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("URL(%q) = %q, no plain address (%v)", key, address, err)
		} else if !strings.HasSuffix(u.Path, "/"+key) {
			t.Errorf("URL(%q) = %q, which decodes to %q", key, address, u.Path)
		}
		if strings.ContainsAny(address, " +") || strings.ContainsFunc(address, func(r rune) bool { return r > '~' }) {
			t.Errorf("URL(%q) = %q is not percent-encoded", key, address)
		}
	}
}

func testContentType(t *testing.T, target Target) {
	for key, typ := range map[string]string{
		"a.mp4": "video/mp4", "master.m3u8": "application/vnd.apple.mpegurl", "master.mpd": "application/dash+xml", "a.jpg": "image/jpeg",
	} {
		err := target.Bucket.Put(t.Context(), key, Body([]byte("x")), storage.PutOptions{ContentType: typ})
		if err != nil {
			t.Fatal(err)
		}
		if got := want(t, target, key, []byte("x")).Get("Content-Type"); got != typ {
			t.Errorf("%s has type %q, want %q", key, got, typ)
		}
	}
}

func testLarge(t *testing.T, target Target) {
	size := target.LargeSize
	if size == 0 {
		size = 20 << 20
	}
	content := Random(size + 1)
	put(t, target, "large.bin", content)
	want(t, target, "large.bin", content)
}

// testBodyFails checks that a body that cannot be read leaves the earlier object
// in place, and that the next attempt succeeds.
func testBodyFails(t *testing.T, target Target) {
	put(t, target, "file.bin", []byte("before"))
	broken := &failingBody{Reader: bytes.NewReader(Random(100_000)), from: 50_000}
	err := target.Bucket.Put(t.Context(), "file.bin", broken, storage.PutOptions{})
	if err == nil {
		t.Fatal("Put of a body that cannot be read succeeded")
	}
	want(t, target, "file.bin", []byte("before"))
	put(t, target, "file.bin", []byte("after"))
	want(t, target, "file.bin", []byte("after"))
}

func testCancelled(t *testing.T, target Target) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if err := target.Bucket.Put(ctx, "never.bin", Body(Random(1000)), storage.PutOptions{}); err == nil {
		t.Fatal("Put with a cancelled context succeeded")
	}
	if got, _, err := target.Read("never.bin"); err != nil || got != nil {
		t.Errorf("the object is there: %d bytes, %v", len(got), err)
	}
}

func testConnectionBreaks(t *testing.T, target Target) {
	content := Random(1 << 20)
	target.Break()
	put(t, target, "broken.bin", content)
	want(t, target, "broken.bin", content)
}

// failingBody cannot be read from an offset on.
type failingBody struct {
	*bytes.Reader
	from int64
}

func (f *failingBody) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, fmt.Errorf("read at %d: bad sector", off)
	}
	return f.Reader.ReadAt(p, off)
}
