package stream

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The elements of ISO/IEC 23009-1 that the manifests have.
type (
	xmlMPD struct {
		XMLName   xml.Name  `xml:"urn:mpeg:dash:schema:mpd:2011 MPD"`
		Profiles  string    `xml:"profiles,attr"`
		Type      string    `xml:"type,attr"`
		Duration  string    `xml:"mediaPresentationDuration,attr"`
		MinBuffer string    `xml:"minBufferTime,attr"`
		Period    xmlPeriod `xml:"Period"`
	}
	xmlPeriod struct {
		ID       string   `xml:"id,attr"`
		Start    string   `xml:"start,attr"`
		Duration string   `xml:"duration,attr"`
		Sets     []xmlSet `xml:"AdaptationSet"`
	}
	xmlSet struct {
		ID              int                 `xml:"id,attr"`
		ContentType     string              `xml:"contentType,attr"`
		MimeType        string              `xml:"mimeType,attr"`
		Lang            string              `xml:"lang,attr,omitempty"`
		Aligned         bool                `xml:"segmentAlignment,attr,omitempty"`
		StartWithSAP    int                 `xml:"startWithSAP,attr,omitempty"`
		Priority        int                 `xml:"selectionPriority,attr,omitempty"`
		Par             string              `xml:"par,attr,omitempty"`
		Protection      []xmlProtection     `xml:"ContentProtection"`
		Properties      []xmlDescriptor     `xml:"SupplementalProperty"`
		Label           string              `xml:"Label,omitempty"`
		Accessibility   []xmlDescriptor     `xml:"Accessibility"`
		Roles           []xmlDescriptor     `xml:"Role"`
		Representations []xmlRepresentation `xml:"Representation"`
	}
	xmlDescriptor struct {
		Scheme string `xml:"schemeIdUri,attr"`
		Value  string `xml:"value,attr"`
	}
	xmlRepresentation struct {
		ID        string          `xml:"id,attr"`
		Codecs    string          `xml:"codecs,attr,omitempty"`
		Bandwidth int             `xml:"bandwidth,attr"`
		Width     int             `xml:"width,attr,omitempty"`
		Height    int             `xml:"height,attr,omitempty"`
		FrameRate string          `xml:"frameRate,attr,omitempty"`
		SAR       string          `xml:"sar,attr,omitempty"`
		Sampling  int             `xml:"audioSamplingRate,attr,omitempty"`
		Channels  []xmlDescriptor `xml:"AudioChannelConfiguration"`
		Essential []xmlDescriptor `xml:"EssentialProperty"`
		BaseURL   string          `xml:"BaseURL,omitempty"`
		Template  *xmlTemplate    `xml:"SegmentTemplate"`
	}
	xmlTemplate struct {
		Timescale int64        `xml:"timescale,attr"`
		Init      string       `xml:"initialization,attr,omitempty"`
		Media     string       `xml:"media,attr"`
		Duration  int64        `xml:"duration,attr,omitempty"`
		Start     int          `xml:"startNumber,attr"`
		End       int          `xml:"endNumber,attr,omitempty"`
		Timeline  *xmlTimeline `xml:"SegmentTimeline"`
	}
	xmlTimeline struct {
		S []xmlS `xml:"S"`
	}
	xmlS struct {
		T *int64 `xml:"t,attr"`
		D int64  `xml:"d,attr"`
		R int    `xml:"r,attr,omitempty"`
	}
)

