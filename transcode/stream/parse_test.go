package stream

import (
	"encoding/hex"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNALUnits(t *testing.T) {
	for _, test := range []struct {
		data string
		want []string
	}{
		{"", nil},
		{"000001", nil},
		{"00000001 0910 000001 6764", []string{"0910", "6764"}},
		{"000001 09 00 000001 65 000003 01", []string{"09", "6500000301"}},
		{"ffff 000001 65", []string{"65"}},
	} {
		var got []string
		nalUnits(unhex(t, test.data), func(nal []byte) bool {
			got = append(got, hex.EncodeToString(nal))
			return true
		})
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.data, diff)
		}
	}
}

func TestBitRates(t *testing.T) {
	for _, test := range []struct {
		name  string
		spans []span
		want  rates
	}{
		{"nothing", nil, rates{}},
		{"one short clip", []span{{1000, 2}}, rates{4000, 4000}},
		// The last segment is short and dense; alone it does not count.
		{"dense end", []span{{6000, 6}, {6000, 6}, {1000, 0.1}}, rates{9181, 8596}},
		{"a peak", []span{{6000, 6}, {12000, 6}, {6000, 6}}, rates{16000, 10667}},
		// Key frames every two seconds: three of them make a segment.
		{"short spans", []span{{100, 2}, {100, 2}, {700, 2}, {100, 2}}, rates{1600, 1000}},
	} {
		if got := bitRates(test.spans, 6); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestURI(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"master.m3u8", "720p/stream.m3u8", "720p/stream.m3u8"},
		{"720p/stream.m3u8", "720p/segment-00001.ts", "segment-00001.ts"},
		{"a/b/stream.m3u8", "a/b/x y%#?.ts", "x%20y%25%23%3F.ts"},
		{"master.m3u8", "a:b/stream.m3u8", "./a:b/stream.m3u8"},
	} {
		if got := uri(test.from, test.to); got != test.want {
			t.Errorf("uri(%q, %q) = %q, want %q", test.from, test.to, got, test.want)
		}
	}
}

func TestFrameRates(t *testing.T) {
	for _, test := range []struct {
		rate float64
		want string
	}{{25, "25"}, {30000.0 / 1001, "30000/1001"}, {24000.0 / 1001, "24000/1001"}, {60000.0 / 1001, "60000/1001"}, {12.5, "25/2"}, {29.9701, "30000/1001"}} {
		if got := (&trackInfo{rate: test.rate}).rational(); got != test.want {
			t.Errorf("%v: %s, want %s", test.rate, got, test.want)
		}
	}
}

func TestHEVCCodec(t *testing.T) {
	p := hevcProfile{idc: 1, compatibility: 0x60000000, level: 93, constraints: [6]byte{0xb0}}
	if got := p.codec(); got != "hvc1.1.6.L93.B0" {
		t.Error(got)
	}
	p = hevcProfile{space: 2, tier: 1, idc: 2, compatibility: 0x20000000, level: 153}
	if got := p.codec(); got != "hvc1.B2.4.H153" {
		t.Error(got)
	}
}

func TestUnwrap(t *testing.T) {
	p := &tsParse{tsReader: &tsReader{}}
	const turn = 1 << 33
	if got := p.unwrap(900000); got != 900000 {
		t.Errorf("the first timestamp: %d", got)
	}
	p.last = turn - 100
	if got := p.unwrap(50); got != turn+50 {
		t.Errorf("after the turn: %d", got)
	}
	if got := p.unwrap(turn - 50); got != turn-50 {
		t.Errorf("a reordered frame before the turn: %d", got)
	}
}

