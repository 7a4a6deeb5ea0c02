package check

import (
	"fmt"
	"net/url"
	"path"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/Eyevinn/hls-m3u8/m3u8"

	"github.com/copra-video/copra/internal/nopanic"
)

// References returns the addresses that a playlist (.m3u8) or a manifest (.mpd) at this
// address names, each once and in their order: playlists, initialisation segments, media
// segments, subtitles. Keys are left out. For other files it returns nothing.
func References(at *url.URL, data []byte) ([]*url.URL, error) {
	var refs references
	var err error
	switch path.Ext(at.Path) {
	case ".m3u8":
		refs, err = playlistReferences(at, data)
	case ".mpd":
		refs, err = manifestReferences(at, data)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path.Base(at.Path), err)
	}
	return refs.list, refs.err
}

// references collects addresses, each once, and the last error.
type references struct {
	list []*url.URL
	seen map[string]bool
	err  error
}

func (r *references) add(base *url.URL, ref string) {
	if ref == "" {
		return
	}
	u, err := resolve(base, ref)
	if err != nil {
		r.err = err
		return
	}
	r.addURL(u)
}

func (r *references) addURL(u *url.URL) {
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if !r.seen[u.String()] {
		r.seen[u.String()] = true
		r.list = append(r.list, u)
	}
}

func playlistReferences(at *url.URL, data []byte) (refs references, err error) {
	list, _, err := decode(data)
	if err != nil {
		return refs, err
	}
	switch list := list.(type) {
	case *m3u8.MasterPlaylist:
		for _, v := range list.Variants {
			refs.add(at, v.URI)
		}
		for _, a := range list.GetAllAlternatives() {
			refs.add(at, a.URI)
		}
	case *m3u8.MediaPlaylist:
		if list.Map != nil {
			refs.add(at, list.Map.URI)
		}
		for _, s := range list.GetAllSegments() {
			if s.Map != nil {
				refs.add(at, s.Map.URI)
			}
			refs.add(at, s.URI)
		}
	}
	return refs, nil
}

func manifestReferences(at *url.URL, data []byte) (refs references, err error) {
	defer nopanic.Recover(&err)
	doc, err := mpd.MPDFromBytes(data)
	if err != nil {
		return refs, err
	}
	err = walk(doc, at, func(p *mpd.Period, _ *mpd.AdaptationSetType, r *mpd.RepresentationType, base *url.URL) error {
		tpl := r.GetSegmentTemplate()
		if tpl == nil || tpl.Media == "" {
			if len(r.BaseURLs) > 0 { // the whole track is one file, as subtitles are
				refs.addURL(base)
			}
			return nil
		}
		times, _, err := segmentTimes(tpl, periodLength(doc, p))
		if err != nil {
			return err
		}
		refs.add(base, expand(tpl.Initialization, r, 0, 0))
		for i, time := range times {
			refs.add(base, expand(tpl.Media, r, firstNumber(tpl)+uint64(i), time))
		}
		return nil
	})
	return refs, err
}
