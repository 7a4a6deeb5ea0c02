package players

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// python is that of Debian, for which the bindings of GStreamer are packaged.
const python = "/usr/bin/python3"

// watched is what GStreamer shows of a stream or file. Times are in seconds.
type watched struct {
	Frames, Samples int
	Flashes, Beeps  []float64
	Colour          []int // red, green, blue of the last picture
	Duration        float64
	Error           string
}

// gstreamer plays addresses one after the other.
func gstreamer(t *testing.T, addresses ...string) []watched {
	t.Helper()
	list := gstreamerOnce(t, addresses...)
	for i := range list {
		// GStreamer 1.22 sometimes gives up a download, or never ends, on a busy machine; what
		// is wrong with a stream it says each time.
		for range 2 {
			if list[i].Error == "" {
				break
			}
			t.Logf("%s is played again: %s", addresses[i], list[i].Error)
			list[i] = gstreamerOnce(t, addresses[i])[0]
		}
	}
	return list
}

func gstreamerOnce(t *testing.T, addresses ...string) []watched {
	t.Helper()
	if err := exec.Command(python, "-c", "import gi; gi.require_version('GstApp', '1.0')").Run(); err != nil {
		testmedia.Missing(t, "GStreamer is not installed, run scripts/setup.sh test: "+err.Error())
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"gstreamer.py"}, addresses...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gstreamer.py: %v\n%s", err, stderr.String())
	}
	var list []watched
	for line := range bytes.Lines(out) {
		var w watched
		if err := json.Unmarshal(line, &w); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		list = append(list, w)
	}
	if len(list) != len(addresses) {
		t.Fatalf("%d results of %d", len(list), len(addresses))
	}
	return list
}

// offset returns by how many seconds a beep comes after its flash, of the pair that is
// furthest apart.
func (w *watched) offset() float64 {
	worst := 0.0
	for i, f := range w.Flashes {
		if i < len(w.Beeps) && math.Abs(w.Beeps[i]-f) > math.Abs(worst) {
			worst = w.Beeps[i] - f
		}
	}
	return worst
}

// sourceRate is a frame rate. period is from flash to flash, in frames: about a second.
type sourceRate struct {
	name   string
	rate   [2]int
	period int
}

// sourceRates returns one rate, and with COPRA_PLAYERS=1, which make nightly sets, all that
// broadcasters use.
func sourceRates() []sourceRate {
	if os.Getenv("COPRA_PLAYERS") == "" {
		return []sourceRate{{"25", [2]int{25, 1}, 25}}
	}
	return []sourceRate{
		{"23.976", [2]int{24000, 1001}, 24}, {"25", [2]int{25, 1}, 25}, {"29.97", [2]int{30000, 1001}, 30},
		{"50", [2]int{50, 1}, 50}, {"60", [2]int{60, 1}, 60},
	}
}

// flashSeconds is the duration of the source: two segments.
const flashSeconds = 8

// TestGStreamer: flashes and beeps come together in GStreamer, which ignores edit lists in
// fragmented MP4.
func TestGStreamer(t *testing.T) {
	testmedia.Long(t)
	for _, r := range sourceRates() {
		t.Run(r.name, func(t *testing.T) {
			addresses := flashes(t, r, "mp4", "mp4:::frag", "mpegts")
			for i, w := range gstreamer(t, addresses...) {
				parts := strings.Split(addresses[i], "/")
				name := strings.Join(parts[len(parts)-2:], "/")
				if w.Error != "" {
					t.Errorf("%s: %s", name, w.Error)
					continue
				}
				frames := flashSeconds * r.rate[0] / r.rate[1]
				t.Logf("%s: the sound is %.1f ms late, %d of %d frames, %.3f s", name, 1000*w.offset(), w.Frames, frames, w.Duration)
				if math.Abs(w.offset()) > 0.005 || len(w.Flashes) != flashSeconds || len(w.Beeps) != flashSeconds {
					t.Errorf("%s: %d flashes and %d beeps, off by %.1f ms: %.3f, %.3f", name, len(w.Flashes), len(w.Beeps), 1000*w.offset(), w.Flashes, w.Beeps)
				}
				if w.Frames < frames || w.Frames > frames+1 || math.Abs(w.Duration-flashSeconds) > 0.06 {
					t.Errorf("%s: %d frames of %d in %.3f s", name, w.Frames, frames, w.Duration)
				}
			}
		})
	}
}

// flashes makes a stream in TS, in fragmented MP4 for HLS and DASH, the latter also with
// two tracks of audio, and files, and returns their addresses.
func flashes(t *testing.T, r sourceRate, files ...string) []string {
	t.Helper()
	dir := streamtest.Flashes(t, flashSeconds, r.period, r.rate)
	// superfast has B-frames, whose reordering players have to undo.
	fast := transcode.Options{Presets: map[string]string{"libx264": "superfast"}}
	params := &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:160x90::quality=2,maxrate=300k"),
		HLS:      &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
	}
	published := streamtest.Publish(t, dir, params, fast)
	params.HLS = nil
	published = append(published, streamtest.Publish(t, streamtest.Second(t, dir), params, fast)...)
	mux := http.NewServeMux()
	for i, name := range []string{"ts", "cmaf", "cmaf2"} {
		mux.Handle("GET /"+name+"/", http.StripPrefix("/"+name+"/", http.FileServer(http.Dir(published[i].Root))))
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // page.html comes from elsewhere
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var addresses []string
	for _, path := range []string{"/ts/master.m3u8", "/cmaf/master.m3u8", "/cmaf/master.mpd", "/cmaf2/master.m3u8", "/cmaf2/master.mpd"} {
		addresses = append(addresses, server.URL+path)
	}
	for i, f := range files {
		from := streamtest.File(t, dir, f, fast)
		to := filepath.Join(t.TempDir(), strings.NewReplacer(":", "-", "=", "-").Replace(f)+filepath.Ext(from))
		if err := os.Rename(from, to); err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		addresses = append(addresses, "file://"+to)
	}
	return addresses
}
