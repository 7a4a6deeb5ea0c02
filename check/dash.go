package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"
	"golang.org/x/sync/errgroup"
)

// dashTrack is a Representation with its segments.
type dashTrack struct {
	set      *mpd.AdaptationSetType
	r        *mpd.RepresentationType
	id       string
	kind     string // "video", "audio", "text"
	base     *url.URL
	init     *initSegment
	segments []*segment
	times    []uint64 // of segments, in ticks
	lengths  []uint64
	scale    float64
	offset   uint64 // presentationTimeOffset
}

// dash checks a manifest and everything it names.
func (c *checker) dash(ctx context.Context, f file) error {
	doc, err := mpd.MPDFromBytes(f.data)
	if err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	main := c.name(f.at)
	c.contentType("D.13", f.at, f.contentType)
	c.hold("D.1", doc.GetType() == "static" && doc.Profiles != "" && doc.MediaPresentationDuration != nil && doc.MinBufferTime != nil, main,
		"type %s, profiles %q, mediaPresentationDuration or minBufferTime is missing", doc.GetType(), doc.Profiles)
	if doc.GetType() != "static" {
		return nil // live manifests are never complete
	}
	buffer := 0.0
	if doc.MinBufferTime != nil {
		buffer = doc.MinBufferTime.Seconds()
	}
	for _, p := range doc.Periods {
		c.sets(main, p)
	}
	ids := map[string]bool{}
	var starts starts
	err = walk(doc, f.at, func(p *mpd.Period, set *mpd.AdaptationSetType, r *mpd.RepresentationType, base *url.URL) error {
		c.hold("D.4", !ids[r.Id] && r.Id != "", main, "the id %q is used twice or empty", r.Id)
		ids[r.Id] = true
		t := &dashTrack{set: set, r: r, id: r.Id, kind: kindOf(set, r), base: base}
		err := c.track(ctx, t, periodLength(doc, p), buffer)
		for _, s := range t.segments {
			starts.add(t.id, s.parts)
		}
		return err
	})
	c.inStep("D.14", starts)
	return err
}

