package recording

import (
	"encoding/xml"
)

// mpd is what is needed of a manifest (ISO/IEC 23009-1).
type mpd struct {
	XMLName  xml.Name `xml:"MPD"`
	Type     string   `xml:"type,attr"`
	Duration string   `xml:"mediaPresentationDuration,attr"`
	BaseURL  []string `xml:"BaseURL"`
	Periods  []period `xml:"Period"`
}

type period struct {
	Start    string   `xml:"start,attr"`
	Duration string   `xml:"duration,attr"`
	Href     string   `xml:"href,attr"`
	BaseURL  []string `xml:"BaseURL"`
	segmenting
	Sets []adaptationSet `xml:"AdaptationSet"`
}

type adaptationSet struct {
	ContentType string   `xml:"contentType,attr"`
	Lang        string   `xml:"lang,attr"`
	Label       string   `xml:"Label"`
	BaseURL     []string `xml:"BaseURL"`
	Roles       []scheme `xml:"Role"`
	described
	segmenting
	Representations []representation `xml:"Representation"`
}

type representation struct {
	ID        string   `xml:"id,attr"`
	Bandwidth int64    `xml:"bandwidth,attr"`
	BaseURL   []string `xml:"BaseURL"`
	described
	segmenting
}

// described are attributes of a set that a representation may have instead.
type described struct {
	MimeType   string   `xml:"mimeType,attr"`
	Codecs     string   `xml:"codecs,attr"`
	Width      int      `xml:"width,attr"`
	Height     int      `xml:"height,attr"`
	FrameRate  string   `xml:"frameRate,attr"`
	Protection []scheme `xml:"ContentProtection"`
	Essential  []scheme `xml:"EssentialProperty"`
}

type scheme struct {
	ID    string `xml:"schemeIdUri,attr"`
	Value string `xml:"value,attr"`
}

// segmenting is how something is cut, on each of three levels.
type segmenting struct {
	Template *template `xml:"SegmentTemplate"`
	List     *list     `xml:"SegmentList"`
	Base     *segBase  `xml:"SegmentBase"`
}

type segBase struct {
	Timescale *uint64 `xml:"timescale,attr"`
	Offset    *uint64 `xml:"presentationTimeOffset,attr"`
}

type template struct {
	segBase
	Media          string    `xml:"media,attr"`
	Initialization string    `xml:"initialization,attr"`
	StartNumber    *uint64   `xml:"startNumber,attr"`
	EndNumber      *uint64   `xml:"endNumber,attr"`
	Duration       uint64    `xml:"duration,attr"`
	Timeline       *timeline `xml:"SegmentTimeline"`
}

type timeline struct {
	S []struct {
		T *uint64 `xml:"t,attr"`
		D uint64  `xml:"d,attr"`
		R int64   `xml:"r,attr"`
	} `xml:"S"`
}

type list struct {
	segBase
	Initialization *ranged  `xml:"Initialization"`
	URLs           []ranged `xml:"SegmentURL"`
}

type ranged struct {
	SourceURL  string `xml:"sourceURL,attr"`
	Range      string `xml:"range,attr"`
	Media      string `xml:"media,attr"`
	MediaRange string `xml:"mediaRange,attr"`
}
