package stream

import (
	"cmp"
	"slices"
)

// families are the codecs of video that variants may have side by side, those first that
// more players have. gain is how many bits of H.264 one of their bits is worth, about, which
// tells variants of one size apart.
var families = []struct {
	name string
	gain float64
}{{"avc1", 1}, {"hvc1", 1.6}, {"vp09", 1.5}, {"av01", 2}}

func familyRank(name string) int {
	for i, f := range families {
		if f.name == name {
			return i
		}
	}
	return len(families)
}

// family is the codec of a variant's picture; "": it has none.
func (v variant) family() string {
	if v.track.video == nil {
		return ""
	}
	return family(v.track.video.codec)
}

// orderCodecs brings variants of one codec together, and reports whether there are several
// codecs. A player that does not look at CODECS or SCORE begins with what every one has.
func orderCodecs(video []variant) (mixed bool) {
	mixed = slices.ContainsFunc(video, func(v variant) bool { return v.family() != video[0].family() })
	slices.SortStableFunc(video, func(a, b variant) int { return cmp.Compare(familyRank(a.family()), familyRank(b.family())) })
	return mixed
}

// score says of variants of several codecs which are better than which, since their rates
// do not: the larger picture, then HDR, the higher frame rate, and more bits by what they are
// worth in their codec. A player takes the best that it can decode and load.
func score(all []variant) {
	worth := func(v variant) float64 {
		gain := 1.0
		if i := familyRank(v.family()); i < len(families) {
			gain = families[i].gain
		}
		return gain * float64(v.rates.average)
	}
	lines := func(v variant) (pixels int, rate float64) {
		if v.track.video == nil {
			return 0, 0
		}
		w, h := v.track.video.display()
		// Sides are even, and a few encoders need more than others.
		return w * h / 256, v.track.rate
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := all[i], all[j]
		p, r := lines(a)
		q, s := lines(b)
		return cmp.Or(cmp.Compare(p, q), cmp.Compare(hdr(a), hdr(b)), cmp.Compare(r, s), cmp.Compare(worth(a), worth(b)))
	})
	for at, i := range order {
		all[i].score = at + 1
	}
}

// hdr is 1 for a variant in HDR.
func hdr(v variant) int {
	if v.track.video == nil || v.track.video.videoRange() == "SDR" {
		return 0
	}
	return 1
}

// preferCodecs says which of several sets of video in different codecs a player should take
// if it can decode them: the one that gives most for its bits.
func preferCodecs(sets []xmlSet) {
	first, mixed := "", false
	for _, s := range sets {
		if s.ContentType != "video" {
			continue
		}
		first = cmp.Or(first, s.codecFamily())
		mixed = mixed || s.codecFamily() != first
	}
	if !mixed {
		return
	}
	for i, s := range sets {
		if at := familyRank(s.codecFamily()); s.ContentType == "video" && at < len(families) {
			sets[i].Priority = int(10 * families[at].gain)
		}
	}
}
