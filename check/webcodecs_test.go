package check

import (
	"strings"
	"testing"

	"github.com/Eyevinn/hls-m3u8/m3u8"

	"github.com/copra-video/copra/internal/streamtest"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode"
)

// TestMixedCodecs: streams of H.264, VP9 and AV1 side by side hold every rule: with sound,
// at rates at which AV1 has no whole number of frames in two seconds, and of frames that
// come irregularly.
func TestMixedCodecs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source   testmedia.Recipe
		variants []string
	}{
		{rated("30000/1001"), []string{"mp4:0x72::quality=3", "mp4:av1_0x72::quality=2,preset=12", "mp4:vp9_0x72::quality=2,preset=8", "mp4:0x64::quality=2", "mp4:x:64k"}},
		{testmedia.VFR, []string{"mp4:av1_0x72::crf=50,maxrate=300k,preset=12", "mp4:hevc_0x64::quality=2"}},
		{testmedia.LateAudio, []string{"mp4:vp9_0x64::quality=2,preset=8"}},
	} {
		t.Run(test.source.Name, func(t *testing.T) {
			t.Parallel()
			o := transcode.Options{Presets: quick.Presets, SegmentSeconds: 2}
			for _, p := range streamtest.Publish(t, clipDir(t, testmedia.Clip(t, test.source)), both(t, test.variants...), o) {
				reports, err := Stream(t.Context(), p.Root, Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, rep := range reports {
					if !rep.OK() {
						t.Error(printed(reports))
					}
					for _, r := range rep.Results {
						if r.Rule == "A.5" && len(test.variants) > 1 && r.Status != Pass {
							t.Errorf("rule A.5 is %s", r.Status)
						}
					}
				}
			}
		})
	}
}

// TestKeysOfWebCodecs: the headers of VP9 and AV1 tell where a stream can be entered.
func TestKeysOfWebCodecs(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[string]bool{"\x82\x49": true, "\x86": false, "\x8a": false, "\xb0": true, "\xb4": false, "\x49": false, "": false} {
		if vp9Key([]byte(bytes)) != want {
			t.Errorf("VP9 %q: expected %t", bytes, want)
		}
	}
	for bytes, want := range map[string]bool{"\x0a\x01x": true, "\x12\x00\x0a\x01x": true, "\x12\x00\x32\x01": false, "\x32\x05": false, "\x12": false, "\x12\x80": false, "\x16\x00\x00\x0a": true, "": false} {
		if av1Key([]byte(bytes)) != want {
			t.Errorf("AV1 %q: expected %t", bytes, want)
		}
	}
}

// TestMixedOrder: what breaks the rule on several codecs.
func TestMixedOrder(t *testing.T) {
	t.Parallel()
	named := func(codecs string, score float64) *variant {
		v := &variant{Variant: new(m3u8.Variant), playlist: &playlist{name: codecs}}
		v.Codecs, v.Score = codecs, score
		return v
	}
	for _, test := range []struct {
		list []*variant
		want string
	}{
		{[]*variant{named("avc1.64001f,mp4a.40.2", 1), named("av01.0.05M.08,mp4a.40.2", 2)}, ""},
		{[]*variant{named("avc1.64001f", 0), named("avc1.640020", 0)}, ""},
		{[]*variant{named("av01.0.05M.08", 2), named("avc1.64001f", 1)}, "H.264 plays everywhere"},
		{[]*variant{named("avc1.64001f", 1), named("hvc1.1.6.L93.90", 0)}, "SCORE is missing"},
		{[]*variant{named("avc1.64001f", 1), named("vp09.00.31.08", 1)}, "SCORE is 1 as for"},
		{[]*variant{named("avc1.64001f", 1), named("vp09.00.31.08", 2), named("avc1.640020", 3)}, "do not stand together"},
	} {
		s := &hlsStream{checker: &checker{results: map[string]*Result{}}, variants: test.list}
		s.mixed("master.m3u8", test.list)
		got := ""
		for _, r := range s.results {
			for _, f := range r.Findings {
				got += f.What
			}
		}
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, expected %q", test.list, got, test.want)
		}
	}
}
