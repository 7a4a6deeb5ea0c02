package transcode

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/format"
)

// output reads an output as the goldens write it: a format and then name=value
// parameters, such as "jpg:300x path=/t_%02d.jpg number=5" or
// "httpstream hls=/hls dash=/dash variants=mp4:240p;mp4:720p".
func output(t testing.TB, line string) *job.Output {
	t.Helper()
	words := strings.Fields(line)
	params := map[string]string{}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		params[name] = value
	}
	f, err := format.Parse(words[0])
	if err != nil {
		t.Fatalf("parse %q: %v", words[0], err)
	}
	o := &job.Output{Key: words[0], Format: f, Path: params["path"]}
	number := func(name string) float64 {
		if params[name] == "" {
			return 0
		}
		n, err := strconv.ParseFloat(params[name], 64)
		if err != nil {
			t.Fatalf("%s of %q: %v", name, line, err)
		}
		return n
	}
	switch f.Kind() {
	case format.KindImage:
		im := &job.ImageParams{Number: int(number("number")), Interval: number("interval"), Fit: params["fit"], Blur: int(number("blur"))}
		_, im.HasInterval = params["interval"]
		_, im.Square = params["square"]
		im.Transpose, im.HFlip, im.VFlip, im.Watermark = turns(t, params)
		if v, ok := params["sprite"]; ok {
			columns, limit, _ := strings.Cut(v, ";")
			im.Sprite = &job.Sprite{Columns: 4}
			if columns != "" {
				im.Sprite.Columns, _ = strconv.Atoi(columns)
			}
			im.Sprite.Limit, _ = strconv.Atoi(limit)
		}
		if v, ok := params["vtt"]; ok {
			im.VTT = &job.VTT{Filename: v}
		}
		for _, s := range strings.FieldsFunc(params["offsets"], func(r rune) bool { return r == ';' }) {
			n, _ := strconv.ParseFloat(s, 64)
			im.Offsets = append(im.Offsets, n)
		}
		o.Type, o.Image = job.TypeImage, im
	case format.KindAnimated:
		im := &job.ImageParams{Fit: params["fit"], Blur: int(number("blur"))}
		_, im.Square = params["square"]
		im.Transpose, im.HFlip, im.VFlip, im.Watermark = turns(t, params)
		n, d, _ := strings.Cut(params["scene"], ";")
		im.Scene = &job.Scene{Number: 1, Duration: 5}
		if n != "" {
			im.Scene.Number, _ = strconv.Atoi(n)
			im.Scene.Duration, _ = strconv.ParseFloat(d, 64)
		}
		o.Type, o.Image = job.TypeImage, im
	case format.KindStream:
		s := &job.StreamParams{PlaylistName: "master", Copy: params["copy"]}
		list := format.DefaultLadder
		if v := params["variants"]; v != "" {
			list = strings.Split(v, ";")
		} else {
			s.DefaultLadder = true
		}
		for _, v := range list {
			vf, err := format.Parse(v)
			if err != nil {
				t.Fatalf("variant %q: %v", v, err)
			}
			s.Variants = append(s.Variants, vf)
		}
		if v := params["hls"]; v != "" {
			s.HLS = &job.HLSParams{Path: v}
		}
		if v := params["dash"]; v != "" {
			s.DASH = &job.DASHParams{Path: v, HLSFMP4: true}
		}
		_, s.QualityMetrics = params["quality_metrics"]
		o.Type, o.Stream, o.Format = job.TypeStream, s, format.Format{}
	default:
		v := &job.VideoParams{Offset: number("offset"), Duration: number("duration"), Fit: params["fit"]}
		_, v.Deinterlace = params["deinterlace"]
		_, v.Square = params["square"]
		_, v.QualityMetrics = params["quality_metrics"]
		v.Transpose, v.HFlip, v.VFlip, v.Watermark = turns(t, params)
		v.CropW, v.CropH, _ = strings.Cut(params["crop"], ":")
		o.Type, o.Video = job.TypeVideo, v
	}
	return o
}

