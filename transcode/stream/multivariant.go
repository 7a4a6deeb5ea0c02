package stream

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// firstVariantRate is the average bit rate of the variant to list first, with
// which players start (streams.md rule 1.32).
const firstVariantRate = 2_000_000

// defaultGroup is the audio group of tracks that name none.
const defaultGroup = "audio"

// variant is one EXT-X-STREAM-INF.
type variant struct {
	track  *trackInfo
	rates  rates
	codecs []string
	group  string // audio group; "": none
	choice int    // its place among those that the track plays with
	// score is how desirable it is among all, from 1; 0: not said.
	score int
}

// group is an audio group: tracks that differ in language or role.
type group struct {
	id     string
	tracks []*trackInfo
}

// groups are the audio groups in order of appearance. In TS audio is muxed
// unless its tracks name a group.
func (b *packager) groups() []group {
	var out []group
	for _, m := range b.tracks {
		if m.Type != Audio || b.Layout == TS && m.Group == "" {
			continue
		}
		id := cmp.Or(m.Group, defaultGroup)
		i := slices.IndexFunc(out, func(g group) bool { return g.id == id })
		if i < 0 {
			i = len(out)
			out = append(out, group{id: id})
		}
		out[i].tracks = append(out[i].tracks, m)
	}
	return out
}

// defaultIndex is the index of the track that plays unless a viewer chooses.
func (g group) defaultIndex() int {
	return max(0, slices.IndexFunc(g.tracks, func(m *trackInfo) bool { return m.Default }))
}

// variants are all variants in the order of the playlist: first the one that
// players should start with, then the others of its codec by rate, those of other
// codecs, and audio alone last.
func (b *packager) variants() []variant {
	var video, audio []variant
	groups := b.groups()
	for _, m := range b.tracks {
		v := variant{track: m, rates: m.rates(b.target), codecs: strings.Split(m.codecs(), ",")}
		if m.Type == Audio {
			if b.Layout == TS && m.Group == "" {
				audio = append(audio, v)
			}
			continue
		}
		plays := playsWith(groups, m)
		if len(plays) == 0 {
			video = append(video, v)
		}
		for i, g := range plays {
			with := v
			with.codecs, with.choice = slices.Clone(v.codecs), i
			with.add(g, b.target)
			video = append(video, with)
		}
	}
	for _, g := range groups {
		m := g.tracks[g.defaultIndex()]
		if len(video) > 0 && !slices.ContainsFunc(g.tracks, func(m *trackInfo) bool { return !m.NoVariant }) {
			continue
		}
		// Only the track of the group that a viewer chooses is played.
		v := variant{track: m}
		v.add(&g, b.target)
		audio = append(audio, v)
	}
	// Players that look at nothing else begin with sound that every one has.
	byRate := func(a, b variant) int {
		return cmp.Or(cmp.Compare(a.choice, b.choice), cmp.Compare(a.rates.peak, b.rates.peak))
	}
	slices.SortStableFunc(video, byRate)
	slices.SortStableFunc(audio, byRate)
	mixed := orderCodecs(video)
	if len(video) > 0 {
		first := 0
		for i, v := range video {
			if v.family() == video[0].family() && v.choice == video[0].choice && distance(v) < distance(video[first]) {
				first = i
			}
		}
		v := video[first]
		video = slices.Insert(slices.Delete(video, first, first+1), 0, v)
	}
	all := append(video, audio...)
	if mixed {
		score(all)
	}
	return all
}

func distance(v variant) float64 {
	return math.Abs(float64(v.rates.average) - firstVariantRate)
}

// playsWith are the groups that a track names, or else the first one.
func playsWith(groups []group, m *trackInfo) (list []*group) {
	for _, id := range m.Audio {
		if i := slices.IndexFunc(groups, func(g group) bool { return g.id == id }); i >= 0 {
			list = append(list, &groups[i])
		}
	}
	if len(list) == 0 && len(groups) > 0 && m.Type != Muxed {
		list = append(list, &groups[0])
	}
	return list
}

// add makes the variant play with an audio group. Its rates count the most
// expensive track of the group.
func (v *variant) add(g *group, target int) {
	v.group = g.id
	var most rates
	for _, m := range g.tracks {
		r := m.rates(target)
		most.peak, most.average = max(most.peak, r.peak), max(most.average, r.average)
		if c := m.codecs(); !slices.Contains(v.codecs, c) {
			v.codecs = append(v.codecs, c)
		}
	}
	v.rates.peak += most.peak
	v.rates.average += most.average
}

