package format

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func res(w, h int) Resolution { return Resolution{Width: w, Height: h} }

func named(n string) Resolution {
	d := definitionOf(n)
	return Resolution{Name: n, Width: d.width, Height: d.height}
}

// Every example of coconut-v2.md section 4.7, in its order.
func TestParseExamplesOfTheSpecification(t *testing.T) {
	tests := []struct {
		in   string
		want Format
		out  string // canonical form when it differs
	}{
		{in: "mp4", want: Format{Container: "mp4"}},
		{in: "mp4:240p", want: Format{Container: "mp4", Video: Video{Resolution: named("240p")}}},
		{in: "mp4:240p_400k", want: Format{Container: "mp4", Video: Video{Resolution: named("240p"), BitrateK: 400}}},
		{in: "mp4:720p", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")}}},
		{in: "mp4:1080p:256k", want: Format{Container: "mp4", Video: Video{Resolution: named("1080p")}, Audio: Audio{BitrateK: 256}}},
		{in: "mp4:1080p:x", want: Format{Container: "mp4", Video: Video{Resolution: named("1080p")}, Audio: Audio{Disabled: true}}},
		{in: "mp4:720p::2pass", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")}, Options: Options{TwoPass: true}}},
		{in: "mp4:1080p::vprofile=high,level=50", want: Format{Container: "mp4", Video: Video{Resolution: named("1080p")}, Options: Options{Profile: "high", Level: "50"}}},
		{in: "mp4:hevc_720p_1500k", out: "mp4:720p_1500k_hevc", want: Format{Container: "mp4", Video: Video{Resolution: named("720p"), BitrateK: 1500, Codec: "hevc"}}},
		{in: "mp4:x", want: Format{Container: "mp4", Video: Video{Disabled: true}}},
		{in: "mp4:x:64k", want: Format{Container: "mp4", Video: Video{Disabled: true}, Audio: Audio{BitrateK: 64}}},
		{in: "mp4:x:64k_mono", want: Format{Container: "mp4", Video: Video{Disabled: true}, Audio: Audio{BitrateK: 64, Channels: "mono"}}},
		{in: "mp4::256k", want: Format{Container: "mp4", Audio: Audio{BitrateK: 256}}},
		{in: "mp4:::quality=4", want: Format{Container: "mp4", Options: Options{Quality: 4}}},
		{in: "mp4:::quality=5", want: Format{Container: "mp4", Options: Options{Quality: 5}}},
		{in: "mp4:360p::quality=4", want: Format{Container: "mp4", Video: Video{Resolution: named("360p")}, Options: Options{Quality: 4}}},
		{in: "mp4:240p::quality=4,maxrate=400k", want: Format{Container: "mp4", Video: Video{Resolution: named("240p")}, Options: Options{Quality: 4, MaxrateK: 400}}},
		{in: "mp4:480p::quality=4,maxrate=1500K", out: "mp4:480p::quality=4,maxrate=1500k", want: Format{Container: "mp4", Video: Video{Resolution: named("480p")}, Options: Options{Quality: 4, MaxrateK: 1500}}},
		{in: "mp4:720p::quality=5,maxrate=4000k,vprofile=high,pix_fmt=yuv420p", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")},
			Options: Options{Quality: 5, MaxrateK: 4000, Profile: "high", PixFmt: "yuv420p"}}},
		{in: "mp4:720p::maxrate=2500k", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")}, Options: Options{MaxrateK: 2500}}},
		{in: "mp4:0x720", want: Format{Container: "mp4", Video: Video{Resolution: res(0, 720)}}},
		{in: "mp4:1080x1920", want: Format{Container: "mp4", Video: Video{Resolution: res(1080, 1920)}}},
		{in: "webm", want: Format{Container: "webm"}},
		{in: "webm:600x0_800k", out: "webm:600x_800k", want: Format{Container: "webm", Video: Video{Resolution: res(600, 0), BitrateK: 800}}},
		{in: "webm:vp9", want: Format{Container: "webm", Video: Video{Codec: "vp9"}}},
		{in: "webm:0x480", want: Format{Container: "webm", Video: Video{Resolution: res(0, 480)}}},
		{in: "avi:0x240_500k", want: Format{Container: "avi", Video: Video{Resolution: res(0, 240), BitrateK: 500}}},
		{in: "hls:360p", want: Format{Container: "mpegts", Alias: "hls", Video: Video{Resolution: named("360p")}}},
		{in: "mp3", want: Format{Container: "mp3"}},
		{in: "mp3:64k", want: Format{Container: "mp3", Audio: Audio{BitrateK: 64}}},
		{in: "mp3:64k_22050hz_mono", want: Format{Container: "mp3", Audio: Audio{BitrateK: 64, SampleRate: 22050, Channels: "mono"}}},
		{in: "ogg:64k", want: Format{Container: "ogg", Audio: Audio{BitrateK: 64}}},
		{in: "jpg", want: Format{Container: "jpg"}},
		{in: "jpg:300x", want: Format{Container: "jpg", Video: Video{Resolution: res(300, 0)}}},
		{in: "jpg:540p", want: Format{Container: "jpg", Video: Video{Resolution: named("540p")}}},
		{in: "jpg:160x84", want: Format{Container: "jpg", Video: Video{Resolution: res(160, 84)}}},
		{in: "jpg:400x400", want: Format{Container: "jpg", Video: Video{Resolution: res(400, 400)}}},
		{in: "png:600x600", want: Format{Container: "png", Video: Video{Resolution: res(600, 600)}}},
		{in: "webp:160x", want: Format{Container: "webp", Video: Video{Resolution: res(160, 0)}}},
		{in: "gif:320x320", want: Format{Container: "gif", Video: Video{Resolution: res(320, 320)}}},
		{in: "gif:300x", want: Format{Container: "gif", Video: Video{Resolution: res(300, 0)}}},
		{in: "httpstream", want: Format{Container: "httpstream"}},
		{in: "hls", want: Format{Container: "mpegts", Alias: "hls"}},
	}
	for _, tt := range tests {
		checkParse(t, tt.in, tt.want, tt.out)
	}
}

func checkParse(t *testing.T, in string, want Format, out string) {
	t.Helper()
	got, err := Parse(in)
	if err != nil {
		t.Errorf("Parse(%q): %v", in, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse(%q) (-want +got):\n%s", in, diff)
	}
	if out == "" {
		out = in
	}
	if s := got.String(); s != out {
		t.Errorf("Parse(%q).String() = %q, want %q", in, s, out)
	}
	if again, err := Parse(out); err != nil || again != got {
		t.Errorf("Parse(%q) of the canonical form = %+v, %v", out, again, err)
	}
}

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want Format
		out  string
	}{
		{in: "divx:copy", want: Format{Container: "avi", Alias: "divx", Video: Video{Codec: "copy"}}},
		{in: "jpeg:10x20", want: Format{Container: "jpg", Alias: "jpeg", Video: Video{Resolution: res(10, 20)}}},
		{in: "theora:theora", want: Format{Container: "ogv", Alias: "theora", Video: Video{Codec: "theora"}}},
		{in: " MP4:720P:AAC_128K ", out: "mp4:720p:aac_128k", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")}, Audio: Audio{Codec: "aac", BitrateK: 128}}},
		{in: "mp4:novideo:aac", out: "mp4:x:aac", want: Format{Container: "mp4", Video: Video{Disabled: true}, Audio: Audio{Codec: "aac"}}},
		{in: "mp4:720p:noaudio", out: "mp4:720p:x", want: Format{Container: "mp4", Video: Video{Resolution: named("720p")}, Audio: Audio{Disabled: true}}},
		{in: "mp4:30fps_h264_2000k_1280x720", out: "mp4:1280x720_2000k_h264_30fps", want: Format{Container: "mp4", Video: Video{Resolution: res(1280, 720), BitrateK: 2000, Codec: "h264", FPS: "30"}}},
		{in: "mp4:0fps", out: "mp4", want: Format{Container: "mp4"}},
		{in: "mp4:0x0", out: "mp4", want: Format{Container: "mp4"}},
		{in: "mp4:029.970fps", out: "mp4:29.97fps", want: Format{Container: "mp4", Video: Video{FPS: "29.97"}}},
		{in: "mp4:h265", out: "mp4:hevc", want: Format{Container: "mp4", Video: Video{Codec: "hevc"}}},
		{in: "mkv:av1_1440p:opus", out: "mkv:1440p_av1:opus", want: Format{Container: "mkv", Video: Video{Codec: "av1", Resolution: named("1440p")}, Audio: Audio{Codec: "opus"}}},
		{in: "mov:prores_ks", out: "mov:prores-ks", want: Format{Container: "mov", Video: Video{Codec: "prores-ks"}}},
		{in: "3gp::12k_amr_nb_8000hz_mono", out: "3gp::amr-nb_12k_8000hz_mono", want: Format{Container: "3gp", Audio: Audio{Codec: "amr-nb", BitrateK: 12, SampleRate: 8000, Channels: "mono"}}},
		{in: "3gp::amr-nb", want: Format{Container: "3gp", Audio: Audio{Codec: "amr-nb"}}},
		{in: "wav:44100hz_pcm_s16le_stereo", out: "wav:pcm-s16le_44100hz_stereo", want: Format{Container: "wav", Audio: Audio{Codec: "pcm-s16le", SampleRate: 44100, Channels: "stereo"}}},
		{in: "wav:pcm_u8", out: "wav:pcm-u8", want: Format{Container: "wav", Audio: Audio{Codec: "pcm-u8"}}},
		{in: "wav:pcm_alaw_mono", out: "wav:pcm-alaw_mono", want: Format{Container: "wav", Audio: Audio{Codec: "pcm-alaw", Channels: "mono"}}},
		{in: "wav:pcm", out: "wav:pcm-s16le", want: Format{Container: "wav", Audio: Audio{Codec: "pcm-s16le"}}},
		{in: "wav:pcm_mono", out: "wav:pcm-s16le_mono", want: Format{Container: "wav", Audio: Audio{Codec: "pcm-s16le", Channels: "mono"}}},
		{in: "mp3:64k:metadata=0", want: Format{Container: "mp3", Audio: Audio{BitrateK: 64}, Options: Options{Metadata: "0"}}},
		{in: "mp3::metadata=1", want: Format{Container: "mp3", Options: Options{Metadata: "1"}}},
		{in: "mp4:1080p::force_sdr", want: Format{Container: "mp4", Video: Video{Resolution: named("1080p")}, Options: Options{ForceSDR: true}}},
		{in: "mp4:::preset=slow", want: Format{Container: "mp4", Options: Options{Preset: "slow"}}},
		{in: "mp4:::quality=4_force_sdr_pix_fmt=yuv420p_2pass", out: "mp4:::quality=4,pix_fmt=yuv420p,2pass,force_sdr", want: Format{Container: "mp4",
			Options: Options{Quality: 4, ForceSDR: true, PixFmt: "yuv420p", TwoPass: true}}},
		{in: "mp4:::vprofile=444,level=3.1", out: "mp4:::vprofile=high444,level=31", want: Format{Container: "mp4", Options: Options{Profile: "high444", Level: "31"}}},
		{in: "mp4:::2pass=0,frag=1, metadata = 0", out: "mp4:::frag,metadata=0", want: Format{Container: "mp4", Options: Options{Frag: true, Metadata: "0"}}},
		{in: "mp4::::", out: "mp4", want: Format{Container: "mp4"}},
		{in: "jpg:x300", out: "jpg:0x300", want: Format{Container: "jpg", Video: Video{Resolution: res(0, 300)}}},
		{in: "webp_anim:300x", want: Format{Container: "webp_anim", Video: Video{Resolution: res(300, 0)}}},
	}
	for _, tt := range tests {
		checkParse(t, tt.in, tt.want, tt.out)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		in   string
		want []string // parts of the message: the token, and what is right
	}{
		{"", []string{`"" is no container`, "mp4, webm"}},
		{"mp5:720p", []string{`"mp5"`, "mp4, webm"}},
		{"mp4:4320p", []string{`"4320p" is no resolution`, "2160p"}},
		{"mp4:1x1", []string{`"1x1"`, "from 2 to 8192"}},
		{"mp4:9000x9000", []string{`"9000x9000"`, "8192"}},
		{"mp4:99999999999999999999x2", []string{"is no resolution"}},
		{"mp4:0k", []string{`"0k" is no video bitrate`, "1k to 200000k"}},
		{"mp4:200001k", []string{`"200001k"`, "200000k"}},
		{"mp4:2000", []string{`"2000" is no video spec`, "2000k"}},
		{"mp4:500fps", []string{`"500fps"`, "29.97fps"}},
		{"mp4:1.2345fps", []string{`"1.2345fps"`}},
		{"mp4:fps", []string{`"fps"`}},
		{"mp4:trailer", []string{`"trailer" is no video spec`, "h264"}},
		{"mp4:x_720p", []string{`"x" disables the video`}},
		{"mp4:720p_novideo", []string{`"novideo" disables the video`}},
		{"mp4::x_64k", []string{`"x" disables the audio`}},
		{"mp4:x:x", []string{"nothing is left"}},
		{"mp3:x", []string{"cannot be disabled"}},
		{"mp4:720p_1080p", []string{`"720p" and "1080p"`, "resolution", "once"}},
		{"mp4:500k_600k", []string{"video bitrate", "once"}},
		{"mp4:h264_vp8", []string{"video codec", "once"}},
		{"mp4::aac_mp3", []string{"audio codec", "once"}},
		{"mp4::mono_stereo", []string{"channel setting", "once"}},
		{"mp4::3k", []string{`"3k" is no audio bitrate`, "4k to 512k"}},
		{"mp4::513k", []string{`"513k"`, "512k"}},
		{"mp4::37800hz", []string{`"37800hz" is no sample rate`, "44100hz"}},
		{"mp4::5.1", []string{`"5.1" is no audio spec`, "mono, stereo, multi"}},
		{"mp4:quality=4", []string{`"quality=4" is an option`, "mp4:720p::quality=4"}},
		{"mp4:2pass", []string{`"2pass" is an option`}},
		{"mp4::quality=4", []string{`"quality=4" is an option`}},
		{"mp4:aac", []string{`"aac" is about audio`, "mp4:720p:aac"}},
		{"mp4:mono", []string{`"mono" is about audio`}},
		{"mp3:720p", []string{`"720p" is about video`}},
		{"mp4::h264", []string{`"h264" is about video`}},
		{"mp4:::shutter=film", []string{`"shutter=film" is no option`, "quality=", "2pass"}},
		{"mp4:::quality=6", []string{`"6" is no value of the option quality`, "1 to 5"}},
		{"mp4:::quality", []string{`option quality`, "1 to 5"}},
		{"mp4:::maxrate=fast", []string{`"fast"`, "maxrate", "200000k"}},
		{"mp4:::maxrate=400", []string{`"400"`, "maxrate"}},
		{"mp4:::vprofile=ultra", []string{`"ultra"`, "vprofile", "baseline"}},
		{"mp4:::level=14", []string{`"14"`, "level", "31"}},
		{"mp4:::pix_fmt=yuv", []string{`"yuv"`, "pix_fmt", "yuv420p"}},
		{"mp4:::metadata=2", []string{`"2"`, "metadata"}},
		{"mp4:::2pass=2", []string{`"2"`, "2pass"}},
		{"mp4:::tune=piano", []string{`"piano"`, "tune", "animation, film, grain for h264", "grain for vp9", "grain, screen for av1"}},
		{"mp4:::preset=warp", []string{`"warp"`, "preset", "veryfast"}},
		{"mp4:::quality=4,quality=5", []string{"option quality", "once"}},
		{"mp4:720p:128k:2pass:x", []string{`"x" has no place`, "container:video:audio:options"}},
		{"mp3:64k:metadata=0:x", []string{`"x" has no place`, "no video"}},
		{"jpg:300x:128k", []string{`"128k" has no place`, "container:resolution"}},
		{"jpg:x", []string{`"x" is no resolution`}},
		{"jpg:300x_300x", []string{"is no resolution"}},
		{"gif:600x", []string{`"600x" is too wide`, "500"}},
		{"httpstream:720p", []string{`"720p" has no place`, "variants"}},
		{"mp4:" + strings.Repeat("_", 300), []string{"304 bytes", "256"}},
	}
	for _, tt := range tests {
		f, err := Parse(tt.in)
		if err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", tt.in, f)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Parse(%q): %v\nlacks %q", tt.in, err, part)
			}
		}
	}
}

