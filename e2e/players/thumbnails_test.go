package players

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// thumbnail is a picture as a player finds it. Start and Duration are 0 where the player
// does not say.
type thumbnail struct {
	Time            float64
	Start, Duration float64
	Width, Height   float64
	Sheet           [2]int
	Level           int // brightness in its middle, 0 to 255
}

// TestThumbnails: shaka-player and dash.js show for each moment the picture of its
// interval. The source has another brightness every two seconds.
func TestThumbnails(t *testing.T) {
	testmedia.Long(t)
	nodeModules := modules(t)
	const step = 10 // of luma, from one interval to the next
	dir := t.TempDir()
	streamtest.Run(t, dir, "-f", "lavfi", "-i", "nullsrc=s=160x90:r=10:d=15", "-f", "lavfi", "-i", "sine=d=15",
		"-vf", fmt.Sprintf("geq=lum=30+%d*floor(T/2):cb=128:cr=128", step), "-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", "-c:a", "aac", "-f", "mp4", transcode.SourceName)
	published := streamtest.Publish(t, dir, &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:160x90::quality=2"), HLS: &job.HLSParams{Path: "/hls"}, DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
		Thumbnails: &job.Thumbnails{Interval: 2, Width: 80, Columns: 3, Rows: 2},
	}, transcode.Options{Presets: map[string]string{"libx264": "ultrafast"}})
	mux := pages(nodeModules)
	for i, name := range []string{"ts", "cmaf"} {
		mux.Handle("GET /"+name+"/", http.StripPrefix("/"+name+"/", http.FileServer(http.Dir(published[i].Root))))
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	times := []float64{0, 1.9, 2.1, 9, 11.9, 12.1, 14.5} // the second sheet begins at 12 s
	var cases []playing
	for _, c := range [][3]string{
		{"shaka ts", "shaka", "/ts/master.m3u8"}, {"shaka cmaf", "shaka", "/cmaf/master.m3u8"},
		{"shaka dash", "shaka", "/cmaf/master.mpd"}, {"dash.js", "dash", "/cmaf/master.mpd"},
	} {
		cases = append(cases, playing{Name: c[0], Player: c[1], URL: server.URL + c[2], Times: times})
	}
	for _, p := range browsers(t)[0].play(t, nodeModules, server.URL+"/page/page.html", cases) {
		if p.Failed != "" || len(p.Errors) > 0 || len(p.Thumbnails) != len(times) {
			t.Errorf("%s: %s %v, %d pictures\n%v", p.Name, p.Failed, p.Errors, len(p.Thumbnails), p.Log)
		}
		for _, n := range p.Thumbnails {
			// A picture in a JPEG file is full range, and in video luma goes from 16 to 235.
			cell := int(n.Time / 2)
			want := (30 + step*cell - 16) * 255 / 219
			if n.Level < want-4 || n.Level > want+4 || n.Width != 80 || n.Height != 45 || n.Sheet != [2]int{240, 90} {
				t.Errorf("%s: at %.1f s a brightness of %d, want %d, of %.0fx%.0f on %v", p.Name, n.Time, n.Level, want, n.Width, n.Height, n.Sheet)
			}
			if n.Duration != 0 && (n.Start != float64(2*cell) || n.Duration != 2) {
				t.Errorf("%s: the picture of %.1f s is from %.1f s, for %.1f s", p.Name, n.Time, n.Start, n.Duration)
			}
		}
	}
}