func (b *packager) multivariant() string {
	var w strings.Builder
	self := b.Name + ".m3u8"
	fmt.Fprintf(&w, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-INDEPENDENT-SEGMENTS\n", b.version())
	b.writeSessionKeys(&w)
	variants := b.variants()
	pictures := slices.ContainsFunc(variants, func(v variant) bool { return v.track.video != nil })
	choice := slices.ContainsFunc(b.groups(), func(g group) bool { return len(g.tracks) > 1 })
	if pictures || choice {
		for _, g := range b.groups() {
			b.writeGroup(&w, self, g)
		}
	} else {
		for i := range variants {
			variants[i].group = ""
		}
	}
	b.writeTexts(&w, self)
	b.writeClosedCaptions(&w)
	sdr := !slices.ContainsFunc(b.tracks, func(m *trackInfo) bool {
		return m.video != nil && m.video.videoRange() != "SDR"
	})
	for _, v := range variants {
		fmt.Fprintf(&w, "#EXT-X-STREAM-INF:%s", rateAttributes(v.rates, strings.Join(v.codecs, ",")))
		if v.score > 0 {
			fmt.Fprintf(&w, ",SCORE=%d.0", v.score)
		}
		if c := v.track.video; c != nil {
			width, height := c.display()
			fmt.Fprintf(&w, ",RESOLUTION=%dx%d,FRAME-RATE=%.3f", width, height, v.track.rate)
			if !sdr {
				fmt.Fprintf(&w, ",VIDEO-RANGE=%s", c.videoRange())
			}
		}
		if v.group != "" {
			fmt.Fprintf(&w, ",AUDIO=%s", quoted(v.group))
		}
		if len(b.texts) > 0 {
			fmt.Fprintf(&w, ",SUBTITLES=%s", quoted(textGroup))
		}
		if v.track.captions.channel() != "" {
			fmt.Fprintf(&w, ",CLOSED-CAPTIONS=%s", quoted(ccGroup))
		}
		fmt.Fprintf(&w, "\n%s\n", uri(self, b.playlistPath(v.track)))
	}
	listed := map[*trackInfo]bool{}
	for _, v := range variants {
		if m := v.track; b.iframes(m) && !listed[m] {
			listed[m] = true
			b.writeIFrameVariant(&w, self, m, sdr)
		}
	}
	if b.listsSheets() {
		b.writeSheetsVariant(&w, self)
	}
	return w.String()
}

func rateAttributes(r rates, codecs string) string {
	return fmt.Sprintf("BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,CODECS=%s", r.peak, r.average, quoted(codecs))
}

func (b *packager) writeGroup(w *strings.Builder, self string, g group) {
	names := map[string]bool{}
	for i, m := range g.tracks {
		name := uniqueName(names, cmp.Or(m.Name, languageName(m.Language), "Audio"))
		fmt.Fprintf(w, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=%s,NAME=%s,LANGUAGE=%s,DEFAULT=%s,AUTOSELECT=%s,CHANNELS=\"%d\"%s,URI=%s\n",
			quoted(g.id), quoted(name), quoted(cmp.Or(shortLanguage(m.Language), "und")), yes(i == g.defaultIndex()),
			yes(i == g.defaultIndex() || !signals[m.Purpose].manual), m.audio.channels, signals[m.Purpose].attributes(), quoted(uri(self, b.playlistPath(m))))
	}
}

// uniqueName is name, with a number when it is taken: names are unique within a
// group.
func uniqueName(taken map[string]bool, name string) string {
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s %d", name, n)
	}
	taken[unique] = true
	return unique
}

func (b *packager) writeIFrameVariant(w *strings.Builder, self string, m *trackInfo, sdr bool) {
	var spans []span
	for _, k := range m.keyFrames() {
		spans = append(spans, span{k.size, k.duration})
	}
	width, height := m.video.display()
	fmt.Fprintf(w, "#EXT-X-I-FRAME-STREAM-INF:%s,RESOLUTION=%dx%d",
		rateAttributes(bitRates(spans, float64(b.target)), m.video.codec), width, height)
	if !sdr {
		fmt.Fprintf(w, ",VIDEO-RANGE=%s", m.video.videoRange())
	}
	fmt.Fprintf(w, ",URI=%s\n", quoted(uri(self, b.iframesPath(m))))
}
