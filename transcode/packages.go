package transcode

import (
	"fmt"
	"math"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// streamBuilder writes the packages of one httpstream.
type streamBuilder struct {
	*planner
	output   int
	params   *job.StreamParams
	variants []variant
	cadence  cadence
	key      SecretName // AES-128 of TS segments; "": clear
	// soundFiles are the params.Audio that are tracks beside the source's sound.
	soundFiles []job.AudioFile
	packages   []stream.Package
	// thumbnails are the sheets of all packages; nil: none.
	thumbnails *stream.Thumbnails
}

// packageBuilder plans the steps that cut one package.
type packageBuilder struct {
	*streamBuilder
	stream.Package
	kind string         // "hls" or "dash", in names of folders and steps
	ids  map[string]int // of tracks that are taken
	// lines is the shorter side of the video tracks, by their id.
	lines map[string]int
	// choice: there are several tracks of audio, which a player may switch.
	choice bool
}

// add completes a package and plans the steps that cut its segments.
func (b *streamBuilder) add(kind string, pkg stream.Package) {
	pkg.Dir = fmt.Sprintf("%sout%d/%s", b.prefix, b.output+1, kind)
	pkg.Name = b.params.PlaylistName
	if pkg.Name == "" {
		pkg.Name = "master"
	}
	pkg.TargetDuration = b.cadence.seconds()
	pkg.Duration = b.duration()
	pkg.Thumbnails = b.thumbnails
	k := packageBuilder{streamBuilder: b, Package: pkg, kind: kind, ids: map[string]int{}, lines: map[string]int{}}
	if k.Layout == stream.TS {
		k.addTS()
	} else {
		k.addCMAF()
	}
	b.packages = append(b.packages, k.Package)
}

// duration of the time line in seconds: that of the longer of video and audio.
func (b *streamBuilder) duration() float64 {
	end := 0.0
	for _, v := range b.variants {
		if v.video != nil {
			end = max(end, b.src.videoEnd())
		}
		if v.audio != nil && b.src.audio.Duration > 0 {
			end = max(end, b.src.startOffset(b.src.audio.StartTime)+b.src.audio.Duration)
		}
	}
	if end == 0 {
		end = b.src.Duration
	}
	return math.Round(end*1e6) / 1e6
}

// addTS muxes audio into the video of each variant. Where the source has other
// audio to choose from, all of it goes into tracks of its own: a muxed default
// beside them is allowed, but shaka-player loses the picture when a viewer
// leaves it.
func (b *packageBuilder) addTS() {
	groups := b.audioGroups()
	choice := slices.ContainsFunc(groups, func(g *audioGroup) bool { return len(g.alternatives) > 0 })
	if choice && !b.legacyPlayers() {
		b.addDemuxed(groups, b.segmentTS)
		return
	}
	for _, v := range b.variants {
		t := stream.Track{ID: unique(b.ids, v.id)}
		var video, audio *input
		if v.video != nil {
			video = b.tailedVideo(v)
			t.Type, t.FrameRate = stream.Video, b.rate(*v.video)
		}
		if v.audio != nil {
			audio = b.audioInput(*v.audio)
			t.Type, t.Language = stream.Muxed, knownLanguage(b.src.audio.Language)
			if v.video == nil {
				t.Type = stream.Audio
			}
		}
		b.segmentTS(t, video, audio)
	}
	if !b.legacyPlayers() {
		b.addText()
	}
}

// legacyPlayers reports whether a package is for players that know no
// alternative renditions, which came with version 4 of HLS.
func (b *packageBuilder) legacyPlayers() bool { return b.Version > 0 && b.Version <= 3 }

func (b *packageBuilder) segmentTS(t stream.Track, video, audio *input) {
	t.Dir, t.Segments = t.ID, "segment-%05d.ts"
	dir := b.Dir + "/" + t.Dir
	var s Step
	var names [2]string
	for i, in := range []*input{video, audio} {
		if in != nil {
			names[i] = s.read(in)
		}
	}
	info := ""
	var keys []InputFile
	if b.key != "" {
		t.Encryption = &stream.Encryption{KeyURI: b.params.HLS.EncryptionKeyURI, KeyName: string(b.key), IV: b.params.HLS.EncryptionIV}
		info, keys = keyFiles(dir, b.key, b.params.HLS.EncryptionIV)
	}
	s.Op.FFmpeg = &FFmpeg{Args: segmentTSArgs(names[0], names[1], dir, b.cadence.seconds(), b.decodeTS(), info), Inputs: keys}
	b.segment(t, s)
}

// tailedVideo registers the video of a variant, which is cut while it is encoded or
// copied, where its intermediate allows that.
func (b *streamBuilder) tailedVideo(v variant) *input {
	if v.copied {
		return b.copiedVideo(b.output)
	}
	r := *v.video
	n := b.video(r, b.output)
	n.tailed = r.intermediate.Tailable
	return &input{name: n.name, step: n.step, growing: n.tailed}
}

func (b *streamBuilder) audioInput(t audioRendition) *input {
	n := b.audio(t, b.output)
	return &input{name: n.name, step: n.id}
}

// addCMAF gives each rendition and each audio rendition its own track.
func (b *packageBuilder) addCMAF() { b.addDemuxed(b.audioGroups(), b.segmentCMAF) }

// addDemuxed adds video and audio each in tracks of their own; segment adds one
// of either.
func (b *packageBuilder) addDemuxed(groups []*audioGroup, segment func(t stream.Track, video, audio *input)) {
	b.choice = len(groups) > 1 || len(groups) == 1 && len(groups[0].alternatives) > 0
	videos := map[rendition]bool{}
	for _, v := range b.variants {
		if v.video == nil || videos[*v.video] {
			continue
		}
		videos[*v.video] = true
		t := stream.Track{ID: unique(b.ids, v.id), Type: stream.Video, FrameRate: b.rate(*v.video)}
		b.lines[t.ID] = min(v.video.geometry.W, v.video.geometry.H)
		if v.audio != nil {
			t.Audio = []string{groupOf(groups, *v.audio).id}
			for _, codec := range b.params.Surround {
				if g := groupNamed(groups, surroundGroup(codec)); g != nil {
					t.Audio = append(t.Audio, g.id)
				}
			}
		}
		segment(t, b.tailedVideo(v), nil)
	}
	for _, g := range groups {
		for _, t := range b.audioTracks(g) {
			segment(t.Track, nil, b.audioInput(t.key))
		}
	}
	b.addText()
}

func (b *packageBuilder) segmentCMAF(t stream.Track, video, audio *input) {
	t.Dir, t.Init, t.Segments = t.ID, "init.mp4", "segment-%05d.m4s"
	in := audio
	if video != nil {
		in = video
	}
	t.Protection = b.protection(t)
	dir := b.Dir + "/" + t.Dir
	if t.Protection != nil {
		dir = ClearDir(b.Dir) + "/" + t.Dir
	}
	var s Step
	s.addArgs(segmentCMAFArgs(cut{
		track: s.read(in), dir: dir, seconds: b.cadence.seconds(), video: video != nil,
		shift: b.startShift(), start: b.mediaStart(), late: b.switchable(),
	})...)
	b.segment(t, s)
}

// startShift is by how many seconds all tracks of fragmented MP4 are moved
// earlier, so that the picture begins at zero. The priming of audio codecs makes
// it begin a little later in many files. Browsers ignore an edit list that
// delays a track, but not one that takes off a beginning.
func (b *streamBuilder) startShift() float64 {
	if b.src.video == nil {
		return 0
	}
	late := math.Round(b.src.startOffset(b.src.video.StartTime)*1e6) / 1e6
	for _, v := range b.variants {
		if v.video != nil && validRate(v.video.fps) {
			return b.src.phase(v.video.fps) // filled up from the start
		}
	}
	if late < 0.001 {
		return 0
	}
	return late
}

const (
	// reordered is how many frames a picture is decoded before it is shown, at
	// most: libx264 and libx265 use a pyramid of B-frames with two levels.
	reordered = 2
	// The samples of AAC that come before the sound: of FFmpeg's encoder, and at
	// most in a source, where Apple's encoder has the most.
	ownPriming, sourcePriming = 1024, 2112
	// maxMediaStart bounds mediaStart, in seconds. Segments of audio end earlier
	// than those of video by so much, and slides have long frames.
	maxMediaStart = 0.2
)

// mediaStart is the media time at which the presentation of all tracks of
// fragmented MP4 begins, in seconds: the longest time that any of them needs
// before it. 0: there are not both picture and sound, or the frames are too
// long.
//
// Where hls.js may switch the audio it is the priming of that alone (switchable):
// pictures are then decoded later than their encoder has it (cut.late).
func (b *packageBuilder) mediaStart() float64 {
	picture, sound := 0.0, 0.0
	for _, v := range b.variants {
		if v.video != nil {
			picture = max(picture, reordered/fpsFloat(b.rate(*v.video)))
		}
		if v.audio != nil {
			sound = max(sound, b.startShift()+b.priming(*v.audio))
		}
	}
	start := max(picture, sound)
	if picture == 0 || sound == 0 || start > maxMediaStart {
		return 0
	}
	if b.switchable() {
		start = sound
	}
	return math.Round(start*1e6) / 1e6
}

// switchable reports whether hls.js may switch the audio. It then empties its buffer up to
// the decode time of the segment that plays, and takes for sound what the edit list
// takes off that. One packet is little enough for players to play over it.
func (b *packageBuilder) switchable() bool { return b.choice && b.HLS }

// decodeTS is by how many frames the first picture in TS is decoded before its time at
// least; 0: as the encoder has it. The sound begins with its priming, between that and
// the picture. hls.js takes the first decode time for the start, and moves sound that
// begins less than a packet later back to it: at 50 frames a second it played the sound
// 19 ms early, at 60 12 ms. From a packet and a half on it fills up with silence.
func (b *packageBuilder) decodeTS() float64 {
	frame, sound := 0.0, 0.0
	for _, v := range b.variants {
		if v.video != nil {
			frame = max(frame, 1/fpsFloat(b.rate(*v.video)))
		}
		if v.audio != nil {
			sound = max(sound, 2.5*b.packet(*v.audio))
		}
	}
	if frame == 0 || reordered*frame > sound || sound > maxMediaStart {
		return 0
	}
	return math.Round(sound/frame*100) / 100
}

// packet is how long a packet of AAC lasts, in seconds.
func (b *streamBuilder) packet(t audioRendition) float64 {
	rate := t.rate
	if t.encoder == nil {
		rate = b.src.audio.SampleRate
	}
	return ownPriming / float64(max(rate, 8000))
}

// priming is how long before its sound a track of AAC may begin, in seconds. Where the
// audio may be switched a source counts as usual, not as the longest there is.
func (b *packageBuilder) priming(t audioRendition) float64 {
	switch {
	case t.encoder != nil:
		return ownPriming / float64(t.rate)
	case b.switchable():
		return ownPriming / float64(max(b.src.audio.SampleRate, 8000))
	}
	return sourcePriming / float64(max(b.src.audio.SampleRate, 8000))
}

// segment adds a track and completes the step that cuts it.
func (b *packageBuilder) segment(t stream.Track, s Step) {
	b.Tracks = append(b.Tracks, t)
	dir := b.Dir + "/" + t.Dir
	if t.Protection != nil {
		dir = ClearDir(b.Dir) + "/" + t.Dir
	}
	files := []string{dir + "/" + t.Segments}
	if t.Init != "" {
		files = append(files, dir+"/"+t.Init)
	}
	s.ID, s.Kind = b.outputStepID(StepSegment, b.output, b.kind+"-"+t.ID), StepSegment
	s.Dirs, s.Files, s.Outputs, s.Cost = []string{dir}, files, []int{b.output}, 0.5
	b.addOutputStep(outputStep{Step: s, writesTS: b.Layout == stream.TS, twice: t.Protection != nil})
	if t.Protection != nil {
		b.protect(t, s.ID)
	}
}
