package transcode

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// Part is a part of a joined source: a range of a file, or black and silence.
type Part struct {
	Media          job.Media
	Name           string  // of the file in the work directory
	Offset, Length float64 // seconds; a Length of 0 reaches to the end
	FadeIn         float64 // seconds, from black and silence
	FadeOut        float64 // seconds, to black and silence
	Black          float64 // seconds; above 0 there is no file
}

// JoinedSource is how parts become one file, SourceName. All have the same number of
// frames a second, size, colours, sample rate and channels in it.
type JoinedSource struct {
	Step     Step
	Media    job.Media // what the file will be
	Duration float64   // seconds
	Bytes    int64     // about how large it becomes
}

// The video of a joined source is H.264 near to lossless, and fast: each output encodes
// it once more. joinedBits is what it takes at most of usual pictures, in bits for a pixel.
const (
	joinedCRF  = "10"
	joinedBits = 0.8
)

// joinEarly is how many seconds before its offset a part is entered at least, since
// decoders of audio need some packets before the first sound that is right.
const joinEarly = 1.0

// minPartFrames is how many frames a part has at least: FFmpeg's concat measures how long
// a frame lasts by two.
const minPartFrames = 2

// joiner joins parts.
type joiner struct {
	parts  []*partSource
	frame  frame
	rate   format.Rational // of frames; zero: no part has a picture
	hz     int             // of samples; 0: no part has sound
	layout string
	pixFmt string
	colour colours
	toSDR  bool
}

// partSource is a part with what is derived from its probe.
type partSource struct {
	Part
	*source
	number int // from 1, as customers count
	input  int // of FFmpeg
	length float64
	early  float64 // where it is entered
}

// JoinSource plans how parts are joined. The error names the part that is at fault.
func JoinSource(parts []Part, c Capabilities) (JoinedSource, *job.Error) {
	j := &joiner{}
	inputs := 0
	for i, p := range parts {
		s := &partSource{Part: p, number: i + 1, source: newSource(p.Media)}
		if p.Black == 0 {
			s.input = inputs
			inputs++
		}
		if err := s.measure(); err != nil {
			return JoinedSource{}, err
		}
		j.parts = append(j.parts, s)
	}
	if err := j.target(c); err != nil {
		return JoinedSource{}, err
	}
	return j.join()
}

// measure finds out how long a part is.
func (s *partSource) measure() *job.Error {
	if s.Black > 0 {
		s.length = s.Black
		return nil
	}
	if err := s.noDolby(); err != nil {
		return s.errorf("is Dolby Vision of profile %d, whose colours only a Dolby decoder knows", s.video.DolbyOnly)
	}
	if s.video == nil && s.audio == nil {
		return s.errorf("has neither a picture nor sound that can be read")
	}
	end := s.Duration
	if s.video != nil && s.audio != nil {
		// A few samples more than pictures are no reason to hold the last picture.
		if sound := s.startOffset(s.audio.StartTime) + s.audio.Duration; sound-s.videoEnd() < lateStart {
			end = s.videoEnd()
		}
	}
	switch {
	case s.still:
		if s.Length == 0 {
			return s.errorf("is a picture, so it needs a \"duration\"")
		}
		s.length = s.Length
		return nil
	case s.Offset > 0 && s.Offset >= end:
		return s.errorf("lasts %s s, and its \"offset\" of %s s lies beyond that", seconds(math.Round(1000*end)/1000), seconds(s.Offset))
	}
	s.length = end - s.Offset
	if s.Length > 0 {
		s.length = min(s.Length, s.length)
	}
	before := joinEarly
	if s.discontinuous() {
		before = preRoll
	}
	s.early = max(0, s.Offset-before)
	return nil
}

func (s *partSource) errorf(text string, args ...any) *job.Error {
	return job.Errorf(job.InputNotValid, "The input %d %s.", s.number, fmt.Sprintf(text, args...))
}

