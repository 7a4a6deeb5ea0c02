package encoder

import (
	stdcmp "cmp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
)

// TestTablesAgree: what the codec table says can be encoded has an encoder in
// every container, with the options that it takes.
func TestTablesAgree(t *testing.T) {
	for _, c := range codec.Containers() {
		for _, name := range c.VideoCodecs {
			list := ForVideo(name, c.Name)
			if codec.Lookup(codec.Video, name).Encodable != (len(list) > 0) {
				t.Errorf("%s in %s has %d encoders", name, c.Name, len(list))
			}
		}
		for _, name := range c.AudioCodecs {
			if ForAudio(name) == nil {
				t.Errorf("%s in %s has no encoder", name, c.Name)
			}
		}
		if image := c.Kind == codec.KindImage || c.Kind == codec.KindAnimated; image != (ForImage(c.Name) != nil) {
			t.Errorf("%s is encoded by %+v", c.Name, ForImage(c.Name))
		}
	}
	for i := range videos {
		e := &videos[i]
		for _, name := range e.Codecs {
			row := codec.Lookup(codec.Video, name)
			if row == nil {
				t.Fatalf("%s makes %q, which is not a codec", e.Name, name)
			}
			if row.Quality != (e.Quality != [5]int{}) || row.Quality != (e.rate != nil) {
				t.Errorf("%s: the quality of %s is %v", e.Name, name, e.Quality)
			}
			for _, word := range row.Presets {
				if e.Presets[word] == "" {
					t.Errorf("%s has no preset for %q", e.Name, word)
				}
			}
			for _, word := range row.Tunes {
				s := Settings{CRF: e.Quality[2], PixFmt: "yuv420p", Preset: e.Preset}
				plain := e.Args(s, Run{GOP: 50})
				s.Tune = word
				if slices.Equal(plain, e.Args(s, Run{GOP: 50})) {
					t.Errorf("%s has no tune for %q", e.Name, word)
				}
			}
			for _, f := range row.PixFmts {
				for _, asked := range append([]string{""}, row.ProfileNames()...) {
					p := row.Profile(asked)
					if _, err := e.Profile(f, asked); err != nil && (p == nil || p.Holds(f)) {
						t.Errorf("%s, %s, profile %q: %v", e.Name, f, asked, err)
					}
				}
			}
		}
		if e.Backend != Software || e.Intermediate == nil || e.Weight <= 0 || e.args == nil {
			t.Errorf("the row of %s is not complete", e.Name)
		}
		if e.PresetFor("no such word", 5) != e.Preset || e.Preset != "" && e.PresetFor(e.Preset, 7) != e.Preset ||
			e.PresetFor("", 7) != stdcmp.Or(e.Preset7, e.Preset) || e.Preset7 != "" && e.PresetFor(e.Preset7, 5) != e.Preset7 {
			t.Errorf("%s: presets %v, default %q", e.Name, e.Presets, e.Preset)
		}
	}
}

func TestPreferred(t *testing.T) {
	names := func(codec, container string) (list []string) {
		for _, e := range ForVideo(codec, container) {
			list = append(list, e.Name)
		}
		return list
	}
	for _, tt := range []struct {
		codec, container string
		want             []string
	}{
		{"h264", "mp4", []string{"libx264"}},
		{"xvid", "avi", []string{"libxvid", "mpeg4"}},
		{"mpeg4", "avi", []string{"mpeg4"}},
		{"h263", "mkv", []string{"h263p"}},
		{"h263", "3gp", []string{"h263", "h263p"}},
		{"svq3", "mov", nil},
	} {
		if d := cmp.Diff(tt.want, names(tt.codec, tt.container)); d != "" {
			t.Errorf("%s in %s:\n%s", tt.codec, tt.container, d)
		}
	}
}

