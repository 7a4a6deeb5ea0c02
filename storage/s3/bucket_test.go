package s3

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

func amazon(f *fake, bucket, region string) (*job.Storage, Options, *transport) {
	st := s3other("", bucket, "AKID", "secret")
	st.Service, st.Region = "s3", region
	o := testOptions()
	tr := &transport{f: f}
	o.Client = &http.Client{Transport: tr}
	return st, o, tr
}

func putX(b *Bucket) error {
	return b.Put(context.Background(), "dir/file.mp4", storagetest.Body([]byte("x")), storage.PutOptions{ContentType: "video/mp4"})
}

func TestHeaders(t *testing.T) {
	f := newFake(t)
	st := s3other(f.URL, "b", "AKID", "secret")
	st.ACL, st.StorageClass, st.CacheControl, st.Expires = "bucket-owner-read", "STANDARD_IA", "max-age=1", "in a while"
	o := testOptions()
	o.PartSize = 5 << 20
	b := mustOpen(t, st, o)
	if err := putX(b); err != nil {
		t.Fatal(err)
	}
	large := bytes.NewReader(make([]byte, 11<<20))
	if err := b.Put(t.Context(), "large.mp4", large, storage.PutOptions{ContentType: "video/mp4"}); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, 1} { // PutObject, CreateMultipartUpload
		r := f.recorded()[i]
		for name, want := range map[string]string{
			"X-Amz-Acl": st.ACL, "X-Amz-Storage-Class": st.StorageClass, "Cache-Control": st.CacheControl,
			"Expires": st.Expires, "Content-Type": "video/mp4",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s %s: %s = %q, want %q", r.method, r.uri, name, got, want)
			}
		}
	}
	// Only requests to Amazon may have a checksum, since some servers of the
	// family do not know it.
	for _, r := range f.recorded() {
		for name := range r.header {
			if l := strings.ToLower(name); strings.Contains(l, "checksum") || l == "x-amz-trailer" || l == "content-encoding" {
				t.Errorf("%s %s has header %s", r.method, r.uri, name)
			}
		}
		if strings.Contains(r.body, "Checksum") {
			t.Errorf("%s %s: body %s", r.method, r.uri, r.body)
		}
	}
}

func TestAmazonDefaults(t *testing.T) {
	f := newFake(t)
	st, o, tr := amazon(f, "bkt", "")
	if err := putX(mustOpen(t, st, o)); err != nil {
		t.Fatal(err)
	}
	r := f.recorded()[0]
	if r.header.Get("X-Amz-Acl") != "public-read" {
		t.Errorf("ACL = %q, want public-read", r.header.Get("X-Amz-Acl"))
	}
	if r.header.Get("X-Amz-Trailer") != "x-amz-checksum-crc32" {
		t.Errorf("no checksum: %v", r.header)
	}
	if want := "https://bkt.s3.us-east-1.amazonaws.com/dir/file.mp4?x-id=PutObject"; tr.urls[0] != want {
		t.Errorf("URL %s, want %s", tr.urls[0], want)
	}
}

func TestRetries(t *testing.T) {
	tests := []struct {
		name   string
		answer func(n int, w http.ResponseWriter, r *http.Request) bool
	}{
		{"503 SlowDown", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 503, "SlowDown") }},
		{"500", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 500, "InternalError") }},
		{"502 of a proxy", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 502, "") }},
		{"429", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 429, "") }},
		{"RequestTimeout", func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 400, "RequestTimeout") }},
		{"broken connection", func(int, http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = func(n int, w http.ResponseWriter, r *http.Request) bool { return n <= 3 && tt.answer(n, w, r) }
			b := mustOpen(t, s3other(f.URL, "b", "AKID", "secret"), testOptions())
			if err := putX(b); err != nil || len(f.recorded()) != 4 {
				t.Errorf("after three failures: %v, %d requests", err, len(f.recorded()))
			}
			if body := f.recorded()[3].body; body != "x" {
				t.Errorf("the last try sent %q", body)
			}
			f.answer = tt.answer
			err := putX(b)
			if _, ok := errors.AsType[*storage.Unavailable](err); !ok || job.IsPermanent(err) || len(f.recorded()) != 10 {
				t.Errorf("for ever: %v after %d requests", err, len(f.recorded())-4)
			}
		})
	}
}

