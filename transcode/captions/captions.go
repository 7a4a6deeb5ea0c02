// Package captions reads captions that a client sends beside a video: SRT, WebVTT,
// TTML and ASS, in any common charset. They become cues, which are cut like the
// video and written as WebVTT. The package is pure.
package captions

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
)

const (
	// MaxBytes bounds a file. A film has some 100 kB.
	MaxBytes = 16 << 20
	// maxCues, maxText and maxAtOnce bound what players have to cope with, and what
	// the segments of a stream hold together: each has all cues that are shown during it.
	maxCues   = 200_000
	maxText   = 16 << 10 // bytes of one cue
	maxAtOnce = 100
)

// Cue is a text that is shown for a time.
type Cue struct {
	Start, End int64  // milliseconds from the start of the video
	Settings   string // of WebVTT: "align:left line:0"
	Text       string // of WebVTT, with its tags and entities; no empty lines
}

// Hint is what a client says of a file.
type Hint struct {
	Charset  string // "": it is detected
	Language string // of the text; helps to detect the charset
}

// refuse is the error of a file that cannot be used.
func refuse(format string, args ...any) *job.Error {
	return job.Errorf(job.CaptionsNotValid, format, args...)
}

// ErrNoCues is the cause of the error of a file that could be read and has no text.
var ErrNoCues = errors.New("there are no cues")

// Parse reads a file of captions. The cues are in the order of their starts. Cues
// that are never seen are left out. The error is a *job.Error that says what is
// wrong with the file.
func Parse(data []byte, h Hint) ([]Cue, error) {
	if len(bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))) == 0 {
		return nil, refuse("The captions are an empty file.")
	}
	if len(data) > MaxBytes {
		return nil, refuse("The captions have %d bytes; at most %d are accepted.", len(data), MaxBytes)
	}
	text, err := decode(data, h)
	if err != nil {
		return nil, err
	}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\ufffd", "\u2028", "\n").Replace(text)
	parse, err := parserOf(text)
	if err != nil {
		return nil, err
	}
	cues, err := parse(text)
	if err != nil {
		return nil, err
	}
	return tidy(cues)
}

// parserOf finds out which format a text has.
func parserOf(text string) (func(string) ([]Cue, error), error) {
	start := strings.ToLower(strings.TrimSpace(text[:min(len(text), 4096)]))
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(start, p) })
	}
	const expected = "; expected SRT, WebVTT, TTML or ASS"
	switch {
	case strings.HasPrefix(start, "webvtt"):
		return parseWebVTT, nil
	case has("<!doctype html", "<html", "<head>", "<body>") && !has("<tt ", ":tt "):
		return nil, refuse("The captions are a web page (HTML)" + expected + ". Often the address is that of a page, or needs a login.")
	case strings.HasPrefix(start, "<sami"):
		return nil, refuse("The captions are SAMI, which is not supported" + expected + ".")
	case strings.HasPrefix(start, "<"):
		if has("<tt ", "<tt>", "<tt\n", ":tt ", ":tt\n", ":tt>") {
			return parseTTML, nil
		}
		return nil, refuse("The captions are XML but not TTML" + expected + ".")
	case strings.HasPrefix(start, "#extm3u"):
		return nil, refuse("The captions are an HLS playlist" + expected + ": give the address of the file with the text.")
	case strings.HasPrefix(start, "{\"") || strings.HasPrefix(start, "[{") || strings.HasPrefix(start, "{\n"):
		return nil, refuse("The captions are JSON" + expected + ".")
	case strings.HasPrefix(start, "[script info]") || has("\n[events]", "\n[v4+ styles]", "\ndialogue:"):
		return parseASS, nil
	case strings.HasPrefix(start, "{"):
		return nil, refuse("The captions look like MicroDVD, which counts frames instead of time" + expected + ".")
	case strings.Contains(text, "-->"):
		return parseSRT, nil
	}
	return nil, refuse("The format of the captions is not known" + expected + ".")
}

// tidy sorts cues, leaves out what is never seen, and bounds the rest.
func tidy(cues []Cue) ([]Cue, error) {
	kept := cues[:0]
	for _, c := range cues {
		c.Start = max(0, c.Start)
		c.Text = oneBlock(c.Text)
		if c.End <= c.Start || c.Text == "" {
			continue
		}
		if len(c.Text) > maxText {
			return nil, refuse("A cue of the captions at %s has %d bytes of text; at most %d are accepted.", clock(c.Start), len(c.Text), maxText)
		}
		kept = append(kept, c)
	}
	if len(kept) == 0 {
		return nil, refuse("The captions hold no cue, that is no text with a time at which it is shown.").WithCause(ErrNoCues)
	}
	slices.SortStableFunc(kept, func(a, b Cue) int { return cmp.Compare(a.Start, b.Start) })
	kept = slices.Compact(kept) // ASS draws the same text in several layers
	if len(kept) > maxCues {
		return nil, refuse("The captions have %d cues; at most %d are accepted.", len(kept), maxCues)
	}
	if at, n := mostAtOnce(kept); n > maxAtOnce {
		return nil, refuse("The captions show %d cues at once at %s; at most %d are accepted.", n, clock(at), maxAtOnce)
	}
	return kept, nil
}

// mostAtOnce returns a moment at which the most cues are shown, and how many.
func mostAtOnce(cues []Cue) (at int64, most int) {
	ends := make([]int64, len(cues))
	for i, c := range cues {
		ends[i] = c.End
	}
	slices.Sort(ends)
	over := 0
	for i, c := range cues {
		for ends[over] <= c.Start {
			over++
		}
		if n := i + 1 - over; n > most {
			at, most = c.Start, n
		}
	}
	return at, most
}

// oneBlock removes empty lines, which would end a cue, and space around lines.
func oneBlock(text string) string {
	var lines []string
	for l := range strings.SplitSeq(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, l)
		}
	}
	joined := strings.Join(lines, "\n")
	if strings.TrimSpace(plain(joined)) == "" {
		return ""
	}
	return joined
}

// plain is a text of WebVTT without its tags.
func plain(text string) string {
	var b strings.Builder
	inTag := false
	for _, r := range text {
		switch {
		case r == '<':
			inTag = true
		case r == '>' && inTag:
			inTag = false
		case !inTag:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Cut returns the cues of the part of the video that begins at offset and has the
// given length, in seconds; a length of 0 reaches to the end. Times count from the
// start of the part.
func Cut(cues []Cue, offset, length float64) []Cue {
	shift, end := int64(math.Round(offset*1000)), int64(math.MaxInt64)
	if length > 0 {
		end = int64(math.Round(length * 1000))
	}
	var out []Cue
	for _, c := range cues {
		c.Start, c.End = max(0, c.Start-shift), min(end, c.End-shift)
		if c.End > c.Start {
			out = append(out, c)
		}
	}
	return out
}

// WebVTT writes cues as a WebVTT file.
func WebVTT(cues []Cue) []byte {
	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	for _, c := range cues {
		fmt.Fprintf(&b, "\n%s --> %s", clock(c.Start), clock(c.End))
		if c.Settings != "" {
			b.WriteString(" " + c.Settings)
		}
		b.WriteString("\n" + c.Text + "\n")
	}
	return b.Bytes()
}

func clock(ms int64) string {
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}
