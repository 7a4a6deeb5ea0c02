package format

import (
	"encoding/json"
	"strings"
	"testing"
)

func decodeHash(t *testing.T, s string) map[string]any {
	t.Helper()
	var h map[string]any
	if err := json.Unmarshal([]byte(s), &h); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFromHash(t *testing.T) {
	tests := []struct{ key, hash, want string }{
		// Captured at Coconut (coconut-v2.md section 2.3).
		{"avi:240p", `{"resolution":"0x240","video_bitrate":"500k"}`, "avi:0x240_500k"},
		{"webm:480p", `{"resolution":"0x480"}`, "webm:0x480"},

		{"mp4", `{"resolution":"1280x720","quality":5}`, "mp4:1280x720::quality=5"},
		{"mp4", `{}`, "mp4"},
		{"mp4:720p", `null`, "mp4"},
		{"mp4:trailer", `{"resolution":"1280x"}`, "mp4:1280x"},
		{"mp4", `{"resolution":"720p","video_codec":"H264","video_bitrate":2000,"fps":25,"audio_codec":"aac","audio_bitrate":"128k","sample_rate":44100,"audio_channel":"stereo"}`,
			"mp4:720p_2000k_h264_25fps:aac_128k_44100hz_stereo"},
		{"mp4", `{"fps":"29.97fps","sample_rate":"48000hz","audio_bitrate":"96","audio_channel":1}`, "mp4:29.97fps:96k_48000hz_mono"},
		{"mp4", `{"video_codec":false,"resolution":"720p","audio_bitrate":64}`, "mp4:x:64k"},
		{"mp4", `{"video_codec":"novideo"}`, "mp4:x"},
		{"mp4", `{"audio_codec":"noaudio","audio_bitrate":"64k"}`, "mp4::x"},
		{"mp4", `{"audio_codec":false}`, "mp4::x"},
		{"mp4", `{"video_codec":true,"audio_codec":""}`, "mp4"},
		{"mp4", `{"pix_fmt":"yuv420p","2pass":true,"maxrate":"4000K","vprofile":"high","level":31,"frag":1,"metadata":false,"force_sdr":"1","preset":"slow","tune":"Grain"}`,
			"mp4:::maxrate=4000k,vprofile=high,level=31,pix_fmt=yuv420p,2pass,frag,metadata=0,force_sdr,preset=slow,tune=grain"},
		{"mp4", `{"2pass":false,"frag":"0","quality":null,"level":3.1,"maxrate":1500}`, "mp4:::maxrate=1500k,level=31"},
		{"mp4", `{"quality":"4","metadata":"true"}`, "mp4:::quality=4,metadata=1"},
		{"hls", `{"resolution":"360p"}`, "hls:360p"},
		{"mp3", `{"audio_bitrate":"64k","video_codec":false,"metadata":0}`, "mp3:64k:metadata=0"},
		{"wav", `{"audio_codec":"pcm_s16le"}`, "wav:pcm-s16le"},
		{"jpg:540p", `{"resolution":"300x"}`, "jpg:300x"},
		{"httpstream", `{}`, "httpstream"},
		// What math expressions leave behind.
		{"mp4", `{"resolution":"426.6666666666667x","video_bitrate":"1333.3333333333333k","fps":"29.97002997002997"}`, "mp4:427x_1333k_29.97fps"},
	}
	for _, tt := range tests {
		f, err := FromHash(tt.key, decodeHash(t, tt.hash))
		if err != nil || f.String() != tt.want {
			t.Errorf("FromHash(%q, %s) = %q, %v, want %q", tt.key, tt.hash, f, err, tt.want)
			continue
		}
		if again, err := Parse(f.String()); err != nil || again != f {
			t.Errorf("Parse(%q) = %+v, %v; FromHash gave %+v", f, again, err, f)
		}
	}
	got, err := FromHash("mp4", map[string]any{"quality": json.Number("3"), "level": 40})
	if err != nil || got.Options.Quality != 3 || got.Options.Level != "40" {
		t.Errorf("FromHash with json.Number and int = %+v, %v", got, err)
	}
}

func TestFromHashRefuses(t *testing.T) {
	tests := []struct {
		key, hash string
		want      []string
	}{
		{"mp5", `{}`, []string{`format of "mp5"`, "is no container"}},
		{"mp4", `{"width":100}`, []string{`"width" is not known`, "resolution, video_codec", "quality"}},
		{"mp4", `{"resolution":720}`, []string{"resolution", `"720" is no resolution`}},
		{"mp4", `{"resolution":["720p"]}`, []string{"resolution", "string or a number"}},
		{"mp4", `{"resolution":"720p_500k"}`, []string{"is no resolution"}},
		{"mp4", `{"video_codec":"aac"}`, []string{"video_codec", `"aac" is no video codec`, "h264"}},
		{"mp4", `{"video_bitrate":300000}`, []string{"video_bitrate", "200000k"}},
		{"mp4", `{"audio_channel":6}`, []string{"audio_channel", `"6"`, "stereo"}},
		{"mp4", `{"quality":9}`, []string{`"9"`, "quality"}},
		{"mp4", `{"video_codec":false,"audio_codec":false}`, []string{"nothing is left"}},
		{"mp3", `{"resolution":"720p"}`, []string{"resolution does not apply to mp3", "audio_codec"}},
		{"mp3", `{"audio_codec":false}`, []string{"cannot be disabled"}},
		{"jpg", `{"quality":3}`, []string{"quality does not apply to jpg, which takes resolution"}},
		{"jpg", `{"fps":3}`, []string{"fps does not apply to jpg"}},
		{"httpstream", `{"resolution":"720p"}`, []string{"no format hash"}},
		{"gif", `{"resolution":"600x"}`, []string{"too wide"}},
	}
	for _, tt := range tests {
		f, err := FromHash(tt.key, decodeHash(t, tt.hash))
		if err == nil {
			t.Errorf("FromHash(%q, %s) = %+v, want an error", tt.key, tt.hash, f)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("FromHash(%q, %s): %v\nlacks %q", tt.key, tt.hash, err, part)
			}
		}
	}
}
