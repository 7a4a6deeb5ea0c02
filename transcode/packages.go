package transcode

import (
	"fmt"
	"math"
	"slices"
	"strings"

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

func (b *streamBuilder) dir(kind string) string {
	return fmt.Sprintf("%sout%d/%s", b.prefix, b.output+1, kind)
}

// add completes a package and plans the steps that cut its segments.
func (b *streamBuilder) add(pkg stream.Package) {
	pkg.Name = b.params.PlaylistName
	if pkg.Name == "" {
		pkg.Name = "master"
	}
	pkg.TargetDuration = b.SegmentSeconds
	pkg.Duration = b.duration()
	if pkg.Layout == stream.TS {
		b.addTS(&pkg)
	} else {
		b.addCMAF(&pkg)
	}
	b.packages = append(b.packages, pkg)
}

// duration of the time line: that of the picture, else of the audio.
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
func (b *streamBuilder) addTS(pkg *stream.Package) {
	names := map[string]int{}
	groups := b.audioGroups()
	choice := slices.ContainsFunc(groups, func(g *audioGroup) bool { return len(g.alternatives) > 0 })
	if choice && !legacyPlayers(pkg) {
		b.addApart(pkg, groups, names, b.segmentTS)
		return
	}
	for _, v := range b.variants {
		t := stream.Track{ID: unique(names, v.id)}
		var video, audio *input
		if v.video != nil {
			video = b.tailedVideo(*v.video)
			t.Type, t.FrameRate = stream.Video, b.rate(*v.video)
		}
		if v.audio != nil {
			n := b.audio(*v.audio, v.enc, b.output)
			audio = &input{name: n.name, needs: n.id}
			t.Type, t.Language = stream.Muxed, knownLanguage(b.src.audio.Language)
			if v.video == nil {
				t.Type = stream.Audio
			}
		}
		b.segmentTS(pkg, t, video, audio)
	}
	if !legacyPlayers(pkg) {
		b.addText(pkg, names)
	}
}

// legacyPlayers reports whether a package is for players that know no renditions,
// which came with version 4.
func legacyPlayers(pkg *stream.Package) bool { return pkg.Version > 0 && pkg.Version <= 3 }

func (b *streamBuilder) segmentTS(pkg *stream.Package, t stream.Track, video, audio *input) {
	t.Dir, t.Segments = t.ID, "segment-%05d.ts"
	dir := pkg.Dir + "/" + t.Dir
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
	b.segment(pkg, t, s)
}

// tailedVideo registers a rendition that is cut while it is encoded, where its
// container allows that.
func (b *streamBuilder) tailedVideo(r rendition) *input {
	n := b.video(r, b.output)
	n.tailed = suffix(n.name) == "mp4"
	return &input{name: n.name, needs: n.needs, growing: n.tailed}
}

// addCMAF gives each rendition and each audio setting its own track.
func (b *streamBuilder) addCMAF(pkg *stream.Package) {
	b.addApart(pkg, b.audioGroups(), map[string]int{}, b.segmentCMAF)
}

// addApart adds video and audio each in tracks of their own; segment adds one
// of either.
func (b *streamBuilder) addApart(pkg *stream.Package, groups []*audioGroup, names map[string]int, segment func(pkg *stream.Package, t stream.Track, video, audio *input)) {
	videos := map[rendition]bool{}
	for _, v := range b.variants {
		if v.video == nil || videos[*v.video] {
			continue
		}
		videos[*v.video] = true
		t := stream.Track{ID: unique(names, v.id), Type: stream.Video, FrameRate: b.rate(*v.video)}
		if v.audio != nil {
			t.Audio = groupOf(groups, *v.audio).id
		}
		segment(pkg, t, b.tailedVideo(*v.video), nil)
	}
	for _, g := range groups {
		n := b.audio(g.key, g.enc, b.output)
		segment(pkg, stream.Track{
			ID: unique(names, "audio"), Type: stream.Audio, Group: g.id, Default: true, NoVariant: !g.withoutVideo,
			Language: knownLanguage(b.src.audio.Language), Name: b.src.audio.Title, Purpose: audioPurpose(*b.src.audio),
		}, nil, &input{name: n.name, needs: n.id})
		for i, o := range g.alternatives {
			n := b.audio(o.key, o.enc, b.output)
			segment(pkg, stream.Track{
				ID: unique(names, languageID("audio", o.from.Language)), Type: stream.Audio, Group: g.id, NoVariant: true, Alternative: i + 1,
				Language: knownLanguage(o.from.Language), Name: o.from.Title, Purpose: audioPurpose(*o.from),
			}, nil, &input{name: n.name, needs: n.id})
		}
	}
	b.addText(pkg, names)
}

func (b *streamBuilder) segmentCMAF(pkg *stream.Package, t stream.Track, video, audio *input) {
	t.Dir, t.Init, t.Segments = t.ID, "init.mp4", "segment-%05d.m4s"
	in := audio
	if video != nil {
		in = video
	}
	var s Step
	s.addArgs(segmentCMAFArgs(s.read(in), pkg.Dir+"/"+t.Dir, b.SegmentSeconds, video != nil, b.startShift())...)
	b.segment(pkg, t, s)
}

// startShift is by how much all tracks of fragmented MP4 are moved so that the
// picture begins at zero. The priming of audio codecs makes it begin a little
// later in many files, and an edit list that delays it is ignored by browsers,
// where one that takes off a beginning is not.
func (b *streamBuilder) startShift() float64 {
	if b.src.video == nil {
		return 0
	}
	lead := math.Round(b.src.startOffset(b.src.video.StartTime)*1e6) / 1e6
	for _, v := range b.variants {
		if v.video != nil && validRate(v.video.fps) {
			return 0 // filled up from the start
		}
	}
	if lead < 0.001 {
		return 0
	}
	return lead
}

func packageKind(pkg *stream.Package) string { return pkg.Dir[strings.LastIndexByte(pkg.Dir, '/')+1:] }

// segment adds a track and completes the step that cuts it.
func (b *streamBuilder) segment(pkg *stream.Package, t stream.Track, s Step) {
	pkg.Tracks = append(pkg.Tracks, t)
	dir := pkg.Dir + "/" + t.Dir
	files := []string{dir + "/" + t.Segments}
	if t.Init != "" {
		files = append(files, dir+"/"+t.Init)
	}
	s.ID, s.Kind = b.outputStepID(StepSegment, b.output, packageKind(pkg)+"-"+t.ID), StepSegment
	s.Dirs, s.Files, s.Outputs, s.Cost = []string{dir}, files, []int{b.output}, 0.5
	b.addOutputStep(s)
}
