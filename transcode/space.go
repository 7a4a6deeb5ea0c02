package transcode

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Space is the room that a plan's files take in the work directory at once,
// beside the source.
//
// Segments stay until the job has ended. An intermediate that is only followed
// adds nothing to them: what of it is still unread is not in a segment yet, and
// what all have read can be given back. One that a step reads whole adds its
// size. Pictures are not counted.
type Space struct {
	Bytes int64
	// CachedBytes is what is added when followed intermediates stay whole.
	CachedBytes int64
	// Bounded: every encode has a ceiling for its rate, and the length of the
	// source is known, so Bytes is a bound; else it is an estimate.
	Bounded bool
}

func (s Space) and(o Space) Space {
	return Space{s.Bytes + o.Bytes, s.CachedBytes + o.CachedBytes, s.Bounded && o.Bounded}
}

// sizeEstimate is what is known of a track before it is made.
type sizeEstimate struct {
	bytes   float64
	frames  float64
	seconds float64
	bounded bool
}

// What the containers add to a track, in bytes: MP4 for each frame in its index;
// TS for headers, stuffing and clocks of its packets, and for the tables that
// are repeated ten times a second.
const (
	mp4Frame, mp4Second = 30, 200
	tsFrame, tsSecond   = 230, 5000
	tsShare             = 188.0 / 184
)

func (s sizeEstimate) mp4() float64 { return s.bytes + s.frames*mp4Frame + s.seconds*mp4Second }
func (s sizeEstimate) ts() float64  { return s.bytes*tsShare + s.frames*tsFrame + s.seconds*tsSecond }

// space adds up the files of steps.
func (p *planner) space(steps []Step) Space {
	tracks := map[string]sizeEstimate{}
	total, kept := 0.0, 0.0
	capped := true
	for _, g := range p.groups {
		for _, v := range g.videos {
			tracks[v.name] = p.estimateVideo(v)
			if v.key.twoPass {
				// Two bytes a macroblock in the logs of x264 and x265.
				total += tracks[v.name].frames * float64(v.key.geometry.W*v.key.geometry.H) / 128
			}
		}
	}
	for _, t := range p.audios {
		tracks[t.name] = p.estimateAudio(t)
	}
	whole, followed := map[string]bool{}, map[string]bool{}
	for _, s := range steps {
		inputs := s.Reads
		if s.Tail != (TailInput{}) {
			inputs = append(slices.Clone(inputs), s.Tail.Name)
			followed[s.Tail.Name] = true
		}
		for _, name := range s.Reads {
			whole[name] = true
		}
		for _, name := range inputs {
			if s.Kind == StepSegment && strings.HasSuffix(s.Files[0], ".ts") {
				total += tracks[name].ts()
			} else {
				total += tracks[name].mp4()
			}
		}
		if s.Kind == StepMux && len(inputs) == 0 {
			total += float64(p.src.Size) // a copy of the source's own tracks
		}
	}
	for name, t := range tracks {
		capped = capped && t.bounded
		if whole[name] || !followed[name] {
			total += t.mp4()
		} else {
			kept += t.mp4()
		}
	}
	return Space{int64(math.Ceil(total)), int64(math.Ceil(kept)), capped}
}

// The rates of what has no ceiling, in bits for a pixel: of codecs that code
// each frame by itself, and of the others.
const (
	intraBitsPerPixel = 4
	interBitsPerPixel = 0.15
)

func (p *planner) estimateVideo(v *renditionNode) sizeEstimate {
	r := v.key
	s := sizeEstimate{seconds: p.seconds(r.window)}
	s.frames = math.Ceil(s.seconds * fpsFloat(p.rate(r)))
	rate, buffer, capped := ceiling(p.videoArgs(r, "", 0, ""))
	if !capped && rate == 0 {
		enc, _ := videoEncoderFor(r.codec)
		rate = interBitsPerPixel
		if enc.intermediate == "mov" && !strings.HasPrefix(r.codec, "h263") {
			rate = intraBitsPerPixel
		}
		rate *= float64(r.geometry.W*r.geometry.H) * fpsFloat(p.rate(r))
	}
	s.bytes, s.bounded = (rate*s.seconds+buffer)/8, capped && s.seconds > 0
	return s
}

// ceiling reads from the arguments of an encoder, in bits, the rate that it does
// not exceed and its buffer. Without a ceiling it is the rate that is aimed at,
// 0 when there is none.
func ceiling(args []string) (rate, buffer float64, capped bool) {
	of := func(name string) float64 {
		i := slices.Index(args, name)
		if i < 0 || i+1 == len(args) {
			return 0
		}
		n, err := strconv.ParseFloat(strings.TrimRight(args[i+1], "kM"), 64)
		switch {
		case err != nil:
			return 0
		case strings.HasSuffix(args[i+1], "k"):
			n *= 1e3
		case strings.HasSuffix(args[i+1], "M"):
			n *= 1e6
		}
		return n
	}
	if rate = of("-maxrate"); rate > 0 {
		return rate, of("-bufsize"), true
	}
	if rate = of("-b:v"); rate >= 100e6 { // which VP8 takes for none
		rate = 0
	}
	return rate, 0, false
}

// estimateAudio of an audio setting. Encoders of sound keep their rates to a few
// percent.
func (p *planner) estimateAudio(t *audioNode) sizeEstimate {
	k := t.key
	s := sizeEstimate{seconds: max(p.seconds(k.window), k.padTo), bounded: true}
	rate := float64(k.bitrateK) * 1000 * 1.1
	switch {
	case k.passthrough:
		rate = 320e3
		s.bounded = false
		for _, a := range p.src.Audio {
			if a.Index == k.stream && a.BitRate > 0 {
				rate, s.bounded = float64(a.BitRate)*1.1, true
			}
		}
	case rate == 0: // without loss: 24 bits
		rate = float64(k.rate*k.channels) * 24
	}
	s.frames = math.Ceil(s.seconds * max(8000, float64(k.rate)) / 1024)
	s.bytes, s.bounded = rate*s.seconds/8, s.bounded && s.seconds > 0
	return s
}

// seconds that a window can last: a stream of the source may be longer than the
// source says that it is.
func (p *planner) seconds(w window) float64 {
	total := p.src.Duration
	if p.src.video != nil {
		total = max(total, p.src.videoEnd())
	}
	if p.src.audio != nil {
		total = max(total, p.src.startOffset(p.src.audio.StartTime)+p.src.audio.Duration)
	}
	return w.duration(total)
}
