package stream

// Purpose is for whom an audio or text track is made, besides its language.
// Players choose such tracks for viewers who asked their device for them, and
// offer them by what the playlist or manifest says of them.
type Purpose string

// The purposes of tracks.
const (
	DescribesVideo Purpose = "describes-video" // audio that describes the picture
	ClearSpeech    Purpose = "clear-speech"    // audio whose speech is easier to follow
	SDH            Purpose = "sdh"             // text for the deaf and hard of hearing
	Commentary     Purpose = "commentary"      // audio or text about the programme
	Dub            Purpose = "dub"             // audio in another language than the original
)

// signal is how a purpose is written.
type signal struct {
	// characteristics is HLS's CHARACTERISTICS (RFC 8216 section 4.3.4.1 and its successor draft).
	characteristics string
	// manual tracks are never chosen by language alone: AUTOSELECT=NO.
	manual bool
	// role is DASH's Role (ISO/IEC 23009-1 section 5.8.5.5), "" for the one that
	// the track would have anyway.
	role string
	// audience is DASH's Accessibility by the scheme of TV-Anytime's
	// AudioPurposeCS, as DVB-DASH (ETSI TS 103 285) and DASH-IF want it: 1 the
	// visually impaired, 2 the hard of hearing; "": none.
	audience string
}

var signals = map[Purpose]signal{
	DescribesVideo: {characteristics: "public.accessibility.describes-video", role: "alternate", audience: "1"},
	ClearSpeech:    {characteristics: "public.accessibility.enhances-speech-intelligibility", role: "alternate", audience: "2"},
	SDH: {characteristics: "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",
		role: "caption", audience: "2"},
	Commentary: {manual: true, role: "commentary"},
	Dub:        {role: "dub"},
}

// audienceScheme is the scheme of Accessibility.
const audienceScheme = "urn:tva:metadata:cs:AudioPurposeCS:2007"

// attributes are those of EXT-X-MEDIA, with a comma before each.
func (s signal) attributes() string {
	if s.characteristics == "" {
		return ""
	}
	return ",CHARACTERISTICS=" + quoted(s.characteristics)
}

func (s signal) accessibility() []xmlDescriptor {
	if s.audience == "" {
		return nil
	}
	return []xmlDescriptor{{audienceScheme, s.audience}}
}
