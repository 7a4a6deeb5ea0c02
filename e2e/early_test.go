package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/testmedia"
)

// slowStream is a stream whose encode takes long enough, some 20 seconds, for its
// first segments to be uploaded meanwhile.
func slowStream(r *rig) (input string, outputs object) {
	r.pace("2")
	return inputs(r.t).add(testmedia.Clip(r.t, minuteLong)), object{"httpstream": object{
		"variants": []string{"mp4:160x90::quality=1"},
		"hls":      object{"path": "/hls"}, "dash": object{"path": "/dash", "hlsfmp4": true},
	}}
}

var minuteLong = testmedia.Recipe{Name: "minute.mp4", Args: []string{
	"-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=45", "-f", "lavfi", "-i", "sine=f=1000:r=48000:d=45",
	"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac",
}}

// TestEarlySegments: while a stream is encoded its segments go to the bucket, each
// once, and no playlist does before all of them are there. In the end the
// stream is whole.
func TestEarlySegments(t *testing.T) {
	testmedia.Long(t)
	t.Parallel()
	r := newRig(t, "")
	w := r.worker()
	id := r.c.create(t, r.job(slowStream(r))).ID
	var encoder int
	eventually(t, 90*time.Second, "the third segment is there", func() bool {
		for _, p := range processes() {
			if isEncoder(p, r.workDir()) {
				encoder = p.pid
			}
		}
		found, _ := filepath.Glob(filepath.Join(r.workDir(), "run-*", "*", "out1", "*", "90p", "segment-00003.*"))
		return len(found) == 2
	})
	if err := syscall.Kill(encoder, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop the encoder: %v", err)
	}
	eventually(t, 30*time.Second, "the first segments are stored", func() bool {
		keys := r.gateway.Keys(t, r.name)
		return slices.Contains(keys, "hls/90p/segment-00002.ts") && slices.Contains(keys, "dash/90p-00002.m4s") && slices.Contains(keys, "dash/audio-00005.m4s")
	})
	for _, key := range r.gateway.Keys(t, r.name) {
		if !strings.HasSuffix(key, ".ts") && !strings.HasSuffix(key, ".m4s") {
			t.Errorf("%s is there while the encode runs", key)
		}
	}
	if !encoding(r.workDir()) {
		t.Error("the encode had ended")
	}
	if err := syscall.Kill(encoder, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if v := r.settle(3*time.Minute, id); v.result != "completed" {
		t.Fatal(v.result)
	}

	stored := r.s3[w].stored()
	times := map[string]int{}
	playlist := false
	for _, path := range stored {
		list := strings.HasSuffix(path, ".m3u8") || strings.HasSuffix(path, ".mpd")
		if playlist && !list {
			t.Errorf("%s was stored after a playlist:\n%s", path, strings.Join(stored, "\n"))
		}
		playlist = playlist || list
		if times[path]++; times[path] > 1 {
			t.Errorf("%s was stored %d times", path, times[path])
		}
	}
	if want := len(r.gateway.Keys(t, r.name)); want < 8+8+8+3+5 || len(times) != want {
		t.Errorf("%d files were stored, and %d are there", len(times), want)
	}
	dir := t.TempDir()
	for _, key := range r.gateway.Keys(t, r.name) {
		body, _, err := r.gateway.Object(r.name, key)
		name := filepath.Join(dir, key)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(name), 0o755)
		}
		if err == nil {
			err = os.WriteFile(name, body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, stream := range []string{"hls", "dash"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, binary, "check", filepath.Join(dir, stream)).CombinedOutput(); err != nil {
			t.Errorf("copra check: %v\n%s", err, out)
		}
	}
}

// TestFailedStream checks that a stream that cannot be published has no
// playlist, and that an older stream at the same place stays complete.
func TestFailedStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, "")
	w := r.worker()
	stream := func() string {
		return r.c.create(t, r.job(inputs(t).add(testmedia.Clip(t, testmedia.Standard)), object{"httpstream": object{
			"variants": []string{"mp4:160x90::quality=1", "mp4:x:64k"},
			"hls":      object{"path": "/hls"}, "dash": object{"path": "/dash", "hlsfmp4": true},
		}})).ID
	}
	end := func(id, want string) {
		t.Helper()
		if j := r.c.wait(t, id, 2*time.Minute); j.Status != want {
			t.Fatalf("%s, want %s", j.Status, want)
		}
	}
	r.s3[w].setFor(refuses, http.MethodPut, ".m3u8")
	end(stream(), "job.failed")
	if n := len(r.s3[w].stored()); n < 4 {
		t.Errorf("only %d segments were stored before the playlist was refused", n)
	}
	for _, key := range r.gateway.Keys(t, r.name) {
		if strings.HasSuffix(key, ".m3u8") || strings.HasSuffix(key, ".mpd") {
			t.Errorf("of a stream that failed there is %s", key)
		}
	}
	r.s3[w].set(works, "")
	end(stream(), "job.completed")
	whole := r.gateway.Keys(t, r.name)
	r.s3[w].setFor(refuses, http.MethodPut, ".m3u8")
	end(stream(), "job.failed")
	if diff := cmp.Diff(whole, r.gateway.Keys(t, r.name)); diff != "" {
		t.Errorf("of the stream that stood there (-before +now):\n%s", diff)
	}
	r.tidy()
}
