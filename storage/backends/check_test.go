package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/s3server"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/local"
)

func loopback() *netguard.Guard {
	return netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})
}

// results are those of the steps of a check: "done done done".
func results(c job.StorageCheck) string {
	var words []string
	for _, s := range c.Steps {
		words = append(words, string(s.Result))
	}
	return strings.Join(words, " ")
}

// TestCheckS3 tries out buckets of a real server: one that takes results, and those that
// do not.
func TestCheckS3(t *testing.T) {
	srv := s3server.Start(t)
	srv.CreateBucket(t, "results")
	o := newOpener(t, Options{Guard: loopback()})
	good := s3Storage("s3other", srv.Endpoint, "results", srv.AccessKey, srv.SecretKey)
	good.Path = "/films/"
	found, err := o.Check(t.Context(), good)
	if err != nil || !found.OK || results(found) != "done done done" || found.Left || found.Reason != 0 || !strings.HasPrefix(found.Object, "films/copra-check-") {
		t.Errorf("a good bucket: %+v, %v", found, err)
	}
	if keys := srv.Keys(t, "results"); len(keys) != 0 {
		t.Errorf("the bucket still has %q", keys)
	}
	const secret = "not-the-secret"
	climbing := *good
	climbing.Path = "/../other"
	for _, tt := range []struct {
		name   string
		st     *job.Storage
		o      *Opener
		reason job.Reason
	}{
		{"a wrong secret", s3Storage("s3other", srv.Endpoint, "results", srv.AccessKey, secret), o, job.StorageRefused},
		{"no bucket", s3Storage("s3other", srv.Endpoint, "nowhere", srv.AccessKey, srv.SecretKey), o, job.StorageRefused},
		{"nobody there", s3Storage("s3other", "http://127.0.0.1:1", "results", srv.AccessKey, secret), o, job.StorageUnavailable},
		{"past the guard", good, newOpener(t, Options{}), job.AddressNotAllowed},
		{"a path that climbs", &climbing, o, job.OutputPathNotValid},
		{"no built-in storage", &job.Storage{Service: job.ServiceBuiltIn}, o, job.StorageServiceNotValid},
	} {
		found, err := tt.o.Check(t.Context(), tt.st)
		if err != nil || found.OK || found.Reason != tt.reason || !strings.HasPrefix(results(found), "failed skipped") || found.Message == "" || found.Left {
			t.Errorf("%s: %+v, %v; want %s", tt.name, found, err, tt.reason)
		}
		if strings.Contains(fmt.Sprint(found), secret) {
			t.Errorf("%s: the secret is shown: %v", tt.name, found)
		}
	}
}

// TestCheckKinds: storages that can do less than S3.
func TestCheckKinds(t *testing.T) {
	store, err := local.Open(local.Options{Dir: t.TempDir(), PublicURL: "http://127.0.0.1:8080"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var sent string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.URL.Path + " " + string(body)
	}))
	defer srv.Close()
	o := newOpener(t, Options{Guard: loopback(), Local: store})
	found, err := o.Check(t.Context(), &job.Storage{Service: job.ServiceBuiltIn})
	if err != nil || !found.OK || results(found) != "done done done" {
		t.Errorf("built-in: %+v, %v", found, err)
	}
	found, err = o.Check(t.Context(), &job.Storage{Service: job.ServiceURL, URL: job.NewSecret(srv.URL + "/in"), Path: "/films"})
	if err != nil || !found.OK || results(found) != "done skipped skipped" || !found.Left || !strings.Contains(found.Message, "stays there") {
		t.Errorf("an HTTP upload: %+v, %v", found, err)
	}
	if !strings.HasPrefix(sent, "/in/films/copra-check-") || !strings.Contains(sent, "It may be deleted.") {
		t.Errorf("%s was sent", sent)
	}
	sent = ""
	_, err = o.Check(t.Context(), &job.Storage{Service: job.ServiceURL, URL: job.NewSecret(srv.URL + "/film.mp4?X-Amz-Signature=a")})
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.StorageNotValid || sent != "" {
		t.Errorf("a URL that is signed for one file: %v, and %q was sent", err, sent)
	}
}

