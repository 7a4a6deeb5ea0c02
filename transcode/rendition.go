package transcode

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// window is a part of the source's time line, in seconds; length 0: to the end.
type window struct{ offset, length float64 }

// newWindow cuts a wanted part to what the source has, so that "all of it" has
// one spelling.
func newWindow(offset, length, total float64) (window, *job.Error) {
	if offset < 0 {
		offset = 0
	}
	if total > 0 && offset >= total {
		return window{}, job.Errorf(job.OutputParamNotValid, "The offset of %s s lies beyond the end of the input, which lasts %s s.", seconds(offset), seconds(math.Round(total*1000)/1000))
	}
	if length <= 0 || total > 0 && offset+length >= total {
		length = 0
	}
	return window{offset, length}, nil
}

// inputArgs open the source at the window by seeking to the keyframe before it.
func (w window) inputArgs() []string {
	var args []string
	if w.offset > 0 {
		args = append(args, "-ss", seconds(w.offset))
	}
	if w.length > 0 {
		args = append(args, "-t", seconds(w.length))
	}
	return append(args, "-i", SourceName)
}

// preRoll is how much earlier a source without an index is entered.
const preRoll = 20

// openSource returns the arguments that open the source at w, and those that every
// output needs beside. Formats without an index are entered anywhere, and the
// decoder has to wait for a keyframe: there the seek ends earlier, and the
// outputs drop what is too much.
func (p *planner) openSource(w window) (in, out []string) {
	if !p.src.discontinuous() || w == (window{}) {
		return w.inputArgs(), nil
	}
	early := max(0, w.offset-preRoll)
	if w.offset > early {
		out = append(out, "-ss", seconds(w.offset-early))
	}
	if w.length > 0 {
		out = append(out, "-t", seconds(w.length))
	}
	return window{offset: early}.inputArgs(), out
}

// duration of the window in a source that lasts total seconds.
func (w window) duration(total float64) float64 {
	if w.length > 0 {
		return w.length
	}
	return max(0, total-w.offset)
}

// rendition is the key of a video encode: equal keys over all outputs of a job
// are encoded once. Whatever changes the encoder's bytes is in it, and nothing
// else.
type rendition struct {
	window          window
	preFilters      string // filters before scaling: crop, turn, deinterlace ...
	geometry        geometry
	watermark       watermark
	toneMap         bool // an HDR source is brought to SDR
	noBFrames       bool // frames are coded in the order in which they are shown
	codec           string
	crf             int // 0: bitrateK
	bitrateK        int
	maxrateK        int
	defaultMaxrateK int // ceiling of a quality in a stream that has no maxrate
	profile         string
	level           string
	pixFmt          string
	preset          string
	fps             format.Rational // constant rate to convert to; zero: the source's own times
	twoPass         bool
}

// newRendition resolves what a format asks of the video of src.
func (p *planner) newRendition(f format.Format, w window, preFilters string, g geometry) (rendition, *job.Error) {
	codec := p.codecFor(f)
	enc, ok := videoEncoderFor(codec)
	if !ok {
		return rendition{}, job.Errorf(job.OutputFormatNotValid, "The video codec %q is not supported yet.", codec)
	}
	if !p.has(enc.encoder) {
		return rendition{}, noEncoder(enc.encoder, codec)
	}
	r := rendition{
		window: w, preFilters: preFilters, geometry: g, codec: codec,
		maxrateK: f.Options.MaxrateK, level: f.Options.Level, pixFmt: f.PixFmt(), twoPass: f.TwoPass(),
		preset: cmp.Or(f.Options.Preset, p.Presets[enc.encoder], enc.preset),
	}
	if q := f.Quality(); q >= 1 && q <= len(enc.quality) {
		r.crf = enc.quality[q-1]
	} else {
		r.bitrateK = max(1, f.VideoBitrateK())
	}
	if fps := f.FPSRational(); validRate(fps) {
		r.fps = p.plainRate(fps)
	}
	r.pixFmt, r.toneMap = p.src.dynamicRange(f, codec, r.pixFmt)
	r.pixFmt = samePlanes(r.pixFmt)
	if codec == "mjpeg" && strings.HasPrefix(r.pixFmt, "yuv4") {
		r.pixFmt = "yuvj" + strings.TrimPrefix(r.pixFmt, "yuv") // JPEG is full range
	}
	// These have no way to say when a frame is shown that is coded early.
	r.noBFrames = codec == "h264" && (f.Container == "avi" || f.Container == "asf")
	if codec == "h263" && f.Video.Resolution.IsZero() {
		enc.limits.sizes = h263Sizes[:3] // telephones play no more than CIF
	}
	r.geometry = enc.limits.fit(g)
	r.fps = p.limitRate(r, enc.limits, f.Container == "avi")
	if err := p.refuses(enc, r); err != nil {
		return r, err
	}
	var err *job.Error
	r.profile, err = enc.profile(r.pixFmt, f.Options.Profile)
	return r, err
}

