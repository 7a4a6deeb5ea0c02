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

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// MeasureQuality compares encodes with the pictures that went into their encoders.
type MeasureQuality struct {
	// Args are a run of ffmpeg, as FFmpeg.Args, that writes the logs of all tracks.
	Args   []string
	Inputs []InputFile `json:",omitempty"` // as FFmpeg.Inputs
	Tracks []QualityTrack
}

// QualityTrack is one encode of a measurement.
type QualityTrack struct {
	Logs          []QualityLog
	Figures       string // gets the JSON of a Quality
	Width, Height int
}

// QualityLog is a log of the values of one metric for each frame.
type QualityLog struct {
	Metric string // one of those of Quality
	Name   string
}

// Quality is how near an encode comes to the pictures that went into its encoder. A
// metric that FFmpeg does not have is nil.
type Quality struct {
	Width  int `json:"width"` // of the encode, in which it is compared
	Height int `json:"height"`
	Frames int `json:"frames"` // that were compared
	// SSIM is at most 1. PSNR, over all planes, and XPSNR, of the luma, are in dB, and
	// 100 where nothing differs.
	SSIM  *Metric `json:"ssim,omitempty"`
	PSNR  *Metric `json:"psnr,omitempty"`
	XPSNR *Metric `json:"xpsnr,omitempty"`
}

// Metric is one figure over the whole, and over the second in which it is worst.
type Metric struct {
	Mean        float64 `json:"mean"`
	WorstSecond float64 `json:"worst_second"`
	WorstAt     int     `json:"worst_at"` // when that second begins, in seconds from the start of the output
}

// QualityFigures name the figures of one encode of an output.
type QualityFigures struct {
	Variant string `json:",omitempty"` // of a stream; "" for a file
	Name    string // of the file with the JSON of a Quality
}

// qualityMetric is how FFmpeg measures a metric. A decibel is the logarithm of an error,
// which is what is averaged, as FFmpeg does in its summaries.
type qualityMetric struct {
	name, filter, key string
	scale             float64 // of the logarithm of the error; 0: values are averaged as they are
	places            float64 // that figures are rounded to, as a power of ten
	optional, luma    bool    // not every FFmpeg has it; it knows planes of YUV only
	rated             bool    // it needs a frame rate
}

var qualityMetrics = []qualityMetric{
	{name: "ssim", filter: "ssim", key: "lavfi.ssim.All", places: 1e5},
	{name: "psnr", filter: "psnr", key: "lavfi.psnr.psnr_avg", scale: 10, places: 100},
	// Of FFmpeg 7.1 on. It averages the root of the error.
	{name: "xpsnr", filter: "xpsnr", key: "lavfi.xpsnr.xpsnr.y", scale: 20, places: 100, optional: true, luma: true, rated: true},
}

// maxDecibels stands for no difference at all.
const maxDecibels = 100

// error is what of a frame's value is averaged.
func (m qualityMetric) error(value float64) float64 {
	if m.scale == 0 {
		return value
	}
	return math.Pow(10, -value/m.scale) // 0 for infinity
}

// value is error reversed, rounded.
func (m qualityMetric) value(mean float64) float64 {
	if m.scale > 0 {
		mean = min(maxDecibels, -m.scale*math.Log10(mean))
	}
	return math.Round(m.places*mean) / m.places
}

// worse reports whether of two errors a is the worse.
func (m qualityMetric) worse(a, b float64) bool { return (m.scale > 0) == (a > b) && a != b }

// ReadMetric reads a log of FFmpeg's filter metadata with the values of a metric for
// each frame. frames is how many it has.
func ReadMetric(log io.Reader, metric string) (figures Metric, frames int, err error) {
	at := slices.IndexFunc(qualityMetrics, func(m qualityMetric) bool { return m.name == metric })
	if at < 0 {
		return figures, 0, fmt.Errorf("read quality: %q is not a metric", metric)
	}
	m := qualityMetrics[at]
	var total, sum, worst float64
	second, inSecond, seconds := 0, 0, 0
	endSecond := func() {
		if inSecond == 0 {
			return
		}
		if mean := sum / float64(inSecond); seconds == 0 || m.worse(mean, worst) {
			worst, figures.WorstAt = mean, second
		}
		sum, inSecond, seconds = 0, 0, seconds+1
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		line := lines.Text()
		if _, after, ok := strings.Cut(line, "pts_time:"); ok {
			if n, err := strconv.ParseFloat(strings.TrimSpace(after), 64); err == nil && int(n) != second {
				endSecond()
				second = int(n)
			}
			continue
		}
		key, text, _ := strings.Cut(line, "=")
		value, err := strconv.ParseFloat(text, 64)
		if key != m.key || err != nil || math.IsNaN(value) {
			continue
		}
		e := m.error(value)
		total, frames, sum, inSecond = total+e, frames+1, sum+e, inSecond+1
	}
	endSecond()
	switch err := lines.Err(); {
	case err != nil:
		return figures, 0, fmt.Errorf("read quality: %w", err)
	case frames == 0:
		return figures, 0, errors.New("read quality: ffmpeg has compared no frame")
	}
	figures.Mean, figures.WorstSecond = m.value(total/float64(frames)), m.value(worst)
	return figures, frames, nil
}

