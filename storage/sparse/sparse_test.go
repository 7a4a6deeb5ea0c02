package sparse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestParts: only what is read is fetched, and some more ahead of it.
func TestParts(t *testing.T) {
	o := &origin{t: t, content: pattern(40 << 20)}
	f := o.open(quick)
	o.want(f, 39<<20, 1<<20)
	o.want(f, 10<<20, 100)
	o.want(f, 10<<20+100, 1000)
	if n := f.Received(); n > 1<<20+minAhead*3/2 {
		t.Errorf("%d bytes were fetched", n)
	}
	o.want(f, 20<<20, 12<<20)
	if n := f.Received(); n > 17<<20+minAhead || f.Complete() {
		t.Errorf("%d bytes were fetched, complete: %t", n, f.Complete())
	}
	if len(o.requests) > 24 {
		t.Errorf("there were %d requests: %q", len(o.requests), o.requests)
	}
	if _, err := f.Reader(40<<20).Read(t.Context(), make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	o.wantWhole(f)
	if n := f.Received(); n > 41<<20 {
		t.Errorf("%d bytes were fetched for %d", n, len(o.content))
	}
}

// TestEndFirst: what a reader needs is fetched before the rest goes on.
func TestEndFirst(t *testing.T) {
	arrived := make(chan struct{})
	o := &origin{t: t, content: pattern(40 << 20)}
	o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, n int) bool {
		if n != 2 {
			return false
		}
		w.Header().Set("ETag", tag)
		o.write(w, o.content[:1<<20])
		w.(http.Flusher).Flush()
		<-arrived
		o.write(w, o.content[1<<20:])
		return true
	}
	f := o.open(quick)
	if err := f.FetchAll(); err != nil {
		t.Fatal(err)
	}
	o.want(f, 0, 1<<20)
	o.want(f, 40<<20-1000, 1000)
	close(arrived)
	o.wantWhole(f)
}

// TestReaderLeaves: a reader that gives up disturbs nobody.
func TestReaderLeaves(t *testing.T) {
	hold := make(chan struct{})
	o := &origin{t: t, content: pattern(4 << 20)}
	o.serve = func(_ *origin, _ http.ResponseWriter, r *http.Request, n int) bool {
		if n == 2 {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}
		return false
	}
	f := o.open(quick)
	f.limit = 1
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := read(ctx, f, 0, 10); done <- err }()
	for _, left := ahead(f); left == 0; _, left = ahead(f) {
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	close(hold)
	o.wantWhole(f)
}

func ahead(f *File) (urgent, transfers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.urgent, len(f.transfers)
}

func TestTooLarge(t *testing.T) {
	for name, size := range map[string]bool{"known": true, "unknown": false} {
		o := &origin{t: t, content: pattern(1 << 20)}
		o.serve = func(o *origin, w http.ResponseWriter, _ *http.Request, _ int) bool {
			if !size {
				w.(http.Flusher).Flush()
				o.write(w, o.content)
			}
			return !size
		}
		f := o.open(quick)
		f.o.Limit = 1 << 19
		err := f.FetchAll()
		if err == nil {
			err = f.Wait(t.Context())
		}
		if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.InputTooLarge {
			t.Errorf("%s: %v", name, err)
		}
		if size {
			if _, err := Open(t.Context(), f.src, filepath.Join(t.TempDir(), "in"), Options{Limit: 1 << 19}); err == nil {
				t.Error("it was opened")
			}
		}
	}
}

// TestIdentity: it is the same for who has read all and who has read nothing, and another
// one for another version.
func TestIdentity(t *testing.T) {
	identity := func(etag string, content []byte, whole bool) string {
		o := &origin{t: t, content: content}
		o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, _ int) bool {
			o.send(w, r, etag, o.content)
			return true
		}
		f := o.open(quick)
		if whole {
			o.wantWhole(f)
		}
		name, err := f.Identity(t.Context())
		if err != nil || len(name) != 64 {
			t.Fatalf("%q, %v", name, err)
		}
		if !whole && len(content) > wholeBytes && f.Received() > 2*sampleBytes+minAhead {
			t.Errorf("%d bytes were fetched", f.Received())
		}
		return name
	}
	content := pattern(4 << 20)
	scoped := func(scope string) string {
		o := &origin{t: t, content: content}
		o.serve = func(o *origin, w http.ResponseWriter, r *http.Request, _ int) bool {
			o.send(w, r, "", o.content)
			return true
		}
		options := quick
		options.Scope = scope
		name, err := o.open(options).Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	if one, again, other := scoped("a"), scoped("a"), scoped("b"); one != again || one == other {
		t.Error("a file that is looked at in parts has one name in several jobs, or several in one")
	}
	for _, etag := range []string{tag, ""} {
		if a, b := identity(etag, content, false), identity(etag, content, true); a != b {
			t.Errorf("%s: %s and %s", etag, a, b)
		}
	}
	for _, a := range []string{identity(`"v2"`, content, false), identity(tag, content[1:], false)} {
		if a == identity(tag, content, false) {
			t.Error("two versions have one name")
		}
	}
	if identity("", content[1:], false) == identity("", content[:len(content)-1], false) {
		t.Error("two files without a version have one name")
	}
	small, other := content[:1<<20], pattern(1<<20)
	other[1<<19]++
	if identity("", small, false) == identity("", other, false) {
		t.Error("two small files without a version have one name")
	}
}

func TestSpans(t *testing.T) {
	var s spans
	for _, p := range [][2]int64{{10, 20}, {30, 40}, {20, 25}, {24, 31}, {0, 0}, {50, 60}, {5, 55}} {
		s.add(p[0], p[1])
	}
	if len(s) != 1 || s[0] != (span{5, 60}) || s.bytes() != 55 || s.end(5) != 60 || s.end(4) != 4 || s.next(1, 99) != 5 || s.next(5, 99) != 99 {
		t.Errorf("%v", s)
	}
}
