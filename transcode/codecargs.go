package transcode

import (
	"strconv"
	"strings"
)

// av1Args: SVT-AV1 in ffmpeg 5.1 hears of no forced keyframes, so the distance
// is all there is; key-type 2 (irefresh-type) closes the groups.
func av1Args(r rendition, c encodeContext) []string {
	preset := r.preset
	if n, err := strconv.Atoi(preset); err != nil || n < 0 || n > 13 {
		preset = "8"
	}
	args := []string{"-preset", preset}
	if r.crf > 0 {
		args = append(args, rateArgs(r)...)
	} else {
		// A ceiling is taken only beside a CRF.
		args = append(args, "-b:v", kilobits(r.bitrateK))
	}
	params := append([]string{"irefresh-type=2", "scd=0"}, c.hdr.svtParams()...)
	return append(args, "-g", strconv.Itoa(c.gop), "-svtav1-params", strings.Join(params, ":"))
}

// theoraArgs: libtheora has a scale of quality from 0 to 10, and no ceiling.
func theoraArgs(r rendition, c encodeContext) []string {
	if r.crf > 0 {
		return []string{"-q:v", strconv.Itoa(r.crf), "-g", strconv.Itoa(c.gop)}
	}
	return []string{"-b:v", kilobits(r.bitrateK), "-g", strconv.Itoa(c.gop)}
}

// quantiserArgs is the rate control of encoders that know a quantiser instead
// of a CRF: with a ceiling it is the best that is used, not the only one.
func quantiserArgs(r rendition) []string {
	switch {
	case r.crf > 0 && r.maxrateK > 0:
		return []string{
			"-qmin", strconv.Itoa(r.crf), "-b:v", kilobits(r.maxrateK),
			"-maxrate", kilobits(r.maxrateK), "-bufsize", kilobits(2 * r.maxrateK),
		}
	case r.crf > 0:
		return []string{"-q:v", strconv.Itoa(r.crf)}
	}
	return rateArgs(r)
}

// mpegArgs are those of ffmpeg's own MPEG family and of Xvid. Without B frames,
// their default, every group of pictures is closed and plays in AVI and 3GP.
func mpegArgs(r rendition, c encodeContext) []string {
	return append(quantiserArgs(r), gopArgs(c)...)
}

// mjpegArgs: tables made for the picture save a tenth, and every decoder reads
// them.
func mjpegArgs(r rendition, _ encodeContext) []string {
	return append(quantiserArgs(r), "-huffman", "optimal")
}

// proresProfile is the number that the encoders know: proxy, LT, standard, HQ,
// and 4444 for what has more colour.
func proresProfile(pixFmt, asked string) string {
	switch {
	case strings.Contains(pixFmt, "444"):
		return "4"
	case asked != "":
		return asked
	}
	return "2"
}

func proresArgs(r rendition, _ encodeContext) []string { return []string{"-profile:v", r.profile} }

// proresKSArgs: QuickTime wants Apple's name in the frames.
func proresKSArgs(r rendition, _ encodeContext) []string {
	args := []string{"-profile:v", r.profile, "-vendor", "apl0"}
	if strings.HasPrefix(r.pixFmt, "yuva") {
		args = append(args, "-alpha_bits", "16")
	}
	return args
}

// dnxhrArgs: the profiles of DNxHD are made for a few sizes, rates and bitrates
// of television; DNxHR is the same codec for all others.
func dnxhrArgs(r rendition, _ encodeContext) []string {
	profile := "dnxhr_hq"
	switch r.pixFmt {
	case "yuv422p10le":
		profile = "dnxhr_hqx"
	case "yuv444p10le", "gbrp10le":
		profile = "dnxhr_444"
	}
	return []string{"-profile:v", profile}
}

// losslessArgs: there is nothing to choose.
func losslessArgs(rendition, encodeContext) []string { return nil }
