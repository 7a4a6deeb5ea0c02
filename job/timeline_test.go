package job

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/copra-video/copra/transcode/format"
)

// framecrc writes packets as ffmpeg's muxer does: times in ticks of base.
func framecrc(base string, times []int64, duration int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#software: Lavf\n#tb 0: %s\n#media_type 0: video\n", base)
	for _, t := range times {
		fmt.Fprintf(&b, "0, %10d, %10d, %8d, %8d, 0x00000000\n", t, t, duration, 100)
	}
	return b.String()
}

// TestNominalRate: recordings with frames left out, jitter and clocks of 1 ms have
// the rate that they were made with, and only video whose frames are all the same
// time apart counts as regular.
func TestNominalRate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name      string
		base      string
		tick      float64 // ticks a second
		rate      float64
		frames    int
		keep      func(n int) bool
		jitter    int64 // ticks at most
		want      format.Rational
		irregular bool
	}{
		{"regular", "1/30000", 30000, 30, 240, nil, 0, format.Rational{Num: 30, Den: 1}, false},
		{"film", "1/90000", 90000, 24000.0 / 1001, 240, nil, 0, format.Rational{Num: 24000, Den: 1001}, false},
		{"a clock of 1 ms", "1/1000", 1000, 30, 240, nil, 0, format.Rational{Num: 30, Den: 1}, false},
		{"recorder", "1/30000", 30000, 30, 240, func(n int) bool { return n < 90 || n >= 150 || n%10 == 0 }, 400, format.Rational{Num: 30, Den: 1}, true},
		{"ntsc recorder", "1/30000", 30000, 30000.0 / 1001, 3000, func(n int) bool { return n%7 != 3 }, 300, format.Rational{Num: 30000, Den: 1001}, true},
		{"one frame left out", "1/90000", 90000, 25, 500, func(n int) bool { return n != 250 }, 0, format.Rational{Num: 25, Den: 1}, true},
		{"slides", "1/1000", 1000, 25, 500, func(n int) bool { return n%75 == 0 }, 0, format.Rational{Num: 10, Den: 1}, false},
	} {
		var times []int64
		for n := range c.frames {
			if c.keep == nil || c.keep(n) {
				at := int64(float64(n)*c.tick/c.rate + 0.5)
				if c.jitter > 0 {
					at += random.Int64N(c.jitter)
				}
				times = append(times, at)
			}
		}
		line, err := ReadTimeline(strings.NewReader(framecrc(c.base, times, 1)), []TimelineStream{{Index: 4, Video: true}})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := line.Streams[4]
		if got.Rate != c.want || got.Irregular != c.irregular || got.Packets != int64(len(times)) {
			t.Errorf("%s: %d frames at %v, irregular %v; want %d at %v, %v", c.name, got.Packets, got.Rate, got.Irregular, len(times), c.want, c.irregular)
		}
	}
}

