package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testmedia"
)

// TestTusClient: the published tus client uploads a file to a signed address, goes on
// where it was cut off, and a job takes what came as its input.
func TestTusClient(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	// The clip is padded to several chunks of the client; MP4 allows it behind.
	clip, err := os.ReadFile(testmedia.Clip(t, testmedia.Short))
	if err != nil {
		t.Fatal(err)
	}
	free := make([]byte, 1<<20)
	copy(free, []byte{0, 16, 0, 0, 'f', 'r', 'e', 'e'})
	file := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(file, append(clip, free...), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("tus.cjs")
	if err != nil {
		t.Fatal(err)
	}
	out, err := node(t, 60*time.Second, filepath.Dir(file), []string{"ENDPOINT=" + srv.base, "KEY=" + srv.key, "FILE=" + file}, script)
	if err != nil {
		t.Fatalf("node: %v\n%s", err, out)
	}
	var got struct {
		Input        string
		Cuts, Bodies int
		Status       int
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Status != 201 || got.Cuts != 1 || got.Bodies < 5 || !strings.HasSuffix(got.Input, "/clip.mp4") {
		t.Errorf("the upload: %s", out)
	}
	j := srv.completed(t, 60*time.Second, jobOf(got.Input, object{"jpg:100x": object{"path": "/tus.jpg"}}))
	probe(t, j.Outputs[0].images(t)[0]).has(t, "picture", "mjpeg")
	observed.Row(t, "12.1 POST /v2/uploads")
}
