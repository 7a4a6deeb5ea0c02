package transcode

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/codec"
)

// burning says where the captions come from that a layer draws.
type burning string

// The kinds of burning.
const (
	burnFile    burning = "file"    // fetched
	burnText    burning = "text"    // a track of the source with text
	burnPicture burning = "picture" // a track of the source with pictures
)

// pictureSubtitles are the codecs of subtitles that FFmpeg decodes to pictures.
var pictureSubtitles = []string{"dvd_subtitle", "dvb_subtitle", "hdmv_pgs_subtitle", "xsub"}

// burnNode is a file of ASS that is made of a track of the source.
type burnNode struct {
	layer   layer
	outputs []int
}

// newBurn resolves the captions that are drawn into the picture of r. As with overlays,
// nothing that a customer wrote is part of a filter: the text is in a file with a name of ours,
// which only libass reads.
func (p *planner) newBurn(b *job.Burn, r rendition) (l layer, err *job.Error) {
	l.Style = &captions.Style{Size: burnSize(r.geometry), Color: p.overlayColour("ffffff", r)}
	style := fmt.Sprintf("%s-%s.ass", strings.ReplaceAll(decimal(l.Style.Size), ".", "_"), l.Style.Color)
	if !b.URL.IsZero() {
		l.Burn, l.Hint = burnFile, captions.Hint{Charset: b.Charset, Language: b.Language}
		sum := sha256.Sum256([]byte(b.URL.Reveal() + "\n" + b.Charset + "\n" + b.Language))
		l.File = fmt.Sprintf("burn-%x-%s", sum[:8], style)
		p.secrets[SecretName(l.File)] = b.URL
		return l, p.canBurn("ass")
	}
	t, err := p.src.subtitleTrack(b)
	if err != nil {
		return l, err
	}
	l.Track = t.Index
	switch {
	case t.Text:
		l.Burn, l.File = burnText, fmt.Sprintf("%sburn-%d-%s", p.prefix, t.Index, style)
		return l, p.canBurn("ass")
	case slices.Contains(pictureSubtitles, t.Codec):
		l.Burn, l.Style = burnPicture, nil
		return l, p.canBurn("overlay")
	}
	return l, job.Errorf(job.OutputParamNotValid, "The parameter \"burn\" is not valid: the input's subtitles are %s, which cannot be drawn; expected text, or pictures as on DVD, in DVB and on Blu-ray.", t.Codec)
}

func (p *planner) canBurn(filter string) *job.Error {
	if p.Capabilities.HasFilter(filter) {
		return nil
	}
	library := ""
	if filter == "ass" {
		library = " (of libass)"
	}
	return job.Errorf(job.OutputParamNotValid, "The parameter \"burn\" needs FFmpeg's filter %s%s, which this server's ffmpeg does not have.", filter, library)
}

// burnSize is the size of letters in 288ths of the height: less in a picture that is
// narrow, so that a line holds as many as in one of 4:3.
func burnSize(g geometry) float64 {
	const size, wide = 17, 4.0 / 3
	if g.W <= 0 || g.H <= 0 {
		return size
	}
	return math.Round(10*size*min(1, float64(g.W)/float64(g.H)/wide)) / 10
}

// subtitleTrack finds the track of the source that is asked for. One that is forced has
// but a few lines, and counts only if it is asked for by its number.
func (s *source) subtitleTrack(b *job.Burn) (job.SubtitleStream, *job.Error) {
	if b.Track > 0 && b.Track <= len(s.Subtitles) {
		return s.Subtitles[b.Track-1], nil
	}
	asked := fmt.Sprintf("subtitles number %d", b.Track)
	if b.Track == 0 {
		asked = "subtitles in the language " + b.TrackLanguage
		base := func(tag string) string {
			l, _ := language.Make(tag).Base()
			return l.ISO3()
		}
		same := func(t job.SubtitleStream) bool {
			return knownLanguage(t.Language) != "" && base(t.Language) == base(b.TrackLanguage)
		}
		at := slices.IndexFunc(s.Subtitles, func(t job.SubtitleStream) bool { return same(t) && !t.Forced })
		if at < 0 {
			at = slices.IndexFunc(s.Subtitles, same)
		}
		if at >= 0 {
			return s.Subtitles[at], nil
		}
	}
	var have []string
	for i, t := range s.Subtitles {
		name := t.Codec
		if l := knownLanguage(t.Language); l != "" {
			name = l + ", " + name
		}
		have = append(have, fmt.Sprintf("%d (%s)", i+1, name))
	}
	if have == nil {
		have = []string{"none"}
	}
	return job.SubtitleStream{}, job.Errorf(job.OutputParamNotValid, "The parameter \"burn\" is not valid: the input has no %s; it has %s.", asked, strings.Join(have, ", "))
}

// burnTrack registers that output i needs the text of a track.
func (p *planner) burnTrack(l layer, i int) {
	at := slices.IndexFunc(p.burns, func(n *burnNode) bool { return n.layer.File == l.File })
	if at < 0 {
		at = len(p.burns)
		p.burns = append(p.burns, &burnNode{layer: l})
	}
	p.burns[at].outputs = appendOnce(p.burns[at].outputs, i)
}

