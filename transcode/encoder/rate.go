package encoder

import "strconv"

// Rate is the rate control of an encode: a constant quality or a bitrate to aim
// at, and a bound that a buffer enforces. Rates are in kbit/s, 0 means none.
type Rate struct {
	CRF      int // or a quantiser
	BitrateK int
	MaxrateK int // never exceeded over BufferK
	BufferK  int // kbit
	// Resumes: the encode goes on where another has ended.
	Resumes bool
}

func kilobits(k int) string { return strconv.Itoa(k) + "k" }

func number(n int) string { return strconv.Itoa(n) }

// vbvRate is the rate control of coconut-v2.md section 12 for
// encoders with a video buffering verifier: a quality is bounded by the maxrate
// when there is one, and a bitrate may be exceeded by half for a moment.
func vbvRate(s Settings) Rate {
	if s.CRF > 0 {
		k := s.EffectiveMaxrateK()
		return Rate{CRF: s.CRF, MaxrateK: k, BufferK: 2 * k}
	}
	if s.MaxrateK > 0 {
		k := max(s.MaxrateK, s.BitrateK)
		return Rate{BitrateK: s.BitrateK, MaxrateK: k, BufferK: 2 * k}
	}
	return Rate{BitrateK: s.BitrateK, MaxrateK: s.BitrateK * 3 / 2, BufferK: 2 * s.BitrateK}
}

// vbvArgs print a rate of vbvRate.
//
// Where the bound decides the size, the buffer is half full at the start. Encoders
// begin with nine tenths by themselves, and x264 and x265 then keep it half full
// (clip_qscale in x264's ratecontrol.c, --min-vbv-fullness of x265). What it holds at the
// start and not at the end is spent above the bound, and what it lacks is not spent:
// with a quarter, hard clips of 4 s were 11 % too small, and with nine tenths 14 to
// 20 % too large. It also keeps the first segment, for which a viewer waits, from
// being one of the largest. An encode that goes on where another has ended begins with
// nine tenths, as the buffer mostly is in the middle of a film.
func vbvArgs(r Rate) []string {
	args := []string{"-crf", number(r.CRF)}
	if r.CRF == 0 {
		args = []string{"-b:v", kilobits(r.BitrateK)}
	}
	if r.MaxrateK == 0 {
		return args
	}
	args = append(args, "-maxrate", kilobits(r.MaxrateK), "-bufsize", kilobits(r.BufferK))
	if r.CRF == 0 && r.MaxrateK > r.BitrateK {
		return args // the bitrate decides
	}
	occupancy := r.BufferK / 2
	if r.Resumes {
		occupancy = r.BufferK * 9 / 10
	}
	return append(args, "-rc_init_occupancy", kilobits(max(1, occupancy)))
}

// vpxRate is that of libvpx: its constrained quality takes the bound as the
// bitrate, and has no buffer.
func vpxRate(s Settings) Rate {
	if s.CRF > 0 {
		return Rate{CRF: s.CRF, BitrateK: s.EffectiveMaxrateK()}
	}
	return vbvRate(s)
}

// vpxRateArgs print a rate of vpxRate. unbounded is the bitrate that stands for
// none beside a CRF: 0 for VP9, one that is never reached for VP8.
func vpxRateArgs(r Rate, unbounded string) []string {
	if r.CRF == 0 {
		return vbvArgs(r)
	}
	bitrate := unbounded
	if r.BitrateK > 0 {
		bitrate = kilobits(r.BitrateK)
	}
	return []string{"-crf", number(r.CRF), "-b:v", bitrate}
}

// svtRate is that of SVT-AV1, which takes a bound only beside a CRF.
func svtRate(s Settings) Rate {
	if s.CRF > 0 {
		return vbvRate(s)
	}
	return Rate{BitrateK: s.BitrateK}
}

func svtRateArgs(r Rate) []string {
	if r.CRF == 0 {
		return []string{"-b:v", kilobits(r.BitrateK)}
	}
	return vbvArgs(r)
}

// theoraRate is that of libtheora, which has a scale of quality from 0 to 10
// and no bound.
func theoraRate(s Settings) Rate {
	if s.CRF > 0 {
		return Rate{CRF: s.CRF}
	}
	return Rate{BitrateK: s.BitrateK}
}

func theoraRateArgs(r Rate) []string {
	if r.CRF > 0 {
		return []string{"-q:v", number(r.CRF)}
	}
	return []string{"-b:v", kilobits(r.BitrateK)}
}

// quantiserRate is that of encoders that know a quantiser instead of a CRF.
// Under a bound it is the best quantiser that is used, not the only one.
func quantiserRate(s Settings) Rate {
	switch {
	case s.CRF > 0 && s.MaxrateK > 0:
		return Rate{CRF: s.CRF, BitrateK: s.MaxrateK, MaxrateK: s.MaxrateK, BufferK: 2 * s.MaxrateK}
	case s.CRF > 0:
		return Rate{CRF: s.CRF}
	}
	return vbvRate(s)
}

func quantiserArgs(r Rate) []string {
	switch {
	case r.CRF > 0 && r.MaxrateK > 0:
		return []string{
			"-qmin", number(r.CRF), "-b:v", kilobits(r.BitrateK),
			"-maxrate", kilobits(r.MaxrateK), "-bufsize", kilobits(r.BufferK),
		}
	case r.CRF > 0:
		return []string{"-q:v", number(r.CRF)}
	}
	return vbvArgs(r)
}
