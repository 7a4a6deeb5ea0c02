package transcode

import (
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

func TestSourceUse(t *testing.T) {
	long := job.Media{Duration: 1200, Size: 900e6}
	for _, tt := range []struct {
		name  string
		media job.Media
		steps []string // their arguments
		whole bool
		most  int64 // MB
	}{
		{"all of it", long, []string{"-i source -map 0:0 out.mp4"}, true, 900},
		{"no stream is named", long, []string{"-i source out.mp4"}, true, 900},
		{"a clip", long, []string{"-ss 600 -t 5 -i source -map 0:0 v.mp4", "-ss 600 -t 5 -i source -map 0:1 a.mp4", "-i v.mp4 -i a.mp4 -i source -map 0:v -map 1:a -map_metadata 2:g out.mp4"}, false, 90},
		{"the same in a graph", long, []string{"-ss 600 -t 5 -i source -filter_complex [0:0]scale=1:1[v] -map [v] v.mp4"}, false, 60},
		{"from a quarter on", long, []string{"-ss 300 -i source -map 0:0 v.mp4"}, true, 900},
		{"the end", long, []string{"-ss 1100 -i source -map 0:0 v.mp4"}, false, 170},
		{"pictures", long, []string{"-ss 100 -i source -ss 700 -i source -map 0:0 -frames:v 1 1.jpg -map 1:0 -frames:v 1 2.jpg"}, false, 70},
		{"many pictures", long, []string{strings.Repeat("-ss 100 -i source ", 80) + strings.Repeat("-frames:v 1 1.jpg ", 80)}, true, 900},
		{"all of it for one picture and more", long, []string{"-ss 100 -i source -i source -map 0:0 -frames:v 1 1.jpg -map 1:0 out.mp4"}, true, 900},
		{"tags only", long, []string{"-i v.mp4 -i source -map 0:v -map_metadata 1:g out.mp4"}, false, 40},
		{"a short film", job.Media{Duration: 20, Size: 30e6}, []string{"-ss 5 -t 1 -i source v.mp4"}, true, 30},
		{"of unknown length", job.Media{Size: 900e6}, []string{"-ss 5 -t 1 -i source v.mp4"}, true, 900},
	} {
		var p Plan
		for _, args := range tt.steps {
			p.Steps = append(p.Steps, Step{Op: Operation{FFmpeg: &FFmpeg{Args: strings.Fields(args)}}})
		}
		got := p.SourceUse(tt.media)
		if got.Whole != tt.whole || got.Bytes > tt.most*1e6 || got.Bytes < tt.most*1e6/3 {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	chunk := Step{Range: &TimeRange{From: 600, To: 630}, Op: Operation{FFmpeg: &FFmpeg{Args: strings.Fields("-ss 590 -i source -map 0:0 v.mp4")}}}
	if got := chunk.SourceUse(long); got.Whole || got.Bytes > 100e6 || !chunk.ReadsSource() {
		t.Errorf("a chunk: %+v", got)
	}
	if (Step{Op: Operation{FFmpeg: &FFmpeg{Args: strings.Fields("-i v.mp4 out.mp4")}}}).ReadsSource() {
		t.Error("a copy reads the source")
	}
}
