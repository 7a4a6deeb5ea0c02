package transcode

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// measure carries out a measurement as package execute does.
func measure(t testing.TB, dir string, op MeasureLoudness) (stderr string, err error) {
	t.Helper()
	var l Loudness
	whole := false
	for _, args := range append([][]string{op.Args}, op.Changed...) {
		if _, stderr, err = execute(t, dir, nil, "ffmpeg", append([]string{"-nostdin", "-y", "-v", "warning"}, args...)...); err != nil {
			return stderr, err
		}
		if len(op.Changed) > 0 && args[1] == op.Changed[0][1] && args[len(args)-1] == op.Whole {
			continue // the first of the two
		}
		log, err := os.Open(filepath.Join(dir, op.Log))
		if err != nil {
			return stderr, err
		}
		defer log.Close()
		if l, whole, err = ReadLoudness(log, op); err != nil || whole {
			break
		}
	}
	figures, _ := json.Marshal(l)
	if err := os.WriteFile(filepath.Join(dir, op.Figures), figures, 0o600); err != nil {
		return "", err
	}
	return stderr, os.WriteFile(filepath.Join(dir, op.Gain), []byte(l.Commands()), 0o600)
}

// loudnessOf measures a finished file.
func loudnessOf(t testing.TB, dir, name string) (lufs, truePeak float64) {
	t.Helper()
	_, stderr := command(t, dir, "ffmpeg", "-nostdin", "-i", name, "-af", "ebur128=peak=true", "-f", "null", "-")
	_, summary, _ := strings.Cut(stderr, "Integrated loudness:")
	value := func(name string) float64 {
		_, after, _ := strings.Cut(summary, name)
		n, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
		if err != nil {
			t.Fatalf("%s of %s", name, summary)
		}
		return n
	}
	return value("I:"), value("Peak:")
}

// figuresAt reads the one measurement of an output.
func figuresAt(t testing.TB, dir string, r Result) Loudness {
	t.Helper()
	var l Loudness
	if len(r.Loudness) != 1 {
		t.Fatalf("measurements %q, want one", r.Loudness)
	}
	b, err := os.ReadFile(filepath.Join(dir, r.Loudness[0]))
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Outputs have the loudness that was asked for, each by what its part of the input needs. What has peaks stays
// below -1 dBTP and is less loud, and two outputs share a measurement.
func TestLoudness(t *testing.T) {
	t.Parallel()
	// 2 s, then 2 s that are 6 dB louder, with a click.
	dir := clip(t, "-f", "lavfi", "-i", "aevalsrc=d=4:s=48000:exprs=0.03*sin(2*PI*440*t)*(1+gte(t\\,2))+0.4*sin(2*PI*1000*t)*between(t\\,3\\,3.005):c=mono,aformat=channel_layouts=stereo", "-f", "wav")
	p := run(t, dir, Options{}, "wav::loudness=-24 path=/a.wav", "mp4:x:160k:loudness=-24 path=/a.mp4", "wav::loudness=-24 offset=0 duration=1.5 path=/quiet.wav", "wav::loudness=-5 path=/peaks.wav", "wav path=/as-is.wav")
	if _, audio := encodes(p); audio != 5 || len(p.Results[4].Loudness) > 0 || p.Results[0].Loudness[0] != p.Results[1].Loudness[0] {
		t.Errorf("the plan measures or encodes too much\n%s", show(p))
	}
	for i, want := range []float64{-24, -24, -24} {
		got, _ := loudnessOf(t, dir, p.Results[i].Files[0].Name)
		l := figuresAt(t, dir, p.Results[i])
		if math.Abs(got-want) > 0.15 || l.LimitedBy != nil || math.Abs(*l.Output-got) > 0.15 {
			t.Errorf("output %d has %.2f LUFS, want %.2f; figures %+v", i, got, want, l)
		}
	}
	whole, quiet := figuresAt(t, dir, p.Results[0]), figuresAt(t, dir, p.Results[2])
	if quiet.Gain-whole.Gain < 3 {
		t.Errorf("the gain of the quiet part is %.1f dB, that of the whole %.1f", quiet.Gain, whole.Gain)
	}
	got, peak := loudnessOf(t, dir, p.Results[3].Files[0].Name)
	if l := figuresAt(t, dir, p.Results[3]); peak > -0.9 || peak < -1.3 || l.LimitedBy == nil || *l.LimitedBy != "true_peak" || math.Abs(*l.Output-got) > 0.15 {
		t.Errorf("%.2f LUFS with a true peak of %.2f dBTP, want a peak of -1; figures %+v", got, peak, l)
	}
	// One gain for all: the second half is 6 dB above the first, as before.
	if a, b := rms(t, dir, p.Results[0].Files[0].Name), rms(t, dir, p.Results[4].Files[0].Name); math.Abs((a[1]-a[0])-(b[1]-b[0])) > 0.15 {
		t.Errorf("the halves differ by %.2f dB, in the input by %.2f", a[1]-a[0], b[1]-b[0])
	}
}

// rms is the level of the two halves of 4 s, in dB.
func rms(t testing.TB, dir, name string) (level [2]float64) {
	t.Helper()
	for i := range level {
		_, stderr := command(t, dir, "ffmpeg", "-nostdin", "-ss", strconv.Itoa(2*i), "-t", "1.9", "-i", name, "-af", "volumedetect", "-f", "null", "-")
		_, after, _ := strings.Cut(stderr, "mean_volume: ")
		level[i], _ = strconv.ParseFloat(strings.Fields(after)[0], 64)
	}
	return level
}

// Sound that changes its layout on the way has FFmpeg build its filters anew, so
// that a log tells of the last part only. It is measured as a whole all the same.
func TestLoudnessOfChangedSound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, source := range []string{"anoisesrc=d=2:a=0.2:seed=1,aformat=channel_layouts=stereo", "anoisesrc=d=2:a=0.02:seed=1,aformat=channel_layouts=mono"} {
		command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:a", "mp2", "-f", "mpegts", "-output_ts_offset", fmt.Sprint(2.1*float64(i)), strconv.Itoa(i))
	}
	var joined []byte
	for _, name := range []string{"0", "1"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, b...)
	}
	if err := os.WriteFile(filepath.Join(dir, SourceName), joined, 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, dir, Options{}, "wav::loudness=-23 path=/a.wav")
	if got, _ := loudnessOf(t, dir, p.Results[0].Files[0].Name); math.Abs(got+23) > 0.4 {
		t.Errorf("%.2f LUFS, want -23; figures %+v", got, figuresAt(t, dir, p.Results[0]))
	}
}

