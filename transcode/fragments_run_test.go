package transcode

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/copra-video/copra/transcode/join"
)

// A fragmented file says in its header how long it lasts, its index at the end leads to
// its fragments, and it holds what a plain file holds.
func TestFragmentedFiles(t *testing.T) {
	t.Parallel()
	base := clip(t, append(beepAndFlash, "-f", "mp4")...)
	from := filepath.Join(base, SourceName)
	dir := clip(t, "-i", from, "-itsoffset", "0.513", "-i", from, "-map", "1:v", "-map", "0:a", "-c", "copy", "-f", "mp4") // the picture is late
	p := run(t, dir, fast, "mp4:80x::quality=3 path=/a.mp4", "mp4:80x::frag,quality=3 path=/f.mp4", "mov:80x:x:frag,quality=3 path=/f.mov", "mp4:x:64k:frag path=/s.mp4", "mp4:copy::frag path=/c.mp4")
	want := frames(t, dir, p.Results[0].Files[0].Name, false)
	for i, r := range p.Results[1:] {
		name := r.Files[0].Name
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		file, err := mp4.DecodeFile(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// The tool of the test is another parser than the one of the program.
		mehd := file.Moov.Mvex.Mehd
		if mehd == nil || math.Abs(float64(mehd.FragmentDuration)/float64(file.Moov.Mvhd.Timescale)-[]float64{4.513, 4.513, 4, 4.513}[i]) > 0.022 {
			t.Errorf("%s: the header says %+v", name, mehd)
		}
		var places []uint64
		for _, s := range file.Segments {
			for _, f := range s.Fragments {
				places = append(places, f.StartPos)
			}
		}
		entries := 0
		for _, c := range file.Mfra.Children {
			if index, ok := c.(*mp4.TfraBox); ok {
				for _, e := range index.Entries {
					entries++
					if !slices.Contains(places, e.MoofOffset) {
						t.Errorf("%s: the index names a fragment at %d; they are at %v", name, e.MoofOffset, places)
					}
				}
			}
		}
		if entries == 0 {
			t.Errorf("%s has no index", name)
		}
		if got := frames(t, dir, name, false); r.Files[0].Path != "/s.mp4" && r.Files[0].Path != "/c.mp4" {
			if len(got) != len(want) || math.Abs(got[0]-want[0]) > 0.001 || math.Abs(got[len(got)-1]-want[len(want)-1]) > 0.001 {
				t.Errorf("%s: frames at %v, want %v", name, got, want)
			}
		}
		// A second time nothing changes.
		again := &memory{slices.Clone(data)}
		if err := join.WriteDuration(again, int64(len(data))); err != nil || !bytes.Equal(again.data, data) {
			t.Errorf("%s: the second time: %v, %d bytes of %d", name, err, len(again.data), len(data))
		}
		for _, n := range []int{10, 100, len(data) / 2} {
			_ = join.WriteDuration(&memory{slices.Clone(data[:n])}, int64(n)) // whatever it says, it ends
		}
	}
}

// memory is a file.
type memory struct{ data []byte }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, at)
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if n := int(at) + len(p); n > len(m.data) {
		m.data = append(m.data, make([]byte, n-len(m.data))...)
	}
	return copy(m.data[at:], p), nil
}
