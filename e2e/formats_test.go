package e2e

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// Every container that is encoded, from one input, in one job.
func TestContainers(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	tests := []struct {
		format, path, container, video, audio string
	}{
		{"mp4:hevc_320x0", "/a.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "hevc", "aac"},
		{"mov", "/a.mov", "mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac"},
		{"mkv:copy:opus", "/a.mkv", "matroska,webm", "h264", "opus"},
		{"mpegts", "/a.ts", "mpegts", "h264", "aac"},
		{"webm:vp9_160x0:opus", "/a.webm", "matroska,webm", "vp9", "opus"},
		{"mp4:x:64k_mono", "/sound.mp4", "mov,mp4,m4a,3gp,3g2,mj2", "", "aac"},
		{"mp3:64k", "/a.mp3", "mp3", "", "mp3"},
		{"aac", "/a.aac", "aac", "", "aac"},
		{"ogg", "/a.ogg", "ogg", "", "vorbis"},
		{"wav:22050hz_mono", "/a.wav", "wav", "", "pcm_s16le"},
		{"avi:160x0", "/a.avi", "avi", "mpeg4", "mp3"},
		{"wmv:160x0", "/a.wmv", "asf", "wmv2", "wmav2"},
		{"flash:160x0", "/a.flv", "flv", "flv1", "mp3"},
		{"3gp", "/a.3gp", "mov,mp4,m4a,3gp,3g2,mj2", "h263", "aac"},
		{"theora:160x0", "/a.ogv", "ogg", "theora", "vorbis"},
		{"mov:prores_160x0:pcm", "/b.mov", "mov,mp4,m4a,3gp,3g2,mj2", "prores", "pcm_s16le"},
		{"png:80x", "/a.png", "png_pipe", "png", ""},
	}
	outputs := object{}
	for _, tt := range tests {
		outputs[tt.format] = object{"path": tt.path}
	}
	j := srv.completed(t, 90*time.Second, jobOf(short(t), outputs))
	for _, tt := range tests {
		o := j.output(t, tt.format)
		if o.Type == "image" {
			o.URL = o.images(t)[0]
		}
		f := probe(t, save(t, o.URL, "result"))
		wantVideo, wantAudio := 0, 0
		if tt.video != "" {
			f.has(t, tt.format, tt.video)
			wantVideo = 1
		}
		if tt.audio != "" {
			f.has(t, tt.format, tt.audio)
			f.lasts(t, tt.format, 1, 0.15)
			wantAudio = 1
		}
		if f.Format.Name != tt.container || f.count("video") != wantVideo || f.count("audio") != wantAudio {
			t.Errorf("%s became %s with %+v", tt.format, f.Format.Name, f.Streams)
		}
	}
}

// A codec without an encoder is refused at once.
func TestNotEncoded(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	status, body, _ := srv.send(t, "POST", "/jobs", jobOf(short(t), object{"mov:svq3": object{"path": "/a.mov"}}))
	refused(t, status, body, "output_format_not_valid", "not encoded")
}

// The format hash replaces the specs of the key, and the answer shows the
// format string composed of it, as Coconut's did.
func TestFormatHash(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	j := srv.completed(t, 90*time.Second, jobOf(short(t), object{
		"avi:240p": object{"path": "/a.avi", "format": object{"resolution": "0x120", "video_bitrate": "500k"}},
		"mp4":      object{"path": "/b.mp4", "key": "small", "format": object{"resolution": "160x", "video_codec": "hevc", "audio_codec": false, "force_sdr": true}},
	}))
	for key, want := range map[string]string{"avi:240p": "avi:0x120_500k", "small": "mp4:160x_hevc:x:force_sdr"} {
		if got := j.output(t, key).Format; got != want {
			t.Errorf("the output %s has the format %q, want %q", key, got, want)
		}
	}
	if _, h := probe(t, j.output(t, "avi:240p").URL).video(t, "avi"); h != 120 {
		t.Errorf("the AVI is %d lines high", h)
	}
	if f := probe(t, j.output(t, "small").URL); f.count("audio") != 0 {
		t.Errorf("the MP4 has %+v", f.Streams)
	}
}

// Clips as cameras and converters make them, each to a file and a stream of the
// right shape.
func TestAwkwardInputs(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	tests := []struct {
		clip          testmedia.Recipe
		width, height int
		audio         int
	}{
		{testmedia.Portrait90, 68, 120, 1},
		{testmedia.OddSize, 214, 120, 1}, // its pixels are not square
		{testmedia.TenBit, 214, 120, 1},
		{testmedia.VFR, 214, 120, 1},
		{testmedia.MultiAudio, 214, 120, 1},
		{testmedia.SurroundFivePointOne, 214, 120, 1},
		{testmedia.NoAudio, 214, 120, 0},
		{testmedia.OneFrame, 214, 120, 0},
	}
	ids := map[string]string{}
	for _, tt := range tests {
		ids[tt.clip.Name] = srv.create(t, jobOf(inputs(t).add(testmedia.Clip(t, tt.clip)), object{
			"mp4:0x120":  object{"path": "/a.mp4", "duration": 1},
			"jpg:100x":   object{"path": "/a.jpg"},
			"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:0x120"}},
		})).ID
	}
	for _, tt := range tests {
		t.Run(tt.clip.Name, func(t *testing.T) {
			j := srv.wait(t, ids[tt.clip.Name], 100*time.Second)
			if j.Status != "job.completed" {
				t.Fatalf("the job failed: %s", j.raw)
			}
			f := probe(t, j.output(t, "mp4:0x120").URL)
			if w, h := f.video(t, "mp4"); w != tt.width || h != tt.height {
				t.Errorf("mp4 is %dx%d, want %dx%d", w, h, tt.width, tt.height)
			}
			if f.Streams[0].PixFmt != "yuv420p" || f.count("audio") != tt.audio {
				t.Errorf("mp4 has %+v", f.Streams)
			}
			if f := probe(t, j.output(t, "httpstream").stream(t, "hls")); f.count("video") != 1 {
				t.Errorf("hls has %+v", f.Streams)
			}
			if w, _ := probe(t, save(t, j.output(t, "jpg:100x").images(t)[0], "a.jpg")).video(t, "jpg"); w != 100 {
				t.Errorf("jpg is %d wide", w)
			}
		})
	}
}