// target decides to what the parts are brought: the largest picture, the highest rates,
// the most channels and bits.
func (j *joiner) target(c Capabilities) *job.Error {
	channels, layouts := 0, map[string]bool{}
	chroma, depth := "420", 8
	var first *partSource
	sameColours, hdr := true, 0
	for _, s := range j.parts {
		if a := s.audio; a != nil && s.Black == 0 {
			j.hz = max(j.hz, a.SampleRate)
			channels = max(channels, min(a.Channels, 8))
			layouts[a.ChannelLayout] = true
		}
		v := s.video
		if v == nil || s.Black > 0 {
			continue
		}
		shown := frame{evenDown(even(float64(s.frame.H) * s.frame.dar().float())), even(float64(s.frame.H)), ratio{1, 1}}
		if shown.W*shown.H > j.frame.W*j.frame.H {
			j.frame = shown
		}
		if r := s.joinRate(); validRate(r) && (!validRate(j.rate) || fpsFloat(r) > fpsFloat(j.rate)) {
			j.rate = r
		}
		if first == nil {
			first = s
		}
		sameColours = sameColours && s.colours() == first.colours() && !isRGB(v.PixFmt)
		if s.hdr() {
			hdr++
		}
		if p := codec.Pixels(v.PixFmt); !s.still && !p.RGB {
			depth = max(depth, p.Depth)
			if p.Chroma == codec.YUV422 || p.Chroma == codec.YUV444 {
				chroma = "422"
			}
		}
	}
	if first == nil && j.hz == 0 {
		return job.Errorf(job.InputNotValid, "The inputs hold no picture and no sound.")
	}
	if first != nil {
		if !validRate(j.rate) {
			j.rate = format.Rational{Num: 25, Den: 1}
		}
		j.colour = colours{"bt709", "bt709", "bt709", false}
		if sameColours && !first.colours().fullRange {
			j.colour = first.colours()
		}
		if j.toSDR = hdr > 0 && !sameColours; j.toSDR {
			if err := (&planner{Options: Options{Capabilities: c}, src: first.source}).noSDR(); err != nil {
				return err
			}
		}
		j.pixFmt = "yuv" + chroma + "p"
		if depth > 8 || hdr > 0 && !j.toSDR {
			j.pixFmt += "10le"
		}
		if !c.HasEncoder("libx264") {
			return job.Errorf(job.InputNotValid, "Inputs cannot be joined on this server, since its ffmpeg has no libx264.")
		}
	}
	if j.hz > 0 {
		j.layout = channelLayout(channels)
		if len(layouts) == 1 && first != nil {
			for name := range layouts {
				if known(name) && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.()") == "" {
					j.layout = name
				}
			}
		}
	}
	return nil
}

// joinRate is the constant rate that suits a part.
func (s *partSource) joinRate() format.Rational {
	switch {
	case s.still:
		return format.Rational{}
	case validRate(s.streamRate()):
		return s.streamRate()
	}
	return s.rate()
}

