package s3

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Exists and Delete return an error when a server refuses, but not when it
// answers that the object does not exist.
func TestDeleterAnswers(t *testing.T) {
	const refused = "The credentials have no access to bucket 'b' or may not do this in it "
	for _, tt := range []struct {
		name        string
		status      int
		code        string
		has, remove string // "": no error
	}{
		{"missing", 404, "NoSuchKey", "", ""},
		{"missing, by a server of few words", 404, "", "", ""},
		{"forbidden", 403, "AccessDenied", refused + "(Forbidden).", refused + "(AccessDenied)."},
		{"no bucket", 404, "NoSuchBucket", "", "The bucket 'b' does not exist (NoSuchBucket)."},
		{"kept", 405, "MethodNotAllowed", "The storage of bucket 'b' does not allow this (MethodNotAllowed).", "The storage of bucket 'b' does not allow this (MethodNotAllowed)."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
				code := tt.code
				if r.Method == http.MethodHead {
					code = "" // HEAD has no body
				}
				return fail(w, tt.status, code)
			}
			b := mustOpen(t, s3other(f.URL, "b", "AKID", "the-secret"), testOptions())
			found, err := b.Exists(t.Context(), "dir/a b.ts")
			for what, err := range map[string]error{"Has " + tt.has: err, "Remove " + tt.remove: b.Delete(t.Context(), "dir/a b.ts")} {
				what, want, _ := strings.Cut(what, " ")
				if job.Message(err, "") != want || (err == nil) != (want == "") {
					t.Errorf("%s = %v, want %q", what, err, want)
				}
				if err != nil && (strings.Contains(err.Error(), "the-secret") || strings.Contains(err.Error(), "Signature=")) {
					t.Errorf("%s tells a secret: %v", what, err)
				}
			}
			if r := f.recorded(); found || len(r) != 2 || r[0].method != "HEAD" || r[1].method != "DELETE" {
				t.Errorf("found %t by %d requests", found, len(r))
			}
		})
	}
}

func TestDeleterRetries(t *testing.T) {
	f := newFake(t)
	f.answer = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		return n <= 6 && n%3 != 0 && fail(w, 503, "SlowDown")
	}
	b := mustOpen(t, s3other(f.URL, "b", "AKID", "secret"), testOptions())
	if found, err := b.Exists(t.Context(), "k"); !found || err != nil {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "k"); err != nil || len(f.recorded()) != 6 {
		t.Errorf("Remove = %v after %d requests", err, len(f.recorded()))
	}
	f.answer = func(_ int, w http.ResponseWriter, _ *http.Request) bool { return fail(w, 503, "") }
	_, err := b.Exists(t.Context(), "k")
	for what, err := range map[string]error{"Has": err, "Remove": b.Delete(t.Context(), "k")} {
		if _, ok := errors.AsType[*storage.Unavailable](err); !ok {
			t.Errorf("%s of a server that does not work: %v", what, err)
		}
	}
}

// Every first request finds the region, even HEAD, whose answer has no error
// code.
func TestDeleterFindsRegion(t *testing.T) {
	f := newFake(t)
	f.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Authorization"), "/eu-west-3/") {
			return false
		}
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-3")
		w.WriteHeader(http.StatusBadRequest)
		return true
	}
	st, o, _ := amazon(f, "bkt", "us-east-1")
	if found, err := mustOpen(t, st, o).Exists(t.Context(), "k"); !found || err != nil {
		t.Errorf("Has = %t, %v", found, err)
	}
}

func TestDeleterRefusals(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "mine")
	b := mustOpen(t, s3other(srv.Endpoint, "mine", srv.AccessKey, "wrong-secret"), testOptions())
	if found, err := b.Exists(t.Context(), "k"); found || job.Message(err, "") == "" || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("Has = %t, %v", found, err)
	}
	if err := b.Delete(t.Context(), "k"); job.Message(err, "") != "The secret_access_key for bucket 'mine' is wrong (SignatureDoesNotMatch)." {
		t.Errorf("Remove = %v", err)
	}
}