// dash returns the manifest.
func (b *packager) dash() File {
	longest := 0.0
	for _, m := range b.tracks {
		longest = max(longest, m.end)
	}
	duration := isoDuration(longest)
	doc := xmlMPD{
		Profiles: "urn:mpeg:dash:profile:isoff-live:2011", Type: "static",
		Duration: duration, MinBuffer: isoDuration(b.buffer()),
		Period: xmlPeriod{ID: "0", Start: "PT0S", Duration: duration},
	}
	for _, set := range append(b.adaptationSets(), b.textSets()...) {
		set.ID = len(doc.Period.Sets) + 1
		doc.Period.Sets = append(doc.Period.Sets, set)
	}
	linkSwitchable(doc.Period.Sets)
	preferCodecs(doc.Period.Sets)
	if len(b.sheets) > 0 {
		doc.Period.Sets = append(doc.Period.Sets, b.sheetSet(len(doc.Period.Sets)+1))
	}
	var w bytes.Buffer
	w.WriteString(xml.Header)
	enc := xml.NewEncoder(&w)
	enc.Indent("", "  ")
	// Encoding strings and numbers into memory cannot fail.
	_ = enc.Encode(doc)
	w.WriteByte('\n')
	return File{Path: b.Name + ".mpd", Data: w.Bytes(), ContentType: typeDASH}
}

// buffer is minBufferTime in seconds: one segment.
func (b *packager) buffer() float64 {
	if b.TargetDuration > 0 {
		return b.TargetDuration
	}
	return float64(b.target)
}

// adaptationSets groups the tracks that a player may switch between: those of the
// same type, codec and content.
func (b *packager) adaptationSets() []xmlSet {
	type key struct {
		codec, language string
		alternative     int
		keyID           string
	}
	var keys []key
	sets := map[key][]*trackInfo{}
	for _, m := range b.tracks {
		k := key{family(m.codecs()), m.Language, m.Alternative, m.Protection.keyID()}
		if m.video != nil {
			k.language = ""
		}
		if sets[k] == nil {
			keys = append(keys, k)
		}
		sets[k] = append(sets[k], m)
	}
	// Video comes first, since players list sets in this order.
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Compare(order(sets[a][0]), order(sets[b][0]))
	})
	var out []xmlSet
	for _, k := range keys {
		out = append(out, b.adaptationSet(sets[k]))
	}
	return out
}

func order(m *trackInfo) int {
	if m.video != nil {
		return 0
	}
	return 1
}

func (b *packager) adaptationSet(tracks []*trackInfo) xmlSet {
	first := tracks[0]
	set := xmlSet{ContentType: "audio", MimeType: "audio/mp4", Aligned: aligned(tracks), StartWithSAP: 1, Protection: first.Protection.descriptors()}
	if v := first.video; v != nil {
		set.ContentType, set.MimeType = "video", "video/mp4"
		set.Par = pictureAspect(tracks)
		set.Accessibility = first.captions.descriptors()
		if v.videoRange() != "SDR" {
			for _, p := range []struct {
				name  string
				value int
			}{{"ColourPrimaries", v.primaries}, {"TransferCharacteristics", v.transfer}, {"MatrixCoefficients", v.matrix}} {
				set.Properties = append(set.Properties, xmlDescriptor{"urn:mpeg:mpegB:cicp:" + p.name, strconv.Itoa(p.value)})
			}
		}
	} else {
		set.Lang = cmp.Or(shortLanguage(first.Language), "und")
		set.Label = cmp.Or(first.Name, languageName(first.Language))
		role := "main"
		if first.Alternative > 0 {
			role = cmp.Or(signals[first.Purpose].role, "alternate")
		}
		set.Accessibility = signals[first.Purpose].accessibility()
		if first.Default || first.Alternative > 0 {
			set.Roles = []xmlDescriptor{{"urn:mpeg:dash:role:2011", role}}
		}
	}
	for _, m := range tracks {
		set.Representations = append(set.Representations, b.representation(m))
	}
	return set
}

func (b *packager) representation(m *trackInfo) xmlRepresentation {
	r := xmlRepresentation{
		ID: m.ID, Codecs: m.codecs(),
		Bandwidth: max(m.rates(b.target).peak, m.bufferedRate(b.buffer())),
		Template: &xmlTemplate{
			Timescale: m.timescale, Start: 1,
			Init: template(uri("", b.initPath(m))), Media: template(uri("", m.ID+"-")) + "$Number%05d$.m4s",
			Timeline: &xmlTimeline{timeline(m)},
		},
	}
	if v := m.video; v != nil {
		r.Width, r.Height = v.width, v.height
		r.FrameRate, r.SAR = m.rational(), "1:1"
		if v.sarNum > 0 && v.sarDen > 0 {
			r.SAR = aspect(v.sarNum, v.sarDen)
		}
	} else {
		r.Sampling = m.audio.sampleRate
		r.Channels = []xmlDescriptor{{"urn:mpeg:dash:23003:3:audio_channel_configuration:2011", strconv.Itoa(m.audio.channels)}}
	}
	return r
}

