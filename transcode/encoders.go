package transcode

import (
	"slices"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// keyframeSeconds is the grid of keyframes: one exactly at each multiple, in
// plain files too, so that a rendition serves both and segments of a multiple
// can be cut from it without encoding again (streams.md rule 1.13).
const keyframeSeconds = 2

// videoEncoder is a row of the table: how one codec is encoded.
type videoEncoder struct {
	codec        string
	encoder      string
	intermediate string  // container of the intermediate: "mp4" or "mkv"
	preset       string  // default of coconut-v2.md section 12
	quality      [5]int  // CRF, or what the encoder has in its place, for quality 1..5
	weight       float64 // time per pixel against libx264 fast, for progress
	// passInParams: passes are told through the encoder's own parameters, not by
	// ffmpeg's -pass.
	passInParams bool
	limits       limits
	args         func(r rendition, c encodeContext) []string
}

// encodeContext is what the arguments of an encoder depend on beside the key.
type encodeContext struct {
	gop   int    // frames in keyframeSeconds, rounded up
	pass  int    // 0: one pass
	stats string // name of the pass log
	hdr   *hdr   // what an HDR source says of its light; nil: the output is SDR
}

func kilobits(k int) string { return strconv.Itoa(k) + "k" }

// rateArgs is the rate control of coconut-v2.md section 12: quality is a CRF, bounded by
// maxrate when there is one; a bitrate may be exceeded by half for a moment.
//
// The buffer of a ceiling holds two seconds of it, but it is a quarter full at
// the start and not nine tenths, as encoders have it by themselves: so the
// average of a hard clip does not exceed the ceiling by what the buffer lent,
// and the first segment, for which a viewer waits, is none of the largest.
func rateArgs(r rendition) []string {
	if r.crf > 0 {
		args := []string{"-crf", strconv.Itoa(r.crf)}
		if m := r.effectiveMaxrateK(); m > 0 {
			args = append(args, "-maxrate", kilobits(m), "-bufsize", kilobits(2*m), "-rc_init_occupancy", kilobits(max(1, m/2)))
		}
		return args
	}
	maxrate, bufsize := r.bitrateK*3/2, 2*r.bitrateK
	if r.maxrateK > 0 {
		maxrate, bufsize = max(r.maxrateK, r.bitrateK), 2*max(r.maxrateK, r.bitrateK)
	}
	return []string{"-b:v", kilobits(r.bitrateK), "-maxrate", kilobits(maxrate), "-bufsize", kilobits(bufsize)}
}

// gopArgs put an IDR frame at each multiple of keyframeSeconds of the time
// line and, besides, nowhere: the scene cut detection is off, and -g is never
// shorter than the grid. The half millisecond is for time stamps that are
// rounded down, as in Matroska.
func gopArgs(c encodeContext) []string {
	grid := strconv.Itoa(keyframeSeconds)
	cell := func(t string) string { return "floor((" + t + "+0.0005)/" + grid + ")" }
	return []string{
		"-g", strconv.Itoa(c.gop),
		"-force_key_frames", "expr:isnan(prev_forced_t)+gt(" + cell("t") + "," + cell("prev_forced_t") + ")",
	}
}

func x264Args(r rendition, c encodeContext) []string {
	args := []string{"-preset", r.preset}
	args = append(args, rateArgs(r)...)
	if r.noBFrames {
		args = append(args, "-bf", "0")
	}
	args = append(args, "-profile:v", r.profile)
	if r.level != "" {
		args = append(args, "-level", dotted(r.level))
	}
	args = append(args, gopArgs(c)...)
	// cgop: no frame refers over a keyframe. sc_threshold 0: no keyframes off
	// the grid.
	return append(args, "-flags", "+cgop", "-sc_threshold", "0")
}

func x265Args(r rendition, c encodeContext) []string {
	params := []string{"log-level=error", "scenecut=0", "open-gop=0"}
	if r.level != "" {
		params = append(params, "level-idc="+dotted(r.level))
	}
	params = append(params, c.hdr.x265Params()...)
	if c.pass > 0 {
		params = append(params, "pass="+strconv.Itoa(c.pass), "stats="+c.stats)
	}
	args := []string{"-preset", r.preset}
	args = append(args, rateArgs(r)...)
	if r.profile != "" {
		args = append(args, "-profile:v", r.profile)
	}
	args = append(args, gopArgs(c)...)
	// Without forced-idr a forced keyframe of x265 is an I frame that is no
	// entry point. hvc1 is what Apple's players ask for (streams.md rule 1.10).
	return append(args, "-forced-idr", "1", "-tag:v", "hvc1", "-x265-params", strings.Join(params, ":"))
}

// vpxRateArgs differ: constrained quality of libvpx wants the ceiling as
// bitrate, and a CRF without any ceiling wants 0 (VP9) or a bitrate that is
// never reached (VP8).
func vpxRateArgs(r rendition, unbounded string) []string {
	if r.crf == 0 {
		return rateArgs(r)
	}
	ceiling := unbounded
	if r.maxrateK > 0 {
		ceiling = kilobits(r.maxrateK)
	}
	return []string{"-crf", strconv.Itoa(r.crf), "-b:v", ceiling}
}

func vp8Args(r rendition, c encodeContext) []string {
	args := append([]string{"-deadline", "good", "-cpu-used", vpxSpeed(r.preset)}, vpxRateArgs(r, "100M")...)
	if r.crf > 0 {
		// VP8 takes the CRF for a wish: with bitrate to spare it goes below.
		args = append(args, "-qmin", strconv.Itoa(r.crf))
	}
	return append(append(args, vpxGopArgs(c)...), vpxAlpha(r)...)
}

func vp9Args(r rendition, c encodeContext) []string {
	args := []string{"-deadline", "good", "-cpu-used", vpxSpeed(r.preset), "-row-mt", "1", "-tile-columns", "2"}
	args = append(args, vpxRateArgs(r, "0")...)
	return append(append(args, vpxGopArgs(c)...), vpxAlpha(r)...)
}

// vpxGopArgs: a smallest distance equal to the largest is libvpx's way to say
// that scene cuts make no keyframes.
func vpxGopArgs(c encodeContext) []string {
	return append(gopArgs(c), "-keyint_min", strconv.Itoa(c.gop))
}

// vpxAlpha: pictures with transparency cannot have alternate reference frames.
func vpxAlpha(r rendition) []string {
	if strings.HasPrefix(r.pixFmt, "yuva") {
		return []string{"-auto-alt-ref", "0"}
	}
	return nil
}

// vpxSpeed is a preset of libvpx, which is a number; x264's names mean the
// default.
func vpxSpeed(preset string) string {
	if n, err := strconv.Atoi(preset); err == nil && n >= 0 && n <= 8 {
		return preset
	}
	return "2"
}

// dotted turns "31" into "3.1".
func dotted(level string) string {
	if len(level) == 2 && !strings.Contains(level, ".") {
		return level[:1] + "." + level[1:]
	}
	return level
}

// profiles of H.264 from the smallest to the largest.
var profiles = []string{"baseline", "main", "high", "high10", "high422", "high444"}

// profile is what the encoder is told: the one asked for, else High or what the
// pixel format needs. Pixel format and profile must agree.
func (e videoEncoder) profile(pixFmt, asked string) (string, *job.Error) {
	switch e.codec {
	case "h264":
		need := neededProfile(pixFmt)
		if asked == "" {
			return profiles[max(slices.Index(profiles, need), slices.Index(profiles, "high"))], nil
		}
		if rank := slices.Index(profiles, asked); rank < slices.Index(profiles, need) {
			return "", job.Errorf(job.OutputFormatNotValid, "The profile %q does not allow the pixel format %q; use vprofile=%s or another pix_fmt.", asked, pixFmt, need)
		}
		return asked, nil
	case "hevc":
		// x265 has other names, and finds those beside the common two itself.
		switch pixFmt {
		case "yuv420p":
			return "main", nil
		case "yuv420p10le":
			return "main10", nil
		}
	case "prores", "prores-ks":
		return proresProfile(pixFmt, asked), nil
	}
	return "", nil
}

// neededProfile is the smallest H.264 profile that holds a pixel format.
func neededProfile(pixFmt string) string {
	switch {
	case strings.Contains(pixFmt, "444"):
		return "high444"
	case strings.Contains(pixFmt, "422"), pixFmt == "nv16", pixFmt == "nv20le":
		return "high422"
	case strings.Contains(pixFmt, "10"):
		return "high10"
	case pixFmt == "gray":
		return "high"
	}
	return "baseline"
}