func TestNoRetry(t *testing.T) {
	f := newFake(t)
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 403, "AccessDenied") }
	b := mustOpen(t, s3other(f.URL, "b", "AKID", "secret"), testOptions())
	err := putX(b)
	if want := "The credentials have no access to bucket 'b' or may not do this in it (AccessDenied)."; job.Message(err, "") != want {
		t.Errorf("Put = %v, want %q", err, want)
	}
	if len(f.recorded()) != 1 {
		t.Errorf("%d requests", len(f.recorded()))
	}
	// Credentials that may only put are refused the list, which must not fail
	// the job.
	if err := b.Check(t.Context()); err != nil {
		t.Errorf("Check = %v", err)
	}
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 418, "<b>buy here</b>") }
	if msg := job.Message(putX(b), ""); msg != "The storage refused the request for bucket 'b' (HTTP status code: 418)." {
		t.Errorf("a strange answer: %q", msg)
	}
}

func TestUnreachable(t *testing.T) {
	f := newFake(t)
	f.Close()
	b := mustOpen(t, s3other(f.URL, "b", "AKID", "secret"), testOptions())
	err := b.Check(t.Context())
	u, ok := errors.AsType[*storage.Unavailable](err)
	if !ok || u.Message != "The storage of bucket 'b' could not be reached: the connection was refused." {
		t.Errorf("Check = %v", err)
	}
	b = mustOpen(t, s3other("http://no-such-host.invalid", "b", "AKID", "secret"), testOptions())
	err = b.Check(t.Context())
	if msg := job.Message(err, ""); !strings.HasPrefix(msg, "The storage of bucket 'b' could not be reached: the host name") {
		if _, ok := errors.AsType[*storage.Unavailable](err); !ok { // there is no resolver here
			t.Errorf("Check = %v", err)
		}
	}
}

func TestACLIsGivenUp(t *testing.T) {
	f := newFake(t)
	f.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		return r.Header.Get("X-Amz-Acl") != "" && fail(w, 400, "AccessControlListNotSupported")
	}
	st, o, _ := amazon(f, "bkt", "eu-west-1")
	b := mustOpen(t, st, o)
	for range 2 {
		if err := putX(b); err != nil {
			t.Fatal(err)
		}
	}
	// One request with an ACL, one without, and then none with it any more.
	if n := len(f.recorded()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 403, "AccessDenied") }
	if err := putX(mustOpen(t, st, o)); err == nil || len(f.recorded()) != 4 {
		t.Errorf("another error was tried again: %v", err)
	}
}

func TestRegionIsFound(t *testing.T) {
	f := newFake(t)
	f.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Authorization"), "/eu-west-3/") {
			return false
		}
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-3")
		return fail(w, 301, "PermanentRedirect")
	}
	st, o, tr := amazon(f, "bkt", "us-east-1")
	b := mustOpen(t, st, o)
	if err := b.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := putX(b); err != nil {
		t.Fatal(err)
	}
	if len(tr.urls) != 3 || !strings.HasPrefix(tr.urls[2], "https://bkt.s3.eu-west-3.amazonaws.com/") {
		t.Errorf("requests: %v", tr.urls)
	}
	if got, want := b.URL("k"), "https://bkt.s3.eu-west-3.amazonaws.com/k"; got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
	// A header that is not a region must not become a host name.
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-Amz-Bucket-Region", "evil.example/")
		return fail(w, 301, "PermanentRedirect")
	}
	if err := putX(mustOpen(t, st, o)); job.Message(err, "") == "" {
		t.Errorf("Put = %v", err)
	}
}

func TestPartSize(t *testing.T) {
	const mib = 1 << 20
	for total, want := range map[int64]int64{
		0: 8 * mib, 20 * mib: 8 * mib, 80_000 * mib: 8 * mib, 80_000*mib + 1: 9 * mib, 5 << 40: 525 * mib,
	} {
		got := partSize(total, 8*mib)
		if got != want || (total+got-1)/got > maxParts {
			t.Errorf("partSize(%d) = %d, want %d", total, got, want)
		}
	}
}
