package players

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// The keys of protected streams: one for pictures, one for sound.
const (
	videoKeyID, videoKey = "00112233445566778899aabbccddeeff", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	audioKeyID, audioKey = "a0112233445566778899aabbccddeeff", "af1e2d3c4b5a69788796a5b4c3d2e1f0"
)

// protected is Common Encryption with those keys.
func protected(scheme, keyURI string) *job.Protection {
	return &job.Protection{Scheme: scheme, Keys: []job.ContentKey{
		{Track: job.KeyVideo, KeyID: videoKeyID, Key: job.NewSecret(videoKey), URI: keyURI + "video"},
		{Track: job.KeyAudio, KeyID: audioKeyID, Key: job.NewSecret(audioKey), URI: keyURI + "audio"},
	}}
}

// TestDecrypt: ffmpeg and shaka-packager decrypt the tracks of a protected stream to the
// frames and sounds of the clear one, and without the key the pictures are not there. With
// COPRA_PLAYERS=1, which make players sets, each codec has both schemes.
func TestDecrypt(t *testing.T) {
	program := packager(t)
	dir := streamtest.Film(t, 7, "320x180", "25")
	for _, codec := range []string{"h264", "hevc"} {
		params := &job.StreamParams{Variants: streamtest.Formats(t, "mp4:"+codec+"_160x90::quality=3"), DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true}}
		options := transcode.Options{Presets: map[string]string{"libx264": "superfast", "libx265": "superfast"}}
		schemes := map[string][]string{"h264": {"cbcs"}, "hevc": {"cenc"}}[codec]
		if os.Getenv("COPRA_PLAYERS") != "" {
			schemes = []string{"cbcs", "cenc"}
		}
		for _, scheme := range schemes {
			params.Protection = protected(scheme, "skd://")
			locked := streamtest.Publish(t, dir, params, options)[0]
			// Its own segments before they were encrypted: another encode may differ, since
			// x264 with a maxrate and several threads does not make the same bytes twice.
			clear := filepath.Join(dir, transcode.ClearDir(locked.Package.Dir))
			for _, tr := range locked.Package.Tracks {
				if tr.Type == stream.Text || tr.ID == "audio-deu" {
					continue
				}
				t.Run(scheme+" "+codec+" "+tr.ID, func(t *testing.T) { compareDecrypted(t, program, filepath.Join(clear, tr.Dir), locked, tr) })
			}
		}
	}
}

// compareDecrypted compares a track with its segments in the folder clear.
func compareDecrypted(t *testing.T, program, clear string, locked streamtest.Published, tr stream.Track) {
	dir := t.TempDir()
	for name, whole := range map[string][]byte{
		"clear.mp4":  joinFiles(t, filepath.Join(clear, tr.Init), filepath.Join(clear, "segment-?????.m4s")),
		"locked.mp4": join(t, locked, tr),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kind, key, keyID := "video", videoKey, videoKeyID
	if tr.Type == stream.Audio {
		kind, key, keyID = "audio", audioKey, audioKeyID
	}
	want := frameHashes(t, dir, "clear.mp4")
	if got := frameHashes(t, dir, "locked.mp4", "-decryption_key", key); got != want {
		t.Error("ffmpeg decrypts it to something else")
	}
	if frameHashes(t, dir, "locked.mp4", "-decryption_key", keyID) == want {
		t.Error("it decodes with a wrong key")
	}
	cmd := exec.CommandContext(t.Context(), program, "in=locked.mp4,stream="+kind+",output=unlocked.mp4",
		"--enable_raw_key_decryption", "--keys", "label=:key_id="+keyID+":key="+key)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("shaka-packager: %v\n%s", err, out)
	}
	if got := frameHashes(t, dir, "unlocked.mp4"); got != want {
		t.Error("shaka-packager decrypts it to something else")
	}
}

// frameHashes are the MD5 sums of all decoded frames of a file. It comes through a pipe,
// as segments come to players: in a file without an index, ffmpeg 5.1 mixes the
// vectors of fragments up.
func frameHashes(t *testing.T, dir, name string, options ...string) string {
	t.Helper()
	args := append(append([]string{"-nostdin", "-v", "quiet"}, options...), "-i", "pipe:0", "-map", "0", "-f", "framemd5", "-")
	cmd := exec.CommandContext(t.Context(), testmedia.Tool(t, "ffmpeg"), args...)
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdin = struct{ io.Reader }{file}
	out, _ := cmd.Output() // a wrong key makes it fail
	var sums []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			fields := strings.Split(strings.TrimSpace(line), ",")
			sums = append(sums, fields[len(fields)-1])
		}
	}
	return fmt.Sprint(len(sums), sums)
}

// join is a track of fragmented MP4 as one file.
func join(t *testing.T, p streamtest.Published, tr stream.Track) []byte {
	t.Helper()
	return joinFiles(t, filepath.Join(p.Root, "init-"+tr.ID+".mp4"), filepath.Join(p.Root, tr.ID+"-?????.m4s"))
}

// joinFiles puts the segments that match behind their init segment.
func joinFiles(t *testing.T, init, segments string) []byte {
	t.Helper()
	names, err := filepath.Glob(segments)
	if err != nil || len(names) < 2 {
		t.Fatalf("segments %v: %v", names, err)
	}
	slices.Sort(names)
	var whole []byte
	for _, name := range append([]string{init}, names...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, data...)
	}
	return whole
}