// join writes the step.
func (j *joiner) join() (JoinedSource, *job.Error) {
	var graph, labels []string
	s := Step{ID: "parts", Kind: StepJoin, Files: []string{SourceName}}
	frames, samples, total := 0, 0, 0.0
	fps := fpsFloat(j.rate)
	for i, p := range j.parts {
		if p.Black == 0 {
			s.addArgs(p.open()...)
		}
		n := 0
		if fps > 0 {
			if n = int(math.Round(p.length * fps)); n < minPartFrames {
				return JoinedSource{}, p.errorf("has a part of %s s, which is less than two frames", seconds(math.Round(1000*p.length)/1000))
			}
			frames += n
			total = float64(frames) / fps
			label := fmt.Sprintf("[v%d]", i)
			graph, labels = append(graph, j.picture(p, n)+label), append(labels, label)
		} else {
			total += p.length
		}
		if j.hz > 0 {
			// The ends of all parts are rounded, not their lengths, so nothing drifts.
			end := int(math.Round(total * float64(j.hz)))
			label := fmt.Sprintf("[a%d]", i)
			graph, labels = append(graph, j.sound(p, end-samples)+label), append(labels, label)
			samples = end
		}
	}
	var outs, args []string
	video, audio := 0, 0
	if fps > 0 {
		video = 1
		outs = append(outs, "[jv]")
		args = append(args, j.videoArgs()...)
	}
	if j.hz > 0 {
		audio = 1
		outs = append(outs, "[ja]")
		args = append(args, "-map", "[a]", "-c:a", "pcm_f32le")
	}
	graph = append(graph, fmt.Sprintf("%sconcat=n=%d:v=%d:a=%d%s", strings.Join(labels, ""), len(j.parts), video, audio, strings.Join(outs, "")))
	if video > 0 {
		// concat counts in microseconds, and after video that was cut by trim its end is a frame
		// late, which fps would fill.
		graph = append(graph, fmt.Sprintf("[jv]fps=%s,trim=end_frame=%d[v]", rational(j.rate), frames))
	}
	if audio > 0 {
		graph = append(graph, fmt.Sprintf("[ja]asetpts=N/SR/TB,asettb=1/%d[a]", j.hz))
	}
	s.addArgs("-filter_complex", strings.Join(graph, ";"))
	s.addArgs(args...)
	s.addArgs("-map_metadata", "-1", "-map_chapters", "-1", "-f", "mov", SourceName)
	s.Duration = timeOf(total).Round(time.Millisecond)
	pixels := float64(j.frame.W * j.frame.H * frames)
	s.Cost, s.VideoEncodes = 2*pixels/1e6, video
	bytes := int64(pixels*joinedBits/8) + int64(float64(samples)*4*float64(max(1, j.channels())))
	return JoinedSource{Step: s, Media: j.media(total, frames, bytes), Duration: total, Bytes: bytes}, nil
}

// picture is the chain that makes n frames of a part.
func (j *joiner) picture(s *partSource, n int) string {
	if s.video == nil || s.Black > 0 {
		return fmt.Sprintf("color=c=black:s=%dx%d:r=%s,trim=end_frame=%d,%s,format=%s,setsar=1", j.frame.W, j.frame.H, rational(j.rate), n, j.tags(), j.pixFmt)
	}
	f := []string{}
	if tags := s.sourceTags(); tags != "" {
		f = append(f, tags)
	}
	f = append(f, s.skip("trim", "setpts", s.onScreen())...)
	if s.interlaced() {
		f = append(f, deinterlacer)
	}
	// Before the rate, since fewer frames are scaled; the last picture is held where the
	// sound is longer.
	g := fit(s.frame, format.Resolution{Width: j.frame.W, Height: j.frame.H}, fitLetterbox)
	w, h := s.frame.W, s.frame.H
	if s.hdr() && j.toSDR {
		f = append(f, g.scaleFilter(w, h, exactColours))
		f = append(f, s.sdrFilters("yuv444p10le")...)
		w, h = g.ScaleW, g.ScaleH
	}
	if c := s.colours(); c != j.colour && !(s.hdr() && j.toSDR) || w != g.ScaleW || h != g.ScaleH || isRGB(s.video.PixFmt) {
		f = append(f, fmt.Sprintf("scale=%d:%d:flags=bicubic%s:out_color_matrix=%s:out_range=tv", g.ScaleW, g.ScaleH, exactColours, scalerMatrix(j.colour.space)))
	}
	f = append(f, "format="+j.pixFmt)
	f = slices.DeleteFunc(append(f, g.finish()...), func(x string) bool { return x == "" })
	f = append(f, j.tags(), "setsar=1", s.partOfRate(fmt.Sprintf("fps=%s:start_time=0", rational(j.rate)), j.rate), "tpad=stop=-1:stop_mode=clone", fmt.Sprintf("trim=end_frame=%d", n))
	length := float64(n) / fpsFloat(j.rate)
	if s.FadeIn > 0 {
		f = append(f, "fade=t=in:st=0:d="+seconds(s.FadeIn))
	}
	if s.FadeOut > 0 {
		f = append(f, fmt.Sprintf("fade=t=out:st=%s:d=%s", seconds(max(0, length-s.FadeOut)), seconds(s.FadeOut)))
	}
	return fmt.Sprintf("[%d:%d]%s", s.input, s.video.Index, strings.Join(f, ","))
}

