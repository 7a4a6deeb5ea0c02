package transcode

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// variant is a rung of an httpstream: video, audio or both.
type variant struct {
	format format.Format
	video  *rendition
	audio  *track
	enc    audioEncoder
	id     string
}

// stream plans an httpstream: output i.
func (p *planner) stream(i int, o *job.Output) (Result, *job.Error) {
	if p.src.still {
		return Result{}, job.Errorf("output_format_not_valid", "The input is a picture, so no httpstream can be made from it.")
	}
	if h := o.Stream.HLS; h != nil && !h.EncryptionKey.IsZero() {
		return Result{}, unsupported("hls.encryption_key")
	}
	variants, err := p.variants(o.Stream)
	if err != nil {
		return Result{}, err
	}
	s := streamBuilder{planner: p, output: i, params: o.Stream, variants: variants}
	if h := o.Stream.HLS; h != nil {
		layout := stream.TS
		if slices.ContainsFunc(variants, func(v variant) bool { return v.video != nil && v.video.codec != "h264" }) {
			layout = stream.CMAF // rule 1.5: HEVC only in fragmented MP4
		}
		s.add(stream.Package{Layout: layout, Dir: s.dir("hls"), Path: h.Path, HLS: true, Version: h.Version})
	}
	if d := o.Stream.DASH; d != nil {
		s.add(stream.Package{Layout: stream.CMAF, Dir: s.dir("dash"), Path: d.Path, DASH: true, HLS: d.HLSFMP4})
	}
	if len(s.packages) == 0 {
		return Result{}, job.Errorf("output_param_not_valid", "An httpstream needs \"hls\", \"dash\" or both.")
	}
	return Result{Packages: s.packages}, nil
}

// variants resolves the ladder against the source: what is larger than the
// source is dropped, but the smallest stays; what the source has no stream for
// is dropped; audio alone comes last.
func (p *planner) variants(params *job.StreamParams) ([]variant, *job.Error) {
	var pictures, sounds []variant
	var smallest *variant
	for _, f := range params.Variants {
		v, err := p.variant(f)
		switch {
		case err != nil:
			return nil, err
		case v.video == nil && v.audio == nil:
			continue
		case v.video == nil:
			sounds = append(sounds, v)
			continue
		}
		if smallest == nil || v.video.geometry.H < smallest.video.geometry.H {
			smallest = &v
		}
		if !v.video.geometry.upscales(p.src.frame) {
			pictures = appendVariant(pictures, v)
		}
	}
	if len(pictures) == 0 && smallest != nil {
		pictures = append(pictures, *smallest)
	}
	if p.src.video == nil {
		sounds = p.soundOnly(params.Variants, sounds)
	}
	if params.DefaultLadder && len(pictures) > 0 {
		// Coconut's audio-only variant of its default ladder has the audio of
		// the others, not 64k as its format says.
		for i := range sounds {
			sounds[i].audio, sounds[i].enc = pictures[0].audio, pictures[0].enc
		}
	}
	var all []variant
	for _, v := range sounds {
		pictures = appendVariant(pictures, v)
	}
	all = append(all, pictures...)
	if len(all) == 0 {
		return nil, job.Errorf("output_format_not_valid", "The input has no stream that the variants ask for, so no httpstream can be made from it.")
	}
	nameVariants(all)
	return all, nil
}

// soundOnly is for a source without video: when no variant is for audio alone,
// the audio of the last, best one stands for all.
func (p *planner) soundOnly(formats []format.Format, sounds []variant) []variant {
	for _, f := range slices.Backward(formats) {
		if len(sounds) > 0 {
			break
		}
		f.Video = format.Video{Disabled: true}
		if v, err := p.variant(f); err == nil && v.audio != nil {
			sounds = append(sounds, v)
		}
	}
	return sounds
}

// appendVariant leaves out a second variant with the same tracks.
func appendVariant(list []variant, v variant) []variant {
	for _, have := range list {
		if same(have.video, v.video) && same(have.audio, v.audio) {
			return list
		}
	}
	return append(list, v)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func (p *planner) variant(f format.Format) (variant, *job.Error) {
	v := variant{format: f}
	codec := f.VideoCodec()
	if codec == "copy" {
		return v, job.Errorf("output_format_not_valid", "A variant of an httpstream cannot copy the input's video, because segments must begin at keyframes; name a codec.")
	}
	if codec != "" && p.src.video != nil {
		r, err := p.streamRendition(f)
		if err != nil {
			return v, err
		}
		v.video = &r
	}
	if f.AudioCodec() != "" && p.src.audio != nil && (codec == "" || p.src.video != nil) {
		t, enc, err := p.streamTrack(f)
		if err != nil {
			return v, err
		}
		v.audio, v.enc = &t, enc
	}
	return v, nil
}

// streamRendition is the rendition of a variant: inside the box with the
// source's shape, constant rate, at most 60 frames a second, not interlaced.
func (p *planner) streamRendition(f format.Format) (rendition, *job.Error) {
	prep, in, err := prepare(p.src.frame, edits{deinterlace: p.src.interlaced()})
	if err != nil {
		return rendition{}, err
	}
	r, err := p.newRendition(f, window{}, prep, fit(in, f.Video.Resolution, fitInside))
	if err != nil {
		return r, err
	}
	switch {
	case !validRate(r.fps):
		r.fps = p.src.streamRate()
	case fpsFloat(r.fps) > maxStreamFPS:
		r.fps = format.Rational{Num: maxStreamFPS, Den: 1}
	}
	r.fps = p.plainRate(r.fps)
	return r, nil
}

func (p *planner) streamTrack(f format.Format) (track, audioEncoder, *job.Error) {
	if f.AudioCodec() == "copy" {
		if p.src.audio.Codec == "aac" {
			return p.copiedTrack(window{}, muxer{}), audioEncoder{inter: "mp4"}, nil
		}
		f.Audio.Codec = "" // streams hold AAC
	}
	return p.encodedTrack(f, window{})
}

// nameVariants gives each variant the name of its folder: the definition, else
// the height; "audio" for audio alone.
func nameVariants(list []variant) {
	seen := map[string]int{}
	for i := range list {
		v := &list[i]
		id := "audio"
		if v.video != nil {
			id = v.format.Video.Resolution.Name
			if id == "" {
				id = fmt.Sprintf("%dp", v.video.geometry.H)
			}
		}
		v.id = unique(seen, id)
	}
}

func unique(seen map[string]int, id string) string {
	seen[id]++
	if n := seen[id]; n > 1 {
		return fmt.Sprintf("%s-%d", id, n)
	}
	return id
}

// streamBuilder writes the packages of one httpstream.
type streamBuilder struct {
	*planner
	output   int
	params   *job.StreamParams
	variants []variant
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
			end = max(end, b.src.lead(b.src.audio.StartTime)+b.src.audio.Duration)
		}
	}
	if end == 0 {
		end = b.src.Duration
	}
	return math.Round(end*1e6) / 1e6
}

