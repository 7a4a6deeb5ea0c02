package format

import "testing"

func TestGOPFor(t *testing.T) {
	t.Parallel()
	for segment, want := range map[float64]float64{1: 1, 2: 2, 3: 1.5, 4: 2, 5: 1.25, 6: 2, 7: 1.75, 9: 1.8, 10: 2, 3.84: 1.92, 2.002: 1.001, 3.001: 0, 1.5: 1.5} {
		if got := GOPFor(segment); got != want {
			t.Errorf("segments of %g s have GOPs of %g s, expected %g", segment, got, want)
		}
	}
}

func TestCRFAndGOP(t *testing.T) {
	t.Parallel()
	for text, fine := range map[string]bool{
		"mp4:720p::crf=23": true, "mp4:720p::crf=51": true, "mp4:720p::crf=52": false, "mp4:720p::crf=0": false, "mp4:720p::crf=-3": false, "mp4:720p::crf=2.5": false,
		"mp4:720p_av1::crf=63": true, "webm:::crf=3": false, "webm:::crf=4": true, "mov:prores::crf=9": false, "avi:::crf=9": false, "mp4:720p::crf=23,quality=3": false,
		"mp4:720p::gop=0.1": true, "mp4:720p::gop=10": true, "mp4:720p::gop=11": false, "mp4:720p::gop=0": false, "mp4:720p::gop=1e0": false, "mov:prores::gop=1": false,
	} {
		f, err := Parse(text)
		if err == nil {
			err = Supported(f)
		}
		if (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && f.String() != text {
			t.Errorf("%s is written %s", text, f)
		}
	}
	f, err := FromHash("mp4", map[string]any{"crf": 23.0, "gop": 0.5, "video_bitrate": "900k"})
	if err != nil || f.String() != "mp4:900k::crf=23,gop=0.5" || f.MaxrateK() != 900 || f.VideoBitrateK() != 0 || f.TwoPass() {
		t.Errorf("the hash is %v, with a maxrate of %d, %v", f, f.MaxrateK(), err)
	}
}
