package spec

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/format"
)

func parse(t *testing.T, s string) format.Format {
	t.Helper()
	f, err := format.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestContainers holds the defaults of section 4.2.
func TestContainers(t *testing.T) {
	for _, c := range []struct {
		names, video, audio string
		audioK              int
	}{
		{"mp4", "h264", "aac", 128},
		{"mp4:hevc", "hevc", "aac", 128},
		{"webm", "vp8", "vorbis", 128},
		{"webm:vp9", "vp9", "vorbis", 128},
		{"mov mpegts hls mkv", "h264", "aac", 128},
		{"avi divx", "mpeg4", "mp3", 128},
		{"asf wmv", "wmv2", "wmav2", 128},
		{"flv flash", "flv", "mp3", 128},
		{"3gp", "h263", "aac", 32},
		{"ogv theora", "theora", "vorbis", 128},
		{"ogg", "", "vorbis", 128},
		{"mp3", "", "mp3", 128},
		{"aac", "", "aac", 128},
		{"wav", "", "pcm-s16le", 0},
	} {
		for _, name := range strings.Fields(c.names) {
			f := parse(t, name)
			if f.VideoCodec() != c.video || f.AudioCodec() != c.audio || c.audioK != 0 && f.AudioBitrateK() != c.audioK {
				t.Errorf("%s is %s and %s of %dk, want %+v", name, f.VideoCodec(), f.AudioCodec(), f.AudioBitrateK(), c)
			}
			if c.video != "" && f.VideoBitrateK() != 1000 {
				t.Errorf("%s has %dk of video", name, f.VideoBitrateK())
			}
			if err := format.Supported(f); err != nil {
				t.Error(err)
			}
		}
	}
	if f := parse(t, "xvid"); f.Container != "avi" || !slices.Contains([]string{"mpeg4", "xvid"}, f.VideoCodec()) {
		t.Errorf("xvid is %s with %s", f.Container, f.VideoCodec())
	}
}

// TestDefinitions holds the definitions of section 4.3.
func TestDefinitions(t *testing.T) {
	for _, d := range []struct {
		name, same string
		w, h       int
		exact      bool
		k          int
	}{
		{"240p", "0x240", 0, 240, false, 500},
		{"360p", "0x360", 0, 360, false, 800},
		{"480p", "0x480", 0, 480, false, 1000},
		{"540p", "0x540", 0, 540, false, 1000},
		{"576p", "0x576", 0, 576, false, 1000},
		{"720p", "1280x720", 1280, 720, true, 2000},
		{"1080p", "1920x1080", 1920, 1080, true, 4000},
		{"2160p", "3840x2160", 3840, 2160, true, 8000},
	} {
		f := parse(t, "mp4:"+d.name)
		if w, h, exact := f.Box(); w != d.w || h != d.h || exact != d.exact || f.VideoBitrateK() != d.k {
			t.Errorf("%s is %dx%d (exact: %v) of %dk, want %+v", d.name, w, h, exact, f.VideoBitrateK(), d)
		}
		// The sides alone say no bitrate.
		f = parse(t, "mp4:"+d.same)
		if w, h, exact := f.Box(); w != d.w || h != d.h || exact != d.exact || f.VideoBitrateK() != 1000 {
			t.Errorf("%s is %dx%d (exact: %v) of %dk", d.same, w, h, exact, f.VideoBitrateK())
		}
	}
}

// TestRates holds the frame rates of section 4.3 and the sample rates of 4.4.
func TestRates(t *testing.T) {
	for name, want := range map[string]format.Rational{
		"0fps": {}, "15fps": {Num: 15, Den: 1}, "23.98fps": {Num: 24000, Den: 1001}, "25fps": {Num: 25, Den: 1},
		"29.97fps": {Num: 30000, Den: 1001}, "30fps": {Num: 30, Den: 1}, "60fps": {Num: 60, Den: 1},
	} {
		if got := parse(t, "mp4:"+name).FPSRational(); got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	for name, want := range map[string]int{"8000hz": 8000, "11025hz": 11025, "22050hz": 22050, "44100hz": 44100, "48000hz": 48000} {
		if got := parse(t, "mp4::"+name).Audio.SampleRate; got != want {
			t.Errorf("%s is %d", name, got)
		}
	}
}

// TestEncoderOptions: profiles and levels of section 4.5 reach the encoder.
func TestEncoderOptions(t *testing.T) {
	want := map[string]string{"mp4:hevc_360p::vprofile=444": "format=yuv444p,"} // x265 makes the profile of it
	for _, p := range strings.Fields("baseline main high high10 high422 high444") {
		want["mp4:360p::vprofile="+p] = "-profile:v " + p + " "
	}
	for _, p := range strings.Fields("0 1 2 3") {
		want["mov:prores-ks::vprofile="+p] = "-profile:v " + p + " "
	}
	for _, l := range strings.Fields("10 11 12 13 20 21 22 30 31 32 40 41 42 50 51") {
		want["mp4:240p::level="+l] = "-level " + l[:1] + "." + l[1:] + " "
	}
	for name, args := range want {
		spec, err := coconut.DecodeJob([]byte(output(name, "")))
		if err != nil {
			t.Error(err)
			continue
		}
		o, err := coconut.ResolveOutput(spec.Outputs[0], coconut.Vars(clip()))
		if err != nil {
			t.Error(err)
			continue
		}
		p := transcode.Build([]*job.Output{o}, clip(), transcode.Options{})
		if !slices.ContainsFunc(p.Steps, func(s transcode.Step) bool { return strings.Contains(strings.Join(s.FFmpegArgs(), " "), args) }) {
			t.Errorf("%s: no step has %q: %+v", name, args, p)
		}
	}
}
