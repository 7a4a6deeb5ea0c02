package job

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/transcode/format"
)

// Outputs of ffprobe 5.1 for real files.
func parseFile(t *testing.T, name string) Media {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "probe", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMedia(raw)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parse(t *testing.T, raw string) Media {
	t.Helper()
	m, err := ParseMedia([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseMediaWhole(t *testing.T) {
	m := parseFile(t, "rotated-180.mov")
	m.Raw = nil
	want := Media{
		FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 2.021667, Size: 123542, BitRate: 488871,
		Video: []VideoStream{{
			Codec: "h264", Profile: "Constrained Baseline", Level: 13, CodecTag: "avc1", Width: 416, Height: 240,
			SAR: format.Rational{Num: 213, Den: 208}, Rotation: 180, PixFmt: "yuv420p", BitDepth: 8,
			FieldOrder: "progressive", FPS: format.Rational{Num: 602112, Den: 24859}, BaseFPS: format.Rational{Num: 24, Den: 1},
			BitRate: 414661, Duration: 2.021647, Frames: 49, Default: true,
		}},
		Audio: []AudioStream{{
			Index: 1, Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, ChannelLayout: "stereo",
			BitRate: 64148, Duration: 2.021667, Frames: 95,
		}},
		Tags: map[string]string{
			"major_brand": "qt  ", "minor_version": "0", "compatible_brands": "qt  ",
			"creation_time":                   "2023-03-30T14:54:40.000000Z",
			"com.apple.quicktime.displayname": "Big Buck Bunny - http://www.archive.org/details/BigBuckBunny_328",
		},
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
}

func TestParseMediaKinds(t *testing.T) {
	if m := parseFile(t, "photo.jpg"); m.Duration != 0 || len(m.Video) != 1 || m.Video[0].ColorRange != "pc" {
		t.Errorf("a photo has no duration: %+v", m)
	}
	if m := parseFile(t, "portrait.ts"); m.StartTime < 588 || m.Video[0].FPS != (format.Rational{Num: 30, Den: 1}) {
		t.Errorf("a late start, no average rate: %+v", m)
	}
	if m := parseFile(t, "vp9.webm"); m.Duration != 1 || m.Video[0].Codec != "vp9" {
		t.Errorf("matroska: %+v", m)
	}
	m := parseFile(t, "stereo-1080p25.mp4")
	if m.Video[0].BitDepth != 10 || len(m.Audio) != 1 || len(m.Video) != 1 {
		t.Errorf("10 bits and a data stream: %+v", m)
	}
	m = parseFile(t, "two-video-streams-subtitles.mp4")
	if len(m.Video) != 2 || len(m.Audio) != 2 || len(m.Subtitles) != 2 || m.Video[1].Index != 3 ||
		!m.Subtitles[0].Text || m.Subtitles[0].Language != "eng" || m.Duration != 13.056 {
		t.Errorf("several streams: %+v", m)
	}
}

func stream(members string) string {
	return `{"streams":[{"codec_type":"video","codec_name":"h264","width":64,"height":36,` + members + `}],"format":{}}`
}

func TestParseMediaRotation(t *testing.T) {
	for members, want := range map[string]int{
		`"side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]`:    90,
		`"side_data_list":[{"rotation":90}]`:                                       270,
		`"side_data_list":[{"rotation":"-180.00"}]`:                                180,
		`"side_data_list":[{"x":1},{"rotation":180}]`:                              180,
		`"side_data_list":[{"rotation":0}],"tags":{"rotate":"90"}`:                 0,
		`"side_data_list":"none"`:                                                  0,
		`"tags":{"rotate":"90"}`:                                                   90,
		`"tags":{"rotate":"-90"}`:                                                  270,
		`"tags":{"rotate":"450"}`:                                                  90,
		`"tags":{"rotate":"1e300"}`:                                                0,
		`"tags":{"rotate":"up"}`:                                                   0,
		`"side_data_list":[{"rotation":-89.7}]`:                                    90,
		`"side_data_list":[{"side_data_type":"CPB properties","max_bitrate":100}]`: 0,
	} {
		if got := parse(t, stream(members)).Video[0].Rotation; got != want {
			t.Errorf("%s: rotation %d, want %d", members, got, want)
		}
	}
}

func TestParseMediaRates(t *testing.T) {
	for _, c := range []struct{ avg, base, want string }{
		{"25/1", "25/1", "25/1"},
		{"30000/1001", "30000/1001", "30000/1001"},
		{"0/0", "30/1", "30/1"},
		{"555000/18499", "30/1", "30/1"},         // 30.0016: a rounded clock
		{"30000/1001", "30/1", "30000/1001"},     // not near enough to be the same
		{"602112/24859", "24/1", "602112/24859"}, // 24.22: some frames are more
		{"0/0", "90000/1", "0/1"},
		{"1000/1", "1000/1", "0/1"},
		{"15/1", "1000/1", "15/1"},
		{"x", "", "0/1"},
		{"99999999999999999999/1", "-25/1", "0/1"},
	} {
		f := parse(t, stream(fmt.Sprintf(`"avg_frame_rate":%q,"r_frame_rate":%q`, c.avg, c.base))).Video[0].FPS
		if got := fmt.Sprintf("%d/%d", f.Num, f.Den); got != c.want {
			t.Errorf("avg %s, base %s: %s, want %s", c.avg, c.base, got, c.want)
		}
	}
}

func TestParseMediaBitDepth(t *testing.T) {
	for pix, want := range map[string]int{
		"yuv420p": 8, "yuvj420p": 8, "nv12": 8, "yuv420p10le": 10, "yuv422p12be": 12, "p010le": 10, "p216be": 16,
		"gray": 8, "gray10le": 10, "gbrp14le": 14, "gbrapf32le": 32, "rgb24": 8, "rgb48be": 16, "rgba64le": 16, "x2rgb10le": 10,
		"yuva444p16le": 16, "y210le": 10, "pal8": 8, "": 8,
	} {
		if got := parse(t, stream(`"pix_fmt":"`+pix+`"`)).Video[0].BitDepth; got != want {
			t.Errorf("%s: %d, want %d", pix, got, want)
		}
	}
	if got := parse(t, stream(`"pix_fmt":"newfangled","bits_per_raw_sample":"12"`)).Video[0].BitDepth; got != 12 {
		t.Errorf("unknown pixel format with 12 raw bits: %d", got)
	}
}

func TestParseMediaShape(t *testing.T) {
	for members, want := range map[string]format.Rational{
		`"sample_aspect_ratio":"4:3"`: {Num: 4, Den: 3}, `"sample_aspect_ratio":"0:1"`: {Num: 1, Den: 1},
		`"sample_aspect_ratio":"N/A"`: {Num: 1, Den: 1}, `"x":1`: {Num: 1, Den: 1},
	} {
		if got := parse(t, stream(members)).Video[0].SAR; got != want {
			t.Errorf("%s: %v", members, got)
		}
	}
}

func TestParseMediaDuration(t *testing.T) {
	for raw, want := range map[string]float64{
		`{"format":{"duration":"4.5"},"streams":[{"duration":"9"}]}`:                      4.5,
		`{"format":{"duration":4.5}}`:                                                     4.5,
		`{"format":{},"streams":[{"duration":"3"},{"tags":{"DURATION":"00:01:04.500"}}]}`: 64.5,
		`{"format":{"duration":"9","start_time":"1"},"streams":[
			{"codec_type":"audio","codec_name":"aac","sample_rate":"8000","channels":1,"start_time":"3","duration":"4"},
			{"codec_type":"subtitle","codec_name":"subrip","duration":"8"}]}`: 6,
		`{"format":{"format_name":"matroska,webm","duration":"11.3","start_time":"7.277"},"streams":[
			{"codec_type":"video","codec_name":"h264","width":64,"height":36,"start_time":"7.3","tags":{"DURATION":"00:00:11.300"}}]}`: 4.023,
		`{"format":{"format_name":"matroska,webm","duration":"5.5","start_time":"-0.5"}}`:                                                      6,
		`{"format":{"format_name":"matroska,webm","duration":"4","start_time":"7"}}`:                                                           4,
		`{"format":{"duration":"9"},"streams":[{"codec_type":"audio","codec_name":"aac","sample_rate":"8000","channels":1},{"duration":"4"}]}`: 9,
		`{"format":{"duration":"N/A"},"streams":[{"duration":"3"}]}`:                                                                           3,
		`{"format":{"duration":"-9223372036854.775808"}}`:                                                                                      0,
		`{"format":{"duration":"NaN"}}`:                                                                                                        0,
		`{"format":{"duration":"1e99"}}`:                                                                                                       0,
		`{"format":{"format_name":"png_pipe","duration":"0.04"}}`:                                                                              0,
		`{"format":{"format_name":"mjpeg","duration":"0.04"}}`:                                                                                 0,
		`{"format":{"format_name":"gif","duration":"0.4"}}`:                                                                                    0.4,
		`{}`: 0,
	} {
		if got := parse(t, raw).Duration; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", raw, got, want)
		}
	}
}

func TestParseMediaLeavesOut(t *testing.T) {
	m := parse(t, `{"streams":[
		{"index":0,"codec_type":"video","codec_name":"mjpeg","width":300,"height":300,"disposition":{"attached_pic":1}},
		{"index":1,"codec_type":"video","codec_name":"h264","width":0,"height":0},
		{"index":2,"codec_type":"video","codec_name":"unknown","width":64,"height":36},
		{"index":3,"codec_type":"video","width":64,"height":36},
		{"index":4,"codec_type":"audio","codec_name":"aac","sample_rate":"0","channels":2},
		{"index":5,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":0},
		{"index":6,"codec_type":"data","codec_name":"bin_data"},
		{"index":7,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"tags":{"LANGUAGE":"fre","title":"VF"}},
		{"index":8,"codec_type":"subtitle","codec_name":"dvd_subtitle","tags":{"language":"und"},"disposition":{"forced":1}}
	],"format":{}}`)
	if len(m.Video) != 0 || len(m.Audio) != 1 || len(m.Subtitles) != 1 {
		t.Fatalf("%+v", m)
	}
	if a := m.Audio[0]; a.Index != 7 || a.Language != "fre" || a.Title != "VF" {
		t.Errorf("%+v", a)
	}
	if s := m.Subtitles[0]; s.Text || s.Language != "" || !s.Forced {
		t.Errorf("%+v", s)
	}
}

// TestParseMediaPurposes: the dispositions that say for whom a track is.
func TestParseMediaPurposes(t *testing.T) {
	m := parse(t, `{"streams":[
		{"index":0,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"disposition":{"default":1,"visual_impaired":0}},
		{"index":1,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"disposition":{"visual_impaired":1}},
		{"index":2,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"disposition":{"hearing_impaired":1}},
		{"index":3,"codec_type":"audio","codec_name":"aac","sample_rate":"48000","channels":2,"disposition":{"comment":1}},
		{"index":4,"codec_type":"subtitle","codec_name":"subrip","disposition":{"hearing_impaired":1}},
		{"index":5,"codec_type":"subtitle","codec_name":"subrip","disposition":{"comment":1}}
	],"format":{}}`)
	type purpose struct{ visual, hearing, comment bool }
	var got []purpose
	for _, a := range m.Audio {
		got = append(got, purpose{a.VisualImpaired, a.HearingImpaired, a.Commentary})
	}
	for _, s := range m.Subtitles {
		got = append(got, purpose{false, s.HearingImpaired, s.Commentary})
	}
	want := []purpose{{}, {visual: true}, {hearing: true}, {comment: true}, {hearing: true}, {comment: true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestParseMediaRefuses(t *testing.T) {
	for _, raw := range []string{``, `{`, `[]`, `"x"`, `{"streams":{}}`, `{} {}`} {
		if _, err := ParseMedia([]byte(raw)); err == nil {
			t.Errorf("%q was accepted", raw)
		}
	}
	many := `{"streams":[{}` + strings.Repeat(`,{}`, MaxStreams) + `]}`
	_, err := ParseMedia([]byte(many))
	if e, ok := errors.AsType[*Error](err); !ok || e.Reason != InputNotValid {
		t.Errorf("too many streams: %v", err)
	}
}

func TestSetFilename(t *testing.T) {
	for raw, want := range map[string]string{
		`{"streams":[{"filename":"a"}],"format":{"z":1,"filename":"/tmp/x/source","a":[1,2]}}`: `{"streams":[{"filename":"a"}],"format":{"z":1,"filename":"<é>\".mp4","a":[1,2]}}`,
		`{"format":{"filename":"x"},"streams":[]}`:                                             `{"format":{"filename":"<é>\".mp4"},"streams":[]}`,
		`{"format":{"filename":null}}`:                                                         `{"format":{"filename":"<é>\".mp4"}}`,
		`{"format":{}}`:                                                                        `{"format":{}}`,
		`{}`:                                                                                   `{}`,
	} {
		m := parse(t, raw)
		before := string(m.Raw)
		kept := m
		m.SetFilename("<é>\".mp4")
		if string(m.Raw) != want {
			t.Errorf("%s:\n got %s\nwant %s", raw, m.Raw, want)
		}
		if string(kept.Raw) != before {
			t.Errorf("a copy changed too: %s", kept.Raw)
		}
	}
	(&Media{}).SetFilename("x")
}

func FuzzParseMedia(f *testing.F) {
	f.Add(stream(`"side_data_list":[{"rotation":-90}],"avg_frame_rate":"0/0"`))
	f.Add(`{"streams":[{"index":"1","codec_type":"audio","tags":{"a":1}}],"format":{"filename":"x"}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := ParseMedia([]byte(raw))
		if err != nil {
			return
		}
		m.SetFilename("name")
		if _, err := ParseMedia(m.Raw); err != nil {
			t.Fatalf("after SetFilename: %v", err)
		}
		for _, v := range m.Video {
			if v.Width <= 0 || v.Height <= 0 || v.SAR.Num <= 0 || v.SAR.Den <= 0 || v.FPS.Den <= 0 || v.Rotation%90 != 0 {
				t.Fatalf("%+v", v)
			}
		}
	})
}
