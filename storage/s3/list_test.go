package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// own opens a bucket of the operator's: with credentials of its own, and
// readable to nobody else.
func own(t *testing.T, srv *s3server.Server, bucket string) *Bucket {
	t.Helper()
	o := testOptions()
	o.Private, o.Credentials = true, credentials.NewStaticCredentialsProvider(srv.AccessKey, srv.SecretKey, "")
	return mustOpen(t, &job.Storage{Service: "s3other", Endpoint: srv.Endpoint, Bucket: bucket}, o)
}

func TestListAndRemove(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "list")
	b := own(t, srv, "list")
	keys := []string{"other/x", "p/a/1", "p/a/2", "p/b/1"}
	for _, k := range keys {
		if err := b.Put(t.Context(), k, storagetest.Body([]byte(k)), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(prefix string) []string {
		t.Helper()
		var got []string
		err := b.List(t.Context(), prefix, func(key string, stored time.Time) error {
			if age := time.Since(stored); age < -time.Minute || age > time.Minute {
				t.Errorf("%s was stored at %s", key, stored)
			}
			got = append(got, key)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if diff := cmp.Diff(keys[1:], list("p/")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "p/a/1"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"p/a/2"}, list("p/a/")); diff != "" {
		t.Errorf("list after a delete (-want +got):\n%s", diff)
	}
	if _, err := b.Source(t.Context(), "p/a/1"); !Missing(err) {
		t.Errorf("a deleted object is not missing: %v", err)
	}
	if _, err := own(t, srv, "no-such-bucket").Source(t.Context(), "a"); err == nil || Missing(err) {
		t.Errorf("an object of no bucket: %v", err)
	}
	enough := errors.New("enough")
	if err := b.List(t.Context(), "", func(string, time.Time) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("list that was ended: %v", err)
	}
}

func TestAbort(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "abort")
	b := own(t, srv, "abort")
	for _, key := range []string{"p/a", "p/b", "other"} {
		if _, err := b.conn.Load().CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String("abort"), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Abort(t.Context(), "p/", time.Now().Add(-time.Hour)); err != nil || srv.Uploads(t, "abort") != 3 {
		t.Errorf("uploads of now: %d left, %v", srv.Uploads(t, "abort"), err)
	}
	if err := b.Abort(t.Context(), "p/", time.Now().Add(time.Hour)); err != nil || srv.Uploads(t, "abort") != 1 {
		t.Errorf("%d uploads left, %v", srv.Uploads(t, "abort"), err)
	}
}

// A list of many pages is read to its end.
func TestListPages(t *testing.T) {
	f := newFake(t)
	f.answer = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		page := r.URL.Query().Get("continuation-token")
		if page == "" {
			page = "0"
		}
		next := map[string]string{"0": "1", "1": "2"}[page]
		fmt.Fprintf(w, "<ListBucketResult><IsTruncated>%t</IsTruncated><Contents><Key>k%s</Key></Contents>", next != "", page)
		if next != "" {
			fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", next)
		}
		fmt.Fprint(w, "</ListBucketResult>")
		return true
	}
	b := mustOpen(t, s3other(f.URL, "b", "AKID", "secret"), testOptions())
	var got []string
	err := b.List(t.Context(), "k", func(key string, _ time.Time) error { got = append(got, key); return nil })
	if diff := cmp.Diff([]string{"k0", "k1", "k2"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A private bucket sends no ACL, even for a service whose default ACL lets
// everyone read.
func TestPrivate(t *testing.T) {
	for _, private := range []bool{false, true} {
		f := newFake(t)
		st, o, _ := amazon(f, "b", "eu-west-1")
		o.Private = private
		if err := putX(mustOpen(t, st, o)); err != nil {
			t.Fatal(err)
		}
		acl := f.recorded()[0].header.Get("X-Amz-Acl")
		if want := map[bool]string{false: "public-read", true: ""}[private]; acl != want {
			t.Errorf("private %t: the ACL is %q, want %q", private, acl, want)
		}
	}
}

type failing struct{}

func (failing) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("nobody gave any")
}

// Missing credentials are an error, not a crash or an anonymous request.
func TestNoCredentials(t *testing.T) {
	f := newFake(t)
	o := testOptions()
	o.Credentials = failing{}
	b := mustOpen(t, &job.Storage{Service: "s3other", Endpoint: f.URL, Bucket: "b"}, o)
	if err := b.List(t.Context(), "", func(string, time.Time) error { return nil }); err == nil || len(f.recorded()) > 0 {
		t.Errorf("%v after %d requests", err, len(f.recorded()))
	}
}
