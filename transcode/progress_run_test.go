package transcode

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ffmpeg tells its progress from the start, also beside pictures from the middle, and
// those are the pictures that were asked for.
func TestProgressBesidePictures(t *testing.T) {
	t.Parallel()
	dir := clip(t, second...)
	lines := []string{"mp4:64x::quality=3 path=/a.mp4", "png path=/n_%d.png number=2", "png path=/m.png number=1", "png path=/o_%d.png offsets=7;5.1"}
	p := Build(outputs(t, lines...), probe(t, dir, SourceName), fast)
	s := p.Steps[0]
	if s.Kind != StepEncode || len(s.Dirs) != 3 {
		t.Fatalf("the first step is %s with the folders %q, want an encode with those of pictures", s.ID, s.Dirs)
	}
	// Read at four times its speed, so that there is time between reports.
	if stderr, err := step(t, dir, p.Secrets, s, "-v", "error", "-progress", "report", "-stats_period", "0.05", "-readrate", "4"); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	report, err := os.ReadFile(filepath.Join(dir, "report"))
	if err != nil {
		t.Fatal(err)
	}
	_, first, _ := strings.Cut(string(report), "out_time_us=")
	first, _, _ = strings.Cut(first, "\n")
	var us float64
	if n, _ := fmt.Sscan(first, &us); n == 1 && us > 3.5e6 {
		t.Errorf("the first report is at %.1f s of 8", us/1e6)
	}
	names := picturesOf(p.Results[1:])
	all := decodedAll(t, dir, names...)
	for i, want := range []int{2, 6, 4, 7, 5} {
		if got := secondOf(all[names[i]][0].pix[0]); got != want {
			t.Errorf("%s shows second %d, want %d", names[i], got, want)
		}
	}
	if len(names) != 5 {
		t.Errorf("pictures %q", names)
	}
}

// A chunk tells its progress from the start, although the frames before its end are listed
// only when it comes there: workers judge by it whether a chunk is slow.
func TestProgressOfChunks(t *testing.T) {
	t.Parallel()
	dir := clip(t, second...)
	o := fast
	o.ChunkSeconds = 4
	p := Build(outputs(t, "mp4:64x::quality=3 path=/a.mp4"), probe(t, dir, SourceName), o)
	s := p.Steps[0]
	if s.Range == nil || s.Range.To == 0 {
		t.Fatalf("the first step is %s, want a chunk that ends before the source", s.ID)
	}
	if stderr, err := step(t, dir, p.Secrets, s, "-v", "error", "-progress", "report", "-stats_period", "0.05", "-readrate", "2"); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	report, err := os.ReadFile(filepath.Join(dir, "report"))
	if err != nil {
		t.Fatal(err)
	}
	moves := false
	for line := range strings.Lines(string(report)) {
		var us float64
		if n, _ := fmt.Sscanf(line, "out_time_us=%g", &us); n == 1 && us > 0.3e6 && us < 3.3e6 {
			moves = true
		}
	}
	if !moves {
		t.Errorf("no report lies between the beginning of the chunk and its end:\n%s", report)
	}
}