// Gains as they are decided: towards the target, below the true peak, not without
// bound, and none where there is no loudness.
func TestGain(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		integrated, peak, lra   float64
		target, gain            float64
		limited                 string
		hasInput, hasTruePeakIn bool
	}{
		{"up", -30, 0.05, 3, -16, 14, "", true, true},
		{"down", -10, 0.999, 3, -14, -4, "", true, true},
		{"peak", -30, 0.5, 3, -14, 5.01, "true_peak", true, true},
		{"noise", -62, 0.001, 0, -14, 30, "gain", true, true},
		{"silence", -70, 0, 0, -14, 0, "silence", false, false},
		{"short", -70, 0.4, 0, -14, 0, "silence", false, true},
	} {
		l := MeasureLoudness{Target: tt.target}.loudness(tt.integrated, tt.peak, tt.lra)
		limited := ""
		if l.LimitedBy != nil {
			limited = *l.LimitedBy
		}
		if math.Abs(l.Gain-tt.gain) > 0.02 || limited != tt.limited || (l.Input != nil) != tt.hasInput || (l.TruePeak != nil) != tt.hasTruePeakIn {
			t.Errorf("%s: %+v limited by %q", tt.name, l, limited)
		}
	}
	for _, log := range []string{"", "frame:0    pts:0       pts_time:0\n"} {
		if l, whole, err := ReadLoudness(strings.NewReader(log), MeasureLoudness{Target: -14}); log == "" && (err != nil || !whole || l.Gain != 0) || log != "" && err == nil {
			t.Errorf("log %q: %+v, %v, %v", log, l, whole, err)
		}
	}
}

// A copy of the video leaves the audio as it is, unless a loudness is asked for.
func TestLoudnessBesideCopy(t *testing.T) {
	p := Build(outputs(t, "mp4:copy path=/a.mp4", "mp4:copy::loudness=-14 path=/b.mp4"), film(640, 360), Options{})
	checkPlan(t, p)
	if _, audio := encodes(p); audio != 1 || len(p.Results[0].Loudness) != 0 || len(p.Results[1].Loudness) != 1 {
		t.Errorf("%d audio encodes, want one, with a measurement\n%s", audio, show(p))
	}
}
