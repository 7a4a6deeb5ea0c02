package sparse

import (
	"net/http"
	"testing"
)

// replacing is a server that sends no version of its file, and that has another file of the
// same length when replace is closed.
func replacing(t *testing.T, replace <-chan struct{}) *origin {
	t.Helper()
	o := &origin{t: t, content: pattern(8 << 20)}
	other := pattern(8<<20 + 1)[1:]
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, _ int) bool {
		content := o.content
		select {
		case <-replace:
			content = other
		default:
		}
		o.send(w, r, "", content)
		return true
	}
	return o
}

// TestReplacedUnseen: a file that is replaced while it is read, by a server that does not say
// so. Nothing can be read any more.
func TestReplacedUnseen(t *testing.T) {
	replace := make(chan struct{})
	o := replacing(t, replace)
	f := o.open(quick)
	o.want(f, 0, 100_000)
	o.want(f, 7<<20, 100_000)
	if err := f.Unchanged(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(replace)
	asked := len(o.requests)
	if err := f.Unchanged(t.Context()); err != nil || len(o.requests) != asked {
		t.Fatalf("nothing more has come, and %d requests were made: %v", len(o.requests)-asked, err)
	}
	if _, err := read(t.Context(), f, 4<<20, 1000); err != nil {
		t.Fatal(err)
	}
	const says = "changed while it was being read"
	for range 2 {
		o.isError(f.Unchanged(t.Context()), says)
	}
	o.wantError(f, 5<<20, says)
	if _, err := f.Identity(t.Context()); err == nil {
		t.Error("two files have a name")
	}
}

// TestReplacedUnseenWhole: the same while all of the file is fetched.
func TestReplacedUnseenWhole(t *testing.T) {
	replace := make(chan struct{})
	o := replacing(t, replace)
	f := o.open(quick)
	o.want(f, 7<<20, 1<<20)
	close(replace)
	if err := f.FetchAll(); err != nil {
		t.Fatal(err)
	}
	o.isError(f.Wait(t.Context()), "changed while it was being read")
}

// TestGoneAfterUse: a server that refuses requests after the file has been read has not
// changed it.
func TestGoneAfterUse(t *testing.T) {
	replace := make(chan struct{})
	o := replacing(t, replace)
	send := o.serve
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
		select {
		case <-replace:
			w.WriteHeader(http.StatusForbidden)
			return true
		default:
			return send(o, w, r, n)
		}
	}
	f := o.open(quick)
	o.want(f, 0, 100_000)
	o.want(f, 7<<20, 100_000)
	close(replace)
	if err := f.Unchanged(t.Context()); err != nil || f.Err() != nil {
		t.Errorf("%v, %v", err, f.Err())
	}
}