// samePlanes is the planar form of formats that hold the same in another order,
// and that not every ffmpeg can make. The encoder writes the same stream.
func samePlanes(pixFmt string) string {
	switch pixFmt {
	case "nv16":
		return "yuv422p"
	case "nv20le":
		return "yuv422p10le"
	}
	return pixFmt
}

// codecFor is the codec of the table for a format: one name can mean two
// encoders.
func (p *planner) codecFor(f format.Format) string {
	switch codec := f.VideoCodec(); {
	case codec == "h263" && f.Container != "3gp":
		return "h263p"
	case codec == "xvid" && !p.has("libxvid"):
		return "mpeg4"
	default:
		return codec
	}
}

// refuses tells what this ffmpeg cannot do for r.
func (p *planner) refuses(enc videoEncoder, r rendition) *job.Error {
	if takes := p.Capabilities.PixelFormats(enc.encoder); len(takes) > 0 && !slices.Contains(takes, r.pixFmt) {
		return job.Errorf(job.OutputFormatNotValid, "The pixel format %q is not taken by %s of this server's ffmpeg; it takes %s.", r.pixFmt, enc.encoder, strings.Join(takes, ", "))
	}
	if r.toneMap {
		return p.noSDR()
	}
	return nil
}

func noEncoder(encoder, codec string) *job.Error {
	return job.Errorf(job.OutputFormatNotValid, "This server's ffmpeg has no %s, so %s cannot be encoded.", encoder, codec)
}

// rate is the frame rate that comes out; 25 when nobody knows.
func (p *planner) rate(r rendition) format.Rational {
	if validRate(r.fps) {
		return r.fps
	}
	if rate := p.src.rate(); validRate(rate) {
		return rate
	}
	return format.Rational{Num: 25, Den: 1}
}

// gop is the number of frames in a cell of the keyframe grid. Where frames come
// irregularly it must not be reached before the grid is.
func (p *planner) gop(r rendition) int {
	fps := fpsFloat(p.rate(r))
	if !validRate(r.fps) && p.src.variable() {
		fps = max(60, 2*fps)
	}
	return max(1, int(math.Ceil(keyframeSeconds*fps-0.001)))
}

// timeBase is what the encoder counts in. By default that is one frame, which
// would round times to frames; "" leaves it so where the source is regular and
// begins with its file.
func (p *planner) timeBase(r rendition) string {
	if validRate(r.fps) {
		return ""
	}
	if p.src.variable() || !validRate(p.src.rate()) {
		return "1/90000"
	}
	rate := p.src.rate()
	lead := (p.src.startOffset(p.src.video.StartTime) - r.window.offset) * fpsFloat(rate)
	if math.Abs(lead-math.Round(lead)) < 0.01 {
		return ""
	}
	// Ticks of a tenth of a millisecond or less that a frame is a multiple of.
	k := max(1, int(math.Ceil(10000/float64(rate.Num))))
	return "1/" + strconv.Itoa(rate.Num*k)
}

// videoArgs are the output options of r, for the pad of a graph.
func (p *planner) videoArgs(r rendition, label string, pass int, stats string) []string {
	enc, _ := videoEncoderFor(r.codec)
	// vfr passes frames on with their own times, and drops only one that has
	// the very time of the frame before it.
	args := []string{"-map", "[" + label + "]", "-fps_mode", "vfr"}
	if tb := p.timeBase(r); tb != "" {
		args = append(args, "-enc_time_base", tb)
	}
	args = append(args, "-c:v", enc.encoder)
	args = append(args, enc.args(r, encodeContext{gop: p.gop(r), pass: pass, stats: stats, hdr: p.hdr(r)})...)
	if pass > 0 && !enc.passInParams {
		args = append(args, "-pass", strconv.Itoa(pass), "-passlogfile", stats)
	}
	return append(args, p.colourArgs(r)...)
}

// colours are the tags of an encode of r; "" where nobody said.
func (p *planner) colours(r rendition) (space, primaries, transfer string, rng bool) {
	v := p.src.video
	space, primaries, transfer, rng = v.ColorSpace, v.ColorPrimaries, v.ColorTransfer, known(v.ColorRange)
	switch {
	case r.toneMap:
		return "bt709", "bt709", "bt709", true
	case p.src.hdr():
		space, primaries = p.src.matrix(), p.src.primaries()
	case p.fromRGB():
		space, rng = "bt709", true
	}
	if !known(transfer) {
		transfer = transferOf(primaries)
	}
	return space, primaries, transfer, rng
}

