package players

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// colourCase is a source, whose colours its size implies, and what is made of it.
type colourCase struct {
	name, size, matrix string
	files, pictures    []string // formats
	streams            []string // sizes of their variant
	layouts            []string // of the streams
}

// colourCases are HD to SD, and with COPRA_PLAYERS=1, which make players sets, all pairs.
func colourCases() []colourCase {
	if os.Getenv("COPRA_PLAYERS") == "" {
		return []colourCase{{"hd", "1280x720", "bt709", []string{"mp4:320x180::quality=5"}, []string{"png:640x"}, []string{"320x180"}, []string{"/dash"}}}
	}
	files := []string{"mp4:320x180::quality=5", "webm:320x180_2000k::preset=8", "mp4:1280x720::quality=5", "webm:1280x720_2000k::preset=8"}
	pictures, both := []string{"jpg:640x", "png:640x", "webp:640x"}, []string{"/hls", "/dash"}
	return []colourCase{
		{"hd", "1280x720", "bt709", files, pictures, []string{"320x180", "1280x720"}, both},
		{"sd", "320x180", "bt601", files, pictures, []string{"320x180"}, both},
	}
}

// colour is what all sources show.
const colour = "0xB04060"

// TestColours: what is made of sources that do not name their colours looks like them in
// Chromium and GStreamer, in files, streams and pictures, in SD and in HD. A source is taken
// for what its size implies: BT.601 below HD, BT.709 from there on.
func TestColours(t *testing.T) {
	testmedia.Long(t)
	nodeModules := modules(t)
	mux := pages(nodeModules)
	server := httptest.NewServer(mux)
	defer server.Close()
	var cases []playing
	var films []string // addresses for GStreamer
	for _, c := range colourCases() {
		for _, p := range c.make(t) {
			path := fmt.Sprintf("/colour%d/", len(cases))
			mux.Handle("GET "+path, http.StripPrefix(path, http.FileServer(http.Dir(p.root))))
			cases = append(cases, playing{Name: p.name, Player: p.player, URL: server.URL + path + p.file, Colour: true})
			if p.player != "image" {
				films = append(films, cases[len(cases)-1].URL)
			}
		}
	}
	near := func(name string, got []float64, tolerance float64) {
		t.Logf("%s: %.0f", name, got)
		for i, want := range []float64{0xB0, 0x40, 0x60} {
			if len(got) != 3 || math.Abs(got[i]-want) > tolerance {
				t.Errorf("%s: the colour is %.0f, want %s", name, got, colour)
				return
			}
		}
	}
	for _, p := range browsers(t)[0].play(t, nodeModules, server.URL+"/page/page.html", cases) {
		if p.Failed != "" || len(p.Errors) > 0 {
			t.Errorf("%s: %s %v\n%v", p.Name, p.Failed, p.Errors, p.Log)
			continue
		}
		near("Chromium, "+p.Name, p.Colour, 3)
	}
	for i, w := range gstreamer(t, films...) {
		if w.Error != "" {
			t.Errorf("GStreamer, %s: %s", films[i], w.Error)
			continue
		}
		var got []float64
		for _, c := range w.Colour {
			got = append(got, float64(c))
		}
		// GStreamer's own arithmetic is off by up to four levels; another matrix by
		// ten and more.
		near("GStreamer, "+films[i], got, 5)
	}
}

// shown is what a player gets: a file in a folder.
type shown struct{ name, player, root, file string }

// make makes the source and all that is made of it.
func (c colourCase) make(t *testing.T) (list []shown) {
	t.Helper()
	fast := transcode.Options{Presets: map[string]string{"libx264": "superfast"}}
	dir := t.TempDir()
	streamtest.Run(t, dir, "-f", "lavfi", "-i", "color="+colour+":s="+c.size+":r=10:d=1,format=gbrp,scale=flags=accurate_rnd+full_chroma_int:out_color_matrix="+c.matrix+":out_range=tv,format=yuv420p"+
		",setparams=range=unknown:colorspace=unknown:color_primaries=unknown:color_trc=unknown", "-f", "lavfi", "-i", "sine=d=1",
		"-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-c:a", "aac", "-f", "mp4", transcode.SourceName)
	keep := func(format, player, from string) {
		root := t.TempDir() // the next output has the same name
		if err := os.Rename(from, filepath.Join(root, filepath.Base(from))); err != nil {
			t.Fatal(err)
		}
		list = append(list, shown{c.name + " to " + format, player, root, filepath.Base(from)})
	}
	for _, f := range c.files {
		keep(f, "file", streamtest.File(t, dir, f, fast))
	}
	for _, f := range c.pictures {
		keep(f, "image", streamtest.Picture(t, dir, f, fast))
	}
	for _, size := range c.streams {
		params := &job.StreamParams{Variants: streamtest.Formats(t, "mp4:"+size+"::quality=5")}
		for _, layout := range c.layouts {
			if layout == "/hls" {
				params.HLS = &job.HLSParams{Path: layout}
			} else {
				params.DASH = &job.DASHParams{Path: layout, HLSFMP4: true}
			}
		}
		for _, p := range streamtest.Publish(t, dir, params, fast) {
			list = append(list, shown{c.name + " to a stream of " + size + " in " + p.Package.Path, "hls", p.Root, "master.m3u8"})
		}
	}
	return list
}
