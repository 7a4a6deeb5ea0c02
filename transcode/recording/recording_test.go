package recording

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

func address(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// lines writes the runs of a track for comparison.
func lines(t Track) string {
	var b strings.Builder
	for i, r := range t.Runs {
		fmt.Fprintf(&b, "run %d: %.1f s from %g\n", i+1, r.Duration, r.Origin)
		for _, p := range r.Pieces {
			fmt.Fprintf(&b, "%d-%d %s", p.Number, p.Until, p.URL)
			if p.Length > 0 {
				fmt.Fprintf(&b, " %d+%d", p.From, p.Length)
			}
			if p.Key != nil {
				fmt.Fprintf(&b, " %s %x", p.Key.URL, p.Key.IV)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestSniff(t *testing.T) {
	for text, want := range map[string]Protocol{
		"#EXTM3U\n":         HLS,
		"\ufeff#EXTM3U\r\n": HLS,
		"<?xml version='1.0'?>\n<!-- a > b -->\n<MPD xmlns='a'>": DASH,
		"<a:MPD xmlns:a='b'/>":              DASH,
		"<MPDs/>":                           "",
		"<html><MPD/>":                      "",
		"\x00\x00\x00 ftyp":                 "",
		"":                                  "",
		"<!-- " + strings.Repeat("x", 5000): "",
	} {
		if got := Sniff([]byte(text)); got != want {
			t.Errorf("%.20q: %q", text, got)
		}
	}
}

// TestMediaPlaylist: segments, ranges, keys, maps, gaps and variables are what RFC 8216
// says.
func TestMediaPlaylist(t *testing.T) {
	p, err := ReadHLS([]byte(`#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DEFINE:NAME="host",VALUE="https://b.example.com"
#EXT-X-DEFINE:QUERYPARAM="token"
#EXTINF:4,first
{$host}/1.ts?{$token}
#EXTINF:4,
#EXT-X-BYTERANGE:100@1000
all.ts
#EXTINF:4,
#EXT-X-BYTERANGE:50
all.ts
#EXT-X-GAP
#EXTINF:4,
gone.ts
#EXT-X-KEY:METHOD=AES-128,URI="key?a=1,2",KEYFORMAT="identity"
#EXTINF:4,
#EXT-X-BYTERANGE:48@0
secret.ts
#EXT-X-KEY:METHOD=NONE
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="i.mp4",BYTERANGE="500@0"
#EXTINF:3.5,
/c.m4s
#EXT-X-MAP:URI="i.mp4",BYTERANGE="500@0"
#EXTINF:3.5,
d.m4s
#EXT-X-ENDLIST
`), address(t, "http://user:pw@a.example.com/x/y.m3u8?token=t1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `run 1: 16.0 s from 0
1-1 https://b.example.com/1.ts?t1
2-3 http://user:pw@a.example.com/x/all.ts 1000+150
5-5 http://user:pw@a.example.com/x/secret.ts 0+48 http://user:pw@a.example.com/x/key?a=1,2 0000000000000000000000000000000b
run 2: 7.0 s from 0
0-0 http://user:pw@a.example.com/x/i.mp4 0+500
6-6 http://user:pw@a.example.com/c.m4s
7-7 http://user:pw@a.example.com/x/d.m4s
`
	if got := lines(p.Media()); got != want || p.Media().Segments != 7 {
		t.Errorf("%d segments:\n%s", p.Media().Segments, got)
	}
}

func TestMultivariant(t *testing.T) {
	p, err := ReadHLS([]byte(`#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="low",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="low.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="high",NAME="Deutsch",LANGUAGE="de",URI="de.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="high",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="high",NAME="Described",LANGUAGE="fr",CHARACTERISTICS="public.accessibility.describes-video",URI="ad.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="English",URI="s.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=128000,CODECS="mp4a.40.2",AUDIO="low"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,FRAME-RATE=25,AUDIO="high"
720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,FRAME-RATE=50,AUDIO="high"
720p50.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=640x360,AUDIO="low"
360.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,RESOLUTION=1920x1080,URI="i.m3u8"
`), address(t, "http://a/m.m3u8"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range p.Variants {
		got = append(got, v.URL.Path)
	}
	for _, a := range p.Audio(p.Variants[0]) {
		got = append(got, a.URL.Path+" "+a.Language)
	}
	if s := strings.Join(got, ", "); s != "/720p50.m3u8, /720.m3u8, /360.m3u8, /low.m3u8, /en.m3u8 en, /de.m3u8 de" {
		t.Error(s)
	}
}

// TestManyMembers: lists of 50,000 segments are read, and endless ones are not.
func TestManyMembers(t *testing.T) {
	at := address(t, "http://a/m")
	list := func(n int) []byte {
		return []byte("#EXTM3U\n" + strings.Repeat("#EXTINF:2,\nhttps://cdn.example.com/some/where/segment.ts?signature=0123456789abcdef\n", n) + "#EXT-X-ENDLIST\n")
	}
	p, err := ReadHLS(list(50_000), at, nil)
	if err != nil || p.Media().Segments != 50_000 || p.Media().Duration() != 100_000 {
		t.Errorf("50,000 segments: %v", err)
	}
	if _, err := ReadHLS(list(MaxSegments+1), at, nil); !refused(err, "more than 200000 segments") {
		t.Errorf("too many: %v", err)
	}
	timeline := func(s string) []byte {
		return []byte(`<MPD mediaPresentationDuration="PT10H"><Period><AdaptationSet contentType="video"><Representation id="v"><SegmentTemplate timescale="10" media="$Time$">` +
			s + `</SegmentTemplate></Representation></AdaptationSet></Period></MPD>`)
	}
	r, err := ReadDASH(timeline(`<SegmentTimeline><S t="0" d="7" r="-1"/></SegmentTimeline>`), at)
	if err != nil || r.Tracks[0].Segments != 51_429 {
		t.Errorf("a timeline to the end: %v", err)
	}
	for _, s := range []string{`<SegmentTimeline><S d="1" r="9223372036854775807"/></SegmentTimeline>`, `<SegmentTimeline><S d="1" r="199999"/><S d="1" r="199999"/></SegmentTimeline>`} {
		if _, err := ReadDASH(timeline(s), at); !refused(err, "more than 200000 segments") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := ReadDASH([]byte(strings.Replace(string(timeline("")), "media=", `duration="1" media=`, 1)), at); !refused(err, "more than 200000 segments") {
		t.Errorf("many by their length: %v", err)
	}
}

func refused(err error, says string) bool {
	e, ok := errors.AsType[*job.Error](err)
	return ok && strings.Contains(e.Message, says)
}

// TestManifest: levels inherit, the best is chosen, and Periods are runs.
func TestManifest(t *testing.T) {
	r, err := ReadDASH([]byte(`<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1M4.5S">
 <BaseURL>media/</BaseURL>
 <Period duration="PT4S">
  <AdaptationSet contentType="video"><EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>
   <Representation id="t" bandwidth="9" width="3840" height="2160"><BaseURL>t.mp4</BaseURL></Representation></AdaptationSet>
  <AdaptationSet mimeType="video/mp4">
   <SegmentTemplate timescale="1000" duration="2000" presentationTimeOffset="5000" initialization="$RepresentationID$/i.mp4" media="$RepresentationID$/$Number%03d$-$$.m4s" startNumber="3"/>
   <Representation id="low" bandwidth="100" width="640" height="360"/><Representation id="high" bandwidth="800" width="1280" height="720"/></AdaptationSet>
  <AdaptationSet contentType="audio" lang="de"><Role schemeIdUri="r" value="dub"/><Representation id="d" bandwidth="5"><BaseURL>d.mp4</BaseURL></Representation></AdaptationSet>
  <AdaptationSet contentType="audio" lang="en"><Role schemeIdUri="r" value="main"/>
   <Representation id="e" bandwidth="5"><SegmentList><Initialization range="0-9"/><SegmentURL mediaRange="10-19"/><SegmentURL mediaRange="20-29"/></SegmentList><BaseURL>e.mp4</BaseURL></Representation></AdaptationSet>
 </Period>
 <Period start="PT4S">
  <AdaptationSet contentType="video"><Representation id="2" bandwidth="1"><BaseURL>2.mp4</BaseURL><SegmentBase timescale="10" presentationTimeOffset="25"/></Representation></AdaptationSet>
  <AdaptationSet contentType="audio"><Representation id="3" bandwidth="1"><BaseURL>3.mp4</BaseURL></Representation></AdaptationSet>
 </Period>
</MPD>`), address(t, "http://a/x/m.mpd"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`run 1: 4.0 s from 5
0-0 http://a/x/media/high/i.mp4
1-1 http://a/x/media/high/003-$.m4s
2-2 http://a/x/media/high/004-$.m4s
run 2: 60.5 s from 2.5
1-1 http://a/x/media/2.mp4
`, `run 1: 4.0 s from 0
0-0 http://a/x/media/e.mp4 0+10
1-2 http://a/x/media/e.mp4 10+20
run 2: 60.5 s from 0
1-1 http://a/x/media/3.mp4
`}
	if len(r.Tracks) != 2 || r.Tracks[1].Language != "en" {
		t.Fatalf("%d tracks", len(r.Tracks))
	}
	for i, tr := range r.Tracks {
		if got := lines(tr); got != want[i] {
			t.Errorf("track %d:\n%s", i+1, got)
		}
	}
	if err := r.Joinable(); err != nil {
		t.Error(err)
	}
}

// FuzzRead: whatever is in a playlist or manifest, it is read or refused with a sentence.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"#EXTM3U\n#EXT-X-BYTERANGE:9223372036854775807@9223372036854775807\na\n#EXT-X-BYTERANGE:9\na\n#EXT-X-ENDLIST",
		"#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{$a}\"\n{$a}\n#EXT-X-KEY:METHOD=AES-128\nb", "#EXTM3U\n#EXT-X-STREAM-INF:RESOLUTION=99999999999x1\n#EXT-X-MEDIA:TYPE=AUDIO\n%zz",
		"#EXTM3U\n#EXT-X-STREAM-INF:\n", "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,IV=0x1,URI=\"\"\n", "#EXTM3U\n#EXT-X-MAP:URI=\"a\",BYTERANGE=\"-1@2\"\na",
		`<MPD mediaPresentationDuration="PT1e9S"><Period start="P9D"><AdaptationSet contentType="video"><Representation><SegmentTemplate media="$Number%099d$" duration="1" timescale="18446744073709551615"/></Representation></AdaptationSet></Period></MPD>`,
		`<MPD><Period><AdaptationSet contentType="audio"><Representation><SegmentList><SegmentURL mediaRange="5-1"/></SegmentList></Representation></AdaptationSet></Period></MPD>`,
		`<MPD><Period duration="PT9S"><AdaptationSet contentType="audio"><Representation><SegmentTemplate media="a" startNumber="9" endNumber="3"/></Representation></AdaptationSet></Period></MPD>`,
	} {
		f.Add(s)
	}
	base := address(f, "http://a/b")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ReadHLS([]byte(s), base, nil)
		sentence(t, err)
		if err == nil && !p.Multivariant() {
			sound(t, p.Media())
		}
		r, err := ReadDASH([]byte(s), base)
		sentence(t, err)
		if err == nil {
			for _, tr := range r.Tracks {
				sound(t, tr)
			}
		}
		_ = Sniff([]byte(s))
	})
}

func sentence(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*job.Error](err); err != nil && !ok {
		t.Errorf("no sentence: %v", err)
	}
}

func sound(t *testing.T, tr Track) {
	t.Helper()
	for _, r := range tr.Runs {
		for _, p := range r.Pieces {
			if p.URL == nil || p.From < 0 || p.Length < 0 || p.From+p.Length < 0 || p.Number < 0 || p.Until < p.Number {
				t.Errorf("a piece %+v", p)
			}
		}
	}
}
