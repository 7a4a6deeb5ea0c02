package format

import (
	"fmt"
	"strconv"
	"strings"
)

// definition is one row of the named definitions of coconut-v2.md section 4.3. The small
// ones fix only the height; from 720p up the box is exact.
type definition struct {
	name          string
	width, height int
	bitrateK      int // video bitrate when none is given
}

var definitions = []definition{
	{"240p", 0, 240, 500},
	{"360p", 0, 360, 800},
	{"480p", 0, 480, 1000},
	{"540p", 0, 540, 1000},
	{"576p", 0, 576, 1000},
	{"720p", 1280, 720, 2000},
	{"1080p", 1920, 1080, 4000},
	{"1440p", 2560, 1440, 6000}, // an addition of coconut-v2.md section 12, between its neighbours
	{"2160p", 3840, 2160, 8000},
}

// maxSide bounds a side of a picture: what H.264 level 6.2 and common decoders take.
const maxSide = 8192

func definitionOf(name string) *definition {
	for i := range definitions {
		if definitions[i].name == name {
			return &definitions[i]
		}
	}
	return nil
}

func definitionNames() string {
	names := make([]string, len(definitions))
	for i, d := range definitions {
		names[i] = d.name
	}
	return strings.Join(names, ", ")
}

func resolutionHelp() string {
	return fmt.Sprintf("a resolution (%s, or WxH, Wx, 0xH with sides from 2 to %d)", definitionNames(), maxSide)
}

// looksLikeResolution tells a resolution with a mistake in it from some other
// word, so that the error can be about resolutions.
func looksLikeResolution(tok string) bool {
	if digits, ok := strings.CutSuffix(tok, "p"); ok && isDigits(digits) {
		return true
	}
	w, h, ok := strings.Cut(tok, "x")
	return ok && (w == "" || isDigits(w)) && (h == "" || isDigits(h))
}

// parseResolution reads "720p", "1280x720", "1280x" or "0x720".
func parseResolution(tok string) (Resolution, error) {
	if d := definitionOf(tok); d != nil {
		return Resolution{Name: d.name, Width: d.width, Height: d.height}, nil
	}
	w, h, ok := strings.Cut(tok, "x")
	if !ok || w == "" && h == "" {
		return Resolution{}, fmt.Errorf("%q is no resolution: expected %s", clip(tok), resolutionHelp())
	}
	var r Resolution
	for _, side := range []struct {
		text string
		to   *int
	}{{w, &r.Width}, {h, &r.Height}} {
		if side.text == "" {
			continue
		}
		n, err := strconv.Atoi(side.text)
		if err != nil || !isDigits(side.text) || n == 1 || n > maxSide {
			return Resolution{}, fmt.Errorf("%q is no resolution: expected %s", clip(tok), resolutionHelp())
		}
		*side.to = n
	}
	return r, nil
}

// String prints r as parseResolution reads it; "" when nothing was said.
func (r Resolution) String() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.IsZero():
		return ""
	case r.Height == 0:
		return strconv.Itoa(r.Width) + "x"
	}
	return strconv.Itoa(r.Width) + "x" + strconv.Itoa(r.Height)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
