package codec

import (
	"strconv"
	"strings"
)

// Chroma is the chroma subsampling of a picture. The order is that of size.
type Chroma int

// The subsamplings. RGB counts as 4:4:4.
const (
	Mono   Chroma = 400
	YUV420 Chroma = 420
	YUV422 Chroma = 422
	YUV440 Chroma = 440
	YUV444 Chroma = 444
)

// PixelFormat is what the name of a pixel format says.
type PixelFormat struct {
	Chroma    Chroma
	Depth     int  // bits of a sample
	Alpha     bool // it has transparency
	RGB       bool // it is not YUV
	PlanarRGB bool // it is RGB with a plane for each component
	FullRange bool // it is one of the "yuvj" formats, which are full range by name
}

// Pixels reads FFmpeg's name of a pixel format, of which there are some 200
// that follow the same few rules (libavutil/pixdesc.c).
func Pixels(name string) PixelFormat {
	f := PixelFormat{Chroma: YUV420, Depth: pixelDepth(name), FullRange: strings.HasPrefix(name, "yuvj")}
	for _, with := range []string{"rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya8", "ya16", "pal8"} {
		f.Alpha = f.Alpha || strings.HasPrefix(name, with)
	}
	f.PlanarRGB = strings.HasPrefix(name, "gbr")
	f.RGB = f.PlanarRGB || strings.Contains(name, "rgb") || strings.Contains(name, "bgr") || name == "pal8"
	switch {
	case f.RGB, strings.Contains(name, "444"), name == "nv24", name == "nv42":
		f.Chroma = YUV444
	case strings.HasPrefix(name, "gray"), strings.HasPrefix(name, "ya8"), strings.HasPrefix(name, "ya16"):
		f.Chroma = Mono
	case strings.Contains(name, "440"):
		f.Chroma = YUV440
	case strings.Contains(name, "422"), name == "nv16", strings.HasPrefix(name, "nv20"):
		f.Chroma = YUV422
	}
	return f
}

// pixelDepth reads the bits of a sample from the end of a name, where formats
// of more than 8 bits have them: "yuv420p10le", "gray12be". Packed RGB has the
// bits of a pixel there instead, and the "nv" formats an arbitrary number.
func pixelDepth(name string) int {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "le"), "be")
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	n, _ := strconv.Atoi(digits)
	switch {
	case strings.HasPrefix(name, "nv20"):
		return 10
	case strings.HasPrefix(name, "nv"):
		return 8
	case n == 48 || n == 64:
		return 16
	case n >= 9 && n <= 16:
		return n
	}
	return 8
}

// Planar returns the planar form of formats that hold the same samples in
// another order, and that not every FFmpeg can make. An encoder writes the same
// stream from it.
func Planar(name string) string {
	switch name {
	case "nv16":
		return "yuv422p"
	case "nv20le":
		return "yuv422p10le"
	}
	return name
}

// FullRange returns the form of an 8-bit YUV format that is full range by name:
// "yuvj420p" for "yuv420p". Other formats stay as they are.
func FullRange(name string) string {
	if strings.HasPrefix(name, "yuv4") {
		return "yuvj" + strings.TrimPrefix(name, "yuv")
	}
	return name
}