// colourArgs pass the source's colour tags on. Names that ffprobe has for
// "nobody said" are left out, so that no encoder writes them as a fact.
func (p *planner) colourArgs(r rendition) []string {
	if isRGB(r.pixFmt) {
		return nil
	}
	space, primaries, transfer, rng := p.colours(r)
	var args []string
	for _, tag := range [][2]string{{"-color_primaries", primaries}, {"-color_trc", transfer}, {"-colorspace", space}} {
		if known(tag[1]) {
			args = append(args, tag[0], tag[1])
		}
	}
	switch {
	case strings.HasPrefix(r.pixFmt, "yuvj"):
		return append(args, "-color_range", "pc")
	case rng:
		return append(args, "-color_range", "tv")
	}
	return args
}

// tagFilter puts the tags that differ from the source's on the frames, which
// count more than arguments do in ffmpeg 7. x265 does not start with reserved
// values, which ffprobe shows like those that nobody said: they are cleared.
func (p *planner) tagFilter(r rendition) string {
	if isRGB(r.pixFmt) || r.toneMap {
		return ""
	}
	v := p.src.video
	space, primaries, transfer, _ := p.colours(r)
	var set []string
	for _, tag := range [][3]string{{"color_primaries", primaries, v.ColorPrimaries}, {"color_trc", transfer, v.ColorTransfer}, {"colorspace", space, v.ColorSpace}} {
		switch {
		case known(tag[1]) && tag[1] != tag[2]:
			set = append(set, tag[0]+"="+tag[1])
		case !known(tag[1]) && r.codec == "hevc":
			set = append(set, tag[0]+"=unknown")
		}
	}
	if set == nil {
		return ""
	}
	return "setparams=" + strings.Join(set, ":")
}

// isRGB reports whether a pixel format is no YUV.
func isRGB(pixFmt string) bool {
	return strings.HasPrefix(pixFmt, "gbr") || strings.Contains(pixFmt, "rgb") || strings.Contains(pixFmt, "bgr") || pixFmt == "pal8"
}

func known(tag string) bool {
	switch tag {
	case "", "unknown", "unspecified", "reserved", "gbr", "rgb":
		return false
	}
	return true
}

// fromRGB reports whether the source is no YUV, so that a matrix is chosen here.
func (p *planner) fromRGB() bool {
	return isRGB(p.src.video.PixFmt)
}

// scalerOptions are what the first scaling of the source must convert.
func (p *planner) scalerOptions(r rendition) string {
	switch {
	case strings.HasPrefix(r.pixFmt, "yuvj") || isRGB(r.pixFmt) || r.toneMap:
		return ""
	case p.fromRGB():
		return ":out_color_matrix=bt709:out_range=tv"
	case p.src.video.ColorRange == "pc" || strings.HasPrefix(p.src.video.PixFmt, "yuvj"):
		return ":in_range=pc:out_range=tv"
	}
	return ""
}

// cascade builds below root the branches of renditions that share window, prep
// and frame rate: from the largest down, each is scaled from the next larger
// one instead of from the source. marks are the inputs after the source.
func (p *planner) cascade(root *branch, in frame, list []graphOutput, watermarks []string) {
	slices.SortStableFunc(list, func(a, b graphOutput) int {
		return cmp.Compare(b.key.geometry.ScaleW*b.key.geometry.ScaleH, a.key.geometry.ScaleW*a.key.geometry.ScaleH)
	})
	// A level is a node that holds the picture at one size and format.
	type level struct {
		geometry geometry
		pixFmt   string
		node     *branch
	}
	var levels []level
	for _, l := range list {
		g := l.key.geometry
		at := root
		w, h, options := in.W, in.H, p.scalerOptions(l.key)
		found := false
		for _, have := range slices.Backward(levels) {
			if have.pixFmt != l.key.pixFmt || !have.geometry.feeds(g) {
				continue
			}
			at, w, h, options = have.node, have.geometry.ScaleW, have.geometry.ScaleH, ""
			found = true
			break
		}
		scale := g.scaleFilter(w, h, options)
		if scale != "" || !found {
			at = at.child(scale)
			if !found {
				at.add("format=" + l.key.pixFmt)
			}
			levels = append(levels, level{g, l.key.pixFmt, at})
		}
		at = at.child(g.finish()...)
		at.add(p.tagFilter(l.key))
		if over := overlayOf(l.key.watermark, watermarks, 1, g, l.key.pixFmt, p.watermarkColours(l.key), p.watermarkTone(l.key)); over != nil {
			at.over = over
			at = at.child("format=" + l.key.pixFmt)
		}
		at.label = l.label
	}
}

// letterboxed is a rendition with the graph's pad that it is taken from.
type graphOutput struct {
	key   rendition
	label string
}

// fpsFilter makes the frame rate constant, from the first moment of the window.
func fpsFilter(r format.Rational) string {
	if !validRate(r) {
		return ""
	}
	return fmt.Sprintf("fps=%d/%d:start_time=0", r.Num, r.Den)
}
