package ffmpeg

import (
	"testing"
)

// FuzzProgress: no output of ffmpeg makes a number negative, and how the output is
// cut into writes does not matter.
func FuzzProgress(f *testing.F) {
	f.Add([]byte("frame=7\nfps=1.5\ntotal_size=N/A\nout_time_us=40000\nspeed=1.2x\nprogress=continue\n"), 3)
	f.Add([]byte("out_time_us=-9223372036854775808\nfps=NaN\nspeed=1e999x\nprogress=end\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		read := func(size int) (all []Progress) {
			p := &progress{block: func(p Progress) { all = append(all, p) }}
			for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if n, err := p.Write(rest[:min(size, len(rest))]); err != nil || n == 0 {
					t.Fatal(n, err)
				}
			}
			return all
		}
		whole := read(max(len(data), 1))
		for _, p := range whole {
			if p.Frame < 0 || p.OutTime < 0 || p.Size < 0 || !(p.FPS >= 0) || !(p.Speed >= 0) {
				t.Errorf("%+v", p)
			}
		}
		if parts := read(max(min(cut, len(data)), 1)); len(data) < 4096 && len(parts) != len(whole) {
			t.Errorf("%d blocks, %d when cut", len(whole), len(parts))
		}
	})
}