// TestRateIsWhatIsTold: what Rate says of an encode is what the encoder is
// told. The estimate of disk space stands on it.
func TestRateIsWhatIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &videos[rapid.IntRange(0, len(videos)-1).Draw(t, "encoder")]
		s := Settings{PixFmt: "yuv420p", Profile: "high", Preset: e.Preset, MaxrateK: rapid.SampledFrom([]int{0, 400, 90_000}).Draw(t, "maxrate")}
		if quality := rapid.IntRange(0, 5).Draw(t, "quality"); quality > 0 && e.rate != nil {
			s.CRF = e.Quality[quality-1]
			s.DefaultMaxrateK = rapid.SampledFrom([]int{0, 700}).Draw(t, "default")
		} else {
			s.BitrateK = rapid.IntRange(1, 50_000).Draw(t, "bitrate")
		}
		args := e.Args(s, Run{GOP: 50})
		told := func(name string) string {
			if i := slices.Index(args, name); i >= 0 {
				return args[i+1]
			}
			return ""
		}
		r := e.Rate(s)
		for name, k := range map[string]int{"-maxrate": r.MaxrateK, "-bufsize": r.BufferK} {
			if got := told(name); got != "" && got != kilobits(k) || got == "" && k > 0 {
				t.Errorf("%s is told %s %q, its rate is %+v", e.Name, name, got, r)
			}
		}
		switch got := told("-b:v"); got {
		case "", "0", "100M":
			if r.BitrateK > 0 {
				t.Errorf("%s is told the bitrate %q, its rate is %+v", e.Name, got, r)
			}
		default:
			if got != kilobits(r.BitrateK) {
				t.Errorf("%s is told the bitrate %q, its rate is %+v", e.Name, got, r)
			}
		}
		if r.CRF > 0 != (s.CRF > 0) || r.MaxrateK > 0 && r.BufferK < r.MaxrateK {
			t.Errorf("%s: %+v becomes %+v", e.Name, s, r)
		}
	})
}

// TestNarrow: x265 does without what breaks its memory, only where it would.
func TestNarrow(t *testing.T) {
	x265 := ForVideo("hevc", "mp4")[0]
	for _, narrow := range []bool{false, true} {
		args := strings.Join(x265.Args(Settings{BitrateK: 500, Narrow: narrow}, Run{GOP: 50}), " ")
		if strings.Contains(args, "cutree=0") != narrow {
			t.Errorf("narrow %t: %s", narrow, args)
		}
	}
}

func TestPasses(t *testing.T) {
	run := Run{GOP: 50, Pass: 2, Stats: "v1-pass"}
	x264 := strings.Join(ForVideo("h264", "mp4")[0].Args(Settings{BitrateK: 500}, run), " ")
	if !strings.HasSuffix(x264, "-pass 2 -passlogfile v1-pass") {
		t.Error(x264)
	}
	x265 := strings.Join(ForVideo("hevc", "mp4")[0].Args(Settings{BitrateK: 500}, run), " ")
	if !strings.Contains(x265, "pass=2:stats=v1-pass") || strings.Contains(x265, "-passlogfile") {
		t.Error(x265)
	}
}

func TestProfiles(t *testing.T) {
	for _, tt := range []struct {
		codec, pixFmt, asked, want string
		refused                    bool
	}{
		{codec: "h264", pixFmt: "yuv420p", want: "high"},
		{codec: "h264", pixFmt: "yuv420p", asked: "baseline", want: "baseline"},
		{codec: "h264", pixFmt: "gray", want: "high"},
		{codec: "h264", pixFmt: "yuv420p10le", want: "high10"},
		{codec: "h264", pixFmt: "yuvj444p", want: "high444"},
		{codec: "h264", pixFmt: "yuv422p", asked: "high", refused: true},
		{codec: "h264", pixFmt: "gray", asked: "main", refused: true},
		{codec: "hevc", pixFmt: "yuv420p", asked: "high", want: "main"},
		{codec: "hevc", pixFmt: "yuv420p10le", want: "main10"},
		{codec: "hevc", pixFmt: "yuv444p10le", asked: "high444", want: ""},
		{codec: "prores", pixFmt: "yuv422p10le", want: "2"},
		{codec: "prores-ks", pixFmt: "yuv422p10le", asked: "0", want: "0"},
		{codec: "prores", pixFmt: "yuva444p10le", want: "4"},
		{codec: "vp9", pixFmt: "yuv420p", want: ""},
	} {
		got, err := ForVideo(tt.codec, "mkv")[0].Profile(tt.pixFmt, tt.asked)
		if got != tt.want || (err != nil) != tt.refused {
			t.Errorf("%s, %s, %q: %q, %v", tt.codec, tt.pixFmt, tt.asked, got, err)
		}
	}
}

