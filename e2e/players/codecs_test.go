package players

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// TestCodecs plays a stream with variants in four codecs: each player takes those of the
// codec that it prefers and can decode, switches among them and keeps in step. Chromium
// decodes no HEVC, so its variants must be passed over.
func TestCodecs(t *testing.T) {
	testmedia.Long(t)
	nodeModules := modules(t)
	dir := streamtest.Film(t, seconds, "320x180", "25")
	p := streamtest.Publish(t, dir, &job.StreamParams{
		Variants: streamtest.Formats(t, "mp4:160x90::quality=2", "mp4:320x180::quality=2", "mp4:vp9_160x90::quality=2,preset=8", "mp4:vp9_320x180::quality=2,preset=8",
			"mp4:av1_160x90::quality=2,preset=12", "mp4:av1_320x180::quality=2,preset=12", "mp4:hevc_160x90::quality=2"),
		DASH: &job.DASHParams{Path: "/dash", HLSFMP4: true},
	}, transcode.Options{Presets: map[string]string{"libx264": "superfast", "libx265": "ultrafast"}})[0]
	mux := pages(nodeModules)
	mux.Handle("GET /mixed/", http.StripPrefix("/mixed/", http.FileServer(http.Dir(p.Root))))
	server := httptest.NewServer(mux)
	defer server.Close()
	var cases []playing
	for _, c := range [][4]string{
		{"hls.js av1 cmaf", "hls", "/mixed/master.m3u8", "av01"},
		{"shaka vp9 dash", "shaka", "/mixed/master.mpd", "vp09"},
		{"shaka h264 cmaf", "shaka", "/mixed/master.m3u8", "avc1"},
		{"dash.js", "dash", "/mixed/master.mpd", ""}, // by selectionPriority AV1
	} {
		cases = append(cases, playing{Name: c[0], Player: c[1], URL: server.URL + c[2], Codec: c[3]})
	}
	for i, played := range browsers(t)[0].play(t, nodeModules, server.URL+"/page/page.html", cases) {
		t.Run(played.Name, func(t *testing.T) {
			want := "av01"
			for _, c := range cases {
				if c.Name == played.Name && c.Codec != "" {
					want = c.Codec
				}
			}
			played.judge(t)
			for _, b := range played.Buffers {
				if strings.HasPrefix(b.Mime, "video") && !strings.Contains(b.Mime, want) {
					t.Errorf("case %d played %s, expected %s", i, b.Mime, want)
				}
			}
			if played.Levels != 2 {
				t.Errorf("there are %d levels in its codec, expected 2", played.Levels)
			}
		})
	}
}
