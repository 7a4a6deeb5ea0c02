package transcode

import (
	"math"
	"strconv"
)

// ratio is a reduced positive fraction. It is comparable, so that keys made of
// it are equal when the values are.
type ratio struct{ num, den int64 }

// ratioLimit bounds both terms, so that products of sizes never overflow and
// ffmpeg's 32 bit rationals can hold them.
const ratioLimit = 1 << 24

func newRatio(num, den int64) ratio {
	if num <= 0 || den <= 0 {
		return ratio{1, 1}
	}
	g := gcd(num, den)
	num, den = num/g, den/g
	for num > ratioLimit || den > ratioLimit {
		num, den = max(1, num/2), max(1, den/2)
		g = gcd(num, den)
		num, den = num/g, den/g
	}
	return ratio{num, den}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// mul is r * num/den.
func (r ratio) mul(num, den int64) ratio {
	g1, g2 := gcd(r.num, den), gcd(num, r.den)
	return newRatio((r.num/g1)*(num/g2), (r.den/g2)*(den/g1))
}

func (r ratio) float() float64 { return float64(r.num) / float64(r.den) }

func (r ratio) String() string {
	return strconv.FormatInt(r.num, 10) + "/" + strconv.FormatInt(r.den, 10)
}

// even is the even number nearest to x, at least 2.
func even(x float64) int { return max(2, 2*int(math.Round(x/2))) }

// seconds prints s as ffmpeg reads it, to the microsecond.
func seconds(s float64) string {
	return strconv.FormatFloat(math.Round(s*1e6)/1e6, 'f', -1, 64)
}
