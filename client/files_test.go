package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
)

func TestUpload(t *testing.T) {
	large := make([]byte, 3<<20)
	_, _ = rand.Read(large) // it never fails
	var length int64
	var path string
	var got []byte
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		length, path = r.ContentLength, r.URL.Path
		got, _ = io.ReadAll(r.Body)
		answer(201, `{"url":"http://localhost/storage/uploads/x"}`)(w, r)
	})
	for name, u := range map[string]struct {
		data   []byte
		size   int64
		length int64 // that the server sees
	}{
		"known":         {[]byte("abc"), 3, 3},
		"unknown":       {[]byte("abc"), -1, -1},
		"large":         {large, int64(len(large)), int64(len(large))},
		"large unknown": {large, -1, -1},
		"empty":         {nil, 0, 0},
		"empty unknown": {nil, -1, -1},
	} {
		got = nil
		url, err := c.Upload(t.Context(), "my clip+1.mp4", bytes.NewReader(u.data), u.size)
		if err != nil || url != "http://localhost/storage/uploads/x" {
			t.Fatalf("%s: %q, %v", name, url, err)
		}
		if !bytes.Equal(got, u.data) || length != u.length || path != "/v2/uploads/my clip+1.mp4" {
			t.Errorf("%s: the server got %d bytes with the length %d at %q", name, len(got), length, path)
		}
	}
	drain := against(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			answer(201, `{"url":"u"}`)(w, r)
		}
	})
	if _, err := drain.Upload(t.Context(), "a", strings.NewReader("abc"), 4); err == nil {
		t.Error("a reader that ends before its size was uploaded")
	}
	broken := errors.New("the disk is broken")
	if _, err := drain.Upload(t.Context(), "a", io.MultiReader(strings.NewReader("abc"), failing{broken}), -1); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := against(t, answer(201, "{}")).Upload(t.Context(), "a", strings.NewReader(""), 0); err == nil {
		t.Error("an answer without a URL was taken")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// endless counts what is read of it.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) { e.n += len(p); return len(p), nil }

// TestUploadRefused: a server that refuses does so before much is sent, and the
// reader is the caller's again.
func TestUploadRefused(t *testing.T) {
	srv := httptest.NewServer(answer(413, `{"message":"The upload is too large.","error_code":"upload_not_valid"}`))
	defer srv.Close()
	// The usual second that a client waits for consent is short on a busy machine.
	c := connect(t, client.Options{BaseURL: srv.URL, HTTPClient: &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}})
	var r endless
	_, err := c.Upload(t.Context(), "a.mp4", &r, 1<<40)
	if !client.HasCode(err, "upload_not_valid") {
		t.Errorf("got %v", err)
	}
	if r.n > 1<<20 {
		t.Errorf("%d bytes were sent before the refusal", r.n)
	}
	r.n = 0 // the race detector sees who still reads
}

// TestUploadOfSilentReader: the end of the context ends an upload whose reader
// never answers.
func TestUploadOfSilentReader(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	r, w := io.Pipe()
	defer w.Close()
	c := against(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	go func() { <-asked; cancel() }()
	if _, err := c.Upload(ctx, "a.mp4", r, -1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestUploadFile(t *testing.T) {
	var name string
	var length int64
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		name, length = r.URL.Path, r.ContentLength
		answer(201, `{"url":"u"}`)(w, r)
	})
	file := filepath.Join(t.TempDir(), "clip.mov")
	if err := os.WriteFile(file, []byte("abcd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadFile(t.Context(), file); err != nil || name != "/v2/uploads/clip.mov" || length != 4 {
		t.Errorf("the server got %q with %d bytes: %v", name, length, err)
	}
	for _, path := range []string{filepath.Dir(file), file + "-none"} {
		if _, err := c.UploadFile(t.Context(), path); err == nil {
			t.Errorf("%s was uploaded", path)
		}
	}
}

func TestDownload(t *testing.T) {
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/file", http.StatusFound)
		case "/file":
			_, _ = io.WriteString(w, "content")
		case "/torn":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "content")
		default:
			w.WriteHeader(404)
		}
	})
	for path, want := range map[string]string{"/file": "content", "/moved": "content"} {
		var b strings.Builder
		if n, err := c.Download(t.Context(), root(c)+path, &b); err != nil || b.String() != want || n != int64(len(want)) {
			t.Errorf("%s: %q, %d, %v", path, b.String(), n, err)
		}
	}
	if _, err := c.Download(t.Context(), root(c)+"/torn", io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that breaks off: %v", err)
	}
	if _, err := c.Download(t.Context(), root(c)+"/none", io.Discard); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, url := range []string{"http://127.0.0.1:1/x?signature=secret", "http://secret\x7f", "other://x?secret", ""} {
		if _, err := c.Download(t.Context(), url, io.Discard); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
