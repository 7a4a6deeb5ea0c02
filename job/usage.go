package job

import (
	"encoding/json"
	"time"
)

// Played is how much a finished output plays, in seconds, by what it costs elsewhere:
// Coconut bills each minute of an output as audio, SD, HD or UHD. Each variant of a
// stream counts; pictures do not.
type Played struct {
	Audio float64 // no pictures
	SD    float64 // below 720 lines
	HD    float64 // from 720 to 1080 lines
	UHD   float64 // more
}

// Played sums up what an output plays, from the result's metadata, as Seconds does. A
// stream that is there as HLS and as DASH counts once.
func (o OutputState) Played() Played {
	if o.Stage != Done || o.Type == TypeImage {
		return Played{}
	}
	return played(o.Result.Metadata)
}

// playedDoc is what is read of a document of ffprobe.
type playedDoc struct {
	Format  *probeFormat `json:"format"`
	Streams []struct {
		Type        string `json:"codec_type"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		Disposition struct {
			Picture int `json:"attached_pic"`
		} `json:"disposition"`
	} `json:"streams"`
}

// played returns that of a document of ffprobe, or the longest of several that are
// members of an object or of a list.
func played(raw json.RawMessage) Played {
	var doc playedDoc
	if json.Unmarshal(raw, &doc) == nil && doc.Format != nil {
		return doc.played()
	}
	var longest Played
	take := func(inner json.RawMessage) {
		if p := played(inner); p.total() > longest.total() {
			longest = p
		}
	}
	var members map[string]json.RawMessage
	var list []json.RawMessage
	if json.Unmarshal(raw, &members) == nil {
		for _, inner := range members {
			take(inner)
		}
	} else if json.Unmarshal(raw, &list) == nil {
		for _, inner := range list {
			take(inner)
		}
	}
	return longest
}

func (p Played) total() float64 { return p.Audio + p.SD + p.HD + p.UHD }

func (d playedDoc) played() Played {
	seconds, ok := d.Format.Duration.value()
	if !ok || seconds <= 0 {
		return Played{}
	}
	var p Played
	sound := false
	for _, s := range d.Streams {
		switch lines := min(s.Width, s.Height); {
		case s.Type == "audio":
			sound = true
		case s.Type != "video" || s.Disposition.Picture != 0:
		case lines < 720:
			p.SD += seconds
		case lines <= 1080:
			p.HD += seconds
		default:
			p.UHD += seconds
		}
	}
	if sound && p.total() == 0 {
		p.Audio = seconds
	}
	return p
}

// Usage is what the jobs of an API key that ended on a day took and made.
type Usage struct {
	Day           time.Time // its begin, UTC
	KeyID, Key    string    // and the key's name
	Jobs, Failed  int64     // that ended; Failed are among them
	Played        Played    // of completed jobs
	UploadedBytes int64     // of results
	CPUSeconds    float64   // of ffmpeg, of all jobs
}
