package format

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/transcode/codec"
)

func mustParse(t *testing.T, s string) Format {
	t.Helper()
	f, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestContainerDefaults: every container that is encoded works without specs.
func TestContainerDefaults(t *testing.T) {
	for _, c := range codec.Containers() {
		if !c.Encodable {
			continue
		}
		if err := Supported(Format{Container: c.Name}); err != nil {
			t.Errorf("an encodable container does not work with its defaults: %v", err)
		}
	}
}

func TestDefaults(t *testing.T) {
	tests := []struct {
		in                     string
		video, audio           string
		videoK, audioK, rate   int
		w, h                   int
		fps                    Rational
		pixFmt, ext, mediaType string
	}{
		{in: "mp4", video: "h264", audio: "aac", videoK: 1000, audioK: 128, pixFmt: "yuv420p", ext: "mp4", mediaType: "video/mp4"},
		{in: "mp4:720p", video: "h264", audio: "aac", videoK: 2000, audioK: 128, w: 1280, h: 720, pixFmt: "yuv420p", ext: "mp4", mediaType: "video/mp4"},
		{in: "mp4:240p:x", video: "h264", videoK: 500, h: 240, pixFmt: "yuv420p", ext: "mp4", mediaType: "video/mp4"},
		{in: "mp4:1440p_hevc::vprofile=high10", video: "hevc", audio: "aac", videoK: 6000, audioK: 128, w: 2560, h: 1440, pixFmt: "yuv420p10le", ext: "mp4", mediaType: "video/mp4"},
		{in: "mp4:x:64k", audio: "aac", audioK: 64, ext: "mp4", mediaType: "audio/mp4"},
		{in: "mp4:copy:copy", video: "copy", audio: "copy", ext: "mp4", mediaType: "video/mp4"},
		{in: "webm:640x_23.98fps:opus_44100hz:quality=3", video: "vp8", audio: "opus", audioK: 128, rate: 48000, w: 640, fps: Rational{24000, 1001}, pixFmt: "yuv420p", ext: "webm", mediaType: "video/webm"},
		{in: "webm:vp9_800k_12.5fps", video: "vp9", audio: "vorbis", videoK: 800, audioK: 128, fps: Rational{25, 2}, pixFmt: "yuv420p", ext: "webm", mediaType: "video/webm"},
		{in: "hls:30fps::pix_fmt=yuv422p", video: "h264", audio: "aac", videoK: 1000, audioK: 128, fps: Rational{30, 1}, pixFmt: "yuv422p", ext: "ts", mediaType: "video/mp2t"},
		{in: "mov:prores:pcm", video: "prores", audio: "pcm-s16le", videoK: 1000, pixFmt: "yuv422p10le", ext: "mov", mediaType: "video/quicktime"},
		{in: "3gp", video: "h263", audio: "aac", videoK: 1000, audioK: 32, pixFmt: "yuv420p", ext: "3gp", mediaType: "video/3gpp"},
		{in: "wmv", video: "wmv2", audio: "wmav2", videoK: 1000, audioK: 128, pixFmt: "yuv420p", ext: "wmv", mediaType: "video/x-ms-asf"},
		{in: "mp3:22000hz", audio: "mp3", audioK: 128, rate: 22050, ext: "mp3", mediaType: "audio/mpeg"},
		{in: "mp3:96000hz", audio: "mp3", audioK: 128, rate: 48000, ext: "mp3", mediaType: "audio/mpeg"},
		{in: "wav:44000hz", audio: "pcm-s16le", rate: 44000, ext: "wav", mediaType: "audio/wav"},
		{in: "ogg", audio: "vorbis", audioK: 128, ext: "ogg", mediaType: "audio/ogg"},
		{in: "jpg:300x", w: 300, ext: "jpg", mediaType: "image/jpeg"},
		{in: "webp_anim", ext: "webp", mediaType: "image/webp"},
		{in: "httpstream", ext: "m3u8", mediaType: "application/vnd.apple.mpegurl"},
	}
	for _, tt := range tests {
		f := mustParse(t, tt.in)
		r := f.Video.Resolution
		got := []any{f.VideoCodec(), f.AudioCodec(), f.VideoBitrateK(), f.AudioBitrateK(), f.AudioRate(), r.Width, r.Height, f.FPSRational(), f.PixFmt(), f.Extension(), f.ContentType()}
		want := []any{tt.video, tt.audio, tt.videoK, tt.audioK, tt.rate, tt.w, tt.h, tt.fps, tt.pixFmt, tt.ext, tt.mediaType}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", tt.in, got, want)
		}
	}
	if (Format{}).VideoCodec() != "" || (Format{}).Kind() != "" {
		t.Error("the zero Format is not empty")
	}
	for in, want := range map[string]bool{"mp4:::2pass": true, "mp4:::2pass,quality=3": false, "mp4:copy::2pass": false, "mp4": false, "mov:prores::2pass": false} {
		if got := mustParse(t, in).TwoPass(); got != want {
			t.Errorf("TwoPass of %s = %v", in, got)
		}
	}
}

