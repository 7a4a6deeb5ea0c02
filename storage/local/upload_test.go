package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/storagetest"
)

func upload(t *testing.T, url string, body io.Reader) (*http.Response, map[string]string) {
	t.Helper()
	r, err := http.NewRequest("PUT", url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := map[string]string{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return resp, answer
}

func TestUploadAndLookup(t *testing.T) {
	s, srv := newStore(t, Options{Free: func(string) (int64, error) { return 1 << 40, nil }})
	content := storagetest.Random(300_000)
	for name, body := range map[string]io.Reader{
		"my%20clip%2B1.mp4": bytes.NewReader(content),
		"chunked.mp4":       struct{ io.Reader }{bytes.NewReader(content)},
	} {
		resp, answer := upload(t, srv.URL+"/v2/uploads/"+name, body)
		if resp.StatusCode != 201 || !strings.HasPrefix(answer["url"], srv.URL+"/storage/uploads/") || !strings.HasSuffix(answer["url"], "/"+name) {
			t.Fatalf("upload: %s %v", resp.Status, answer)
		}
		if _, body := request(t, "GET", answer["url"]); body != string(content) {
			t.Errorf("%s: served %d bytes", name, len(body))
		}
		src, own, err := s.Lookup(answer["url"])
		if !own || err != nil || src.Size() != int64(len(content)) || !src.Ranges() {
			t.Fatalf("Lookup(%q) = %v, %v, %v", answer["url"], src, own, err)
		}
		r, err := src.Open(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, content[1000:]) {
			t.Errorf("read %d bytes from 1000, %v", len(got), err)
		}
	}
}

func TestLookupOfOtherAddresses(t *testing.T) {
	s, srv := newStore(t, Options{})
	for _, address := range []string{"https://example.com/storage/x", srv.URL + "/v2/jobs", srv.URL + ".example.com/storage/a", "::"} {
		if _, own, err := s.Lookup(address); own || err != nil {
			t.Errorf("Lookup(%q) = own %v, %v", address, own, err)
		}
	}
	for _, address := range []string{"/storage/secret", "/storage/uploads/" + testHash + "/gone.mp4", "/storage/23/07/" + testHash + "/../../../secret"} {
		_, own, err := s.Lookup(srv.URL + address)
		if e, ok := errors.AsType[*job.Error](err); !own || !ok || e.Reason != job.InputNotFound {
			t.Errorf("Lookup(%q) = own %v, %v", address, own, err)
		}
	}
}

func TestUploadRefused(t *testing.T) {
	free := int64(1 << 40)
	s, srv := newStore(t, Options{MaxUpload: 1000, MinFree: 100, Free: func(string) (int64, error) { return free, nil }})
	tests := []struct {
		path   string
		size   int
		stream bool
		free   int64
		status int
		code   string
	}{
		{"/v2/uploads/large.mp4", 1001, false, 1 << 40, 413, "upload_too_large"},
		{"/v2/uploads/large.mp4", 1001, true, 1 << 40, 413, "upload_too_large"},
		{"/v2/uploads/fits.mp4", 1000, false, 1 << 40, 201, ""},
		{"/v2/uploads/fits.mp4", 1000, true, 1 << 40, 201, ""},
		{"/v2/uploads/nospace.mp4", 1000, false, 1099, 507, "server_disk_full"},
		{"/v2/uploads/", 10, false, 1 << 40, 400, "upload_not_valid"},
		{"/v2/uploads/" + strings.Repeat("x", 201), 10, false, 1 << 40, 400, "upload_not_valid"},
		{"/v2/uploads/a%00b", 10, false, 1 << 40, 400, "upload_not_valid"},
	}
	for _, tt := range tests {
		free = tt.free
		var body io.Reader = bytes.NewReader(make([]byte, tt.size))
		if tt.stream {
			body = struct{ io.Reader }{body}
		}
		resp, answer := upload(t, srv.URL+tt.path, body)
		if resp.StatusCode != tt.status || tt.code != "" && (answer["message"] == "" || answer["error_code"] != tt.code || answer["status"] != "error") {
			t.Errorf("%s of %d bytes = %s %v, want %d", tt.path, tt.size, resp.Status, answer, tt.status)
		}
	}
	if names, _ := s.root.Open(tmpDir); names != nil {
		if left, _ := names.ReadDir(-1); len(left) != 0 {
			t.Errorf("%d unfinished files stayed", len(left))
		}
		names.Close()
	}
}

func TestUploadBrokenOff(t *testing.T) {
	s, srv := newStore(t, Options{Free: func(string) (int64, error) { return 1 << 40, nil }})
	r, _ := http.NewRequest("PUT", srv.URL+"/v2/uploads/a.mp4", io.MultiReader(strings.NewReader("half"), failing{}))
	if resp, err := http.DefaultClient.Do(r); err == nil {
		resp.Body.Close()
		t.Fatal("the broken upload succeeded")
	}
	srv.Close() // waits for the handler
	for _, dir := range []string{tmpDir, uploadsDir} {
		d, err := s.root.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := d.ReadDir(-1); len(left) != 0 {
			t.Errorf("%s holds %d files", dir, len(left))
		}
		d.Close()
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cable pulled") }