// Set sets the figures of a metric.
func (q *Quality) Set(metric string, m Metric) {
	switch metric {
	case "ssim":
		q.SSIM = &m
	case "psnr":
		q.PSNR = &m
	case "xpsnr":
		q.XPSNR = &m
	}
}

// noMetrics says why the quality cannot be measured that is wanted; nil when it can.
func (p *planner) noMetrics(wanted bool) *job.Error {
	if !wanted {
		return nil
	}
	for _, m := range qualityMetrics {
		if !m.optional && !p.Capabilities.HasFilter(m.filter) {
			return job.Errorf(job.OutputParamNotValid, "The parameter \"quality_metrics\" needs FFmpeg's filter %s, which this server's ffmpeg does not have; leave it out.", m.filter)
		}
	}
	return nil
}

// measureQuality registers that the figures of a rendition are wanted for an output that
// has registered it. variant is that of a stream.
func (p *planner) measureQuality(v *renditionNode, variant string) QualityFigures {
	v.measured = true
	return QualityFigures{Variant: variant, Name: v.base + "-quality.json"}
}

// measureVariants registers that the figures of the variants with encoded video are
// wanted, if the stream asks for them.
func (b *streamBuilder) measureVariants() []QualityFigures {
	var list []QualityFigures
	for _, v := range b.variants {
		if b.params.QualityMetrics && v.video != nil && !v.copied {
			list = append(list, b.measureQuality(b.video(*v.video, b.output), v.id))
		}
	}
	return list
}

// qualitySteps measure the renditions of a group that are to be. The source is decoded
// and filtered once more, as for the encode.
func (p *planner) qualitySteps(groups ...*decodeGroup) []Step {
	var steps []Step
	for _, g := range groups {
		if slices.ContainsFunc(g.videos, func(v *renditionNode) bool { return v.measured }) {
			steps = append(steps, p.qualityStep(g, len(steps)))
		}
	}
	return steps
}

func (p *planner) qualityStep(g *decodeGroup, number int) Step {
	s := Step{ID: g.id + "-" + string(StepQuality), Kind: StepQuality, Optional: true, Duration: p.length(g.window), Cost: p.decodeCost(g.window)}
	if number > 0 {
		s.ID += "-" + strconv.Itoa(number+1) // a group has parts in chunks and in one piece
	}
	op := &MeasureQuality{}
	in, _ := p.openSource(g.window)
	op.Args = slices.Clone(in)
	var videos []*renditionNode
	var encodes []string
	for _, v := range g.videos {
		videos = append(videos, v.inMemory())
		if v.measured {
			encodes = append(encodes, v.name)
			s.Needs, s.Reads = append(s.Needs, v.step), append(s.Reads, v.name)
			s.Outputs = union(s.Outputs, v.outputs)
			s.Cost += qualityCost * p.cost(v.key)
		}
	}
	slices.Sort(s.Needs)
	s.Needs = slices.Compact(s.Needs)
	watermarks := watermarkNames(videos, nil)
	op.Args = append(op.Args, watermarkInputs(watermarks)...)
	for _, name := range encodes {
		op.Args = append(op.Args, "-i", name)
	}
	graph := []string{render(p.videoInput(), p.tree(videos, nil, watermarks, chunk{}, false))}
	var maps []string
	input := 1 + len(watermarks)
	for i, v := range g.videos {
		if !v.measured {
			graph = append(graph, "["+videoLabel(i)+"]nullsink") // larger ones are scaled down from it
			continue
		}
		t := p.qualityTrack(v)
		label := "q" + strconv.Itoa(i+1)
		graph = append(graph, p.compare(v, t, strconv.Itoa(input)+":v:0", videoLabel(i), label))
		maps = append(maps, "-map", "["+label+"]", "-fps_mode", "passthrough", "-f", "null", "-")
		op.Tracks, s.Files = append(op.Tracks, t), append(s.Files, t.Figures)
		input++
	}
	op.Args = append(op.Args, "-filter_complex", strings.Join(graph, ";"))
	op.Args = append(op.Args, maps...)
	op.Args = append(op.Args, p.syncWithAudio(nil)...)
	op.Inputs = p.overlayTexts(g.videos)
	s.Op = Operation{Quality: op}
	// What was found is kept; logs are read once.
	for _, t := range op.Tracks {
		for _, l := range t.Logs {
			s.Files = append(s.Files, l.Name)
		}
	}
	return s
}

