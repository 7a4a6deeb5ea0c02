package check

import (
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"
)

// vp9 are the facts of a sample entry of VP9 (VP Codec ISO Media File Format Binding).
func vp9(e *mp4.VisualSampleEntryBox) *facts {
	f := &facts{entry: e.Type(), codec: e.Type()}
	if c := e.VppC; c != nil {
		f.codec = fmt.Sprintf("%s.%02d.%02d.%02d", e.Type(), c.Profile, c.Level, c.BitDepth)
		f.transfer = int(c.TransferCharacteristics)
	}
	f.size(int(e.Width), int(e.Height), 1, 1)
	f.pixels(e)
	return f
}

// av1 are the facts of a sample entry of AV1 (AV1 Codec ISO Media File Format Binding).
func av1(e *mp4.VisualSampleEntryBox) *facts {
	f := &facts{entry: e.Type(), codec: e.Type()}
	if c := e.Av1C; c != nil {
		tier, depth := "M", 8
		if c.SeqTier0 == 1 {
			tier = "H"
		}
		if c.HighBitdepth == 1 {
			depth = 10 + 2*int(c.TwelveBit)
		}
		f.codec = fmt.Sprintf("av01.%d.%02d%s.%02d", c.SeqProfile, c.SeqLevelIdx0, tier, depth)
	}
	for _, b := range e.Children {
		if c, ok := b.(*mp4.ColrBox); ok && c.ColorType == "nclx" {
			f.transfer = int(c.TransferCharacteristics)
		}
	}
	f.size(int(e.Width), int(e.Height), 1, 1)
	f.pixels(e)
	return f
}

// vp9Key reports whether a frame of VP9 is a key frame: the first bits of its header (VP9
// bitstream, section 6.2) are the marker, two of the profile, whether another frame is
// shown again, and the type.
func vp9Key(frame []byte) bool {
	if len(frame) == 0 || frame[0]>>6 != 2 {
		return false
	}
	bits := frame[0] << 2
	if profile3 := bits>>6 == 3; profile3 {
		bits <<= 1 // a reserved bit
	}
	shownAgain, inter := bits>>5&1, bits>>4&1
	return shownAgain == 0 && inter == 0
}

// av1Key reports whether a sample of AV1 may be entered at: it then begins with a sequence
// header, before which only a temporal delimiter may stand.
func av1Key(sample []byte) bool {
	const sequenceHeader, temporalDelimiter = 1, 2
	for len(sample) > 0 {
		kind, extended, sized := sample[0]>>3&15, sample[0]&4 != 0, sample[0]&2 != 0
		if kind != temporalDelimiter || !sized {
			return kind == sequenceHeader
		}
		at := 1
		if extended {
			at++
		}
		if at >= len(sample) || sample[at]&0x80 != 0 {
			return false
		}
		if at += 1 + int(sample[at]); at > len(sample) {
			return false
		}
		sample = sample[at:]
	}
	return false
}

// familyOf is the codec of a variant's picture as CODECS has it: "avc1"; "": not known.
func familyOf(v *variant) string {
	for _, c := range strings.Split(v.Codecs, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(c), ".")
		switch name {
		case "avc1", "avc3", "hvc1", "hev1", "dvh1", "vp08", "vp09", "av01":
			return name
		}
	}
	return ""
}

// mixed checks variants of several codecs: what is first, and what tells players which is
// better.
func (s *hlsStream) mixed(main string, videos []*variant) {
	seen := map[string]bool{}
	last, apart := "", ""
	for _, v := range videos {
		f := familyOf(v)
		if f != last && seen[f] {
			apart = f
		}
		last, seen[f] = f, true
	}
	if len(seen) < 2 {
		return
	}
	s.hold("A.5", !seen["avc1"] || familyOf(videos[0]) == "avc1", main, "the first variant is %s in %s, and H.264 plays everywhere", videos[0].name, familyOf(videos[0]))
	s.hold("A.5", apart == "", main, "variants in %s do not stand together", apart)
	scores := map[float64]string{}
	for _, v := range s.variants {
		s.hold("A.5", v.Score > 0, v.name, "SCORE is missing, and other codecs are beside it")
		if other := scores[v.Score]; v.Score > 0 && familyOf(v) != "" && other != "" {
			s.hold("A.5", other == familyOf(v), v.name, "SCORE is %g as for a variant in %s", v.Score, other)
		}
		scores[v.Score] = familyOf(v)
	}
}
