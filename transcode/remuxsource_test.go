package transcode

import (
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// TestRemuxSource: tracks keep their places on the common clock, in MP4 where it takes them.
func TestRemuxSource(t *testing.T) {
	video := func(codec string, start float64) job.Media {
		return job.Media{StartTime: start, Video: []job.VideoStream{{Index: 1, Codec: codec}}, Audio: []job.AudioStream{{Index: 0, Codec: "aac"}}}
	}
	audio := func(start float64) job.Media {
		return job.Media{StartTime: start, Audio: []job.AudioStream{{Index: 0, Codec: "aac"}, {Index: 1, Codec: "ac3"}}}
	}
	for name, tt := range map[string]struct {
		tracks []RemuxTrack
		want   string
	}{
		"audio begins later": {
			[]RemuxTrack{{Media: video("h264", 10), Name: "v", Kind: "video"}, {Media: audio(10.5), Name: "a", Kind: "audio", Language: "de", Title: "Deutsch\n"}},
			"-i v -itsoffset 0.5 -i a -map 0:1 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -metadata:s:a:0 language=deu -metadata:s:a:0 title=Deutsch -bsf:a:0 PLAIN -disposition:a:0 default -f mp4 out",
		},
		"the audio of the first file stays": {
			[]RemuxTrack{{Media: video("vp8", 0), Name: "v"}, {Media: audio(0), Name: "a", Kind: "audio"}},
			"-i v -i a -map 0:1 -map 0:0 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -bsf:a:0 PLAIN -disposition:a:0 default -bsf:a:1 PLAIN -disposition:a:1 0 -f matroska out",
		},
		"other origins": {
			[]RemuxTrack{{Media: video("hevc", 100), Name: "v", Kind: "video", Origin: 90}, {Media: audio(8), Name: "a", Kind: "audio"}},
			"-itsoffset 2 -i v -i a -map 0:1 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -bsf:a:0 PLAIN -disposition:a:0 default -f mp4 out",
		},
		"the clock of a transport stream begins anew between them": {
			[]RemuxTrack{{Media: video("h264", clockTurn-1), Name: "v", Kind: "video"}, {Media: audio(1), Name: "a", Kind: "audio"}},
			"-i v -itsoffset 2 -i a -map 0:1 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -bsf:a:0 PLAIN -disposition:a:0 default -f mp4 out",
		},
		"priming": {
			[]RemuxTrack{{Media: video("h264", 0), Name: "v", Kind: "video"}, {Media: audio(-0.08), Name: "a", Kind: "audio"}},
			"-i v -itsoffset -0.08 -i a -map 0:1 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -bsf:a:0 PLAIN -disposition:a:0 default -f mp4 out",
		},
		"no clock": {
			[]RemuxTrack{{Media: video("h264", 1.4), Name: "v", Kind: "video"}, {Media: audio(0), Name: "a", Kind: "audio", NoClock: true}},
			"-i v -i a -map 0:1 -map 1:0 -c copy -map_metadata -1 -map_chapters -1 -bsf:a:0 PLAIN -disposition:a:0 default -f mp4 out",
		},
	} {
		s, err := RemuxSource(tt.tracks, "out")
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Op.FFmpeg.Args, " "); got != strings.ReplaceAll(tt.want, "PLAIN", plainPriming) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, tt.want)
		}
	}
	if _, err := RemuxSource([]RemuxTrack{{Name: "x"}}, "out"); err == nil || err.Reason != job.InputNotValid {
		t.Errorf("nothing to take: %v", err)
	}
}