// turns reads the parameters that videos and pictures share.
func turns(t testing.TB, params map[string]string) (transpose *int, hflip, vflip bool, w *job.Watermark) {
	if s := params["transpose"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		transpose = &n
	}
	_, hflip = params["hflip"]
	_, vflip = params["vflip"]
	if position, ok := params["watermark"]; ok {
		w = &job.Watermark{URL: job.NewSecret("https://a/logo.png"), Position: position}
	}
	return transpose, hflip, vflip, w
}

func outputs(t testing.TB, lines ...string) []*job.Output {
	var list []*job.Output
	for _, l := range lines {
		list = append(list, output(t, l))
	}
	return list
}

// film is a usual source: an MP4 with H.264 and AAC of higher quality than what
// is asked for.
func film(w, h int) job.Media {
	return job.Media{
		FormatName: "mov,mp4,m4a,3gp,3g2,mj2", Duration: 30,
		Video: []job.VideoStream{{
			Index: 0, Codec: "h264", Width: w, Height: h, SAR: format.Rational{Num: 1, Den: 1}, PixFmt: "yuv420p", BitDepth: 8,
			FieldOrder: "progressive", FPS: format.Rational{Num: 30, Den: 1}, BaseFPS: format.Rational{Num: 30, Den: 1},
			Duration: 30, Default: true, ColorSpace: "bt709", ColorPrimaries: "bt709", ColorTransfer: "bt709", ColorRange: "tv",
		}},
		Audio: []job.AudioStream{{Index: 1, Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 6, ChannelLayout: "5.1", BitRate: 384000, Duration: 30, Language: "eng", Default: true}},
	}
}

// encodes counts the encoders that a plan runs.
func encodes(p Plan) (video, audio int) {
	for _, s := range p.Steps {
		video += s.VideoEncodes
		audio += s.AudioEncodes
	}
	return video, audio
}

func tailOf(s Step) string {
	if s.Tail.Step == "" {
		return ""
	}
	return " tails=" + s.Tail.Name + " of " + s.Tail.Step
}

// show prints a plan, one argument a line.
func show(p Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "step %s kind=%s outputs=%v needs=%v%s video=%d audio=%d duration=%s\n", s.ID, s.Kind, s.Outputs, s.Needs, tailOf(s), s.VideoEncodes, s.AudioEncodes, s.Duration)
		if r := s.Range; r != nil {
			fmt.Fprintf(&b, "  reads %v s to %v s\n", r.From, r.To)
		}
		for _, d := range s.Dirs {
			fmt.Fprintf(&b, "  dir %s\n", d)
		}
		for _, f := range s.Files {
			fmt.Fprintf(&b, "  file %s\n", f)
		}
		if s.Kind == StepSegment {
			continue // the tests of segment.go hold those arguments
		}
		for _, a := range s.FFmpegArgs() {
			fmt.Fprintf(&b, "    %s\n", a)
		}
		if s.OfChunks() && s.Op.FFmpeg == nil {
			j, _ := json.Marshal(s.Op)
			fmt.Fprintf(&b, "    %s\n", j)
		}
	}
	for _, one := range p.OnePiece {
		fmt.Fprintf(&b, "in one piece: %v %s\n", one.Outputs, one.Reason)
	}
	for i, r := range p.Results {
		if r.Err != nil {
			fmt.Fprintf(&b, "result %d error %s: %s\n", i, r.Err.Reason, r.Err.Message)
		}
		for _, f := range r.Files {
			fmt.Fprintf(&b, "result %d file %s -> %s count=%d %s %+v\n", i, f.Name, f.Path, f.Count, f.ContentType, f.Expect)
		}
		for _, k := range r.Packages {
			j, _ := json.Marshal(k)
			fmt.Fprintf(&b, "result %d package %s\n", i, j)
		}
	}
	return b.String()
}
