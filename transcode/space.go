package transcode

import (
	"math"
	"slices"

	"github.com/copra-video/copra/transcode/codec"
)

// Space is the room that a plan's files take in the work directory at once,
// besides the source.
//
// Segments stay until the job has ended. An intermediate that is only tailed
// adds nothing to them: what is still unread of it is not in a segment yet, and
// what all have read can be given back to the disk. One that a step reads whole
// adds its size. Thumbnails are not counted.
type Space struct {
	Bytes int64
	// CachedBytes is what is added when tailed intermediates stay whole.
	CachedBytes int64
	// Bounded: every encode has a bound for its rate, and the length of the
	// source is known, so Bytes is a bound; else it is an estimate.
	Bounded bool
}

// And is the room for both.
func (s Space) And(o Space) Space {
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

// space adds up the intermediates and what the output steps make of them.
func (p *planner) space() Space {
	total, cached := 0.0, 0.0
	bounded := !slices.ContainsFunc(p.fetches, func(f Fetch) bool { return f.Sound })
	total += p.loudnessSpace() + p.qualitySpace() + p.speechSpace() + p.fileSpace()
	tracks := map[string]sizeEstimate{}
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			tracks[v.name] = p.estimateVideo(v)
			if v.chunked {
				total += tracks[v.name].mp4() // the chunks, until they are joined
			}
			if v.key.twoPass || v.chunked && p.inTwoPasses(v.key) {
				// Two bytes a macroblock in the logs of x264 and x265.
				total += tracks[v.name].frames * float64(v.key.geometry.W*v.key.geometry.H) / 128
			}
		}
	}
	if p.copied != nil {
		tracks[p.copied.name] = sizeEstimate{bytes: float64(p.src.Size), seconds: p.seconds(window{}), bounded: p.src.Size > 0}
	}
	for _, t := range p.audios {
		tracks[t.name] = p.estimateAudio(t)
	}
	whole, tailed := map[string]bool{}, map[string]bool{}
	for _, g := range p.decodeGroups {
		for _, v := range g.videos {
			whole[v.name] = v.measured
		}
	}
	for _, s := range p.outputSteps {
		inputs := s.Reads
		if s.Tail != (TailInput{}) {
			inputs = append(slices.Clone(inputs), s.Tail.Name)
			tailed[s.Tail.Name] = true
		}
		for _, name := range s.Reads {
			whole[name] = true
		}
		for _, name := range inputs {
			size := tracks[name].mp4()
			if s.writesTS {
				size = tracks[name].ts()
			}
			if total += size; s.twice {
				total += 1.1 * size // each frame says how it is encrypted
			}
		}
		if s.copiesSource {
			total += float64(p.src.Size)
		}
	}
	for name, t := range tracks {
		bounded = bounded && t.bounded
		if whole[name] || !tailed[name] {
			total += t.mp4()
		} else {
			cached += t.mp4()
		}
	}
	return Space{int64(math.Ceil(total)), int64(math.Ceil(cached)), bounded}
}

// The rates of what has no bound, in bits for a pixel: of codecs that code each
// frame by itself, and of the others.
const (
	intraBitsPerPixel = 4
	interBitsPerPixel = 0.15
)

func (p *planner) estimateVideo(v *renditionNode) sizeEstimate {
	r := v.rendition()
	s := sizeEstimate{seconds: p.seconds(r.window)}
	s.frames = math.Ceil(s.seconds * fpsFloat(p.rate(r)))
	control := r.encoder.Rate(r.settings)
	bits, buffer := float64(control.BitrateK)*1000, 0.0
	bounded := control.MaxrateK > 0
	switch {
	case bounded:
		bits, buffer = float64(control.MaxrateK)*1000, float64(control.BufferK)*1000
	case bits == 0:
		bits = interBitsPerPixel
		if r.encoder.Codec().IntraOnly {
			bits = intraBitsPerPixel
		}
		bits *= float64(r.geometry.W*r.geometry.H) * fpsFloat(p.rate(r))
	}
	s.bytes, s.bounded = (bits*s.seconds+buffer)/8, bounded && s.seconds > 0
	return s
}

// estimateAudio: audio encoders keep their rates to a few percent.
func (p *planner) estimateAudio(t *audioNode) sizeEstimate {
	k := t.key
	s := sizeEstimate{seconds: max(p.seconds(k.window), k.padTo), bounded: true}
	bits := float64(k.bitrateK) * 1000 * 1.1
	switch {
	case k.encoder == nil:
		bits, s.bounded = 320e3, false
		for _, a := range p.src.Audio {
			if a.Index == k.stream && a.BitRate > 0 {
				bits, s.bounded = float64(a.BitRate)*1.1, true
			}
		}
	case codec.AudioRow(k.encoder.Codec).Lossless:
		bits = float64(k.rate*k.channels) * 24
	}
	s.frames = math.Ceil(s.seconds * max(8000, float64(k.rate)) / 1024)
	s.bytes, s.bounded = bits*s.seconds/8, s.bounded && s.seconds > 0
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