// TestReadTimelineRefuses: what is no list of packets is an error, and no packets
// are an empty stream.
func TestReadTimelineRefuses(t *testing.T) {
	for _, text := range []string{"0, 1, 2\n", "#tb 0: 1/0\n", "#tb 3: 1/25\n", "7, 1, 2, 3, 4, 0x0\n", "0, a, 2, 3, 4, 0x0\n"} {
		if _, err := ReadTimeline(strings.NewReader(text), []TimelineStream{{Video: true}}); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	line, err := ReadTimeline(strings.NewReader("#tb 0: 1/25\n"), []TimelineStream{{Video: true}})
	if err != nil || line.Streams[0].Packets != 0 {
		t.Errorf("an empty stream: %+v, %v", line, err)
	}
}

// TestMeasure: what was estimated follows the packets, also in what clients read,
// and declared streams without any are gone.
func TestMeasure(t *testing.T) {
	m := parse(t, `{"streams":[
		{"index":0,"codec_type":"video","codec_name":"h264","width":64,"height":36,"avg_frame_rate":"25/1","r_frame_rate":"25/1","duration":"4.0","start_time":"1.4"},
		{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"duration":"4.0","start_time":"1.4"},
		{"index":2,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2}
	],"format":{"format_name":"mpegts","duration":"4.010667","start_time":"1.4","size":"100"}}`)
	if !m.Estimated() || !m.NeedsTimeline() {
		t.Fatal("the length of a transport stream is believed")
	}
	m.Measure(Timeline{Streams: map[int]StreamTimeline{
		0: {Packets: 200, Start: 0.01, End: 8.01, Rate: format.Rational{Num: 25, Den: 1}},
		1: {Packets: 376, End: 8},
		2: {},
	}})
	if m.Duration != 8.01 || len(m.Audio) != 1 || m.Video[0].Duration != 8 || m.Audio[0].Duration != 8 {
		t.Errorf("%+v", m)
	}
	if !strings.Contains(string(m.Raw), `"duration":"8.010000","start_time":"1.4","size":"100"`) {
		t.Errorf("clients get %s", m.Raw)
	}
	indexed := parse(t, `{"streams":[{"index":0,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"nb_frames":"10","duration":"4.0"}],
		"format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"4.0"}}`)
	if indexed.Estimated() || indexed.NeedsTimeline() {
		t.Error("the index of an MP4 is not believed")
	}
	const uneven = `{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":64,"height":36,"avg_frame_rate":"239/10","r_frame_rate":"24/1",%s"duration":"4.0"}],
		"format":{"format_name":"%s","duration":"4.0"}}`
	for _, c := range []struct {
		frames, format string
		only           bool
	}{
		{`"nb_frames":"96",`, "mov,mp4,m4a,3gp,3g2,mj2", true}, {"", "mov,mp4,m4a,3gp,3g2,mj2", false}, {`"nb_frames":"96",`, "mpegts", false},
	} {
		m := parse(t, fmt.Sprintf(uneven, c.frames, c.format))
		if !m.NeedsTimeline() || m.LacksOnlyTimes() != c.only {
			t.Errorf("%+v: %t, %t", c, m.NeedsTimeline(), m.LacksOnlyTimes())
		}
	}
	flac := parse(t, `{"streams":[{"index":0,"codec_type":"audio","codec_name":"flac","sample_rate":"48000","channels":2,"duration":"4.0"}],"format":{"format_name":"flac","duration":"4.0"}}`)
	for end, want := range map[float64]float64{4: 0, 3.9: 0, 2.5: 2.5} {
		m := flac
		if m.Measure(Timeline{Streams: map[int]StreamTimeline{0: {Packets: 5, End: end}}}); !m.NeedsTimeline() || m.Cut != want || m.Duration != 4 {
			t.Errorf("FLAC that ends at %v s: cut at %v, lasts %v", end, m.Cut, m.Duration)
		}
	}
	cover := parse(t, `{"streams":[{"index":0,"codec_type":"video","codec_name":"mjpeg","width":640,"height":640},{"index":1,"codec_type":"video","codec_name":"h264","width":64,"height":36}],
		"format":{"format_name":"matroska,webm","duration":"4.0"}}`)
	cover.Measure(Timeline{Streams: map[int]StreamTimeline{0: {Packets: 1, End: 0.04}, 1: {Packets: 100, End: 4}}})
	if len(cover.Video) != 1 || cover.Video[0].Index != 1 {
		t.Errorf("a cover that is not marked is video: %+v", cover.Video)
	}
	live := parse(t, `{"streams":[{"index":0,"codec_type":"audio","codec_name":"opus","sample_rate":"48000","channels":2}],"format":{"format_name":"matroska,webm"}}`)
	live.Measure(Timeline{Streams: map[int]StreamTimeline{0: {Packets: 5, End: 2.5}}})
	if live.Duration != 2.5 || !strings.Contains(string(live.Raw), `"format_name":"matroska,webm","duration":"2.500000"}`) {
		t.Errorf("live: %v, %s", live.Duration, live.Raw)
	}
}

// TestRestart: a stream whose decode time stands still for a second or more began
// anew there. Packets that share a time by rounding did not.
func TestRestart(t *testing.T) {
	packets := func(times ...int64) string {
		var b strings.Builder
		b.WriteString("#tb 0: 1/1000\n")
		for _, dts := range times {
			fmt.Fprintf(&b, "0, %d, %d, 40, 100, 0x00000000\n", dts, dts)
		}
		return b.String()
	}
	var regular, restarted, rounded []int64
	for n := range int64(100) {
		regular = append(regular, n*40)
		rounded = append(rounded, n/2*40)
		restarted = append(restarted, min(n, 60)*40)
	}
	for _, tt := range []struct {
		times []int64
		want  float64
	}{{regular, 0}, {rounded, 0}, {restarted, 2.4}} {
		line, err := ReadTimeline(strings.NewReader(packets(tt.times...)), []TimelineStream{{Video: true}})
		if err != nil || line.Restart != tt.want {
			t.Errorf("begins anew at %v, want %v (%v)", line.Restart, tt.want, err)
		}
	}
}

// Packets without a presentation time: of AVI with B-frames each is shown when the next of
// them is decoded; of Matroska whose time begins before zero it is the time of decoding.
// Those with neither are counted, and so are those that are not shown.
func TestPacketsWithoutTime(t *testing.T) {
	const none = "-9223372036854775808"
	read := func(reorder int, lines ...string) StreamTimeline {
		line, err := ReadTimeline(strings.NewReader("#tb 0: 1/25\n"+strings.Join(lines, "\n")), []TimelineStream{{Video: true, Reorder: reorder}})
		if err != nil {
			t.Fatal(err)
		}
		return line.Streams[0]
	}
	packet := func(dts int, pts string) string { return fmt.Sprintf("0, %d, %s, 1, 100, 0x00000000", dts, pts) }
	var avi, matroska []string
	for n := range 100 {
		shown := none
		if n%4 >= 2 {
			shown = fmt.Sprint(n) // I P B B P P B B ...
		}
		avi = append(avi, packet(n, shown))
		matroska = append(matroska, packet(n, fmt.Sprint(n+1)))
	}
	s := read(1, avi...)
	if s.Packets != 100 || len(s.Times) != 100 || s.Start != 0.04 || s.End != 4.04 || s.Irregular || s.GOPs == nil || s.GOPs.Mean != 20000 {
		t.Errorf("AVI: %+v, %+v", s, s.GOPs)
	}
	s = read(2, append([]string{"0, " + none + ", " + none + ", 1, 100, 0x00000000", packet(-2, none), packet(-1, none)}, matroska...)...)
	if s.Packets != 103 || len(s.Times) != 101 || s.Start != 0 || s.End != 4.04 || s.GOPs == nil {
		t.Errorf("Matroska: %+v, %+v", s, s.GOPs)
	}
	// MPEG-PS: the first picture says its time, and so do those that no other refers to.
	s = read(1, packet(-1, "0"), packet(0, none), packet(1, "1"), packet(2, "2"), packet(3, none), packet(4, "4"), packet(5, "5"))
	if s.Start != 0 || s.End != 0.28 || s.Irregular || len(s.Times) != 7 {
		t.Errorf("MPEG-PS: %+v", s)
	}
	// The first and the last are decoded and not shown: an edit list leaves them out.
	s = read(0, "0, -1, -1, 1, 100, 0x00000000, F=0x5", packet(0, "0"), packet(1, "1"), "0, 2, 2, 1, 100, 0x00000000, F=0x4")
	if s.Packets != 4 || s.Start != 0 || s.End != 0.08 || len(s.Times) != 2 {
		t.Errorf("with an edit list: %+v", s)
	}
	if s = read(0, "0, -1, -1, 1, 100, 0x00000000, F=0x5"); s.Packets != 0 {
		t.Errorf("a stream of which nothing is shown: %+v", s)
	}
}
