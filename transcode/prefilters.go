package transcode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/expr"
	"github.com/copra-video/copra/transcode/format"
)

// edits are what is done with the picture before it is scaled.
type edits struct {
	deinterlace  bool
	single       bool // for single frames, which have no neighbours
	cropW, cropH string
	transpose    *int
	hflip, vflip bool
	square       bool
}

// deinterlacer makes one frame of each pair of fields, looking at the frames
// before and after. singleDeinterlacer looks at one frame only.
const (
	deinterlacer       = "bwdif=mode=send_frame"
	singleDeinterlacer = "estdif=mode=frame"
)

// preFilters returns the filters of e, joined, and the frame that they make. The
// order of all that is done with a picture is:
//
//	rotate as the source says -> deinterlace -> crop -> transpose -> hflip, vflip
//	-> square -> scale, letterbox or cut (fit) -> watermark -> blur
//
// So a crop counts pixels of the input as it is shown, and a watermark is upright
// in the corner of what is seen in the end.
func preFilters(in frame, e edits) (string, frame, *job.Error) {
	var f []string
	switch {
	case e.deinterlace && e.single:
		f = append(f, singleDeinterlacer)
	case e.deinterlace:
		f = append(f, deinterlacer)
	}
	if e.cropW != "" || e.cropH != "" {
		w, errW := cropSide(e.cropW, in)
		h, errH := cropSide(e.cropH, in)
		if errW != nil || errH != nil || w < 1 || h < 1 || w > in.W || h > in.H {
			return "", in, job.Errorf(job.OutputParamNotValid, "The crop %q does not fit the input's picture of %dx%d; give two numbers such as \"640:360\".", e.cropW+":"+e.cropH, in.W, in.H)
		}
		f = append(f, fmt.Sprintf("crop=%d:%d", w, h))
		in.W, in.H = w, h
	}
	if e.transpose != nil {
		f = append(f, fmt.Sprintf("transpose=%d", *e.transpose))
		in = frame{in.H, in.W, ratio{in.SAR.den, in.SAR.num}}
	}
	if e.hflip {
		f = append(f, "hflip")
	}
	if e.vflip {
		f = append(f, "vflip")
	}
	if e.square && in.dar() != (ratio{1, 1}) {
		sar := in.SAR.float()
		if in.dar().float() > 1 {
			in.W = max(1, int(float64(in.H)/sar))
		} else {
			in.H = max(1, int(float64(in.W)*sar))
		}
		f = append(f, fmt.Sprintf("crop=%d:%d", in.W, in.H))
	}
	return strings.Join(f, ","), in, nil
}

// cropSide is a side of a crop in pixels: a number, or arithmetic with the names
// that FFmpeg's crop filter has for the sides of its input.
func cropSide(s string, in frame) (int, error) {
	w, h := float64(in.W), float64(in.H)
	v, err := expr.Eval("{%"+s+"%}", expr.Vars{"iw": w, "ih": h, "in_w": w, "in_h": h})
	if err != nil {
		return 0, err
	}
	text, _ := v.(string)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n > maxSide {
		return 0, fmt.Errorf("crop side %q is no number of pixels", s)
	}
	return int(n), nil
}

// squareResolution is what a resolution asks of a square picture: its side is
// the width; that of a named resolution is the height, which the name says.
func squareResolution(r format.Resolution, square bool) format.Resolution {
	switch {
	case !square || r.Width == 0 || r.Height == 0:
		return r
	case r.Name != "":
		return format.Resolution{Width: r.Height, Height: r.Height}
	}
	return format.Resolution{Width: r.Width, Height: r.Width}
}