func TestAudioRates(t *testing.T) {
	for _, tt := range []struct {
		codec                        string
		k, rate, channels, wantK, hz int
	}{
		{"aac", 512, 8000, 1, 48, 8000},
		{"mp3", 512, 22050, 2, 160, 22050},
		{"vorbis", 500, 44100, 2, 480, 44100},
		{"vorbis", 1, 22050, 2, 14, 44100},
		{"opus", 1, 48000, 2, 6, 48000},
		{"opus", 64, 24000, 2, 64, 48000},
		{"ac3", 700, 48000, 6, 640, 48000},
		{"mp2", 100, 48000, 2, 96, 48000},
		{"mp2", 7, 22050, 1, 8, 22050},
		{"wmav2", 8, 44100, 1, 24, 44100},
		{"flac", 0, 96000, 2, 0, 96000},
	} {
		e := ForAudio(tt.codec)
		if k, hz := e.Bitrate(tt.k, tt.rate, tt.channels), e.PlainRate(tt.rate); k != tt.wantK || hz != tt.hz {
			t.Errorf("%s: %+v became %dk at %d Hz", tt.codec, tt, k, hz)
		}
	}
}

func TestHDRParameters(t *testing.T) {
	light := job.HDRMetadata{Red: [2]float64{0.68, 0.32}, Green: [2]float64{0.265, 0.69}, Blue: [2]float64{0.15, 0.06}, White: [2]float64{0.3127, 0.329},
		MaxLuminance: 1000, MinLuminance: 0.005, MaxCLL: 800, MaxFALL: 200}
	pq := &HDR{Primaries: "bt2020", Transfer: "smpte2084", Matrix: "bt2020nc", Light: light}
	if got := strings.Join(pq.x265Params(), ":"); !strings.HasSuffix(got, "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=800,200") {
		t.Error(got)
	}
	if got := strings.Join(pq.svtParams(), ":"); got != "mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0050):content-light=800,200" {
		t.Error(got)
	}
	hlg := &HDR{Primaries: "bt2020", Transfer: "arib-std-b67", Matrix: "bt2020nc", Light: light}
	if got := hlg.x265Params(); len(got) != 3 || hlg.svtParams() != nil {
		t.Errorf("HLG: %v, %v", got, hlg.svtParams())
	}
	var sdr *HDR
	if sdr.x265Params() != nil || sdr.svtParams() != nil {
		t.Error("SDR has parameters of HDR")
	}
}

// TestHardwareRows: a row of a card is complete, and is no row of the software.
func TestHardwareRows(t *testing.T) {
	for _, e := range HardwareRows() {
		row := codec.Lookup(codec.Video, e.Codecs[0])
		if e.Backend == Software || !slices.Contains(Backends(), e.Backend) || !strings.HasSuffix(e.Name, "_"+string(e.Backend)) {
			t.Errorf("%s is of the backend %q", e.Name, e.Backend)
		}
		if e.Intermediate == nil || e.Weight <= 0 || e.args == nil || e.rate == nil || e.Quality == [5]int{} || len(e.Depths) == 0 || e.Limits.MinW == 0 || e.Limits.MaxW == 0 {
			t.Errorf("the row of %s is not complete", e.Name)
		}
		if slices.Contains(VideoNames(func(*Video) bool { return true }), e.Name) {
			t.Errorf("%s is a row of the software too", e.Name)
		}
		if !slices.IsSortedFunc(e.Quality[:], func(a, b int) int { return b - a }) {
			t.Errorf("%s: a better quality has a larger quantiser: %v", e.Name, e.Quality)
		}
		for _, word := range row.Presets {
			if _, known := e.Presets[word]; !known && len(e.Presets) > 0 {
				t.Errorf("%s has no preset for %q", e.Name, word)
			}
		}
		for _, s := range []Settings{{BitrateK: 700, PixFmt: "yuv420p"}, {CRF: e.Quality[2], PixFmt: "yuv420p", MaxrateK: 900}} {
			args := strings.Join(e.Args(s, Run{GOP: 50}), " ")
			if !strings.Contains(args, "-force_key_frames expr:") || !strings.Contains(args, "-g 50") {
				t.Errorf("%s has no keyframes on the grid: %s", e.Name, args)
			}
			if s.MaxrateK > 0 && !strings.Contains(args, "-maxrate 900k") {
				t.Errorf("%s does not keep to the maxrate: %s", e.Name, args)
			}
		}
	}
}