// template escapes the sign that starts an identifier.
func template(s string) string { return strings.ReplaceAll(s, "$", "$$") }

// timeline is the SegmentTimeline: decode times as they stand in the files. The
// last segment of audio ends with the sound, which is earlier than its decode
// times say by what the edit list takes off the beginning.
func timeline(m *trackInfo) []xmlS {
	var out []xmlS
	for i, s := range m.segments {
		if i == len(m.segments)-1 && m.video == nil {
			s.ticks = min(s.ticks, int64(math.Round(s.duration*float64(m.timescale))))
		}
		if n := len(out) - 1; n >= 0 && out[n].D == s.ticks {
			out[n].R++
			continue
		}
		e := xmlS{D: s.ticks}
		if i == 0 {
			t := s.time
			e.T = &t
		}
		out = append(out, e)
	}
	return out
}

// aligned reports whether segment edges agree to within a frame.
func aligned(tracks []*trackInfo) bool {
	first := tracks[0]
	for _, m := range tracks[1:] {
		if len(m.segments) != len(first.segments) {
			return false
		}
		frame := 0.03 // of audio, 1024 samples at 44.1 kHz
		if m.video != nil {
			frame = 1 / min(m.rate, first.rate)
		}
		for i, s := range m.segments {
			if math.Abs(s.start-first.segments[i].start) > frame {
				return false
			}
		}
	}
	return true
}

// rational is @frameRate: a ratio when the rate is no whole number.
func (m *trackInfo) rational() string {
	f := m.FrameRate
	if f.Num <= 0 || f.Den <= 0 || math.Abs(float64(f.Num)/float64(f.Den)-m.rate) > 1e-6 {
		f.Num, f.Den = int(math.Round(m.rate*1000)), 1000
		if n := math.Round(m.rate * 1.001); math.Abs(m.rate*1.001-n) < 0.001*m.rate/100 {
			f.Num, f.Den = int(n)*1000, 1001
		}
	}
	g := gcd(f.Num, f.Den)
	if f.Den == g {
		return strconv.Itoa(f.Num / g)
	}
	return fmt.Sprintf("%d/%d", f.Num/g, f.Den/g)
}

// commonAspects are the picture shapes that people name.
var commonAspects = [][2]int{{16, 9}, {9, 16}, {4, 3}, {3, 4}, {1, 1}, {3, 2}, {2, 3}, {5, 4}, {4, 5}, {2, 1}, {1, 2}, {21, 9}, {9, 21}}

// pictureAspect is @par of tracks that show the same picture in several sizes. A
// small size is rounded to whole, even numbers of pixels and says little about
// the shape, so the largest one decides; and where that is a common shape to
// within a pixel, it is the common one.
func pictureAspect(tracks []*trackInfo) string {
	w, h := 0, 0
	for _, m := range tracks {
		if x, y := m.video.display(); x*y > w*h {
			w, h = x, y
		}
	}
	for _, c := range commonAspects {
		if wide := float64(h) * float64(c[0]) / float64(c[1]); math.Abs(float64(w)-wide) < 1 {
			return fmt.Sprintf("%d:%d", c[0], c[1])
		}
	}
	return aspect(w, h)
}

// aspect is a ratio in its lowest terms, "16:9".
func aspect(x, y int) string {
	g := gcd(x, y)
	return fmt.Sprintf("%d:%d", x/g, y/g)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, 1)
}

// isoDuration is an xs:duration in seconds.
func isoDuration(seconds float64) string {
	return "PT" + strconv.FormatFloat(math.Round(seconds*1e6)/1e6, 'f', -1, 64) + "S"
}
