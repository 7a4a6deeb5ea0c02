package transcode

import (
	"fmt"
	"math"
	"path"
	"slices"
	"sort"
	"strconv"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// EarlyFolder is the folder below that of an httpstream's HLS which has the stream that
// plays before the output is made.
const EarlyFolder = "early"

// What the source's own video may have for a stream that plays everywhere: its bitrate over
// two seconds in kbit/s, and its level in tenths.
const (
	maxEarlyPeakK = 25_000
	maxEarlyLevel = 51
)

// Early is a playable stream of the source, in one rendition, which is published before the
// outputs are made.
type Early struct {
	Output int  // the httpstream beside which it is published
	Plan   Plan // of one step
	// Package has one track of TS segments. Its TargetDuration is what no segment is longer
	// than.
	Package stream.Package
	// Later is where the output's own playlist will be.
	Later stream.Package
	// Copied: the source's picture is cut as it is. Else the smallest variant is encoded.
	Copied bool
	PeakK  int    // kbit/s that its video takes at most, as far as that is known
	Note   string // a sentence on how it is made, or why there is none
}

// BuildEarly plans the early stream of a job's first httpstream that has HLS. A nil output
// is not planned. ok is false when no output is such a stream. Without steps in its plan
// there is no early stream, for the reason in Note.
func BuildEarly(outputs []*job.Output, m job.Media, o Options) (e Early, ok bool) {
	e.Output = slices.IndexFunc(outputs, func(o *job.Output) bool { return o != nil && o.Stream != nil })
	if e.Output < 0 {
		return e, false
	}
	if hls := slices.IndexFunc(outputs, func(o *job.Output) bool { return o != nil && o.Stream != nil && hlsPath(o.Stream) != "" }); hls >= 0 {
		e.Output = hls
	}
	if o.SegmentSeconds <= 0 {
		o.SegmentSeconds = defaultSegmentSeconds
	}
	o.Encoder, o.NoDevices, o.ChunkSeconds, o.Isolate = EncoderChoice{Use: "software"}, true, 0, false
	p := newPlanner(newSource(m), o, "", len(outputs))
	if why := p.early(&e, outputs[e.Output].Stream); why != "" {
		e.Note = "No stream is playable early: " + why + "."
	}
	return e, true
}

// hlsPath is the folder of a stream's HLS; "": it has none.
func hlsPath(s *job.StreamParams) string {
	switch {
	case s.HLS != nil:
		return s.HLS.Path
	case s.DASH != nil && s.DASH.HLSFMP4:
		return s.DASH.Path
	}
	return ""
}

// early plans e beside a stream. It returns why that cannot be.
func (p *planner) early(e *Early, params *job.StreamParams) (why string) {
	folder := hlsPath(params)
	switch {
	case folder == "":
		return "it is HLS, and the output has none"
	case params.Protection != nil || params.HLS != nil && !params.HLS.EncryptionKey.IsZero():
		return "it would not be encrypted, and the output is"
	case p.src.video == nil || p.src.still:
		return "the input has no moving picture"
	}
	variants, cut, err := p.variants(params)
	if err != nil {
		return err.Message
	}
	name := params.PlaylistName
	if name == "" {
		name = "master"
	}
	e.Later = stream.Package{Layout: stream.TS, HLS: true, Path: folder, Name: name}
	e.Package = stream.Package{Layout: stream.TS, HLS: true, Dir: EarlyFolder, Path: path.Join(folder, EarlyFolder), Name: name}
	t := stream.Track{ID: EarlyFolder, Type: stream.Muxed, Segments: "segment-%05d.ts"}
	s := Step{ID: EarlyFolder, Kind: StepSegment, Dirs: []string{EarlyFolder}, Files: []string{EarlyFolder + "/" + t.Segments}, Outputs: []int{0}, Duration: p.length(window{}), Cost: 1}
	s.addArgs(window{}.inputArgs()...)
	if reason := p.whyNotEarly(); reason == "" {
		e.Copied, e.PeakK = true, int(p.gops().Peak/1000)
		e.Note = "Playable early: the picture of the input is cut as it is."
		e.Package.TargetDuration = math.Ceil(p.longestSegment(cut.seconds()))
		t.FrameRate = p.src.rate()
		s.addArgs("-map", "0:"+strconv.Itoa(p.src.video.Index), "-c:v", "copy")
	} else {
		r, err := p.earlyRendition(variants)
		if err != nil {
			return err.Message
		}
		r.grid = cut.grid
		e.PeakK = max(r.settings.MaxrateK, r.settings.DefaultMaxrateK, copyPeak*r.settings.BitrateK)
		e.Note = fmt.Sprintf("Playable early: %dx%d is encoded first, since the picture of the input cannot be cut as it is: %s.", r.geometry.W, r.geometry.H, reason)
		e.Package.TargetDuration = math.Ceil(cut.seconds() + segmentSlack)
		t.FrameRate = p.rate(r)
		node := &renditionNode{key: r.withoutDefaultMaxrate(), defaultMaxrateK: r.settings.DefaultMaxrateK}
		s.Kind, s.VideoEncodes, s.Cost = StepEncode, 1, p.cost(r)+p.decodeCost(window{})
		s.addArgs("-filter_complex", render(p.videoInput(), p.tree([]*renditionNode{node}, nil, nil, chunk{}, false)))
		s.addArgs(p.videoArgs(node.rendition(), videoLabel(0), 0, "", chunk{})...)
	}
	p.earlySound(&s)
	s.addArgs("-map_metadata", "-1", "-map_chapters", "-1")
	s.addArgs(tsSegmentArgs(EarlyFolder, cut.seconds())...)
	e.Package.Tracks = []stream.Track{t}
	e.Plan = Plan{Steps: []Step{s}, Results: []Result{{Packages: []stream.Package{e.Package}}}, Secrets: Secrets{}}
	e.Plan.Space = p.earlySpace(e.PeakK)
	return ""
}

// earlySpace is what the segments may take: those of the source's own video, or of so many
// kbit/s. Where the source can be entered may not be known yet, so it is the larger.
func (p *planner) earlySpace(peakK int) Space {
	const shareTS, soundK = 1.15, 400
	seconds := p.seconds(window{})
	return Space{Bytes: int64(shareTS * max(float64(p.src.Size), float64(peakK+soundK)*125*seconds)), Bounded: p.src.Size > 0 && seconds > 0}
}

// whyNotEarly says why the source's picture cannot be cut for players as it is; "": it can.
func (p *planner) whyNotEarly() string {
	v, gops := p.src.video, p.gops()
	switch {
	case v.Codec != "h264" || v.CodecTag != "avc1":
		return fmt.Sprintf("its codec is %s (%s) and not h264 (avc1)", v.Codec, v.CodecTag)
	case v.PixFmt != "yuv420p" || profileRank(v.Codec, v.Profile) > profileRank(v.Codec, "high"):
		return fmt.Sprintf("its profile is %s in %s", v.Profile, v.PixFmt)
	case v.Level > maxEarlyLevel:
		return fmt.Sprintf("its level is %.1f", float64(v.Level)/10)
	case v.Rotation != 0:
		return "the file has it turned when it is shown"
	case p.src.interlaced():
		return "it is interlaced"
	case gops == nil:
		return "where its keyframes are is not known for certain"
	case gops.Open:
		return "its GOPs are open"
	case gops.Longest > maxCopiedGOP+0.1:
		return fmt.Sprintf("its keyframes are up to %.1f s apart", gops.Longest)
	case gops.Peak > maxEarlyPeakK*1000:
		return fmt.Sprintf("its bitrate is up to %d kbit/s", gops.Peak/1000)
	}
	return ""
}

// longestSegment is how long a segment is at most that is cut at the source's keyframes,
// where want is aimed at, in seconds.
func (p *planner) longestSegment(want float64) float64 {
	keys := p.gops().Keyframes
	before, longest := keys[0], 0.0
	for n := 1.0; ; n++ {
		at := sort.SearchFloat64s(keys, keys[0]+n*want-gridTolerance)
		if at == len(keys) {
			return max(longest, p.src.videoEnd()-before)
		}
		if keys[at] > before {
			longest, before = max(longest, keys[at]-before), keys[at]
		}
	}
}

// earlyRendition is the picture of the smallest variant in H.264, quickly encoded.
func (p *planner) earlyRendition(variants []variant) (rendition, *job.Error) {
	var smallest *variant
	for i, v := range variants {
		if v.video != nil && (smallest == nil || v.video.geometry.H < smallest.video.geometry.H) {
			smallest = &variants[i]
		}
	}
	f := format.Format{Container: "mp4"}
	f.Video.Resolution = format.Resolution{Name: "360p", Width: 640, Height: 360}
	if smallest != nil {
		f.Video.Resolution = smallest.format.Video.Resolution
	}
	f.Options.Preset = "veryfast"
	return p.streamRendition(f, 0)
}

// earlySound adds the sound of the source: as it is where players take it, else as AAC.
func (p *planner) earlySound(s *Step) {
	a := p.src.audio
	if a == nil {
		return
	}
	s.addArgs("-map", "0:"+strconv.Itoa(a.Index))
	if row := codec.Probed(a.Codec); row != nil && row.Name == "aac" && a.Profile == "LC" && !trimmedByEditList(a) {
		s.addArgs("-c:a", "copy")
		return
	}
	t, err := p.src.newAudioRendition(format.Format{Container: "mp4"}, window{})
	if err != nil {
		s.addArgs("-c:a", "aac", "-ac", "2")
		return
	}
	s.addArgs(t.encodeArgs(nil)...)
	s.AudioEncodes = 1
}
