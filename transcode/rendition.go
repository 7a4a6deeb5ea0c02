package transcode

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
)

// rendition is the key of a video encode: equal keys over all outputs of a job
// are encoded once. It holds whatever changes the encoder's bytes, and nothing
// else.
type rendition struct {
	window     window
	preFilters string // filters before scaling: deinterlace, crop, turn ...
	geometry   geometry
	watermark  watermark
	overlays   string          // the key of more that is laid over, see newOverlays; "": nothing
	toneMap    bool            // an HDR source is brought to SDR
	matrix     string          // that the picture is brought to; "": the source's
	fps        format.Rational // constant rate to convert to; zero: the source's own times
	grid       format.Rational // distance of keyframes in seconds
	encoder    *encoder.Video
	// intermediate is the container in which it waits for the muxers.
	intermediate *encoder.Intermediate
	device       string // that the encoder runs on; "": the processor
	notOn        string // why it is not made on the device that was asked for; "" in a key
	settings     encoder.Settings
	twoPass      bool
}

// newRendition resolves what a format asks of the video of the source: on a device
// when one may and can make it, else in software.
func (p *planner) newRendition(f format.Format, w window, preFilters string, g geometry) (rendition, *job.Error) {
	if err := p.src.noDolby(); err != nil {
		return rendition{}, err
	}
	if r, ok := p.deviceRendition(f, w, preFilters, g); ok {
		return r, nil
	}
	enc, err := p.videoEncoder(f)
	if err != nil {
		return rendition{}, err
	}
	r, err := p.renditionWith(enc, f, w, preFilters, g)
	if err == nil {
		r.notOn = p.whyNotOnDevice(f, r)
	}
	return r, err
}

// renditionWith is newRendition for an encoder.
func (p *planner) renditionWith(enc *encoder.Video, f format.Format, w window, preFilters string, g geometry) (rendition, *job.Error) {
	row, container := codec.Lookup(codec.Video, f.VideoCodec()), codec.LookupContainer(f.Container)
	r := rendition{window: w, preFilters: preFilters, encoder: enc, intermediate: enc.Intermediate, grid: gridOf(f.Options.GOP), twoPass: f.TwoPass(), settings: encoder.Settings{
		MaxrateK: f.MaxrateK(), Level: f.Options.Level,
		Preset:    enc.PresetFor(cmp.Or(f.Options.Preset, p.Presets[enc.Name]), p.Capabilities.Major),
		Tune:      f.Options.Tune,
		NoBFrames: row.BFrames && container.DisplayOrder,
	}}
	switch q := f.Quality(); {
	case f.CRF() > 0:
		r.settings.CRF = f.CRF()
	case q >= 1 && q <= len(enc.Quality):
		r.settings.CRF = enc.Quality[q-1]
	default:
		r.settings.BitrateK = max(1, f.VideoBitrateK())
	}
	if fps := f.FPSRational(); validRate(fps) {
		r.fps = p.plainRate(fps)
	}
	r.settings.PixFmt, r.toneMap = p.src.dynamicRange(f, row)
	r.settings.PixFmt = codec.Planar(r.settings.PixFmt)
	if row.FullRange {
		r.settings.PixFmt = codec.FullRange(r.settings.PixFmt)
	}
	limits := enc.Limits
	if f.Video.Resolution.IsZero() && limits.PlainSizes > 0 {
		limits.Sizes = limits.Sizes[:limits.PlainSizes]
	}
	r.geometry = fitLimits(limits, g)
	r.matrix = p.convertedMatrix(r, row, container)
	r.fps = p.limitRate(r, limits, container.ConstantRate)
	r.settings.Narrow = r.geometry.W < 64
	r.settings.Small = row.Name == "h264" && p.withinLevel1(r)
	if err := p.refuses(r); err != nil {
		return r, err
	}
	var err *job.Error
	r.settings.Profile, err = enc.Profile(r.settings.PixFmt, f.Options.Profile)
	return r, err
}

// withinLevel1 reports whether the frames of a rendition and their rate are within level 1 of
// H.264: 99 macroblocks, and 1485 a second.
func (p *planner) withinLevel1(r rendition) bool {
	blocks, rate := (r.geometry.W+15)/16*((r.geometry.H+15)/16), r.fps
	if !validRate(rate) {
		rate = p.src.rate()
	}
	return blocks <= 99 && float64(blocks)*fpsFloat(rate) <= 1485
}