// walk visits every Representation with its base URL (ISO/IEC 23009-1, section
// 5.6), until a visit fails.
func walk(doc *mpd.MPD, at *url.URL, visit func(*mpd.Period, *mpd.AdaptationSetType, *mpd.RepresentationType, *url.URL) error) error {
	root, err := rebase(at, doc.BaseURL)
	if err != nil {
		return err
	}
	for _, p := range doc.Periods {
		at, err := rebase(root, p.BaseURLs)
		if err != nil {
			return err
		}
		for _, set := range p.AdaptationSets {
			setAt, err := rebase(at, set.BaseURLs)
			if err != nil {
				return err
			}
			for _, r := range set.Representations {
				base, err := rebase(setAt, r.BaseURLs)
				if err != nil {
					return err
				}
				if err := visit(p, set, r, base); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// periodLength is the length of a Period in seconds. It is 0 if the manifest
// does not say.
func periodLength(doc *mpd.MPD, p *mpd.Period) float64 {
	switch {
	case p.Duration != nil:
		return p.Duration.Seconds()
	case doc.MediaPresentationDuration != nil && len(doc.Periods) == 1:
		return doc.MediaPresentationDuration.Seconds()
	}
	return 0
}

func rebase(at *url.URL, list []*mpd.BaseURLType) (*url.URL, error) {
	if len(list) == 0 {
		return at, nil
	}
	return resolve(at, strings.TrimSpace(string(list[0].Value)))
}

func kindOf(set *mpd.AdaptationSetType, r *mpd.RepresentationType) string {
	kind := string(set.ContentType)
	if kind == "" {
		kind, _, _ = strings.Cut(cmp.Or(r.MimeType, set.MimeType), "/")
	}
	return kind
}

// sets compares the AdaptationSets of a period.
func (c *checker) sets(main string, p *mpd.Period) {
	seen := map[string]bool{}
	for i, set := range p.AdaptationSets {
		if len(set.Representations) == 0 {
			continue
		}
		where := fmt.Sprintf("%s, AdaptationSet %d", main, i+1)
		r := set.Representations[0]
		kind := kindOf(set, r)
		codec, _, _ := strings.Cut(cmp.Or(r.Codecs, set.Codecs), ".")
		key, _ := defaultKID(set, r)
		id := strings.Join([]string{kind, codec, set.Lang, key}, " ")
		if kind != "video" {
			for _, role := range set.Roles {
				id += " " + role.Value
			}
			for _, l := range set.Labels {
				id += " " + l.Value
			}
		}
		c.hold("D.2", !seen[id], where, "there is another one for %s", id)
		seen[id] = true
		for _, r := range set.Representations {
			other, _, _ := strings.Cut(cmp.Or(r.Codecs, set.Codecs), ".")
			c.hold("D.2", other == codec, where, "it has codecs %s and %s", codec, other)
		}
		if kind == "video" || kind == "audio" {
			sap := max(set.StartWithSAP, r.StartWithSAP)
			c.hold("D.3", (set.SegmentAlignment || set.SubsegmentAlignment) && (sap == 1 || set.SubsegmentStartsWithSAP == 1), where,
				"segmentAlignment is %v, startWithSAP %d", set.SegmentAlignment, sap)
		}
	}
}

// track reads a Representation and checks it.
func (c *checker) track(ctx context.Context, t *dashTrack, period, buffer float64) error {
	c.described(t)
	if t.kind == "image" {
		return c.imageSet(ctx, t, period)
	}
	if t.kind == "text" {
		f, err := c.read(ctx, t.base, 0, 0)
		if err != nil {
			return fmt.Errorf("read subtitles %s: %w", c.name(t.base), err)
		}
		c.contentType("D.13", f.at, f.contentType)
		return nil
	}
	if err := c.loadTrack(ctx, t, period); err != nil || t.init == nil {
		return err
	}
	want := ""
	for _, f := range []*facts{t.init.video, t.init.audio} {
		if f != nil {
			want = f.codec
		}
	}
	got := cmp.Or(t.r.Codecs, t.set.Codecs)
	c.hold("D.10", strings.EqualFold(got, want), t.id, "codecs is %q, the init segment has %q", got, want)
	c.contentProtection(t)
	c.hold("D.11", len(t.init.tracks) == 1, t.id, "there are %d tracks in the init segment", len(t.init.tracks))
	for i, s := range t.segments {
		c.contentType("D.13", s.at, s.contentType)
		if s.err != nil {
			c.fail("D.11", s.name, "%v", s.err)
			continue
		}
		c.hold("D.11", s.pairs, s.name, "a moof has no mdat after it")
		for _, fault := range s.faults {
			c.fail("D.8", s.name, "%s", fault)
		}
		for _, p := range s.parts {
			off := math.Abs(float64(p.start)/float64(p.scale) - float64(t.times[i])/t.scale)
			c.hold("D.8", off < 0.0005, s.name, "tfdt is %.4f s, the manifest says %.4f s", float64(p.start)/float64(p.scale), float64(t.times[i])/t.scale)
		}
		if len(s.pictures) > 0 {
			c.hold("D.12", s.pictures[0].sync && s.pictures[0].key, s.name, "its first sample is no sync sample")
		}
	}
	c.needed(t, buffer)
	return nil
}

// described checks the attributes of a Representation.
func (c *checker) described(t *dashTrack) {
	r, set := t.r, t.set
	codecs := cmp.Or(r.Codecs, set.Codecs)
	switch t.kind {
	case "video":
		c.hold("D.5", codecs != "" && max(r.Width, set.Width) > 0 && max(r.Height, set.Height) > 0 &&
			cmp.Or(string(r.FrameRate), string(set.FrameRate)) != "" && cmp.Or(string(r.Sar), string(set.Sar)) != "", t.id,
			"codecs %q, width %d, height %d, frameRate %q, sar %q", codecs, max(r.Width, set.Width), max(r.Height, set.Height),
			cmp.Or(string(r.FrameRate), string(set.FrameRate)), cmp.Or(string(r.Sar), string(set.Sar)))
	case "audio":
		c.hold("D.6", codecs != "" && set.Lang != "" && (r.AudioSamplingRate != nil || set.AudioSamplingRate != nil) &&
			len(r.AudioChannelConfigurations)+len(set.AudioChannelConfigurations) > 0, t.id,
			"codecs %q, lang %q, audioSamplingRate or AudioChannelConfiguration is missing", codecs, set.Lang)
	}
}

// identifier is a placeholder of a SegmentTemplate: $Number%05d$.
var identifier = regexp.MustCompile(`\$(RepresentationID|Number|Time|Bandwidth)?(%0[0-9]+d)?\$`)

// expand fills in a template (ISO/IEC 23009-1, section 5.3.9.4.4).
func expand(template string, r *mpd.RepresentationType, number, time uint64) string {
	return identifier.ReplaceAllStringFunc(template, func(s string) string {
		m := identifier.FindStringSubmatch(s)
		verb := cmp.Or(m[2], "%d")
		switch m[1] {
		case "RepresentationID":
			return r.Id
		case "Number":
			return fmt.Sprintf(verb, number)
		case "Time":
			return fmt.Sprintf(verb, time)
		case "Bandwidth":
			return fmt.Sprintf(verb, r.Bandwidth)
		}
		return "$"
	})
}

// loadTrack reads the init segment and all media segments. It skips a
// Representation without a SegmentTemplate, whose init stays nil.
func (c *checker) loadTrack(ctx context.Context, t *dashTrack, period float64) error {
	tpl := t.r.GetSegmentTemplate()
	if tpl == nil || tpl.Media == "" {
		return nil
	}
	t.scale, t.offset = float64(tpl.GetTimescale()), 0
	if tpl.PresentationTimeOffset != nil {
		t.offset = *tpl.PresentationTimeOffset
	}
	if err := c.timeline(t, tpl, period); err != nil {
		return err
	}
	u, err := resolve(t.base, expand(tpl.Initialization, t.r, 0, 0))
	if err != nil {
		return err
	}
	f, err := c.read(ctx, u, 0, 0)
	if err == nil {
		t.init, err = readInit(f.data)
	}
	if err != nil {
		return fmt.Errorf("read init segment %s: %w", c.name(u), err)
	}
	c.contentType("D.13", f.at, f.contentType)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.options.Fetches)
	for i, time := range t.times {
		u, err := resolve(t.base, expand(tpl.Media, t.r, firstNumber(tpl)+uint64(i), time))
		if err != nil {
			return err
		}
		s := &segment{at: u, name: c.name(u), extinf: float64(t.lengths[i]) / t.scale}
		t.segments = append(t.segments, s)
		g.Go(func() error {
			f, err := c.read(ctx, u, 0, 0)
			if err != nil {
				s.err = fmt.Errorf("it cannot be read: %w", err)
				return context.Cause(ctx)
			}
			s.size, s.contentType = int64(len(f.data)), f.contentType
			s.err = s.readFragments(t.init, f.data)
			return nil
		})
	}
	return g.Wait()
}

// timeline lists the segments of a template, and checks a SegmentTimeline.
func (c *checker) timeline(t *dashTrack, tpl *mpd.SegmentTemplateType, period float64) (err error) {
	if tpl.SegmentTimeline == nil {
		c.fail("D.7", t.id, "there is no SegmentTimeline")
		t.times, t.lengths, err = segmentTimes(tpl, period)
		return err
	}
	c.applies("D.7")
	if t.times, t.lengths, err = segmentTimes(tpl, period); err != nil {
		return err
	}
	for i := 1; i < len(t.times); i++ {
		if end := t.times[i-1] + t.lengths[i-1]; t.times[i] != end {
			c.fail("D.7", t.id, "segment %d of the SegmentTimeline is at %d, the one before it ends at %d", i+1, t.times[i], end)
		}
	}
	if period > 0 {
		last := len(t.times) - 1
		sum := float64(t.times[last]+t.lengths[last]-t.times[0]) / t.scale
		// Audio has the priming of its encoder, and ends with a whole frame.
		c.hold("D.7", math.Abs(sum-period) <= edgeSlack, t.id, "the SegmentTimeline sums to %.3f s, the Period has %.3f s", sum, period)
	}
	return nil
}

// maxSegments bounds how many segments a manifest can name with a few bytes.
const maxSegments = 1_000_000

// segmentTimes lists the start and the length of every segment of a template in
// ticks; there is at least one. period is in seconds, for templates without a
// SegmentTimeline.
func segmentTimes(tpl *mpd.SegmentTemplateType, period float64) (times, lengths []uint64, err error) {
	if tpl.SegmentTimeline == nil {
		if tpl.Duration == nil || *tpl.Duration == 0 || period <= 0 {
			return nil, nil, errors.New("the manifest does not say how many segments there are")
		}
		d := uint64(*tpl.Duration)
		for at := uint64(0); float64(at)/float64(tpl.GetTimescale()) < period-0.001 && len(times) < maxSegments; at += d {
			times, lengths = append(times, at), append(lengths, d)
		}
	} else {
		next := uint64(0)
		for _, s := range tpl.SegmentTimeline.S {
			if s.D == 0 || s.R < 0 {
				return nil, nil, errors.New("a SegmentTimeline of open length cannot be checked")
			}
			if s.T != nil {
				next = *s.T
			}
			for range s.R + 1 {
				if len(times) >= maxSegments {
					return nil, nil, errors.New("there are too many segments")
				}
				times, lengths = append(times, next), append(lengths, s.D)
				next += s.D
			}
		}
	}
	if len(times) == 0 {
		return nil, nil, errors.New("the manifest names no segment")
	}
	return times, lengths, nil
}

// firstNumber is the $Number$ of the first segment.
func firstNumber(tpl *mpd.SegmentTemplateType) uint64 {
	if tpl.StartNumber != nil {
		return uint64(*tpl.StartNumber)
	}
	return 1
}

// needed checks @bandwidth against the rate that a player needs to start at any
// segment after minBufferTime and never to stall.
func (c *checker) needed(t *dashTrack, buffer float64) {
	if buffer <= 0 {
		return
	}
	bandwidth := float64(t.r.Bandwidth)
	c.applies("D.9")
	for i := range t.segments {
		bits, elapsed := 0.0, 0.0
		for _, s := range t.segments[i:] {
			bits += float64(s.size) * 8
			if bits > (bandwidth*1.001)*(buffer+elapsed) {
				c.fail("D.9", t.segments[i].name, "bandwidth is %s bit/s, from here on %.0f are needed", strconv.FormatFloat(bandwidth, 'f', 0, 64), bits/(buffer+elapsed))
				break
			}
			if elapsed += s.extinf; elapsed > 20*buffer {
				break
			}
		}
	}
}
