package transcode

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/mp4index"
)

// indexed is what is known of the source in dir, with its index.
func indexed(t testing.TB, dir string) job.Media {
	t.Helper()
	m := probe(t, dir, SourceName)
	f, err := os.Open(filepath.Join(dir, SourceName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := mp4index.Add(f, m.Size, &m); err != nil || m.Video[0].GOPs == nil {
		t.Fatalf("index: %v", err)
	}
	return m
}

// every returns keyframes each so many seconds from an offset on.
func every(step, offset, end float64) *job.GOPs {
	g := &job.GOPs{Keyframes: []float64{0}, Longest: step}
	for at := offset; at < end; at += step {
		if at > 0 {
			g.Keyframes = append(g.Keyframes, at)
		}
	}
	return g
}

// TestPictureWays: of pictures that may be any frame of their cue, keyframes are taken,
// and what else is decoded is as little as can be. Pictures of a moment are found by
// seeking unless that would decode more than all.
func TestPictureWays(t *testing.T) {
	const sprite = "jpg:160x path=/s.jpg sprite=10 interval="
	for _, c := range []struct {
		name, line           string
		gops                 *job.GOPs
		byKeyframes, bySeeks int
		decode               bool
	}{
		{"a keyframe in each cue", sprite + "10", every(8, 3, 1200), 120, 0, false},
		{"in most cues", sprite + "10", every(10.5, 10.5, 1200), 115, 5, false},
		{"few cues, many keyframes", sprite + "60", every(1, 1, 1200), 0, 20, false},
		{"open GOPs", sprite + "10", &job.GOPs{Keyframes: every(8, 3, 1200).Keyframes, Open: true}, 0, 120, false},
		{"one keyframe", sprite + "10", every(5000, 5000, 1200), 0, 0, true},
		{"not known where", sprite + "10", nil, 0, 0, true},
		{"moments", "jpg:160x path=/%d.jpg number=5", every(10, 10, 1200), 0, 5, false},
		{"moments of one GOP", "jpg:160x path=/%d.jpg number=5", every(5000, 5000, 1200), 0, 0, true},
		{"moments, not known where", "jpg:160x path=/%d.jpg number=5", nil, 0, 5, false},
	} {
		m := film(1920, 1080)
		m.Duration, m.Video[0].Duration, m.Video[0].GOPs = 1200, 1200, c.gops
		p := Build(outputs(t, c.line), m, Options{})
		checkPlan(t, p)
		keyframes, seeks, decodes := 0, 0, 0
		for _, s := range p.Steps {
			args := s.FFmpegArgs()
			switch {
			case s.Kind != StepThumbnails:
			case slices.Contains(args, "-skip_frame:v"):
				keyframes += len(s.Files)
			case strings.Contains(s.Files[0], "%"):
				decodes++
			default:
				seeks += len(s.Files)
			}
		}
		if keyframes != c.byKeyframes || seeks != c.bySeeks || (decodes == 1) != c.decode {
			t.Errorf("%s: %d by keyframes, %d by seeking, %d decodes", c.name, keyframes, seeks, decodes)
		}
	}
}

// TestCues: a picture taken from keyframes, or by seeking beside them, is of its own cue,
// in all containers, at all starts, and with a watermark.
func TestCues(t *testing.T) {
	t.Parallel()
	film := slices.Clone(second[:len(second)-2])
	for name, more := range map[string][]string{
		"mp4":           {"-f", "mp4"},
		"mov, from 5 s": {"-output_ts_offset", "5", "-f", "mov"},
		"mkv":           {"-f", "matroska"},
		"open GOPs":     {"-x264-params", "keyint=25:scenecut=0:bframes=2:b-adapt=0:open-gop=1", "-f", "mp4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, append(slices.Clone(film), more...)...)
			m := measured(t, dir)
			if name != "mkv" {
				m = indexed(t, dir)
			}
			if m.Video[0].GOPs == nil {
				t.Fatal("it is not known where the keyframes are")
			}
			o := outputs(t, "png:32x path=/%d.png interval=1 watermark=topleft", "png:32x path=/%d.png interval=1")
			for i := range o {
				p := newPlanner(newSource(m), Options{}, "", len(o))
				if _, err := p.output(i, o[i]); err != nil {
					t.Fatal(err)
				}
				logo(t, dir, Plan{Fetches: p.fetches}, 4, 4)
				row := p.thumbnails[0]
				var keyed, rest []int
				for k := range row.times {
					if _, ok := p.keyframeOf(row, k); ok {
						keyed = append(keyed, k)
					} else {
						rest = append(rest, k)
					}
				}
				if !slices.Equal(keyed, []int{0, 2, 5, 7}) {
					t.Fatalf("cues with a keyframe: %v", keyed)
				}
				marks := watermarkNames(nil, p.thumbnails)
				ways := map[string][]Step{
					"keyframes": {p.keyframesStep(row, keyed, marks), p.seekThumbnailsStep(row, rest, 2, marks)},
					"seeks":     {p.seekThumbnailsStep(row, append(slices.Clone(keyed), rest...), 1, marks)},
				}
				if name == "open GOPs" {
					delete(ways, "keyframes") // ffmpeg does not find all of them so
				}
				for way, steps := range ways {
					for _, s := range steps {
						for _, f := range s.Files {
							os.Remove(filepath.Join(dir, f))
						}
						if stderr, err := step(t, dir, p.secrets, s, "-v", "error"); err != nil {
							t.Fatalf("%s: %v\n%s", s.ID, err, stderr)
						}
					}
					for k := range row.times {
						pic := decoded(t, dir, fmt.Sprintf(row.pattern(), k+1))
						if got := secondOf(pic[0].pix[4*(10*32+20)]); got != k {
							t.Errorf("%s: picture %d shows second %d", way, k+1, got)
						}
					}
				}
			}
		})
	}
}
