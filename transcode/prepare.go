package transcode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
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

// prepare returns the filters of e, joined, and the frame that they make.
func prepare(in frame, e edits) (string, frame, *job.Error) {
	var f []string
	switch {
	case e.deinterlace && e.single:
		f = append(f, singleDeinterlacer)
	case e.deinterlace:
		f = append(f, deinterlacer)
	}
	if e.cropW != "" || e.cropH != "" {
		w, errW := strconv.Atoi(strings.TrimSpace(e.cropW))
		h, errH := strconv.Atoi(strings.TrimSpace(e.cropH))
		if errW != nil || errH != nil || w < 1 || h < 1 || w > in.W || h > in.H {
			return "", in, job.Errorf("output_param_not_valid", "The crop %q does not fit the input's picture of %dx%d; give two numbers such as \"640:360\".", e.cropW+":"+e.cropH, in.W, in.H)
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
