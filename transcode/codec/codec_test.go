package codec

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestContainers(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Containers() {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if names[n] {
				t.Errorf("the container name %q is used twice", n)
			}
			names[n] = true
			if LookupContainer(n) != c {
				t.Errorf("%s is not found as %s", c.Name, n)
			}
		}
		if c.Extension == "" || c.ContentType == "" {
			t.Errorf("%s has no extension or content type", c.Name)
		}
		if file := c.Kind == KindVideo || c.Kind == KindAudio; file != (c.Muxer != "") {
			t.Errorf("%s has the muxer %q", c.Name, c.Muxer)
		}
		if c.Kind == KindImage && c.MaxSide == 0 {
			t.Errorf("%s has no bound for sides", c.Name)
		}
		for _, track := range []Track{Video, Audio} {
			for i, n := range c.Codecs(track) {
				if row := Lookup(track, n); row == nil || row.Name != n {
					t.Errorf("%s lists %q, which is no %s codec", c.Name, n, track)
				}
				if slices.Contains(c.Codecs(track)[:i], n) {
					t.Errorf("%s lists %q twice", c.Name, n)
				}
			}
		}
		for _, n := range c.CopyCodecs {
			if Probed(n) == nil {
				t.Errorf("%s copies %q, which is not in the table", c.Name, n)
			}
		}
		for n := range c.Tags {
			if !slices.Contains(c.VideoCodecs, n) {
				t.Errorf("%s has a tag for %q, which it does not hold", c.Name, n)
			}
		}
		for n, l := range c.AudioLimits {
			if !slices.Contains(c.AudioCodecs, n) || !slices.IsSorted(l.Rates) || l.Channels == 0 {
				t.Errorf("%s has a wrong limit for %q: %+v", c.Name, n, l)
			}
		}
		if c.Kind == KindVideo && !slices.Contains(c.VideoCodecs, c.VideoCodec) {
			t.Errorf("%s cannot hold its default %q", c.Name, c.VideoCodec)
		}
		if (c.Kind == KindVideo || c.Kind == KindAudio) && !slices.Contains(c.AudioCodecs, c.AudioCodec) {
			t.Errorf("%s cannot hold its default %q", c.Name, c.AudioCodec)
		}
	}
}

func TestCodecs(t *testing.T) {
	for _, c := range Codecs() {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if Lookup(c.Track, n) != c {
				t.Errorf("%s is not found as %s", c.Name, n)
			}
		}
		if p := Probed(c.ProbeName()); p == nil || p.Track != c.Track || p.ProbeName() != c.ProbeName() {
			t.Errorf("%s is not found by ffprobe's name %s", c.Name, c.ProbeName())
		}
		if c.Title == "" || strings.Contains(c.Name, "_") {
			t.Errorf("%s has the title %q; names are written with a hyphen", c.Name, c.Title)
		}
		if c.Track == Video && len(c.PixFmts) == 0 {
			t.Errorf("%s has no pixel format", c.Name)
		}
		if !slices.IsSorted(c.Rates) || !slices.IsSorted(c.Channels) {
			t.Errorf("%s: sample rates or channels are not ascending", c.Name)
		}
		for _, p := range c.Profiles {
			if !p.Holds(p.PixFmt) || !slices.Contains(c.PixFmts, p.PixFmt) {
				t.Errorf("%s: the profile %s is about %s", c.Name, p.Name, p.PixFmt)
			}
		}
		if c.HDRPixFmt != "" && (!c.HDR || Pixels(c.HDRPixFmt).Depth < 10 || !slices.Contains(c.PixFmts, c.HDRPixFmt)) {
			t.Errorf("%s: HDR in %s", c.Name, c.HDRPixFmt)
		}
	}
	h264 := Lookup(Video, "h264")
	for _, f := range h264.PixFmts {
		if p := h264.ProfileFor(f); p == nil {
			t.Errorf("no profile of h264 holds %s", f)
		}
	}
	for f, want := range map[string]string{
		"yuv420p": "baseline", "nv12": "baseline", "yuvj420p": "baseline", "gray": "high", "gray10le": "high10", "yuv420p10le": "high10",
		"yuv422p": "high422", "nv16": "high422", "nv20le": "high422", "yuv444p": "high444", "yuv444p10le": "high444",
	} {
		if got := h264.ProfileFor(f).Name; got != want {
			t.Errorf("%s needs %s, want %s", f, got, want)
		}
	}
}