// burnStepID names the step that completes the file of a layer.
func burnStepID(l layer) string { return string(StepText) + "-" + strings.TrimSuffix(l.File, ".ass") }

// burnSteps make files of ASS of the source's tracks. Those that are ASS keep their style.
func (p *planner) burnSteps() (steps []Step) {
	for _, n := range p.burns {
		id, to := burnStepID(n.layer), n.layer.File
		at := slices.IndexFunc(p.src.Subtitles, func(t job.SubtitleStream) bool { return t.Index == n.layer.Track })
		s := Step{ID: id + "-source", Kind: StepText, Outputs: n.outputs, Duration: p.length(window{}), Cost: 0.5}
		in, each := p.openSource(window{})
		s.addArgs(in...)
		s.addArgs("-map", "0:"+strconv.Itoa(n.layer.Track))
		styled := p.src.Subtitles[at].Codec == "ass" || p.src.Subtitles[at].Codec == "ssa"
		if styled {
			s.ID, s.Files = id, []string{to}
			s.addArgs("-c:s", "ass", "-f", "ass", to)
		} else {
			s.Files = []string{to + ".vtt"}
			s.addArgs("-c:s", "webvtt", "-f", "webvtt", to+".vtt")
		}
		s.addArgs(p.syncWithAudio(each)...)
		s.addArgs(p.syncWithVideo(each)...)
		steps = append(steps, s)
		if !styled {
			write := &WriteCaptions{From: to + ".vtt", To: to, Style: n.layer.Style}
			steps = append(steps, Step{ID: id, Kind: StepText, Needs: []string{s.ID}, Files: []string{to}, Outputs: n.outputs, Cost: 0.01, Op: Operation{WriteCaptions: write}})
		}
	}
	return steps
}

// burnNeeds are the steps whose files the graphs of renditions read.
func (p *planner) burnNeeds(videos []*renditionNode) (ids []string) {
	for _, v := range videos {
		for _, l := range p.layers[v.key.overlays] {
			if id := burnStepID(l); l.Burn == burnText && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// drawBurn draws the text of a layer, whose times are those of the source, and returns the
// branch that goes on.
func (p *planner) drawBurn(at *branch, l layer, r rendition) *branch {
	filter := "ass=filename=" + l.File
	if p.Fonts != "" {
		filter += ":fontsdir=" + p.Fonts
	}
	late := r.window.offset - p.leadIn(r.window)
	if late <= 0 {
		at.add(filter)
		return at
	}
	shift := "floor(" + seconds(late) + "/TB+0.5)" // a whole number, so that frames get back their times
	shifted := []string{"setpts=PTS+" + shift, filter, "setpts=PTS-" + shift}
	planes := 3
	switch pixels := codec.Pixels(r.settings.PixFmt); {
	case !strings.HasPrefix(r.settings.PixFmt, "yuv") && !pixels.PlanarRGB: // gray, and packed pixels
		at.add(shifted...)
		return at
	case pixels.Alpha:
		planes = 4
	}
	// Since FFmpeg 7 setpts forgets the frame rate, without which encoders take a tick for a
	// frame: a level for 10000 frames a second, and two thirds of the bitrate. What is
	// beside keeps it; all planes are those of what was drawn.
	merge := fmt.Sprintf("mergeplanes=format=%s", r.settings.PixFmt)
	for i := range planes {
		merge += fmt.Sprintf(":map%ds=1:map%dp=%d", i, i, i)
	}
	at.over = &overlay{filters: shifted, args: merge}
	return at.child()
}

// burnedPicture is the track of pictures that is drawn into r; 0, false: none.
func (p *planner) burnedPicture(r rendition) (track int, ok bool) {
	for _, l := range p.layers[r.overlays] {
		if l.Burn == burnPicture {
			return l.Track, true
		}
	}
	return 0, false
}

func (p *planner) drawsPictures(r rendition) bool {
	_, ok := p.burnedPicture(r)
	return ok
}

// overSource lays a track of pictures over the decoded picture, before anything else is done
// with it: they were made for it. They are stretched to its size, whatever theirs is.
func (p *planner) overSource(node *branch, track int) *branch {
	v := p.src.video
	format, alpha := overlayFormat(v.PixFmt)
	colours := exactColours
	if c := p.src.colours(); !isRGB(v.PixFmt) {
		levels := "tv"
		if c.fullRange {
			levels = "pc"
		}
		colours += ":out_color_matrix=" + scalerMatrix(c.space) + ":out_range=" + levels
	}
	f := append([]string{}, p.watermarkTone(rendition{})...)
	// FFmpeg repeats the last picture a tick before each frame of the video (fftools'
	// sub2video_heartbeat), and rounded it would take the place of the next. Since FFmpeg 7 the
	// ticks are microseconds whatever the input's are, and overlay counts in those of the video.
	f = append(f, fmt.Sprintf("scale=w=%d:h=%d:flags=bicubic%s", p.src.frame.W, p.src.frame.H, colours), "format="+alpha)
	at := node.child("settb=AVTB")
	at.over = &overlay{input: "0:" + strconv.Itoa(track), filters: f, args: "overlay=eof_action=pass:format=" + format}
	return at
}
