package transcode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxTruePeak is how high a gain may bring the true peak, in dBTP: the -1 of
	// EBU R 128, since a lossy codec overshoots what it was given.
	maxTruePeak = -1
	// maxGain bounds a gain in dB. What needs more is noise, as of a microphone
	// that was not plugged in.
	maxGain = 30
	// gateLUFS is what FFmpeg gives for sound of which no block of 400 ms passes
	// the absolute gate of ITU-R BS.1770: silence, and what is shorter than that.
	gateLUFS = -70
	// loudnessBytes is what the log of a measurement takes for a second, at most.
	loudnessBytes = 5000
)

// MeasureLoudness measures the loudness of a track by EBU R 128, and writes the
// one gain that brings it to Target, or as near as the true peak allows.
type MeasureLoudness struct {
	// Args are a run of ffmpeg, as FFmpeg.Args, that writes Log.
	Args []string
	// Changed are runs to make instead when Log does not begin at the start of
	// the track: the sound has changed on the way, so that FFmpeg has built the
	// filters anew and the log tells of the last part only.
	Changed [][]string `json:",omitempty"`
	Log     string
	// Whole is the file between the runs of Changed.
	Whole string `json:",omitempty"`
	// Gain gets commands for FFmpeg's filter asendcmd, and Figures the JSON of a
	// Loudness.
	Gain, Figures string
	Target        float64 // LUFS
	Stream        int     // of the source
}

// Loudness is what was measured of a track, and what was done about it. Loudness
// is in LUFS (ITU-R BS.1770), peaks in dBTP, and gains in dB, with two decimals.
type Loudness struct {
	Stream int     `json:"stream"` // index in the source
	Target float64 `json:"target"`
	// Input is nil for silence and for less than 400 ms, which have no loudness;
	// Gain is then 0.
	Input *float64 `json:"input"`
	// TruePeak is nil for digital silence.
	TruePeak *float64 `json:"true_peak"`
	Range    float64  `json:"range"` // LU, as of EBU Tech 3342
	Gain     float64  `json:"gain"`
	// Output is what the track has after the gain; nil with Input.
	Output *float64 `json:"output"`
	// LimitedBy says why Output is not Target: "true_peak", "gain" or "silence";
	// nil: it is.
	LimitedBy *string `json:"limited_by"`
}

// ReadLoudness reads the log of a measurement. whole is false when the log does
// not begin at the start of the track.
func ReadLoudness(log io.Reader, op MeasureLoudness) (l Loudness, whole bool, err error) {
	values := map[string]float64{}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if at := strings.Index(lines.Text(), "pts_time:"); at >= 0 && strings.HasPrefix(lines.Text(), "frame:") {
			key, value, ok = "time", strings.TrimSpace(lines.Text()[at+len("pts_time:"):]), true
		}
		n, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			continue
		}
		if _, seen := values["time"]; key == "time" && !seen {
			whole = n < 0.2
		}
		values[key] = n
	}
	if err := lines.Err(); err != nil {
		return l, false, fmt.Errorf("read loudness: %w", err)
	}
	if len(values) == 0 {
		// Not even one frame of 100 ms.
		return op.loudness(gateLUFS, 0, 0), true, nil
	}
	integrated, ok := values["lavfi.r128.I"]
	peak, hasPeak := values["lavfi.r128.true_peak"]
	if !ok || !hasPeak {
		return l, false, errors.New("read loudness: ffmpeg has measured none")
	}
	return op.loudness(integrated, peak, values["lavfi.r128.LRA"]), whole, nil
}

// loudness decides the gain. peak is linear, with three decimals.
func (op MeasureLoudness) loudness(integrated, peak, lra float64) Loudness {
	l := Loudness{Stream: op.Stream, Target: op.Target, Range: hundredths(lra)}
	limit := func(by string) { l.LimitedBy = &by }
	if peak > 0 {
		p := hundredths(20 * math.Log10(peak+0.0005)) // it may have been rounded down
		l.TruePeak = &p
	}
	if integrated <= gateLUFS || l.TruePeak == nil {
		limit("silence")
		return l
	}
	in := hundredths(integrated)
	l.Gain = hundredths(op.Target - in)
	if l.Gain > maxGain {
		l.Gain = maxGain
		limit("gain")
	}
	if *l.TruePeak+l.Gain > maxTruePeak {
		// What is louder than that already is not made quieter than asked for.
		l.Gain = hundredths(min(l.Gain, maxTruePeak-*l.TruePeak))
		limit("true_peak")
	}
	out := hundredths(in + l.Gain)
	l.Input, l.Output = &in, &out
	return l
}

// Commands is the text for FFmpeg's filter asendcmd that sets the gain.
func (l Loudness) Commands() string {
	return "0 volume volume " + strconv.FormatFloat(l.Gain, 'f', -1, 64) + "dB;\n"
}

func hundredths(f float64) float64 { return math.Round(100*f) / 100 }