func TestDefaultLadderIsCanonicalAndSupported(t *testing.T) {
	for _, s := range DefaultLadder {
		f, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if f.String() != s {
			t.Errorf("%q prints as %q", s, f)
		}
		if err := SupportedVariant(f); err != nil {
			t.Error(err)
		}
	}
}

func ExampleParse() {
	f, _ := Parse("mp4:hevc_720p:x:quality=4")
	fmt.Println(f, f.VideoCodec(), f.Video.Resolution.Width, f.Video.Resolution.Height, f.Quality())
	_, err := Parse("mp4:720p:6ch")
	fmt.Println(err)
	// Output:
	// mp4:720p_hevc:x:quality=4 hevc 1280 720 4
	// format "mp4:720p:6ch": "6ch" is no audio spec: expected a bitrate such as 128k, a sample rate such as 44100hz, mono, stereo, multi, x for no audio, or a codec (copy, aac, mp3, vorbis, opus, ac3, flac, mp2, amr-nb, wmav2, pcm-s16le, pcm-s24le, pcm-s32le, pcm-f32le, pcm-f64le, pcm-u8, pcm-alaw, pcm-mulaw, pcm-s16be, pcm-s24be)
}

func FuzzParse(f *testing.F) {
	for _, s := range append(DefaultLadder, "mp4:hevc_720p_1500k:64k_mono:2pass_pix_fmt=yuv420p", "wav:pcm_s16le", "hls:0x0_29.970fps",
		"gif:300x", "httpstream", "MP4:X300::level=3.1,vprofile=444,frag", "mp3:64k:metadata=0", "3gp::amr_nb") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err != nil {
			if got != (Format{}) {
				t.Errorf("Parse(%q) gave %+v with an error", s, got)
			}
			return
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("Parse(%q) = %+v\nprinted %q\nparsed  %+v, %v", s, got, got, again, err)
		}
		// Nothing that follows may panic on a parsed format.
		_ = Supported(got)
		_ = SupportedVariant(got)
		_ = got.FPSRational()
		_, _, _, _, _ = got.VideoBitrateK(), got.AudioBitrateK(), got.AudioRate(), got.PixFmt(), got.TwoPass()
		_, _ = got.Extension(), got.ContentType()
	})
}
