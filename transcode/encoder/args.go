package encoder

import (
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/codec"
)

// gopArgs put an IDR frame at each multiple of the grid of the time line, and
// nowhere else: scene cut detection is off, and -g is never shorter
// than the grid. The half millisecond is for time stamps that are rounded down,
// as in Matroska.
//
// FFmpeg's t counts from the first frame of the encode, times of a list from zero.
func gopArgs(r Run) []string {
	if r.Keyframes != nil {
		times := make([]string, len(r.Keyframes))
		for i, at := range r.Keyframes {
			times[i] = strconv.FormatFloat(at, 'f', 6, 64)
		}
		return []string{"-g", number(r.GOP), "-force_key_frames", strings.Join(times, ",")}
	}
	cells := "/" + number(KeyframeSeconds)
	if r.Grid.Num > 0 && r.Grid != DefaultGrid {
		cells = "*" + number(r.Grid.Den) + "/" + number(r.Grid.Num)
	}
	cell := func(t string) string { return "floor((" + t + "+0.0005)" + cells + ")" }
	return []string{
		"-g", number(r.GOP),
		"-force_key_frames", "expr:isnan(prev_forced_t)+gt(" + cell("t") + "," + cell("prev_forced_t") + ")",
	}
}

// presetArgs: libx264 and libx265 have the words of the option tune themselves.
func presetArgs(s Settings) []string {
	args := []string{"-preset", s.Preset}
	if s.Tune != "" {
		args = append(args, "-tune", s.Tune)
	}
	return args
}

// maxrate1b is up to how many kbit/s x264 chooses level 1b for frames that are small enough,
// which it writes as level_idc 9 (ITU-T H.264 table A-1). Browsers know no such codec string
// as avc1.640009: MediaSource.isTypeSupported is false, and players leave the variant out.
// Level 1.1 is the next.
const maxrate1b = 160

// fpsParam tells x264 or x265 the frame rate.
func fpsParam(r Run) []string {
	if r.FPS.Num == 0 {
		return nil
	}
	return []string{"fps=" + number(r.FPS.Num) + "/" + number(r.FPS.Den)}
}

func x264Args(s Settings, rate Rate, r Run) []string {
	args := append(presetArgs(s), vbvArgs(rate)...)
	if s.NoBFrames {
		args = append(args, "-bf", "0")
	}
	args = append(args, "-profile:v", s.Profile)
	level := s.Level
	if level == "" && s.Small && 0 < rate.MaxrateK && rate.MaxrateK <= maxrate1b {
		level = "11"
	}
	if level != "" {
		args = append(args, "-level", dotted(level))
	}
	args = append(args, gopArgs(r)...)
	var params []string
	if r.Pass > 0 && r.Keyframes != nil {
		// A second pass chooses headers by the first, and those of chunks must be equal.
		params = append(params, "stitchable=1")
	}
	if params = append(params, fpsParam(r)...); len(params) > 0 {
		args = append(args, "-x264-params", strings.Join(params, ":"))
	}
	// cgop: no frame refers over a keyframe. sc_threshold 0: no keyframes off
	// the grid.
	return append(args, "-flags", "+cgop", "-sc_threshold", "0")
}

func x265Args(s Settings, rate Rate, r Run) []string {
	params := []string{"log-level=error", "scenecut=0", "open-gop=0"}
	if s.Level != "" {
		params = append(params, "level-idc="+dotted(s.Level))
	}
	if s.Narrow {
		// x265 3.5 and 4.1 write beyond their memory in Lookahead::cuTree where AVX2 counts four
		// blocks at once and a row has fewer: seen of widths up to 49, and never of 50.
		params = append(params, "cutree=0")
	}
	params = append(params, fpsParam(r)...)
	params = append(params, r.HDR.x265Params()...)
	if r.Keyframes != nil {
		// Chunks have different bitrates. x265 tells of its settings in the header.
		params = append(params, "info=0")
	}
	if r.Pass > 0 {
		params = append(params, "pass="+number(r.Pass), "stats="+r.Stats)
	}
	args := append(presetArgs(s), vbvArgs(rate)...)
	if s.Profile != "" {
		args = append(args, "-profile:v", s.Profile)
	}
	args = append(args, gopArgs(r)...)
	// Without forced-idr a forced keyframe of x265 is an I frame that is no
	// entry point. hvc1 is what Apple's players ask for (streams.md
	// rule 1.10).
	return append(args, "-forced-idr", "1", "-tag:v", "hvc1", "-x265-params", strings.Join(params, ":"))
}

func vp8Args(s Settings, rate Rate, r Run) []string {
	args := append([]string{"-deadline", "good", "-cpu-used", s.Preset}, vpxRateArgs(rate, "100M")...)
	if rate.CRF > 0 {
		// VP8 takes the CRF as a wish: with bitrate to spare it goes below.
		args = append(args, "-qmin", number(rate.CRF))
	}
	return append(append(args, vpxGOPArgs(r)...), vpxAlpha(s)...)
}

func vp9Args(s Settings, rate Rate, r Run) []string {
	args := []string{"-deadline", "good", "-cpu-used", s.Preset, "-row-mt", "1", "-tile-columns", "2"}
	args = append(args, vpxRateArgs(rate, "0")...)
	if s.Tune == "grain" {
		args = append(args, "-tune-content", "film") // its "screen" changes nothing but in real time
	}
	return append(append(args, vpxGOPArgs(r)...), vpxAlpha(s)...)
}