// TestCheckEnds: a storage that accepts connections and says nothing does not hold a check
// up for longer than its time.
func TestCheckEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := newOpener(t, Options{Guard: loopback()})
	for _, st := range []*job.Storage{
		s3Storage("s3other", "http://"+l.Addr().String(), "b", "a", "s"),
		{Service: job.ServiceURL, URL: job.NewSecret("ftp://u:p@" + l.Addr().String() + "/in")},
		{Service: job.ServiceURL, URL: job.NewSecret("sftp://u:p@" + l.Addr().String() + "/in")},
		{Service: job.ServiceURL, URL: job.NewSecret("http://" + l.Addr().String() + "/in")},
	} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errCheckTime)
		c := &check{o: o, key: "a.txt", text: []byte(checkText)}
		if c.bucket, err = o.open(ctx, st, owner); err != nil {
			t.Fatal(err)
		}
		c.write(ctx, nil)
		cancel()
		if c.written || c.steps[0].Reason != job.StorageUnavailable || c.steps[0].Message == "" {
			t.Errorf("%s: %+v", scheme(st.URL), c.steps)
		}
		t.Logf("%s %s: %s after %s", st.Service, scheme(st.URL), c.steps[0].Message, c.steps[0].Took)
		_ = storage.Close(c.bucket)
	}
}

// limited is a bucket in memory whose credentials allow less than everything.
type limited struct {
	storage.Bucket
	read, remove error
	gives        string
}

func (limited) Check(context.Context) error { return nil }
func (limited) Put(context.Context, string, storage.Body, storage.PutOptions) error {
	return nil
}
func (l limited) Exists(context.Context, string) (bool, error) { return false, nil }
func (l limited) Delete(context.Context, string) error         { return l.remove }

func (l limited) Source(context.Context, string) (storage.Source, error) { return l, l.read }
func (limited) Size() int64                                              { return -1 }
func (limited) Ranges() bool                                             { return false }
func (l limited) Open(context.Context, int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(l.gives)), nil
}

// TestCheckPermissions: a job needs to write alone. A storage that gives back something
// else takes no results.
func TestCheckPermissions(t *testing.T) {
	refused := job.Errorf(job.StorageRefused, "The bucket refuses.")
	type want struct {
		OK, Left bool
		Steps    string
		Message  string
	}
	for _, tt := range []struct {
		bucket limited
		want   want
	}{
		{limited{gives: checkText}, want{true, false, "done done done", "The storage takes results: a file was written and read back, and it is deleted again."}},
		{limited{read: refused, remove: refused}, want{true, true, "done failed failed",
			"The storage takes results: a file was written. It could not be read back, which jobs do not need; it stays there, since it could not be deleted, which jobs need only to clean up after a failure."}},
		{limited{gives: "something else"}, want{false, false, "done failed done", "The storage gave back something else than was written."}},
		{limited{gives: checkText + "and more"}, want{false, false, "done failed done", "The storage gave back something else than was written."}},
		{limited{read: errors.New("odd"), remove: &storage.Unavailable{Message: "It is away."}}, want{true, true, "done failed failed",
			"The storage takes results: a file was written. It could not be read back, which jobs do not need; it stays there, since it could not be deleted, which jobs need only to clean up after a failure."}},
	} {
		c := &check{o: newOpener(t, Options{}), bucket: tt.bucket, key: "a.txt", text: []byte(checkText)}
		c.write(t.Context(), nil)
		c.read(t.Context())
		c.remove(t.Context())
		r := c.result()
		if diff := cmp.Diff(tt.want, want{r.OK, r.Left, results(r), r.Message}); diff != "" {
			t.Error(diff)
		}
		if r.OK == (r.Reason != 0) {
			t.Errorf("%+v", r)
		}
	}
}