func (j *joiner) tags() string {
	return fmt.Sprintf("setparams=range=tv:color_primaries=%s:color_trc=%s:colorspace=%s", j.colour.primaries, j.colour.transfer, j.colour.space)
}

// sound is the chain that makes n samples of a part.
func (j *joiner) sound(s *partSource, n int) string {
	if s.audio == nil || s.Black > 0 {
		return fmt.Sprintf("anullsrc=r=%d:cl=%s,atrim=end_sample=%d,aformat=sample_fmts=flt:sample_rates=%d:channel_layouts=%s", j.hz, j.layout, n, j.hz, j.layout)
	}
	f := s.skip("atrim", "asetpts", 0)
	t := audioRendition{rate: j.hz, channels: 1}
	if s.audioMayChange(*s.audio) {
		t.settled = 1
	}
	// Labels are unique in the whole graph.
	named := strings.NewReplacer("[x]", fmt.Sprintf("[x%d]", s.number), "[y]", fmt.Sprintf("[y%d]", s.number), "[a]", fmt.Sprintf("[b%d]", s.number), "[b]", fmt.Sprintf("[c%d]", s.number))
	chain, _, _ := strings.Cut(named.Replace(t.filters("")), ",aformat=")
	f = append(f, chain,
		fmt.Sprintf("aformat=sample_fmts=flt:sample_rates=%d:channel_layouts=%s", j.hz, j.layout),
		fmt.Sprintf("apad=whole_len=%d", n), fmt.Sprintf("atrim=end_sample=%d", n))
	if s.FadeIn > 0 {
		f = append(f, "afade=t=in:st=0:d="+seconds(s.FadeIn))
	}
	if s.FadeOut > 0 {
		f = append(f, fmt.Sprintf("afade=t=out:st=%s:d=%s", seconds(max(0, float64(n)/float64(j.hz)-s.FadeOut)), seconds(s.FadeOut)))
	}
	return fmt.Sprintf("[%d:%d]%s", s.input, s.audio.Index, strings.Join(f, ","))
}

// videoArgs encode the joined picture. Keyframes every two seconds let outputs enter it.
func (j *joiner) videoArgs() []string {
	return []string{
		"-map", "[v]", "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-crf", joinedCRF, "-bf", "0",
		"-g", strconv.Itoa(max(2, int(math.Round(2*fpsFloat(j.rate))))), "-flags", "+cgop",
		"-color_range", "tv", "-colorspace", j.colour.space, "-color_primaries", j.colour.primaries, "-color_trc", j.colour.transfer,
	}
}

func rational(r format.Rational) string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// channels of the joined sound.
func (j *joiner) channels() int {
	most := 0
	for _, s := range j.parts {
		if s.audio != nil && s.Black == 0 {
			most = max(most, s.audio.Channels)
		}
	}
	return min(most, 8)
}

// media is the joined source before it is made.
func (j *joiner) media(total float64, frames int, bytes int64) job.Media {
	m := job.Media{FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: total, Size: bytes}
	if frames > 0 {
		m.Video = []job.VideoStream{{
			Codec: "h264", Width: j.frame.W, Height: j.frame.H, SAR: format.Rational{Num: 1, Den: 1}, PixFmt: j.pixFmt, FPS: j.rate, BaseFPS: j.rate,
			Frames: int64(frames), Duration: total, ColorSpace: j.colour.space, ColorTransfer: j.colour.transfer, ColorPrimaries: j.colour.primaries, ColorRange: "tv",
		}}
	}
	if j.hz > 0 {
		m.Audio = []job.AudioStream{{Index: min(1, frames), Codec: "pcm_f32le", SampleRate: j.hz, Channels: j.channels(), ChannelLayout: j.layout, Duration: total}}
	}
	return m
}
