package ffmpeg

import (
	"slices"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// Finding is one line about the tools.
type Finding struct {
	Name string
	OK   bool
	Note string // what it is, or what does not work without it
}

// Report says what the tools are and which of the features that matter they
// lack, with what does not work without them. It takes a toolchain that was
// opened with Options.Complete.
func (t *Toolchain) Report() []Finding {
	findings := []Finding{
		{"ffmpeg", true, t.Version() + " at " + t.ffmpeg},
		{"ffprobe", t.probeVersion == t.Version(), t.probeVersion + " at " + t.ffprobe},
	}
	if t.probeVersion != t.Version() {
		findings[1].Note += "; its version is not that of ffmpeg"
	}
	for _, f := range reportedFeatures() {
		has := t.capabilities.Encoders
		switch f.kind {
		case filterFeature:
			has = t.capabilities.Filters
		case muxerFeature:
			has = t.capabilities.Muxers
		}
		name, note := f.names[0], "missing: no "+f.means
		i := slices.IndexFunc(f.names, has.Has)
		if i >= 0 {
			name, note = f.names[i], f.means
		}
		findings = append(findings, Finding{f.kind + " " + name, i >= 0, note})
	}
	return append(findings, t.reportPhotos()...)
}

// feature is something that works when ffmpeg has one of several names.
type feature struct {
	kind  string
	names []string // the preferred one first
	means string
}

const encoderFeature, filterFeature, muxerFeature = "encoder", "filter", "muxer"

// reportedFeatures are the encoders of the tables, without PCM, which every
// ffmpeg has, and what else outputs need.
func reportedFeatures() []feature {
	var list []feature
	for _, c := range codec.Codecs() {
		if names := encoder.Names(c); c.Encodable && len(names) > 0 && !c.PCM {
			list = append(list, feature{encoderFeature, names, c.Title})
		}
	}
	for _, e := range encoder.Images() {
		list = append(list, feature{encoderFeature, []string{e.Name}, e.Title})
	}
	return append(list,
		feature{filterFeature, []string{"zscale"}, "HDR to SDR conversion"},
		feature{filterFeature, []string{"tonemap"}, "HDR to SDR conversion"},
		feature{filterFeature, []string{"overlay"}, "watermarks"},
		feature{filterFeature, []string{"drawtext"}, "burnt-in text"},
		feature{filterFeature, []string{"bwdif"}, "deinterlacing"},
		feature{muxerFeature, []string{"mp4"}, "MP4"},
		feature{muxerFeature, []string{"mpegts"}, "MPEG-TS"},
		feature{muxerFeature, []string{"hls"}, "HLS segments"},
		feature{muxerFeature, []string{"webm"}, "WebM"},
		feature{muxerFeature, []string{"webvtt"}, "WebVTT subtitles"},
	)
}