func TestSupported(t *testing.T) {
	for _, s := range []string{"mp4", "mp4:hevc", "mp4:720p_vp9:opus", "mp4:copy:copy", "mp4:x:64k_mono", "webm:vp9:opus", "webm", "mov::pcm", "mkv:vp8:vorbis",
		"mpegts:hevc:mp3", "hls", "mp3", "aac", "ogg:opus", "ogg", "wav", "wav:pcm_u8", "jpg:300x", "jpeg", "png", "webp:160x", "gif:300x", "webp_anim", "httpstream",
		"mp4:720p:x:quality=4,maxrate=400k,vprofile=main,level=31,pix_fmt=yuv420p,2pass,frag,metadata=0,preset=slow",
		"mp4:::vprofile=high422,pix_fmt=yuv422p", "mp4:hevc::vprofile=main10,pix_fmt=yuv420p10le", "webm:::preset=4", "mp4:copy_500k::quality=4",
		"mp4:x:copy", "avi:0x240_500k", "divx", "wmv", "flash:240p", "3gp", "theora:360p", "mp4:av1:multi", "mkv::flac", "mov:prores-ks::vprofile=3",
		"mov:prores::pix_fmt=yuva444p10le", "mov:dnxhd", "mp4:1080p::force_sdr", "mp4:60fps_mpeg4"} {
		if err := Supported(mustParse(t, s)); err != nil {
			t.Errorf("Supported(%s): %v", s, err)
		}
	}
	refused := []struct {
		in   string
		want []string
	}{
		{"mov:svq3", []string{"svq3 is recognised but not encoded", "h264, hevc, prores"}},
		{"avi:vp8", []string{"avi cannot hold vp8 video: it holds mpeg4"}},
		{"flv:::quality=3,pix_fmt=yuv422p", []string{"pix_fmt=yuv422p: flv takes yuv420p"}},
		{"mov:prores::vprofile=3,pix_fmt=yuv444p10le", []string{"vprofile=3 does not take pix_fmt=yuv444p10le"}},
		{"mov:prores::quality=3", []string{"prores has no quality setting"}},
		{"mpegts:vp9", []string{"mpegts cannot hold vp9 video", "h264, hevc"}},
		{"webm:h264", []string{"webm cannot hold h264 video: it holds vp8, vp9, av1"}},
		{"mp4::vorbis", []string{"mp4 cannot hold vorbis audio", "aac, mp3"}},
		{"webm::aac", []string{"webm cannot hold aac audio: it holds vorbis, opus"}},
		{"mp3:aac", []string{"mp3 cannot hold aac audio: it holds mp3"}},
		{"mkv:rv20", []string{"mkv cannot hold rv20"}},
		{"webm:::frag", []string{"frag does not apply to webm", "mp4, mov"}},
		{"mp4:720p_copy", []string{"copy keeps the video", "720p"}},
		{"mp4::copy_mono", []string{"copy keeps the audio", "mono"}},
		{"mp4:::pix_fmt=yuva444p10le", []string{"pix_fmt=yuva444p10le: h264 takes yuv420p"}},
		{"webm:::vprofile=high", []string{"vprofile=high: vp8 has no vprofile"}},
		{"mp4:::vprofile=2", []string{"vprofile=2: h264 takes baseline"}},
		{"mp4:hevc::level=13", []string{"level=13: hevc takes 10, 20"}},
		{"mp4:hevc::tune=film", []string{"tune=film: hevc takes animation, grain"}},
		{"webm:::tune=grain", []string{"tune=grain: vp8 has no tune"}},
		{"mp4:::preset=4", []string{"preset=4: h264 takes ultrafast"}},
		{"mp4:::vprofile=baseline,pix_fmt=yuv422p", []string{"vprofile=baseline does not take pix_fmt=yuv422p"}},
		{"mp4:::vprofile=high,pix_fmt=yuv420p10le", []string{"vprofile=high does not take"}},
	}
	for _, tt := range refused {
		err := Supported(mustParse(t, tt.in))
		if err == nil {
			t.Errorf("Supported(%s) is nil", tt.in)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Supported(%s): %v\nlacks %q", tt.in, err, part)
			}
		}
	}
	if Supported(Format{}) == nil {
		t.Error("the zero Format is supported")
	}
}

func TestSupportedVariant(t *testing.T) {
	for in, want := range map[string]string{
		"mp4:720p_hevc:x":  "",
		"mp4:x":            "",
		"webm":             "must be mp4, not webm",
		"mp4:vp9":          "",
		"mp4:av1_1080p":    "",
		"mp4:mpeg4":        "h264, hevc, vp9, av1 or novideo, not mpeg4",
		"mp4:copy":         "not copy",
		"mp4::mp3":         "aac or noaudio, not mp3",
		"mp4:720p::frag":   "",
		"mp4:::force_sdr":  "",
		"mp4:1080p::2pass": "",
	} {
		err := SupportedVariant(mustParse(t, in))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("SupportedVariant(%s) = %v, want %q", in, err, want)
		}
	}
}