// The check of raw AAC whose rate varies reads the whole file. As root it does so
// as another user, who cannot reach the work directory by its absolute path.
func TestVaryingRate(t *testing.T) {
	t.Parallel()
	j := shared(t).run(t, 60*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, testmedia.QuietThenLoud)), object{"aac": object{"path": "/a.aac"}}))
	if o := j.output(t, "aac"); j.Status != "job.completed" || o.Status != "video.encoded" {
		t.Errorf("%s", j.raw)
	}
}

// Inputs that are not video, from which some outputs can still be made.
func TestInputWithoutVideo(t *testing.T) {
	t.Parallel()
	srv := shared(t)
	j := srv.run(t, 60*time.Second, jobOf(inputs(t).add(testmedia.Clip(t, testmedia.AudioOnly)), object{
		"mp3":      object{"path": "/a.mp3"},
		"mp4:240p": object{"path": "/a.mp4"},
		"jpg:100x": object{"path": "/a.jpg"},
	}))
	if o := j.output(t, "mp3"); o.Status != "video.encoded" {
		t.Errorf("mp3: %+v", o)
	}
	plain(t, j.output(t, "jpg:100x").Error, "video")
	if j.Status != "job.failed" || j.Input.Status != "input.transferred" {
		t.Errorf("%s", j.raw)
	}
	// A video file with audio only: an output without video, or an error
	// message.
	if o := j.output(t, "mp4:240p"); o.Status == "video.failed" {
		plain(t, o.Error, "video")
	} else {
		probe(t, o.URL).has(t, "mp4", "aac")
	}
}
