package transcode

import (
	"encoding/hex"
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

// encryptionKey registers the AES-128 key of output i; "" when there is none.
func (p *planner) encryptionKey(h *job.HLSParams, i int) (SecretName, *job.Error) {
	if h.EncryptionKey.IsZero() {
		return "", nil
	}
	key, err := hex.DecodeString(h.EncryptionKey.Reveal())
	if err != nil || len(key) != 16 {
		return "", job.Errorf("output_param_not_valid", "The parameter \"hls.encryption_key\" is not valid: 32 hexadecimal digits are expected.")
	}
	if h.EncryptionKeyURI == "" {
		return "", job.Errorf("output_param_not_valid", "The parameter \"hls.encryption_key_uri\" is missing: players fetch the key from there.")
	}
	name := SecretName(fmt.Sprintf("%skey-%d", p.prefix, i+1))
	p.secrets[name] = job.NewSecret(string(key))
	return name, nil
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
			end = max(end, b.src.lead(b.src.audio.StartTime)+b.src.audio.Duration)
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
	choice := slices.ContainsFunc(groups, func(g *audioGroup) bool { return len(g.others) > 0 })
	if choice && !oldPlayers(pkg) {
		b.addApart(pkg, groups, names, b.segmentTS)
		return
	}
	for _, v := range b.variants {
		t := stream.Track{ID: unique(names, v.id)}
		var video, audio *input
		if v.video != nil {
			video = b.followed(*v.video)
			t.Type, t.FrameRate = stream.Video, b.rate(*v.video)
		}
		if v.audio != nil {
			n := b.audio(*v.audio, v.enc, b.output)
			audio = &input{name: n.name, needs: n.id}
			t.Type, t.Language = stream.Muxed, label(b.src.audio.Language)
			if v.video == nil {
				t.Type = stream.Audio
			}
		}
		b.segmentTS(pkg, t, video, audio)
	}
	if !oldPlayers(pkg) {
		b.addText(pkg, names)
	}
}

// oldPlayers reports whether a package is for players that know no renditions,
// which came with version 4.
func oldPlayers(pkg *stream.Package) bool { return pkg.Version > 0 && pkg.Version <= 3 }

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

// followed registers a rendition that is cut while it is encoded, where its
// container allows that.
func (b *streamBuilder) followed(r rendition) *input {
	n := b.video(r, b.output)
	n.followed = suffix(n.name) == "mp4"
	return &input{name: n.name, needs: n.needs, grows: n.followed}
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
		segment(pkg, t, b.followed(*v.video), nil)
	}
	for _, g := range groups {
		n := b.audio(g.key, g.enc, b.output)
		segment(pkg, stream.Track{
			ID: unique(names, "audio"), Type: stream.Audio, Group: g.id, Default: true, NoVariant: !g.alone,
			Language: label(b.src.audio.Language), Name: b.src.audio.Title,
		}, nil, &input{name: n.name, needs: n.id})
		for i, o := range g.others {
			n := b.audio(o.key, o.enc, b.output)
			segment(pkg, stream.Track{
				ID: unique(names, languageID("audio", o.from.Language)), Type: stream.Audio, Group: g.id, NoVariant: true, Alternative: i + 1,
				Language: label(o.from.Language), Name: o.from.Title,
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
	s.addArgs(segmentCMAFArgs(s.read(in), pkg.Dir+"/"+t.Dir, b.SegmentSeconds, video != nil, b.early())...)
	b.segment(pkg, t, s)
}

// early is by how much all tracks of fragmented MP4 are moved so that the
// picture begins at zero. The priming of audio codecs makes it begin a little
// later in many files, and an edit list that delays it is ignored by browsers,
// where one that takes off a beginning is not.
func (b *streamBuilder) early() float64 {
	if b.src.video == nil {
		return 0
	}
	lead := math.Round(b.src.lead(b.src.video.StartTime)*1e6) / 1e6
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

// audioGroup is an audio setting of the ladder with the same setting for the
// source's other audio: within a group tracks differ in what they say, not in
// quality.
type audioGroup struct {
	id     string
	key    track
	enc    audioEncoder
	alone  bool // some variant is this audio without video
	others []otherAudio
}

type otherAudio struct {
	key  track
	enc  audioEncoder
	from *job.AudioStream
}

func (b *streamBuilder) audioGroups() []*audioGroup {
	var groups []*audioGroup
	names := map[string]int{}
	for _, v := range b.variants {
		if v.audio == nil {
			continue
		}
		g := groupOf(groups, *v.audio)
		if g == nil {
			g = &audioGroup{id: unique(names, "audio"), key: *v.audio, enc: v.enc}
			for i := range b.src.Audio {
				if o, ok := b.other(v, &b.src.Audio[i]); ok {
					g.others = append(g.others, o)
				}
			}
			groups = append(groups, g)
		}
		g.alone = g.alone || v.video == nil
	}
	return groups
}

func groupOf(groups []*audioGroup, key track) *audioGroup {
	i := slices.IndexFunc(groups, func(g *audioGroup) bool { return g.key == key })
	if i < 0 {
		return nil
	}
	return groups[i]
}

// other is the setting of v for another audio stream of the source; false when
// it is the same stream or cannot be used.
func (b *streamBuilder) other(v variant, a *job.AudioStream) (otherAudio, bool) {
	if a.Index == b.src.audio.Index || !usableAudio(*a) {
		return otherAudio{}, false
	}
	src := *b.src
	src.audio = a
	alone := *b.planner
	alone.src = &src
	key, enc, err := alone.streamTrack(v.format)
	return otherAudio{key, enc, a}, err == nil
}

// addText extracts the source's text subtitles as WebVTT, which stream.Build
// cuts. Subtitles that are pictures cannot be carried.
func (b *streamBuilder) addText(pkg *stream.Package, names map[string]int) {
	var args, dirs, files []string
	for i, s := range b.src.Subtitles {
		if !s.Text {
			continue
		}
		// Containers mark the first of them as default without anybody's wish;
		// they are on only where a viewer wants them, or when they are forced.
		t := stream.Track{
			ID: unique(names, languageID("subtitles", s.Language)), Type: stream.Text, Segments: "text.vtt",
			Language: label(s.Language), Name: s.Title, Default: s.Forced, Forced: s.Forced, Alternative: i + 1,
		}
		t.Dir = t.ID
		dir := pkg.Dir + "/" + t.Dir
		args = append(args, "-map", fmt.Sprintf("0:%d", s.Index), "-c:s", "webvtt", "-f", "webvtt", dir+"/"+t.Segments)
		dirs, files = append(dirs, dir), append(files, dir+"/"+t.Segments)
		pkg.Tracks = append(pkg.Tracks, t)
	}
	if len(files) == 0 {
		return
	}
	in, each := b.open(window{})
	if early := b.early(); early > 0 && pkg.Layout == stream.CMAF {
		in = append([]string{"-itsoffset", decimal(-early)}, in...)
	}
	args = append(in, args...)
	args = append(args, b.sameClock("a", each)...)
	args = append(args, b.sameClock("v", each)...)
	b.final(Step{
		ID: b.finalID(StepText, b.output, packageKind(pkg)), Kind: StepText, Op: Operation{FFmpeg: &FFmpeg{Args: args}}, Optional: true, // a stream is worth having without them
		Dirs: dirs, Files: files, Outputs: []int{b.output}, Cost: 0.5,
	})
}

// label is the language as tracks carry it; "" when nobody said.
func label(language string) string {
	if known(language) && language != "und" {
		return language
	}
	return ""
}

// languageID names a track for a language: "audio-deu".
func languageID(kind, language string) string {
	l := strings.ToLower(label(language))
	if l == "" || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return kind + "-other"
	}
	return kind + "-" + l
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
	s.ID, s.Kind = b.finalID(StepSegment, b.output, packageKind(pkg)+"-"+t.ID), StepSegment
	s.Dirs, s.Files, s.Outputs, s.Cost = []string{dir}, files, []int{b.output}, 0.5
	b.final(s)
}
