package check

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLimits: a stream on a server may not name files of this machine, and is read up to
// MaxBytes.
func TestLimits(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.vtt")
	if err := os.WriteFile(secret, []byte("WEBVTT\n\ncanary"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("SECRET", "file://"+secret)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		text := "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n0.m3u8\n"
		if r.URL.Path == "/0.m3u8" {
			text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nSECRET\n#EXT-X-ENDLIST\n"
		}
		_, _ = w.Write([]byte(names.Replace(text)))
	}))
	defer srv.Close()
	reports, err := Stream(t.Context(), srv.URL+"/master.m3u8", Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(reports)
	if err != nil || !strings.Contains(string(text), `addresses of the kind \"file\" are not read`) {
		t.Errorf("a server's playlist names a file: %s %v", text, err)
	}
	for _, limit := range []int64{10, 60} { // within the first file, and in the second
		if _, err := Stream(t.Context(), srv.URL+"/master.m3u8", Options{MaxBytes: limit}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("with a limit of %d bytes: %v", limit, err)
		}
	}
	if _, err := Stream(t.Context(), srv.URL+"/master.m3u8", Options{MaxBytes: 1000}); err != nil {
		t.Error(err)
	}
}