// addTS muxes audio into the video of each variant.
func (b *streamBuilder) addTS(pkg *stream.Package) {
	for _, v := range b.variants {
		t := stream.Track{ID: v.id, Dir: v.id, Segments: "segment-%05d.ts"}
		var video, audio string
		var needs []string
		if v.video != nil {
			n := b.video(*v.video, b.output)
			video, needs = n.name, append(needs, n.needs)
			t.Type, t.FrameRate = stream.Video, b.rate(*v.video)
		}
		if v.audio != nil {
			n := b.audio(*v.audio, v.enc, b.output)
			audio, needs = n.name, append(needs, n.id)
			t.Type, t.Language = stream.Muxed, b.language()
			if v.video == nil {
				t.Type = stream.Audio
			}
		}
		dir := pkg.Dir + "/" + t.Dir
		b.segment(pkg, v.id, needs, dir, t, segmentTSArgs(video, audio, dir, b.SegmentSeconds))
	}
}

// addCMAF gives each rendition and each audio setting its own track.
func (b *streamBuilder) addCMAF(pkg *stream.Package) {
	seen := map[string]int{}
	videos, groups, alone := map[rendition]bool{}, map[track]string{}, map[track]bool{}
	names := map[string]int{}
	for _, v := range b.variants {
		if v.audio == nil {
			continue
		}
		if _, ok := groups[*v.audio]; !ok {
			// A setting is a group: within one, tracks differ in language only.
			groups[*v.audio] = unique(names, "audio")
		}
		if v.video == nil {
			alone[*v.audio] = true
		}
	}
	for _, v := range b.variants {
		if v.video == nil || videos[*v.video] {
			continue
		}
		videos[*v.video] = true
		n := b.video(*v.video, b.output)
		id := unique(seen, v.id)
		t := stream.Track{ID: id, Type: stream.Video, Dir: id, Init: "init.mp4", Segments: "segment-%05d.m4s", FrameRate: b.rate(*v.video)}
		if v.audio != nil {
			t.Audio = groups[*v.audio]
		}
		dir := pkg.Dir + "/" + id
		b.segment(pkg, id, []string{n.needs}, dir, t, segmentCMAFArgs(n.name, dir, b.SegmentSeconds, true))
	}
	for _, v := range b.variants {
		if v.audio == nil || groups[*v.audio] == "" {
			continue
		}
		group := groups[*v.audio]
		groups[*v.audio] = "" // done
		n := b.audio(*v.audio, v.enc, b.output)
		id := unique(seen, "audio")
		t := stream.Track{
			ID: id, Type: stream.Audio, Dir: id, Init: "init.mp4", Segments: "segment-%05d.m4s",
			Language: b.language(), Name: b.src.audio.Title, Default: true,
			Group: group, NoVariant: !alone[*v.audio],
		}
		dir := pkg.Dir + "/" + id
		b.segment(pkg, id, []string{n.id}, dir, t, segmentCMAFArgs(n.name, dir, b.SegmentSeconds, false))
	}
}

func (b *streamBuilder) language() string {
	if l := b.src.audio.Language; known(l) && l != "und" {
		return l
	}
	return ""
}

func (b *streamBuilder) segment(pkg *stream.Package, id string, needs []string, dir string, t stream.Track, args []string) {
	pkg.Tracks = append(pkg.Tracks, t)
	files := []string{dir + "/" + t.Segments}
	if t.Init != "" {
		files = append(files, dir+"/"+t.Init)
	}
	kind := pkg.Dir[strings.LastIndexByte(pkg.Dir, '/')+1:]
	b.final(Step{
		ID: b.finalID(StepSegment, b.output, kind+"-"+id), Kind: StepSegment, Args: args, Needs: needs,
		Dirs: []string{dir}, Files: files, Outputs: []int{b.output}, Cost: 0.5,
	})
}