// qualityCost is that of a comparison in the cost of its encode.
const qualityCost = 0.3

// inMemory is the rendition with an encoder that takes pictures from main memory.
func (v *renditionNode) inMemory() *renditionNode {
	q := *v
	enc := *v.key.encoder
	enc.Backend = encoder.Software
	q.key.encoder = &enc
	return &q
}

// qualityTrack names the files of a comparison.
func (p *planner) qualityTrack(v *renditionNode) QualityTrack {
	t := QualityTrack{Figures: v.base + "-quality.json", Width: v.key.geometry.W, Height: v.key.geometry.H}
	for _, m := range p.metrics(v.key) {
		t.Logs = append(t.Logs, QualityLog{Metric: m.name, Name: v.base + "-" + m.name + ".log"})
	}
	return t
}

// metrics are those that are measured of r.
func (p *planner) metrics(r rendition) []qualityMetric {
	var list []qualityMetric
	rated := p.rated(r)
	for _, m := range qualityMetrics {
		if (!m.optional || p.Capabilities.Filters.Has(m.filter)) && !(m.luma && codec.Pixels(r.settings.PixFmt).RGB) && (rated || !m.rated) {
			list = append(list, m)
		}
	}
	return list
}

// compare is the graph that compares an input with a labelled output of the graph of its
// encode. Both begin with their first frame. The encode's frames come a little late, so
// that each finds its own although the container rounds times; else it would be held
// against the frame before.
func (p *planner) compare(v *renditionNode, t QualityTrack, encode, source, label string) string {
	alike := p.alike(v.key)
	list := p.metrics(v.key)
	trim := ""
	if _, each := p.openSource(v.key.window); len(each) > 0 {
		trim = v.key.window.trimVideo(p.entry(v.key.window.offset)) + ","
	}
	pads := make([]string, len(list))
	for i := range pads {
		pads[i] = fmt.Sprintf("%s_%d", source, i+1)
	}
	again := ""
	if slices.ContainsFunc(list, func(m qualityMetric) bool { return m.rated }) {
		// Since FFmpeg 7 setpts forgets the frame rate, and xpsnr divides by it.
		rate := p.rate(v.key)
		again = fmt.Sprintf("fps=%d/%d,", rate.Num, rate.Den)
	}
	chains := []string{
		fmt.Sprintf("[%s]%s,setpts=PTS-STARTPTS+%d[%s_0]", encode, alike, p.lateBy(v.key), label),
		fmt.Sprintf("[%s]%s%s,setpts=PTS-STARTPTS,%ssplit=%d[%s]", source, trim, alike, again, len(pads), strings.Join(pads, "][")),
	}
	for i, m := range list {
		out := fmt.Sprintf("%s_%d", label, i+1)
		if i == len(list)-1 {
			out = label
		}
		chains = append(chains, fmt.Sprintf("[%s_%d][%s]%s,metadata=mode=print:key=%s:file=%s[%s]", label, i, pads[i], m.filter, m.key, t.Logs[i].Name, out))
	}
	return strings.Join(chains, ";")
}

// alike are the filters that let two pictures be compared as they are: equal tags keep
// FFmpeg 7 from converting one to the colours that the other says it has. Times are in
// microseconds.
func (p *planner) alike(r rendition) string {
	pixels := codec.Pixels(r.settings.PixFmt)
	tags := ""
	if !pixels.RGB {
		levels := "tv"
		if pixels.FullRange {
			levels = "pc"
		}
		tags = "setparams=range=" + levels + ":colorspace=bt709,"
	}
	return tags + "format=" + r.settings.PixFmt + ",setsar=1,settb=1/1000000"
}

// lateBy is how late the frames of an encode come to their comparison, in microseconds:
// more than what containers round times by, and less than a frame.
func (p *planner) lateBy(r rendition) int {
	if p.rated(r) {
		return int(250000 / fpsFloat(p.rate(r)))
	}
	return 2000
}

// trimVideo drops what does not belong to w of a picture that was entered at a moment.
func (w window) trimVideo(entry float64) string {
	f := "trim=start=" + seconds(max(0, w.offset-entry))
	if w.length > 0 {
		f += ":duration=" + seconds(w.length)
	}
	return f
}

// qualitySpace is what the logs of measurements take of the work directory.
func (p *planner) qualitySpace() float64 {
	const line = 110 // bytes of a frame in a log
	total := 0.0
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			if v.measured {
				total += line * float64(len(p.metrics(v.key))) * p.estimateVideo(v).frames
			}
		}
	}
	return total
}
