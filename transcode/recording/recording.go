// Package recording reads the playlists of HLS and the manifests of DASH of which a job's
// input may be one, and says of which files, ranges and keys the recording is made. It
// shares no code with package check, whose parsers judge what this server writes
// (docs/decisions/0036-recordings-as-input.md).
//
// What it reads comes from strangers: every list is bounded, and what it does not
// understand is an error with a sentence.
package recording

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/copra-video/copra/job"
)

// Protocol is how a recording is described.
type Protocol string

// The protocols.
const (
	HLS  Protocol = "hls"
	DASH Protocol = "dash"
)

const (
	// MaxSegments is how many segments all tracks of a recording have at most: more than a
	// day and a half of segments of 2 s for picture and sound.
	MaxSegments = 200_000
	// MaxTracks bounds the tracks of sound beside the first.
	MaxTracks = 8
	// SniffBytes is how much of a file Sniff needs.
	SniffBytes = 4096
)

// Sniff tells from the first bytes of a file, at most SniffBytes of them, whether it is a
// playlist or a manifest; "" if it is none.
func Sniff(head []byte) Protocol {
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	if bytes.HasPrefix(head, []byte("#EXTM3U")) {
		return HLS
	}
	if text := bytes.TrimLeft(head, " \t\r\n"); len(text) == 0 || text[0] != '<' {
		return ""
	}
	d := xml.NewDecoder(bytes.NewReader(head))
	d.Strict = false
	for {
		t, err := d.RawToken()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			if e.Name.Local == "MPD" {
				return DASH
			}
			return ""
		}
	}
}

// Piece is a file, or a range of one, that is appended to a track.
type Piece struct {
	URL    *url.URL
	From   int64 // of the range, in bytes
	Length int64 // of the range; 0: to the end of the file
	Key    *Key  // nil: it is not encrypted
	Number int   // of the segment in its track, from 1; 0: an initialization segment
	Until  int   // the last segment that is in it, where several are one range; else Number
}

// Key is how a piece is encrypted: AES-128 in CBC mode with PKCS7 padding.
type Key struct {
	URL *url.URL
	IV  [16]byte
}

// Run is a part of a track with one time line and one initialization.
type Run struct {
	Pieces   []Piece
	Duration float64 // seconds, as the playlist says
	Origin   float64 // the media time, in seconds, at which the run begins
}

// Track is one file, or several where the recording is discontinuous.
type Track struct {
	// Kind is "video", "audio", or "" for whatever is in it.
	Kind     string
	Language string // BCP 47; "": not known
	Name     string // for people
	Runs     []Run
	Segments int
	Bytes    int64 // about how large it is, by what the playlist says; 0: not known
}

// Duration of the track in seconds.
func (t Track) Duration() float64 {
	sum := 0.0
	for _, r := range t.Runs {
		sum += r.Duration
	}
	return sum
}

// Recording is what an input is made of: one track, or a picture and tracks of sound, the
// first of which is the default.
type Recording struct {
	Protocol Protocol
	Tracks   []Track
}

// Joinable reports with an error why the tracks do not fit together.
func (r Recording) Joinable() error {
	total := 0
	for _, t := range r.Tracks {
		total += t.Segments
		if len(t.Runs) == 0 || t.Segments == 0 {
			return notValid("names no segment")
		}
		if len(t.Runs) != len(r.Tracks[0].Runs) {
			return notValid("has %d discontinuities in one track and %d in another, so they cannot be joined", len(r.Tracks[0].Runs)-1, len(t.Runs)-1)
		}
	}
	return bounded(total)
}

func bounded(segments int) error {
	if segments > MaxSegments {
		return notValid("names more than %d segments, which are not accepted", MaxSegments)
	}
	return nil
}

// notValid is an error of a playlist or manifest.
func notValid(format string, args ...any) *job.Error {
	return job.InputErrorf(job.InputPlaylistNotValid, "is a playlist or manifest that "+format, args...)
}

// encrypted is the error of a recording with DRM.
func encrypted(how string) *job.Error {
	return job.InputErrorf(job.InputEncrypted, "is encrypted (%s), and this server has no key for it; only AES-128 with a key whose address the playlist gives is decrypted", how)
}

// live is the error of a recording that has no end.
func live(sign string) *job.Error {
	return job.InputErrorf(job.InputPlaylistNotValid, "is a live stream (%s); send it when it has ended", sign)
}

// resolve returns what a reference in the file at base means.
func resolve(base *url.URL, ref string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(ref))
	if err != nil || ref == "" {
		return nil, notValid("names an address that is not valid")
	}
	u = base.ResolveReference(u)
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// mergeBytes is how large a range becomes at most where segments that follow one another
// in one file are fetched by one request.
const mergeBytes = 8 << 20

// add appends a piece to a run. Ranges that follow one another in a file become one.
func (r *Run) add(p Piece) {
	p.Until = p.Number
	if n := len(r.Pieces); n > 0 {
		last := &r.Pieces[n-1]
		if p.Key == nil && last.Key == nil && p.Length > 0 && last.Length > 0 && last.Number > 0 && p.From == last.From+last.Length &&
			last.Length+p.Length <= mergeBytes && *p.URL == *last.URL {
			last.Length, last.Until = last.Length+p.Length, p.Number
			return
		}
	}
	r.Pieces = append(r.Pieces, p)
}
