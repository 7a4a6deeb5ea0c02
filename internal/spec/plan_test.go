package spec

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// planLines writes a plan as lines: what each kind of step tells FFmpeg, and
// what is published.
func planLines(p transcode.Plan) (lines []string) {
	for _, s := range p.Steps {
		kind := string(s.Kind)
		for _, a := range arguments(s.FFmpegArgs()) {
			lines = append(lines, kind+": "+a)
		}
		if s.Op.FFmpeg != nil {
			for _, f := range s.Op.FFmpeg.Inputs {
				lines = append(lines, fmt.Sprintf("%s: reads a file %q", kind, f.Content(p.Secrets)))
			}
		}
		if t := s.Op.ThumbnailTrack; t != nil {
			for l := range strings.SplitSeq(string(t.WebVTT(len(t.Times))), "\n") {
				lines = append(lines, "thumbnails: "+l)
			}
		}
		if s.VideoEncodes+s.AudioEncodes > 0 {
			lines = append(lines, fmt.Sprintf("%s: runs %d video and %d audio encoders", kind, s.VideoEncodes, s.AudioEncodes))
		}
		if s.Duration > 0 {
			lines = append(lines, fmt.Sprintf("%s: covers %s", kind, s.Duration))
		}
	}
	for _, r := range p.Results {
		lines = append(lines, resultLines(r)...)
	}
	return lines
}

func resultLines(r transcode.Result) (lines []string) {
	for _, f := range r.Files {
		lines = append(lines, fmt.Sprintf("publishes %s as %s%s", cmp.Or(f.Path, "(at its url)"), f.ContentType, expected(f)))
	}
	for _, p := range r.Packages {
		lines = append(lines, packageLines(p)...)
	}
	return lines
}

// expected is what a file must be to be published.
func expected(f transcode.File) (s string) {
	if f.Count > 0 {
		s += fmt.Sprintf(", %d pictures", f.Count)
	}
	e := f.Expect
	if e.Width > 0 {
		s += fmt.Sprintf(", %dx%d", e.Width, e.Height)
	}
	if e.Duration > 0 {
		s += fmt.Sprintf(", %gs", e.Duration)
	}
	switch {
	case e.Video && e.Audio:
		s += ", picture and sound"
	case e.Video:
		s += ", picture"
	case e.Audio:
		s += ", sound"
	}
	return s
}

func packageLines(p stream.Package) (lines []string) {
	if p.HLS {
		lines = append(lines, fmt.Sprintf("packages %s/%s.m3u8 over %s segments of %gs, version %d", p.Path, p.Name, p.Layout, p.TargetDuration, p.Version))
	}
	if p.DASH {
		lines = append(lines, fmt.Sprintf("packages %s/%s.mpd over %s segments of %gs", p.Path, p.Name, p.Layout, p.TargetDuration))
	}
	if t := p.Thumbnails; t != nil {
		lines = append(lines, fmt.Sprintf("packages %s: at most %d sheets of %dx%d thumbnails, each of %dx%d, one every %gs", p.Path, t.Count, t.Columns, t.Rows, t.Width, t.Height, t.Interval))
	}
	for _, t := range p.Tracks {
		line := fmt.Sprintf("packages %s: %s %s", p.Path, t.Type, t.Dir+"/"+t.Segments)
		if c := t.Protection; c != nil {
			line += fmt.Sprintf(", %s with the key %s", c.Scheme, c.KeyID)
		}
		for _, v := range [][2]string{{"group", t.Group}, {"with audio", strings.Join(t.Audio, "+")}, {"language", t.Language}, {"key at", keyURI(t)}} {
			if v[1] != "" {
				line += ", " + v[0] + " " + v[1]
			}
		}
		if t.NoVariant {
			line += ", no variant of its own"
		}
		lines = append(lines, line)
	}
	return lines
}

// arguments pairs the options of FFmpeg with their values. Filter graphs are
// taken apart.
func arguments(args []string) (list []string) {
	for i := 0; i < len(args); i++ {
		name := args[i]
		if !strings.HasPrefix(name, "-") || i+1 == len(args) {
			continue // the name of an output
		}
		value := args[i+1]
		if strings.HasPrefix(value, "-") && !number.MatchString(value) {
			list = append(list, name)
			continue
		}
		i++
		switch name {
		case "-vf", "-af", "-filter_complex", "-lavfi":
			for _, f := range filters(value) {
				list = append(list, "filter "+f)
			}
		default:
			list = append(list, name+" "+value)
		}
	}
	return list
}

var (
	number = regexp.MustCompile(`^-\d`)
	label  = regexp.MustCompile(`\[[^\]]*\]`)
)

// filters are those of a filter graph, without the labels between them. Commas
// in quotes, and behind a backslash, are part of a filter.
func filters(graph string) (list []string) {
	quoted, begin := false, 0
	add := func(end int) {
		if f := strings.TrimSpace(label.ReplaceAllString(graph[begin:end], "")); f != "" {
			list = append(list, f)
		}
		begin = end + 1
	}
	for i := 0; i < len(graph); i++ {
		switch graph[i] {
		case '\\':
			i++
		case '\'':
			quoted = !quoted
		case ',', ';':
			if !quoted {
				add(i)
			}
		}
	}
	add(len(graph))
	return list
}

func keyURI(t stream.Track) string {
	if t.Encryption == nil {
		return ""
	}
	return t.Encryption.KeyURI
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " | ") }

// refusal is an error as customers get it: its code and its sentence.
func refusal(err error) string {
	if u, ok := errors.AsType[*storage.Unavailable](err); ok {
		return "(for now) " + u.Message
	}
	return fmt.Sprintf("%s: %s", codeOf(err), job.Message(err, err.Error()))
}
