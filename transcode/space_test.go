package transcode

import "testing"

// TestSpace compares the space of plans with the rates that were asked for, in a
// film of 30 s.
func TestSpace(t *testing.T) {
	const mib = 1 << 20
	stream := "httpstream hls=/h dash=/d variants=mp4:720p_2000k"
	for _, tt := range []struct {
		lines       []string
		least, most float64 // MiB
		kept        bool
		capped      bool
	}{
		// At most 7.5 MiB at the maxrate of 3000 kbit/s and 0.5 of audio, twice;
		// the audio itself; what containers add.
		{[]string{stream}, 15, 27, true, true},
		{[]string{"httpstream dash=/d variants=mp4:720p_2000k"}, 7, 14, true, true},
		{[]string{"mp4:720p_2000k path=/a.mp4"}, 15, 27, false, true},
		{[]string{"mp4:720p::quality=4 path=/a.mp4"}, 5, 80, false, false},
		{[]string{"mov:prores_ks path=/a.mov"}, 200, 900, false, false},
		{[]string{"mp3:128k path=/a.mp3"}, 0.4, 0.7, false, true},
		{[]string{"jpg path=/a.jpg"}, 0, 0, false, true},
	} {
		for _, isolate := range []bool{false, true} {
			o := fast
			o.Isolate = isolate
			p := Build(outputs(t, tt.lines...), film(1280, 720), o)
			for i, r := range p.Results {
				if r.Err != nil {
					t.Fatalf("%s: %v", tt.lines[i], r.Err)
				}
			}
			got := p.Space
			if b := float64(got.Bytes) / mib; b < tt.least || b > tt.most || got.CachedBytes > 0 != tt.kept || got.Bounded != tt.capped {
				t.Errorf("%q, isolated %v: %.1f MiB and %.1f, capped %v", tt.lines, isolate, b, float64(got.CachedBytes)/mib, got.Bounded)
			}
		}
	}
	// A rendition that a file reads as well is not freed while it grows.
	for _, isolate := range []bool{false, true} {
		o := fast
		o.Isolate = isolate
		got := Build(outputs(t, stream, "mp4:720p_2000k path=/a.mp4"), film(1280, 720), o).Space
		if b := got.Bytes / mib; b < 30 || b > 55 || got.CachedBytes > 0 != isolate {
			t.Errorf("a stream and a file, isolated %v: %+v", isolate, got)
		}
	}
}
