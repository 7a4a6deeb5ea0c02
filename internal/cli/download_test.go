package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
)

// site serves files by their paths.
func site(t *testing.T, files map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

// download brings an output with these streams into a folder and lists it.
func download(t *testing.T, base string, streams map[string]string) ([]string, error) {
	t.Helper()
	c, err := client.New(client.Options{BaseURL: base})
	if err != nil {
		t.Fatal(err)
	}
	var urls []map[string]string
	for format, path := range streams {
		urls = append(urls, map[string]string{"format": format, "url": base + "/" + path})
	}
	text, err := json.Marshal(map[string]any{"key": "httpstream", "urls": urls})
	if err != nil {
		t.Fatal(err)
	}
	var o client.OutputState
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err = downloadOutput(t.Context(), c, o, dir)
	var got []string
	if walk := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	}); walk != nil {
		t.Fatal(walk)
	}
	slices.Sort(got)
	return got, err
}

const mediaPlaylist = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-KEY:METHOD=AES-128,URI="secret.key"
#EXT-X-MAP:URI="init.mp4"
#EXTINF:4,
1.m4s
#EXTINF:4,
../../outside.m4s
#EXTINF:4,
https://elsewhere.invalid/3.m4s
#EXT-X-ENDLIST
`

// TestDownloadHLS follows a multivariant playlist to files below it, and to no
// others.
func TestDownloadHLS(t *testing.T) {
	s := site(t, map[string]string{
		"out/master.m3u8": `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="one",URI="a/list.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS="avc1.64001f,mp4a.40.2",AUDIO="a"
v/list.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.64001f",URI="v/iframes.m3u8"
`,
		"out/v/list.m3u8": mediaPlaylist, "out/a/list.m3u8": mediaPlaylist, "out/v/iframes.m3u8": mediaPlaylist,
		"out/v/init.mp4": "i", "out/v/1.m4s": "1", "out/a/init.mp4": "i", "out/a/1.m4s": "1",
		"outside.m4s": "no", "out/v/secret.key": "no", "out/a/secret.key": "no",
	})
	got, err := download(t, s.URL, map[string]string{"hls": "out/master.m3u8"})
	want := []string{
		"hls/a/1.m4s", "hls/a/init.mp4", "hls/a/list.m3u8", "hls/master.m3u8",
		"hls/v/1.m4s", "hls/v/iframes.m3u8", "hls/v/init.mp4", "hls/v/list.m3u8",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("files (-want +got), %v:\n%s", err, diff)
	}
}

// TestDownloadDASH fetches segments by number and by time, and subtitles, which
// are one file.
func TestDownloadDASH(t *testing.T) {
	files := map[string]string{"d/manifest.mpd": `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S" minBufferTime="PT2S">
 <Period>
  <AdaptationSet contentType="video">
   <SegmentTemplate timescale="1000" initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Number%03d$.m4s" startNumber="5">
    <SegmentTimeline><S t="0" d="2000" r="1"/><S d="1000"/></SegmentTimeline>
   </SegmentTemplate>
   <Representation id="v1" bandwidth="1"/><Representation id="v2" bandwidth="2"/>
  </AdaptationSet>
  <AdaptationSet contentType="audio">
   <Representation id="a" bandwidth="3">
    <SegmentTemplate timescale="1000" initialization="a/init.mp4" media="a/$Time$-$Bandwidth$.m4s">
     <SegmentTimeline><S t="0" d="3000" r="1"/></SegmentTimeline>
    </SegmentTemplate>
   </Representation>
  </AdaptationSet>
  <AdaptationSet contentType="text" mimeType="text/vtt">
   <Representation id="t" bandwidth="1"><BaseURL>text/en.vtt</BaseURL></Representation>
  </AdaptationSet>
 </Period>
</MPD>`}
	want := []string{
		"dash/a/0-3.m4s", "dash/a/3000-3.m4s", "dash/a/init.mp4", "dash/manifest.mpd", "dash/text/en.vtt",
		"dash/v1/005.m4s", "dash/v1/006.m4s", "dash/v1/007.m4s", "dash/v1/init.mp4",
		"dash/v2/005.m4s", "dash/v2/006.m4s", "dash/v2/007.m4s", "dash/v2/init.mp4",
	}
	for _, f := range want {
		if name := "d" + strings.TrimPrefix(f, "dash"); files[name] == "" {
			files[name] = "x"
		}
	}
	s := site(t, files)
	got, err := download(t, s.URL, map[string]string{"dash": "d/manifest.mpd"})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("files (-want +got), %v:\n%s", err, diff)
	}
}

// TestDownloadBroken: what cannot be read is an error that names the file.
func TestDownloadBroken(t *testing.T) {
	s := site(t, map[string]string{"a.m3u8": "no playlist", "a.mpd": "<MPD", "b.m3u8": "#EXTM3U\n#EXTINF:1,\ngone.ts\n"})
	for path, want := range map[string]string{"a.m3u8": "read a.m3u8", "a.mpd": "read a.mpd", "b.m3u8": "gone.ts"} {
		if _, err := download(t, s.URL, map[string]string{"hls": path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
