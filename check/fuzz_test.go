package check

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
)

// shelf answers requests from memory, by the extension of the path.
type shelf map[string][]byte

// RoundTrip implements http.RoundTripper.
func (s shelf) RoundTrip(r *http.Request) (*http.Response, error) {
	data, ok := s[path.Ext(r.URL.Path)]
	if !ok {
		return nil, errors.New("no such file")
	}
	w := &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(bytes.NewReader(data))}
	return w, nil
}

// FuzzStream checks that no playlist or manifest makes the checker panic or run
// without end. go test ends a run that takes too long.
func FuzzStream(f *testing.F) {
	f.Add([]byte("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c00a\",RESOLUTION=64x36\na.m3u8\n"),
		[]byte("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"8@0\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k.key\"\n#EXTINF:1,\n#EXT-X-BYTERANGE:9@1\na.ts\n#EXT-X-ENDLIST\n"),
		[]byte("G\x40\x00\x10"))
	f.Add([]byte(`<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="x" mediaPresentationDuration="PT1S" minBufferTime="PT1S"><Period duration="PT1S"><AdaptationSet contentType="video"><SegmentTemplate timescale="1" media="$RepresentationID$-$Number%03d$.m4s" initialization="i.mp4" startNumber="1"><SegmentTimeline><S t="0" d="1" r="2"/></SegmentTimeline></SegmentTemplate><Representation id="a" bandwidth="1" codecs="avc1.42c00a"/></AdaptationSet></Period></MPD>`),
		[]byte("#EXTM3U\n"), []byte("\x00\x00\x00\x08moov"))
	f.Fuzz(func(t *testing.T, entry, playlist, media []byte) {
		if bytes.Contains(bytes.ToLower(append(bytes.Clone(entry), playlist...)), []byte("file:")) {
			return
		}
		c := &checker{
			source:  &source{client: &http.Client{Transport: shelf{".m3u8": playlist, ".ts": media, ".m4s": media, ".mp4": media, ".vtt": media, ".key": []byte("0123456789abcdef")}}},
			options: Options{Fetches: 2}, base: &url.URL{Scheme: "http", Host: "host", Path: "/main"}, results: map[string]*Result{},
		}
		main := file{at: c.base, data: entry, contentType: "none"}
		var err error
		if strings.HasPrefix(strings.TrimSpace(string(entry)), "<") {
			err = c.dash(t.Context(), main)
		} else {
			err = c.hls(t.Context(), main)
		}
		if err == nil {
			c.finish(&Report{})
		}
	})
}
