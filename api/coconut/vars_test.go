package coconut

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
	"github.com/copra-video/copra/transcode/format"
)

// phone is a clip of a telephone held upright: encoded in landscape, shown in
// portrait.
func phone() job.Media {
	return job.Media{
		Raw:        json.RawMessage(`{"streams":[{"index":0,"width":1920,"codec_name":"h264"},{"sample_rate":"44100"}],"format":{"duration":"15.045000","tags":{"major_brand":"qt  "}}}`),
		FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 15.945, Size: 2299653, Tags: map[string]string{"major_brand": "qt  "},
		Video: []job.VideoStream{{Codec: "h264", Width: 1920, Height: 1080, Rotation: 90, FPS: format.Rational{Num: 30000, Den: 1001}, BitRate: 1027518}},
		Audio: []job.AudioStream{{Codec: "aac", SampleRate: 44100, Channels: 2, BitRate: 192035}},
	}
}

func TestVars(t *testing.T) {
	want := expr.Vars{
		"input.mime_type": "video/quicktime", "input.file_size": 2299653.0, "input.format": "mov,mp4,m4a,3gp,3g2,mj2",
		"input.width": 1080.0, "input.height": 1920.0, "input.fps": 29.97, "input.ifps": 30.0, "input.video_bitrate": 1028.0,
		"input.rotation": 90.0, "input.is_hd": true, "input.is_audio_only": false, "input.duration": 15.0,
		"input.video_codec": "h264", "input.audio_codec": "aac", "input.channels": 2.0, "input.audio_bitrate": 192.0,
		"input.sample_rate":              44100.0,
		"input.metadata.streams.0.index": 0.0, "input.metadata.streams[0].index": 0.0,
		"input.metadata.streams.0.width": 1920.0, "input.metadata.streams[0].width": 1920.0,
		"input.metadata.streams.0.codec_name": "h264", "input.metadata.streams[0].codec_name": "h264",
		"input.metadata.streams.1.sample_rate": 44100.0, "input.metadata.streams[1].sample_rate": 44100.0,
		"input.metadata.format.duration": 15.045, "input.metadata.format.tags.major_brand": "qt  ",
	}
	if diff := cmp.Diff(want, Vars(phone())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestVarsOfAudio checks that a condition on the picture of an audio file is false
// and no error, so that its output is skipped.
func TestVarsOfAudio(t *testing.T) {
	vars := Vars(job.Media{FormatName: "mp3", Audio: []job.AudioStream{{Codec: "mp3"}}})
	for condition, want := range map[string]bool{
		"{{ input.width }} >= 480":             false,
		"{{ input.is_hd }}":                    false,
		"{{ input.is_audio_only }}":            true,
		"{{ input.video_codec }} = 'h264'":     false,
		"{{ input.mime_type }} = 'audio/mpeg'": true,
	} {
		got, err := EvalCondition(job.OutputRequest{Condition: condition}, vars)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", condition, got, err)
		}
	}
}

// TestVarsInConditions evaluates the documented conditions with the variables of a
// real clip.
func TestVarsInConditions(t *testing.T) {
	for condition, want := range map[string]bool{
		"{{ input.width }} >= 480":                            true,
		"{{ input.fps }} > 29 AND {{ input.duration }} < 60":  true,
		"{{ input.metadata.streams[0].codec_name }} = 'h264'": true,
		"{{ input.metadata.format.duration }} > 16":           false,
		"NOT {{ input.is_hd }} OR {{ input.rotation }} <> 90": false,
	} {
		got, err := EvalCondition(job.OutputRequest{Condition: condition}, Vars(phone()))
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v", condition, got, err)
		}
	}
}

func TestMimeType(t *testing.T) {
	video := func(name, codec string) job.Media {
		return job.Media{FormatName: name, Video: []job.VideoStream{{Codec: codec}}}
	}
	for want, m := range map[string]job.Media{
		"video/mp4":                video("mov,mp4,m4a,3gp,3g2,mj2", "h264"),
		"audio/mp4":                {FormatName: "mov,mp4,m4a,3gp,3g2,mj2"},
		"video/webm":               video("matroska,webm", "vp9"),
		"video/x-matroska":         video("matroska,webm", "h264"),
		"image/png":                video("png_pipe", "png"),
		"application/octet-stream": video("something", "h264"),
	} {
		if got := mimeType(m); got != want {
			t.Errorf("%s: got %s, want %s", m.FormatName, got, want)
		}
	}
}
