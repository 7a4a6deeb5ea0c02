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
	key      SecretName // AES-128 of TS segments; "": clear
	packages []stream.Package
}

// packageBuilder plans the steps that cut one package.
type packageBuilder struct {
	*streamBuilder
	stream.Package
	kind string         // "hls" or "dash", in names of folders and steps
	ids  map[string]int // of tracks that are taken
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
	pkg.TargetDuration = b.SegmentSeconds
	pkg.Duration = b.duration()
	k := packageBuilder{streamBuilder: b, Package: pkg, kind: kind, ids: map[string]int{}}
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
			video = b.tailedVideo(*v.video)
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
		t.Encryption = &stream.Encryption{KeyURI: b.params.HLS.EncryptionKeyURI, KeyName: string(b.key)}
		info, keys = keyFiles(dir, b.key)
	}
	s.Op.FFmpeg = &FFmpeg{Args: segmentTSArgs(names[0], names[1], dir, b.SegmentSeconds, info), Inputs: keys}
	b.segment(t, s)
}

// tailedVideo registers a rendition that is cut while it is encoded, where its
// intermediate allows that.
func (b *streamBuilder) tailedVideo(r rendition) *input {
	n := b.video(r, b.output)
	n.tailed = r.encoder.Intermediate.Tailable
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
		if v.audio != nil {
			t.Audio = groupOf(groups, *v.audio).id
		}
		segment(t, b.tailedVideo(*v.video), nil)
	}
	for _, g := range groups {
		segment(stream.Track{
			ID: unique(b.ids, "audio"), Type: stream.Audio, Group: g.id, Default: true, NoVariant: !g.withoutVideo,
			Language: knownLanguage(b.src.audio.Language), Name: b.src.audio.Title, Purpose: audioPurpose(*b.src.audio),
		}, nil, b.audioInput(g.key))
		for i, o := range g.alternatives {
			segment(stream.Track{
				ID: unique(b.ids, languageID("audio", o.from.Language)), Type: stream.Audio, Group: g.id, NoVariant: true, Alternative: i + 1,
				Language: knownLanguage(o.from.Language), Name: o.from.Title, Purpose: audioPurpose(*o.from),
			}, nil, b.audioInput(o.key))
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
	var s Step
	s.addArgs(segmentCMAFArgs(cut{
		track: s.read(in), dir: b.Dir + "/" + t.Dir, seconds: b.SegmentSeconds, video: video != nil,
		shift: b.startShift(), start: b.mediaStart(),
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
// long, or hls.js may switch the audio. It then empties its buffer up to the
// decode time of the segment that plays and takes for sound what is missing
// after that.
func (b *packageBuilder) mediaStart() float64 {
	if b.choice && b.HLS {
		return 0
	}
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
	return math.Round(start*1e6) / 1e6
}

// priming is how long before its sound a track of AAC may begin, in seconds.
func (b *streamBuilder) priming(t audioRendition) float64 {
	if t.encoder != nil {
		return ownPriming / float64(t.rate)
	}
	return sourcePriming / float64(max(b.src.audio.SampleRate, 8000))
}

// segment adds a track and completes the step that cuts it.
func (b *packageBuilder) segment(t stream.Track, s Step) {
	b.Tracks = append(b.Tracks, t)
	dir := b.Dir + "/" + t.Dir
	files := []string{dir + "/" + t.Segments}
	if t.Init != "" {
		files = append(files, dir+"/"+t.Init)
	}
	s.ID, s.Kind = b.outputStepID(StepSegment, b.output, b.kind+"-"+t.ID), StepSegment
	s.Dirs, s.Files, s.Outputs, s.Cost = []string{dir}, files, []int{b.output}, 0.5
	b.addOutputStep(outputStep{Step: s, writesTS: b.Layout == stream.TS})
}
