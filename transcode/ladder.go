package transcode

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// variant is a rung of an httpstream: video, audio or both.
type variant struct {
	format format.Format
	video  *rendition
	audio  *audioRendition
	id     string
	// copied: the source's video is what video asks for, and is cut as it is; why says why
	// it is not, "" where that was not asked.
	copied bool
	why    string
}

// planStream plans an httpstream: output i.
func (p *planner) planStream(i int, o *job.Output) (Result, *job.Error) {
	if p.src.still {
		return Result{}, job.Errorf(job.OutputFormatNotValid, "The input is a picture, so no httpstream can be made from it.")
	}
	files, restore := p.replaceSilence(o.Stream.Audio)
	defer restore()
	variants, cut, err := p.variants(o.Stream)
	if err != nil {
		return Result{}, err
	}
	if err := p.noMetrics(o.Stream.QualityMetrics); err != nil {
		return Result{}, err
	}
	s := streamBuilder{planner: p, output: i, params: o.Stream, variants: variants, cadence: cut, soundFiles: files}
	if err := s.checkSurround(); err != nil {
		return Result{}, err
	}
	if err := s.registerKeys(); err != nil {
		return Result{}, err
	}
	layout := stream.TS
	if h := o.Stream.HLS; h != nil {
		if o.Stream.Protection != nil || s.hasSurround() {
			layout = stream.CMAF
		}
		if slices.ContainsFunc(variants, func(v variant) bool { return v.video != nil && v.video.encoder.Codec().CMAFOnly }) {
			layout = stream.CMAF
			if !h.EncryptionKey.IsZero() {
				return Result{}, job.Errorf(job.OutputParamNotValid, "The parameter \"hls.encryption_key\" needs H.264 in all variants: AES-128 is for TS segments, and other codecs go into fragmented MP4.")
			}
		}
		if s.key, err = p.encryptionKey(h, i); err != nil {
			return Result{}, err
		}
	}
	if o.Stream.HLS == nil && o.Stream.DASH == nil {
		return Result{}, job.Errorf(job.OutputParamNotValid, "An httpstream needs \"hls\", \"dash\" or both.")
	}
	if err := s.planThumbnails(); err != nil {
		return Result{}, err
	}
	if h := o.Stream.HLS; h != nil {
		s.add("hls", stream.Package{Layout: layout, Path: h.Path, HLS: true, Version: h.Version})
	}
	if d := o.Stream.DASH; d != nil {
		s.add("dash", stream.Package{Layout: stream.CMAF, Path: d.Path, DASH: true, HLS: d.HLSFMP4})
	}
	return Result{Packages: s.packages, Copied: s.noteCopies(), Quality: s.measureVariants(), Seeks: slices.ContainsFunc(variants, variant.isCopied)}, nil
}

// variants resolves the ladder against the source, and says where it is cut. A variant that is larger than
// the source is dropped, but the smallest stays; a variant that the source has no
// stream for is dropped; audio alone comes last.
func (p *planner) variants(params *job.StreamParams) ([]variant, cadence, *job.Error) {
	var video, audioOnly []variant
	var smallest *variant
	holdLast := p.audioTail(params.Variants)
	for _, f := range params.Variants {
		v, err := p.variant(f, holdLast)
		switch {
		case err != nil:
			return nil, cadence{}, err
		case v.video == nil && v.audio == nil:
			continue
		case v.video == nil:
			audioOnly = append(audioOnly, v)
			continue
		}
		if smallest == nil || v.video.geometry.H < smallest.video.geometry.H {
			smallest = &v
		}
		if !v.video.geometry.upscales(p.src.frame) {
			video = appendVariant(video, v)
		}
	}
	if len(video) == 0 && smallest != nil {
		video = append(video, *smallest)
	}
	if p.src.video == nil {
		audioOnly = p.audioOnlyFallback(params.Variants, audioOnly)
	}
	if params.DefaultLadder && len(video) > 0 {
		// Coconut's audio-only variant of its default ladder has the audio of
		// the others, not 64k as its format says.
		for i := range audioOnly {
			audioOnly[i].audio = video[0].audio
		}
	}
	all := video
	for _, v := range audioOnly {
		all = appendVariant(all, v)
	}
	if len(all) == 0 {
		return nil, cadence{}, job.Errorf(job.OutputFormatNotValid, "The input has no stream that the variants ask for, so no httpstream can be made from it.")
	}
	p.alignStarts(all)
	cut, err := p.countable(p.cadenceOf(params), all)
	if err != nil {
		return nil, cadence{}, err
	}
	align(all, cut)
	for i, v := range all {
		if v.video == nil {
			continue
		}
		r := *v.video
		var err *job.Error
		if r.overlays, err = p.newOverlays(params.Overlay, params.Burn, r); err != nil {
			return nil, cadence{}, err
		}
		all[i].video = &r
	}
	if p.copies(params.Copy) {
		all = p.copyVariants(all, holdLast, cut)
	}
	nameVariants(all)
	return all, cut, nil
}