// videoEncoder is the first encoder of the table that makes the format's codec
// and that FFmpeg has.
func (p *planner) videoEncoder(f format.Format) (*encoder.Video, *job.Error) {
	list := encoder.ForVideo(f.VideoCodec(), f.Container)
	for _, e := range list {
		if p.has(e.Name) {
			return e, nil
		}
	}
	if len(list) == 0 {
		return nil, job.Errorf(job.OutputFormatNotValid, "The video codec %q is not supported yet.", f.VideoCodec())
	}
	return nil, noEncoder(list[0].Name, f.VideoCodec())
}

// refuses tells what this FFmpeg cannot do for r.
func (p *planner) refuses(r rendition) *job.Error {
	pixFmt := r.settings.PixFmt
	if takes := p.Capabilities.PixelFormats(r.encoder.Name); r.encoder.Backend == encoder.Software && len(takes) > 0 && !slices.Contains(takes, pixFmt) {
		return job.Errorf(job.OutputFormatNotValid, "The pixel format %q is not taken by %s of this server's ffmpeg; it takes %s.", pixFmt, r.encoder.Name, strings.Join(takes, ", "))
	}
	if r.toneMap {
		return p.noSDR()
	}
	return nil
}

func noEncoder(encoder, codec string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "This server's ffmpeg has no %s, so %s cannot be encoded.", encoder, codec)
}

// rate is the frame rate that comes out; 25 when it is not known.
func (p *planner) rate(r rendition) format.Rational {
	if validRate(r.fps) {
		return r.fps
	}
	if rate := p.src.rate(); validRate(rate) {
		return rate
	}
	if p.src.video != nil && validRate(p.src.video.Rate) {
		return p.src.video.Rate
	}
	return format.Rational{Num: 25, Den: 1}
}

// rated reports whether the frames of r come at a rate that is known.
func (p *planner) rated(r rendition) bool {
	return validRate(p.rate(r)) && (validRate(r.fps) || !p.src.variable())
}

// gop is the number of frames in a cell of the keyframe grid. Where frames come
// irregularly, the encoder must not reach it before the grid does.
func (p *planner) gop(r rendition) int {
	fps := fpsFloat(p.rate(r))
	if !validRate(r.fps) && p.src.variable() {
		fps = max(60, 2*fps)
	}
	return max(1, int(math.Ceil(fpsFloat(r.grid)*fps-0.001)))
}

// timeBase is the unit that the encoder counts in. FFmpeg's default is one
// frame, which would round times to frames; "" leaves it so where the source is
// regular and begins with its file.
func (p *planner) timeBase(r rendition) string {
	if validRate(r.fps) {
		if p.src.phase(r.fps) > 0 && !p.counts(r.encoder) {
			return "1/90000"
		}
		return ""
	}
	if p.src.variable() || !validRate(p.src.rate()) {
		return "1/90000"
	}
	rate := p.src.rate()
	late := (p.src.startOffset(p.src.video.StartTime) - r.window.offset) * fpsFloat(rate)
	if math.Abs(late-math.Round(late)) < 0.01 {
		return ""
	}
	// Ticks of a tenth of a millisecond or less that a frame is a multiple of.
	k := max(1, int(math.Ceil(10000/float64(rate.Num))))
	return "1/" + strconv.Itoa(rate.Num*k)
}

// videoArgs are the output options of r, for a labelled output of a graph.
func (p *planner) videoArgs(r rendition, label string, pass int, stats string, c chunk) []string {
	// vfr passes frames on with their own times, and drops only one that has
	// the very time of the frame before it.
	args := []string{"-map", "[" + label + "]", "-fps_mode", "vfr"}
	if tb := p.timeBase(r); tb != "" {
		args = append(args, "-enc_time_base", tb)
	}
	args = append(args, "-c:v", r.encoder.Name)
	var rate format.Rational
	if p.forgetsRate() && validRate(r.fps) && p.src.phase(r.fps) > 0 {
		rate = r.fps
	}
	args = append(args, r.encoder.Args(r.settings, encoder.Run{
		FPS: rate, GOP: p.gop(r), Grid: r.grid, BitrateK: p.bitrateIn(r, c), Keyframes: p.keyframes(r, c), Resumes: c.from > 0, Pass: pass, Stats: stats, HDR: p.hdr(r),
	})...)
	return append(args, p.colourArgs(r)...)
}
