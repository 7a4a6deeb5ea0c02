package transcode

import (
	"slices"
	"strings"
	"testing"
)

// artifactsOf finds the artifacts of a plan by their key inputs, and checks that
// each step that takes work has artifacts for all its files.
func artifactsOf(t *testing.T, p Plan) map[string]Artifact {
	t.Helper()
	found := map[string]Artifact{}
	for _, s := range p.Steps {
		if len(s.Artifacts) > 0 && (len(s.Op.FFmpeg.Inputs) > 0 || s.Kind == StepSegment) {
			t.Errorf("step %s, which may know a key, has artifacts", s.ID)
		}
		var files []string
		for _, part := range s.Artifacts {
			files = append(files, part.Files...)
			found[strings.Join(part.KeyInputs, "\x00")] = part
		}
		if works := s.VideoEncodes+s.AudioEncodes > 0 || s.Kind == StepThumbnails; works != (len(s.Artifacts) > 0) {
			t.Errorf("step %s of kind %s has %d artifacts", s.ID, s.Kind, len(s.Artifacts))
		}
		want := slices.Sorted(slices.Values(s.Files))
		slices.Sort(files)
		if s.Kind != StepPass1 && len(s.Artifacts) > 0 && !slices.Equal(files, want) {
			t.Errorf("step %s makes %q, its artifacts are %q", s.ID, s.Files, files)
		}
	}
	return found
}

// What a later run wants is the same artifact, whatever else the two runs make:
// outputs that are done are not planned again.
func TestPartsOfOtherPlans(t *testing.T) {
	all := []string{
		"mp4:1080p path=/1080.mp4", "mp4:720p_2000k::2pass path=/720.mp4", "httpstream hls=/hls variants=mp4:480p;mp4:1080p",
		"jpg:300x path=/t_%02d.jpg number=5", "mp3 path=/a.mp3", "webm:vp9_360p path=/a.webm watermark=topleft", "gif:100x scene=2;1 path=/a.gif",
	}
	film := film(1920, 1080)
	first := artifactsOf(t, Build(outputs(t, all...), film, Options{}))
	for i := range all {
		if i == 3 {
			continue // alone, pictures are found by seeking
		}
		outs := outputs(t, all...)
		for k := range outs {
			if k != i {
				outs[k] = nil
			}
		}
		for _, isolate := range []bool{false, true} {
			p := Build(outs, film, Options{Isolate: isolate})
			parts := artifactsOf(t, p)
			if len(parts) == 0 {
				t.Errorf("%s has no parts", all[i])
			}
			for r, part := range parts {
				_, ok := first[r]
				for _, also := range part.Substitutes {
					_, does := first[strings.Join(also, "\x00")]
					ok = ok || does
				}
				if !ok && !strings.HasSuffix(part.Files[0], "-pass*") {
					t.Errorf("%s, isolated %t: %s is another part than in the plan of all:\n%s", all[i], isolate, part.Files, strings.ReplaceAll(r, "\x00", "\n"))
				}
			}
		}
	}
}

// A file that can be read only when it is complete is no substitute for one that
// is read while it grows.
func TestPartsThatGrow(t *testing.T) {
	first := artifactsOf(t, Build(outputs(t, "mp4:480p::quality=4,maxrate=900k path=/a.mp4"), film(1920, 1080), Options{}))
	stream := Build(outputs(t, "httpstream hls=/hls variants=mp4:480p::quality=4,maxrate=900k"), film(1920, 1080), Options{})
	grows := false
	for r, part := range artifactsOf(t, stream) {
		if !strings.HasPrefix(part.Files[0], "v") {
			continue
		}
		grows = strings.Contains(r, "frag_keyframe")
		if _, ok := first[r]; ok || len(part.Substitutes) > 0 {
			t.Errorf("a plain file does for %s", part.Files)
		}
	}
	if !grows {
		t.Error("no part of the stream can be read while it grows")
	}
}

// What makes other bytes is another artifact.
func TestPartsDiffer(t *testing.T) {
	films := film(1920, 1080)
	seen := map[string]string{}
	for _, line := range []string{
		"mp4:720p path=/a.mp4", "mp4:720p path=/a.mp4 offset=1", "mp4:720p path=/a.mp4 watermark=topleft", "mp4:720p path=/a.mp4 watermark=topright",
		"mp4:720p::preset=slow path=/a.mp4", "mp4:720p_900k path=/a.mp4", "mp4:720p_900k::2pass path=/a.mp4", "mp4:480p path=/a.mp4", "mp4:hevc_720p path=/a.mp4",
		"mp4:720p:128k_mono path=/a.mp4",
	} {
		for r, part := range artifactsOf(t, Build(outputs(t, line), films, Options{})) {
			if sound := strings.HasPrefix(part.Files[0], "a"); sound != strings.Contains(line, "mono") {
				continue // the sound is the same in all others, and the picture in that one
			}
			if other, ok := seen[r]; ok {
				t.Errorf("%q and %q share the part %s", line, other, part.Files)
			}
			seen[r] = line
		}
	}
	other := artifactsOf(t, Build(outputs(t, "mp4:720p path=/a.mp4"), films, Options{Presets: map[string]string{"libx264": "slower"}}))
	for r, part := range other {
		if _, ok := seen[r]; ok && strings.HasPrefix(part.Files[0], "v") {
			t.Error("another preset of the server makes the same part")
		}
	}
}

func TestPartsOfPasses(t *testing.T) {
	p := Build(outputs(t, "mp4:720p_2000k::2pass path=/a.mp4", "mp4:hevc_480p_900k::2pass path=/b.mp4"), film(1920, 1080), Options{})
	for _, s := range p.Steps {
		if s.Kind == StepPass1 {
			if len(s.Artifacts) != 1 || !slices.Equal(s.Artifacts[0].Files, []string{"v1-pass*", "v2-pass*"}) {
				t.Errorf("parts %+v", s.Artifacts)
			}
			return
		}
	}
	t.Error("no first pass")
}