// loudnessNode is one measurement and who uses it.
type loudnessNode struct {
	key     audioRendition // without what does not change the samples
	id      string
	base    string // of the names of its files
	outputs []int
}

func (n *loudnessNode) gain() string    { return n.base + ".cmd" }
func (n *loudnessNode) figures() string { return n.base + ".json" }

// measured registers the measurement of an audio rendition for output i; nil when
// its loudness stays as it is.
func (p *planner) measured(t audioRendition, i int) *loudnessNode {
	if t.loudness == 0 {
		return nil
	}
	// What codec and silence at the end do is not heard.
	t.encoder, t.bitrateK, t.direct, t.keepTags = nil, 0, nil, false
	if t.file == "" {
		t.padTo = 0 // a file is cut there
	}
	at := slices.IndexFunc(p.loudness, func(n *loudnessNode) bool { return n.key == t })
	if at < 0 {
		at = len(p.loudness)
		name := fmt.Sprintf("%s%s-%d", p.prefix, StepLoudness, at+1)
		p.loudness = append(p.loudness, &loudnessNode{key: t, id: name, base: name})
	}
	n := p.loudness[at]
	n.outputs = appendOnce(n.outputs, i)
	return n
}

// needLoudness has a step that encodes t for output i wait for its measurement.
func (p *planner) needLoudness(s *Step, t audioRendition, i int) *loudnessNode {
	n := p.measured(t, i)
	if n != nil {
		s.Needs = append(s.Needs, n.id)
	}
	return n
}

// loudnessStep measures. The picture is not decoded.
func (p *planner) loudnessStep(n *loudnessNode) Step {
	length := p.length(n.key.window)
	log, whole := n.base+".log", n.base+".nut"
	op := &MeasureLoudness{Log: log, Gain: n.gain(), Figures: n.figures(), Target: n.key.loudness, Stream: n.key.stream}
	measure := "ebur128=peak=true:metadata=1,ametadata=print:file=" + log
	op.Args = p.decodeAudio(n.key, measure, "-f", "null", "-")
	if n.key.settled > 0 {
		// Lowered on the way, since FLAC would clip what is above 0 dBFS.
		op.Whole = whole
		op.Changed = [][]string{
			p.decodeAudio(n.key, "volume=-12dB:precision=float,aformat=sample_fmts=s32", "-c:a", "flac", "-f", "nut", whole),
			{"-i", whole, "-af", "volume=12dB:precision=float," + measure, "-f", "null", "-"},
		}
	}
	files := []string{n.gain(), n.figures()}
	made := append(slices.Clone(files), log)
	if op.Whole != "" {
		made = append(made, op.Whole)
	}
	s := Step{
		ID: n.id, Kind: StepLoudness, Op: Operation{Loudness: op}, Duration: length, Files: made,
		Outputs: n.outputs, Cost: 0.3 * length.Seconds(),
	}
	s.Artifacts = []Artifact{{KeyInputs: keyInputs(s, nil), Files: files}}
	return s
}

// decodeAudio are the arguments of a run that decodes a track of the source and
// passes it through more filters. What openSource has outputs drop is dropped
// before these, while FFmpeg would do it after them.
func (p *planner) decodeAudio(t audioRendition, filters string, output ...string) []string {
	in, each, track := p.openAudio(t)
	if len(each) > 0 {
		filters = t.window.trim(p.entry(t.window.offset)) + "," + filters
	}
	args := append(slices.Clone(in), "-map", track, "-af", t.filters("")+","+filters)
	args = append(args, output...)
	if t.file != "" {
		return args
	}
	return append(args, p.syncWithVideo(nil)...)
}

// trim drops what does not belong to w of a track that was entered at a moment.
func (w window) trim(entry float64) string {
	f := "atrim=start=" + seconds(w.offset-entry)
	if w.length > 0 {
		f += ":duration=" + seconds(w.length)
	}
	return f + ",asetpts=PTS-STARTPTS"
}

// loudnessFilters set the gain that was measured, as a constant for the whole
// track. They work on floats, so nothing is clipped before the encoder.
func loudnessFilters(gain string) string {
	return "asendcmd=f=" + gain + ",volume=0dB:precision=float"
}

// loudnessSpace is what measurements take of the work directory.
func (p *planner) loudnessSpace() float64 {
	total := 0.0
	for _, n := range p.loudness {
		perSecond := loudnessBytes
		if n.key.settled > 0 {
			perSecond += 3 * n.key.rate * n.key.channels
		}
		total += float64(perSecond) * p.seconds(n.key.window)
	}
	return total
}

// loudnessFigures are the files with the figures of the measurements that output
// i takes part in, in the order of the source's streams.
func (p *planner) loudnessFigures(i int) []string {
	var list []*loudnessNode
	for _, n := range p.loudness {
		if slices.Contains(n.outputs, i) {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b *loudnessNode) int { return a.key.stream - b.key.stream })
	var files []string
	for _, n := range list {
		files = append(files, n.figures())
	}
	return files
}
