package recording

import (
	"net/url"
	"strconv"
	"strings"
)

// Variant is a stream of a multivariant playlist.
type Variant struct {
	URL        *url.URL
	Bandwidth  int64 // bit/s
	pixels     int
	rate       float64
	audioGroup string
}

// Rendition is another track of sound of a multivariant playlist. Without URL it is in the
// variants themselves.
type Rendition struct {
	URL            *url.URL
	Language, Name string
	isDefault      bool
	describes      bool
}

// Audio are the tracks of sound that go with a variant, the default first, each language
// once.
func (p *Playlist) Audio(v Variant) []Rendition {
	list := p.audio[v.audioGroup]
	if len(list) == 0 {
		return nil
	}
	first := 0
	for i, r := range list {
		if r.isDefault {
			first = i
			break
		}
	}
	out := []Rendition{list[first]}
	seen := map[string]bool{list[first].Language: true}
	for _, r := range list {
		if !seen[r.Language] && !r.describes && r.URL != nil && len(out) < MaxTracks {
			seen[r.Language] = true
			out = append(out, r)
		}
	}
	return out
}

func (r *hlsReader) streamInf(a map[string]string) {
	v := &Variant{audioGroup: a["AUDIO"]}
	v.Bandwidth, _ = strconv.ParseInt(a["BANDWIDTH"], 10, 64) // 0 sorts last
	v.rate, _ = strconv.ParseFloat(a["FRAME-RATE"], 64)       // so does this
	w, h, _ := strings.Cut(a["RESOLUTION"], "x")
	wide, _ := strconv.Atoi(w)
	high, _ := strconv.Atoi(h)
	if wide > 0 && high > 0 && wide < 1<<16 && high < 1<<16 {
		v.pixels = wide * high
	}
	r.stream = v
}

// maxVariants bounds what a multivariant playlist lists.
const maxVariants = 1000

// variant is the line with the address of a variant. The list keeps the best first: the
// most pixels, then frames, then bits.
func (r *hlsReader) variant(ref string) error {
	u, err := resolve(r.base, ref)
	if err != nil {
		return err
	}
	v := *r.stream
	v.URL, r.stream = u, nil
	list := r.p.Variants
	if len(list) >= maxVariants {
		return notValid("names more than %d playlists", maxVariants)
	}
	at := len(list)
	for at > 0 && v.better(list[at-1]) {
		at--
	}
	list = append(list, v)
	copy(list[at+1:], list[at:])
	list[at] = v
	r.p.Variants = list
	return nil
}

func (v Variant) better(o Variant) bool {
	switch {
	case v.pixels != o.pixels:
		return v.pixels > o.pixels
	case v.rate != o.rate:
		return v.rate > o.rate
	}
	return v.Bandwidth > o.Bandwidth
}

func (r *hlsReader) rendition(a map[string]string) error {
	if a["TYPE"] != "AUDIO" || a["GROUP-ID"] == "" {
		return nil
	}
	group := a["GROUP-ID"]
	if len(r.p.audio[group]) >= maxVariants || len(r.p.audio) >= maxVariants {
		return notValid("names more than %d playlists", maxVariants)
	}
	n := Rendition{Language: a["LANGUAGE"], Name: a["NAME"], isDefault: a["DEFAULT"] == "YES",
		describes: strings.Contains(a["CHARACTERISTICS"], "public.accessibility.describes-video")}
	if ref := a["URI"]; ref != "" {
		u, err := resolve(r.base, ref)
		if err != nil {
			return err
		}
		n.URL = u
	}
	r.p.audio[group] = append(r.p.audio[group], n)
	return nil
}
