package transcode

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Several files are measured by one ffmpeg, because its start takes longer than
// what it does here.

// work makes a folder for measurements.
func work(t testing.TB, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp(dir, "measure-") //nolint:usetesting // beside the files, so that names are relative
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(to)
}

// inputs are the arguments that open files.
func inputs(names []string) (args []string) {
	for _, n := range names {
		args = append(args, "-i", n)
	}
	return args
}

// decodedAll returns the frames of several films or pictures.
func decodedAll(t testing.TB, dir string, names ...string) map[string][]rgb {
	t.Helper()
	to := work(t, dir)
	args := append([]string{"-nostdin", "-v", "error"}, inputs(names)...)
	for i := range names {
		args = append(args, "-map", fmt.Sprintf("%d:v:0", i), "-fps_mode", "passthrough", "-pix_fmt", "rgba", "-f", "rawvideo", fmt.Sprintf("%s/%d", to, i))
	}
	command(t, dir, "ffmpeg", args...)
	all := map[string][]rgb{}
	for i, name := range names {
		m, ok := picture(t, dir, name)
		if !ok {
			m = probe(t, dir, name)
		}
		v := m.Video[0]
		raw, err := os.ReadFile(filepath.Join(dir, to, strconv.Itoa(i)))
		if err != nil || len(raw) == 0 || len(raw)%(4*v.Width*v.Height) != 0 {
			t.Fatalf("decode %s: %v, %d bytes", name, err, len(raw))
		}
		for frame := range slices.Chunk(raw, 4*v.Width*v.Height) {
			all[name] = append(all[name], rgb{v.Width, v.Height, frame})
		}
	}
	return all
}

// lengths returns how long the decoded sound of each file lasts, in seconds.
func lengths(t testing.TB, dir string, names ...string) map[string]float64 {
	t.Helper()
	to := work(t, dir)
	args := append([]string{"-nostdin", "-v", "error"}, inputs(names)...)
	for i := range names {
		args = append(args, "-map", fmt.Sprintf("%d:a:0", i), "-ac", "1", "-ar", "8000", "-f", "u8", fmt.Sprintf("%s/%d", to, i))
	}
	command(t, dir, "ffmpeg", args...)
	found := map[string]float64{}
	for i, name := range names {
		st, err := os.Stat(filepath.Join(dir, to, strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		found[name] = float64(st.Size()) / 8000
	}
	return found
}

// playable decodes files whole.
func playable(t testing.TB, dir string, names ...string) {
	t.Helper()
	args := append([]string{"-nostdin", "-v", "error", "-xerror"}, inputs(names)...)
	for i := range names {
		args = append(args, "-map", strconv.Itoa(i), "-f", "null", "-")
	}
	command(t, dir, "ffmpeg", args...)
}

// offsets measures by how much the first flash of each file comes after its first
// beep.
func offsets(t testing.TB, dir string, names ...string) map[string]float64 {
	t.Helper()
	to := work(t, dir)
	args := append([]string{"-nostdin", "-v", "error", "-copyts"}, inputs(names)...)
	for i := range names {
		args = append(args,
			"-map", fmt.Sprintf("%d:v:0", i), "-vf", fmt.Sprintf("signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=%s/%d.v", to, i), "-f", "null", "-",
			"-map", fmt.Sprintf("%d:a:0", i), "-af", fmt.Sprintf("silencedetect=n=-30dB:d=0.3,ametadata=print:key=lavfi.silence_end:file=%s/%d.a", to, i), "-f", "null", "-")
	}
	command(t, dir, "ffmpeg", args...)
	found := map[string]float64{}
	for i, name := range names {
		flash, at := math.NaN(), math.NaN()
		lines := text(t, dir, to, strconv.Itoa(i)+".v")
		for line := range strings.Lines(lines) {
			if m := ptsTime.FindStringSubmatch(line); m != nil {
				at, _ = strconv.ParseFloat(m[1], 64)
			}
			if m := brightness.FindStringSubmatch(line); m != nil {
				if y, _ := strconv.ParseFloat(m[1], 64); y > 120 {
					flash = at
					break
				}
			}
		}
		sound := text(t, dir, to, strconv.Itoa(i)+".a")
		m := silenceEnd.FindStringSubmatch(sound)
		if m == nil || math.IsNaN(flash) {
			t.Fatalf("%s: no flash or no beep\n%s%s", name, lines, sound)
		}
		beep, _ := strconv.ParseFloat(m[1], 64)
		found[name] = flash - beep
	}
	return found
}

// offset is offsets of one file.
func offset(t testing.TB, dir, name string) float64 {
	t.Helper()
	return offsets(t, dir, name)[name]
}