// alignStarts lets the video of all variants begin at the same time. Where the
// source's begins late, a rendition with a rate of its own is filled up from the
// start of the time line; then all are.
func (p *planner) alignStarts(list []variant) {
	if p.src.video == nil || p.src.startOffset(p.src.video.StartTime) < 0.001 {
		return
	}
	ownRate := func(v variant) bool { return v.video != nil && validRate(v.video.fps) }
	if !slices.ContainsFunc(list, ownRate) {
		return
	}
	for i, v := range list {
		if v.video != nil && !ownRate(v) && validRate(p.src.rate()) {
			r := *v.video
			r.fps = p.src.rate()
			list[i].video = &r
		}
	}
}

// audioOnlyFallback is for a source without video: when no variant is for audio
// alone, the audio of the last, best one stands for all.
func (p *planner) audioOnlyFallback(formats []format.Format, audioOnly []variant) []variant {
	for _, f := range slices.Backward(formats) {
		if len(audioOnly) > 0 {
			break
		}
		f.Video = format.Video{Disabled: true}
		if v, err := p.variant(f, 0); err == nil && v.audio != nil {
			audioOnly = append(audioOnly, v)
		}
	}
	return audioOnly
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

// audioTail is by how much the audio outlasts the video, in seconds. The last
// picture is then held until the audio ends. Otherwise the last segment would be
// too long (streams.md rule 7.7), and audio and video would not cover the same
// time (8.2).
func (p *planner) audioTail(formats []format.Format) float64 {
	hasAudio := slices.ContainsFunc(formats, func(f format.Format) bool { return f.AudioCodec() != "" })
	if !hasAudio || p.src.video == nil || p.src.audio == nil || p.src.audio.Duration <= 0 {
		return 0
	}
	over := p.src.startOffset(p.src.audio.StartTime) + p.src.audio.Duration - p.src.videoEnd()
	if over < lateStart {
		return 0 // players do not mind
	}
	return math.Round(over*1000) / 1000
}

// variant resolves one rung. holdLast is for how many seconds the last picture
// is held.
func (p *planner) variant(f format.Format, holdLast float64) (variant, *job.Error) {
	v := variant{format: f}
	video := f.VideoCodec()
	if video == format.Copy {
		return v, job.Errorf(job.OutputFormatNotValid, "A variant of an httpstream cannot copy the input's video, because segments must begin at keyframes; name a codec.")
	}
	if video != "" && p.src.video != nil {
		r, err := p.streamRendition(f, holdLast)
		if err != nil {
			return v, err
		}
		v.video = &r
	}
	if f.AudioCodec() != "" && p.src.audio != nil && (video == "" || p.src.video != nil) {
		t, err := p.streamAudio(f)
		if err != nil {
			return v, err
		}
		v.audio = &t
	}
	return v, nil
}

// streamRendition is the rendition of a variant: inside the box with the
// source's shape, constant rate, at most 60 frames a second, not interlaced.
func (p *planner) streamRendition(f format.Format, holdLast float64) (rendition, *job.Error) {
	filters, in, err := preFilters(p.src.frame, edits{deinterlace: p.src.interlaced()})
	if err != nil {
		return rendition{}, err
	}
	if holdLast > 0 {
		filters = strings.TrimPrefix(filters+",tpad=stop_mode=clone:stop_duration="+seconds(holdLast), ",")
	}
	r, err := p.newRendition(f, window{}, filters, fit(in, f.Video.Resolution, fitInside))
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
	if r.intermediate == encoder.Matroska {
		// Its times are rounded to milliseconds, and it cannot be cut while it grows.
		r.intermediate = encoder.MP4
	}
	if r.settings.CRF > 0 && r.settings.MaxrateK == 0 {
		r.settings.DefaultMaxrateK = p.defaultMaxrate(r)
	}
	return r, nil
}

// streamAudio is the audio of a variant. A copy of a codec that streams do not
// hold, or of audio that does not begin with its file, is encoded instead.
func (p *planner) streamAudio(f format.Format) (audioRendition, *job.Error) {
	if f.AudioCodec() == format.Copy {
		row := codec.Probed(p.src.audio.Codec)
		if p.src.file.name == "" && row != nil && row.Track == codec.Audio && row.Variant && !trimmedByEditList(p.src.audio) {
			return p.passthroughAudio(window{}), nil
		}
		f.Audio.Codec = ""
	}
	return p.encodedAudio(f, window{})
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