func TestCheck(t *testing.T) {
	ok := Package{Layout: TS, HLS: true, Tracks: []Track{{ID: "a", Type: Muxed}}}
	for _, test := range []struct {
		want   string
		change func(*Package)
	}{
		{"needs a track", func(p *Package) { p.Tracks = nil }},
		{"layout", func(p *Package) { p.Layout = "x" }},
		{"DASH needs", func(p *Package) { p.DASH = true }},
		{"for HLS or DASH", func(p *Package) { p.HLS = false }},
		{"in use already", func(p *Package) { p.Tracks = append(p.Tracks, p.Tracks[0]) }},
		{"not fit", func(p *Package) { p.Tracks[0].ID = "a/b" }},
		{"layout ts", func(p *Package) { p.Layout = CMAF }},
		{"video or audio", func(p *Package) { p.Tracks[0].Type = Text }},
		{"not supported", func(p *Package) { p.Tracks[0].Type = "smell" }},
		{"a key needs", func(p *Package) { p.Tracks[0].Encryption = &Encryption{KeyName: "k"} }},
		{"there is no key", func(p *Package) {
			p.Tracks[0].Encryption = &Encryption{KeyURI: "https://example.com/key", KeyName: "k"}
		}},
	} {
		p := ok
		p.Tracks = append([]Track(nil), ok.Tracks...)
		test.change(&p)
		_, _, err := Build(fstest.MapFS{}, p, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

// FuzzTS: no segment, however damaged, makes the reader panic.
func FuzzTS(f *testing.F) {
	f.Add(make([]byte, tsPacket))
	seed := make([]byte, 3*tsPacket)
	copy(seed, "\x47\x40\x00\x10\x00\x00\xb0\x0d\x00\x01\xc1\x00\x00\x00\x01\xf0\x00")
	copy(seed[tsPacket:], "\x47\x50\x00\x10\x00\x02\xb0\x12\x00\x01\xc1\x00\x00\xe1\x00\xf0\x00\x1b\xe1\x00\xf0\x00")
	copy(seed[2*tsPacket:], "\x47\x41\x00\x10\x00\x00\x01\xe0\x00\x00\x80\x80\x05\x21\x00\x01\x00\x01\x00\x00\x01\x67\x64\x00\x1f\xac\x00\x00\x01\x65\x88")
	f.Add(seed)
	f.Fuzz(func(_ *testing.T, data []byte) {
		r := &tsReader{}
		if len(data)%2 == 0 {
			_, _ = r.read(data)
		}
		_, _ = r.read(data)
	})
}

// FuzzMP4: no box makes the reader panic.
func FuzzMP4(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08moov"), []byte("\x00\x00\x00\x08moof"))
	f.Add([]byte("\x00\x00\x00\x10moov\x00\x00\x00\x08trak"), []byte("\x00\x00\x00\x10moof\x00\x00\x00\x08traf"))
	f.Fuzz(func(_ *testing.T, head, data []byte) {
		in, err := parseInit(head)
		if err != nil {
			in = &initSegment{timescale: 1}
		}
		_, _ = in.parseFragments(data)
		for _, handler := range []string{"vide", "soun"} {
			for _, kind := range []string{"avc1", "hvc1", "vp09", "av01", "mp4a", "Opus"} {
				_ = (&initSegment{handler: handler}).sampleEntry(box{kind: kind, data: data})
			}
		}
		_, _ = parseH264SPS(data)
		_, _ = parseHEVCSPS(data)
	})
}

// FuzzCues: subtitles of any kind are read or refused; the times of what was read
// make sense, and can be written.
func FuzzCues(f *testing.F) {
	f.Add([]byte("WEBVTT\n\n00:00.500 --> 00:01.500 align:start\nHello\n\nNOTE x\n\n1\n01:00:02.000 --> 01:00:03.000\n<b>World</b>\n"))
	f.Add([]byte("\ufeffWEBVTT - a\r\n\r\n00:00.000 --> 9999999:00:00.000\r\n\x00\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cues, err := parseCues(data)
		if err != nil {
			return
		}
		for _, c := range cues {
			if !(c.start < c.end) || !(c.start >= 0) || c.text == "" {
				t.Errorf("%+v", c)
			}
			if _, err := parseCueTime(cueTime(c.start)); err != nil {
				t.Error(err)
			}
		}
	})
}
