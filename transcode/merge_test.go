package transcode

import (
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// groups divides the steps of a plan into those that run together in one ffmpeg,
// in an order in which each finds what it needs.
func groups(steps []Step) (list [][]Step) {
	var waiting [][]Step // of steps that can be merged, by their global options
	for _, s := range steps {
		needs := append(slices.Clone(s.Needs), s.Tail.Step)
		if slices.ContainsFunc(slices.Concat(waiting...), func(w Step) bool { return slices.Contains(needs, w.ID) }) {
			list, waiting = append(list, waiting...), nil
		}
		global, ok := testmedia.Mergeable(s.FFmpegArgs())
		if !ok || s.Tail != (TailInput{}) || len(s.Op.FFmpeg.Inputs) > 0 || len(s.Dirs) > 0 {
			list = append(list, []Step{s})
			continue
		}
		at := slices.IndexFunc(waiting, func(g []Step) bool {
			other, _ := testmedia.Mergeable(g[0].FFmpegArgs())
			return slices.Equal(other, global)
		})
		if at < 0 {
			waiting, at = append(waiting, nil), len(waiting)
		}
		waiting[at] = append(waiting[at], s)
	}
	return append(list, waiting...)
}

// ran is what came of some steps that ran together.
type ran struct {
	steps  []Step
	stderr string
	err    error
}

// runAll runs steps, several in one ffmpeg where that is possible. Steps that fail
// together run again, each by itself, so that the culprit is known.
func runAll(t testing.TB, dir string, secrets Secrets, steps []Step) (list []ran) {
	t.Helper()
	for _, g := range groups(steps) {
		if len(g) > 1 {
			var runs [][]string
			for _, s := range g {
				runs = append(runs, s.FFmpegArgs())
			}
			whole := Step{Op: Operation{FFmpeg: &FFmpeg{Args: testmedia.Merge(runs...)}}}
			if stderr, err := step(t, dir, secrets, whole, "-v", "warning"); err == nil {
				list = append(list, ran{g, stderr, nil})
				continue
			}
		}
		for _, s := range g {
			stderr, err := step(t, dir, secrets, s, "-v", "warning")
			list = append(list, ran{[]Step{s}, stderr, err})
		}
	}
	return list
}

// Steps that run together come after what they need and before what needs them.
func TestGroups(t *testing.T) {
	ffmpeg := func(id, args string, needs ...string) Step {
		return Step{ID: id, Needs: needs, Op: Operation{FFmpeg: &FFmpeg{Args: strings.Fields(args)}}}
	}
	mux := func(id string, needs ...string) Step { return ffmpeg(id, "-copyts -i v -map 0 "+id, needs...) }
	var got []string
	for _, g := range groups([]Step{
		ffmpeg("graph", "-i source -filter_complex [0:0]null[a] -map [a] v"), ffmpeg("audio", "-i source -map 0:1 a"), mux("one"), mux("two"),
		ffmpeg("tail", "-copyts -i "+StdinInput+" -map 0 x"), mux("three", "audio"), mux("four"),
		{ID: "track", Needs: []string{"four"}, Op: Operation{ThumbnailTrack: &ThumbnailTrack{}}}, mux("five"),
	}) {
		var ids []string
		for _, s := range g {
			ids = append(ids, s.ID)
		}
		got = append(got, strings.Join(ids, "+"))
	}
	if want := "graph tail audio one+two three+four track five"; strings.Join(got, " ") != want {
		t.Errorf("the groups are %q, want %q", got, want)
	}
}
