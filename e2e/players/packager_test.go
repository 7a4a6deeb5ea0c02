package players

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// TestPackager: shaka-packager, which is strict, reads all segments of each track without
// a warning, and packages them again.
func TestPackager(t *testing.T) {
	program := packager(t)
	dir := streamtest.Film(t, 13, "160x90", "30000/1001")
	params := &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:80x46::quality=2", "mp4:160x90::quality=3"),
		HLS:      &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
	}
	for _, p := range streamtest.Publish(t, dir, params, transcode.Options{Presets: map[string]string{"libx264": "superfast"}}) {
		for _, tr := range p.Package.Tracks {
			if tr.Type == stream.Text {
				continue
			}
			t.Run(string(p.Package.Layout)+" "+tr.ID, func(t *testing.T) {
				repackage(t, program, p, tr)
			})
		}
	}
}

// packager is the program of shaka-packager.
func packager(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	program := filepath.Join(modules(t), "shaka-packager", "bin", "packager-linux-"+arch)
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("shaka-packager has no program for this machine: %v", err)
	}
	if err := os.Chmod(program, 0o755); err != nil { // npm's archive has no mode
		t.Fatal(err)
	}
	return program
}

// repackage joins the segments of a track and packages the whole.
func repackage(t *testing.T, program string, p streamtest.Published, tr stream.Track) {
	pattern, ext := path.Join(tr.Dir, "segment-*.ts"), "ts"
	if p.Package.Layout == stream.CMAF {
		pattern, ext = tr.ID+"-?????.m4s", "mp4"
	}
	names, err := filepath.Glob(filepath.Join(p.Root, pattern))
	if err != nil || len(names) < 3 {
		t.Fatalf("segments %v: %v", names, err)
	}
	slices.Sort(names)
	if ext == "mp4" {
		names = append([]string{filepath.Join(p.Root, "init-"+tr.ID+".mp4")}, names...)
	}
	var whole []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, data...)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in."+ext), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	kind := "video"
	if tr.Type == stream.Audio {
		kind = "audio"
	}
	cmd := exec.CommandContext(t.Context(), program,
		fmt.Sprintf("in=in.%s,stream=%s,init_segment=init.mp4,segment_template=$Number$.m4s", ext, kind),
		"--segment_duration", "6", "--mpd_output", "out.mpd", "--quiet=false")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("shaka-packager: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "WARNING") || strings.Contains(line, "ERROR") || strings.HasPrefix(line, "W") || strings.HasPrefix(line, "E") {
			t.Errorf("shaka-packager says: %s", line)
		}
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.m4s"))
	if err != nil || len(segments) != len(names)-strings.Count(ext, "mp4") {
		t.Errorf("%d segments came out of %d: %v", len(segments), len(names), err)
	}
}