// vpxGOPArgs: a smallest distance equal to the largest is libvpx's way to say
// that scene cuts make no keyframes.
func vpxGOPArgs(r Run) []string { return append(gopArgs(r), "-keyint_min", number(r.GOP)) }

// vpxAlpha: pictures with transparency cannot have alternate reference frames.
func vpxAlpha(s Settings) []string {
	if codec.Pixels(s.PixFmt).Alpha {
		return []string{"-auto-alt-ref", "0"}
	}
	return nil
}

// svtTunes: grain is taken out, described, and drawn anew by the decoder. screen switches
// on palettes and copies within the picture. By itself SVT-AV1 does not see a page of text
// that scrolls (documentation of SVT-AV1, film-grain and scm).
var svtTunes = map[string]string{"grain": "film-grain=10", "screen": "scm=1"}

// av1Args: SVT-AV1 in FFmpeg 5.1 is not told of forced keyframes, so the
// distance is all there is. irefresh-type 2 closes the groups.
func av1Args(s Settings, rate Rate, r Run) []string {
	args := append([]string{"-preset", s.Preset}, svtRateArgs(rate)...)
	params := append([]string{"irefresh-type=2", "scd=0"}, r.HDR.svtParams()...)
	if word := svtTunes[s.Tune]; word != "" {
		params = append(params, word)
	}
	return append(args, "-g", number(r.GOP), "-svtav1-params", strings.Join(params, ":"))
}

func theoraArgs(_ Settings, rate Rate, r Run) []string {
	return append(theoraRateArgs(rate), "-g", number(r.GOP))
}

// mpegArgs are those of FFmpeg's own MPEG family and of Xvid. Without B-frames,
// which is their default, every group of pictures is closed and plays in AVI
// and 3GP.
func mpegArgs(_ Settings, rate Rate, r Run) []string {
	return append(quantiserArgs(rate), gopArgs(r)...)
}

// mjpegArgs: tables made for the picture save a tenth, and every decoder reads
// them.
func mjpegArgs(_ Settings, rate Rate, _ Run) []string {
	return append(quantiserArgs(rate), "-huffman", "optimal")
}

func proresArgs(s Settings, _ Rate, _ Run) []string { return []string{"-profile:v", s.Profile} }

// proresKSArgs: QuickTime wants Apple's name in the frames.
func proresKSArgs(s Settings, _ Rate, _ Run) []string {
	args := []string{"-profile:v", s.Profile, "-vendor", "apl0"}
	if codec.Pixels(s.PixFmt).Alpha {
		args = append(args, "-alpha_bits", "16")
	}
	return args
}

// dnxhrArgs: the profiles of DNxHD are made for a few sizes, rates and bitrates
// of television; DNxHR is the same codec for all others.
func dnxhrArgs(s Settings, _ Rate, _ Run) []string {
	profile := "dnxhr_hq"
	switch f := codec.Pixels(s.PixFmt); {
	case f.Chroma == codec.YUV444:
		profile = "dnxhr_444"
	case f.Depth > 8:
		profile = "dnxhr_hqx"
	}
	return []string{"-profile:v", profile}
}

// losslessArgs: there is nothing to choose.
func losslessArgs(Settings, Rate, Run) []string { return nil }

// h264Profile is the profile asked for, else High or what the pixel format
// needs.
func h264Profile(pixFmt, asked string) (string, *job.Error) {
	row := codec.Lookup(codec.Video, "h264")
	need := row.ProfileFor(pixFmt)
	if need == nil {
		need = &row.Profiles[len(row.Profiles)-1]
	}
	if asked == "" {
		if high := row.Profile("high"); high.Holds(pixFmt) {
			return high.Name, nil
		}
		return need.Name, nil
	}
	if p := row.Profile(asked); p != nil && !p.Holds(pixFmt) {
		return "", job.Errorf(job.OutputFormatNotValid, "The profile %q does not allow the pixel format %q; use vprofile=%s or another pix_fmt.", asked, pixFmt, need.Name)
	}
	return asked, nil
}

// hevcProfile names the common two. x265 finds the others itself, and has
// other names for them.
func hevcProfile(pixFmt, _ string) (string, *job.Error) {
	switch f := codec.Pixels(pixFmt); {
	case f.Chroma != codec.YUV420 || f.FullRange:
	case f.Depth == 8:
		return "main", nil
	case f.Depth == 10:
		return "main10", nil
	}
	return "", nil
}

// proresProfile is the number that the encoders know: proxy, LT, standard or
// HQ, and 4444 for what has more chroma.
func proresProfile(pixFmt, asked string) (string, *job.Error) {
	switch {
	case codec.Pixels(pixFmt).Chroma == codec.YUV444:
		return "4", nil
	case asked != "":
		return asked, nil
	}
	return "2", nil
}

// dotted turns "31" into "3.1".
func dotted(level string) string {
	if n, err := strconv.Atoi(level); err == nil && n >= 10 {
		return strconv.Itoa(n/10) + "." + strconv.Itoa(n%10)
	}
	return level
}