func TestPixels(t *testing.T) {
	for name, want := range map[string]PixelFormat{
		"yuv420p":      {Chroma: YUV420, Depth: 8},
		"yuvj422p":     {Chroma: YUV422, Depth: 8, FullRange: true},
		"yuva444p10le": {Chroma: YUV444, Depth: 10, Alpha: true},
		"yuv440p12be":  {Chroma: YUV440, Depth: 12},
		"nv12":         {Chroma: YUV420, Depth: 8},
		"nv16":         {Chroma: YUV422, Depth: 8},
		"nv20le":       {Chroma: YUV422, Depth: 10},
		"p010le":       {Chroma: YUV420, Depth: 10},
		"gray":         {Chroma: Mono, Depth: 8},
		"gray16be":     {Chroma: Mono, Depth: 16},
		"ya8":          {Chroma: Mono, Depth: 8, Alpha: true},
		"gbrp10le":     {Chroma: YUV444, Depth: 10, RGB: true, PlanarRGB: true},
		"gbrap":        {Chroma: YUV444, Depth: 8, RGB: true, PlanarRGB: true, Alpha: true},
		"rgb24":        {Chroma: YUV444, Depth: 8, RGB: true},
		"rgb555be":     {Chroma: YUV444, Depth: 8, RGB: true},
		"bgr0":         {Chroma: YUV444, Depth: 8, RGB: true},
		"rgb48le":      {Chroma: YUV444, Depth: 16, RGB: true},
		"nv24":         {Chroma: YUV444, Depth: 8},
		"argb":         {Chroma: YUV444, Depth: 8, RGB: true, Alpha: true},
		"pal8":         {Chroma: YUV444, Depth: 8, RGB: true, Alpha: true},
		"":             {Chroma: YUV420, Depth: 8},
	} {
		if got := Pixels(name); got != want {
			t.Errorf("%s is %+v, want %+v", name, got, want)
		}
	}
}

func TestRateFor(t *testing.T) {
	aac := Lookup(Audio, "aac")
	for hz, want := range map[int]int{8000: 8000, 22000: 22050, 44100: 44100, 96001: 96000, 1: 7350} {
		if got := aac.RateFor(hz); got != want {
			t.Errorf("RateFor(%d) = %d, want %d", hz, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(Codecs()).Draw(t, "codec")
		hz, n := rapid.IntRange(1, 400_000).Draw(t, "hz"), rapid.IntRange(1, 64).Draw(t, "channels")
		if r := c.RateFor(hz); c.Rates != nil && (!slices.Contains(c.Rates, r) || r < hz && r != slices.Max(c.Rates)) || c.Rates == nil && r != hz {
			t.Errorf("%s: %d Hz becomes %d", c.Name, hz, r)
		}
		if got := c.ChannelsFor(n); c.Channels != nil && (!slices.Contains(c.Channels, got) || got > n && got != c.Channels[0]) {
			t.Errorf("%s: %d channels become %d", c.Name, n, got)
		}
	})
}

func TestCanCopy(t *testing.T) {
	for _, tt := range []struct {
		container, probed string
		want              bool
	}{
		{"mp4", "h264", true}, {"mp4", "eac3", true}, {"webm", "h264", false}, {"mpegts", "aac", true}, {"mp4", "vorbis", false},
		{"flv", "flv1", true}, {"3gp", "amr_nb", true}, {"avi", "h263p", true}, {"mkv", "pcm_s16le", true}, {"mov", "prores", true},
		{"mov", "dvvideo", true}, {"mkv", "nothing", false},
	} {
		if got := LookupContainer(tt.container).CanCopy(tt.probed); got != tt.want {
			t.Errorf("%s copies %s: %v", tt.container, tt.probed, got)
		}
	}
}
