package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/copra-video/copra/tools/measure"
)

// rung is a variant of the ladder. The source has the same shape, 16:9.
type rung struct {
	name     string
	w, h     int
	maxrateK int
	file     bool // made as a file too
}

// rungs ascend; quality 4 of h264 is CRF 23.
var rungs = []rung{
	{"240p", 426, 240, 400, false},
	{"360p", 640, 360, 1000, true},
	{"480p", 854, 480, 1500, true},
	{"720p", 1280, 720, 2000, true},
	{"1080p", 1920, 1080, 4000, false},
}

// pictures is the number of thumbnails.
const pictures = 5

// byHand makes the same as the server by command lines that a person would write, with
// the same settings of the encoders.
type byHand struct {
	clip  string
	gop   int       // frames
	times []float64 // of the thumbnails, in seconds
}

func newByHand(ctx context.Context, clip string) (*byHand, error) {
	h := &byHand{clip: clip}
	text, err := measure.Probe(ctx, clip, "format=duration")
	if err != nil {
		return nil, err
	}
	length, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("read duration of %s: %w", clip, err)
	}
	if text, err = measure.Probe(ctx, clip, "stream=r_frame_rate"); err != nil {
		return nil, err
	}
	var num, den float64
	if _, err := fmt.Sscanf(text, "%f/%f", &num, &den); err != nil {
		return nil, fmt.Errorf("read frame rate of %s: %w", clip, err)
	}
	h.gop = int(math.Ceil(2 * num / den))
	for k := range pictures {
		h.times = append(h.times, length*(float64(k)+0.5)/pictures)
	}
	return h, nil
}

// encode returns the arguments of the encoder of a rung.
func (h *byHand) encode(r rung) []string {
	return []string{"-c:v", "libx264", "-preset", preset, "-crf", "23",
		"-maxrate", fmt.Sprintf("%dk", r.maxrateK), "-bufsize", fmt.Sprintf("%dk", 2*r.maxrateK), "-rc_init_occupancy", fmt.Sprintf("%dk", r.maxrateK),
		"-profile:v", "high", "-pix_fmt", "yuv420p", "-g", strconv.Itoa(h.gop),
		"-force_key_frames", "expr:gte(t,n_forced*2)", "-flags", "+cgop", "-sc_threshold", "0"}
}

var encodeAudio = []string{"-c:a", "aac", "-b:a", "128k", "-ac", "2"}

// segments returns the arguments of the HLS muxer for a variant.
func segments(r rung) []string {
	return []string{"-f", "hls", "-hls_time", "6", "-hls_playlist_type", "vod",
		"-hls_segment_filename", "hls/" + r.name + "/segment-%05d.ts", "hls/" + r.name + "/index.m3u8"}
}

func (h *byHand) makeDirs(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, r := range rungs {
		if err := os.MkdirAll(filepath.Join(dir, "hls", r.name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// apart runs one ffmpeg for each file, each variant and each thumbnail, one after
// another.
func (h *byHand) apart(ctx context.Context, dir string) (measure.Cost, error) {
	if err := h.makeDirs(dir); err != nil {
		return measure.Cost{}, err
	}
	var commands [][]string
	for _, r := range rungs {
		head := append([]string{"-i", h.clip, "-vf", fmt.Sprintf("scale=%d:%d", r.w, r.h)}, h.encode(r)...)
		head = append(head, encodeAudio...)
		if r.file {
			commands = append(commands, concat(head, []string{"-movflags", "+faststart", r.name + ".mp4"}))
		}
		commands = append(commands, concat(head, segments(r)))
	}
	for k, t := range h.times {
		commands = append(commands, []string{"-ss", fmt.Sprintf("%.3f", t), "-i", h.clip, "-frames:v", "1",
			"-vf", "scale=300:-2", "-q:v", "2", "-update", "1", fmt.Sprintf("thumb_%02d.jpg", k+1)})
	}
	return inTurn(ctx, dir, commands)
}

// shared makes the same by two command lines. The first decodes once, scales in a
// cascade, encodes each rung and the audio once, and makes the thumbnails from the same
// graph. The second copies into files and segments.
func (h *byHand) shared(ctx context.Context, dir string) (measure.Cost, error) {
	if err := h.makeDirs(dir); err != nil {
		return measure.Cost{}, err
	}
	// The largest rung first, each smaller one scaled from the one before.
	graph := "[0:v]split=2[pic][in]"
	in := "in"
	for i := len(rungs) - 1; i >= 0; i-- {
		r := rungs[i]
		scale := fmt.Sprintf("scale=%d:%d:flags=bicubic", r.w, r.h)
		if i == 0 {
			graph += fmt.Sprintf(";[%s]%s[%s]", in, scale, r.name)
			break
		}
		graph += fmt.Sprintf(";[%s]%s,split=2[%s][from%s]", in, scale, r.name, r.name)
		in = "from" + r.name
	}
	var moments []string
	for _, t := range h.times {
		moments = append(moments, fmt.Sprintf("gte(t,%.3f)*(isnan(prev_selected_t)+lt(prev_selected_t,%.3f))", t, t))
	}
	graph += ";[pic]select='" + strings.Join(moments, "+") + "',scale=300:-2[pics]"

	encode := []string{"-i", h.clip, "-filter_complex", graph}
	copies := []string{}
	for _, r := range rungs {
		encode = concat(encode, []string{"-map", "[" + r.name + "]"}, h.encode(r), []string{"video-" + r.name + ".mp4"})
		copies = append(copies, "-i", "video-"+r.name+".mp4")
	}
	encode = concat(encode, []string{"-map", "0:a:0"}, encodeAudio, []string{"audio.mp4"})
	encode = append(encode, "-map", "[pics]", "-fps_mode", "passthrough", "-q:v", "2", "thumb_%02d.jpg")

	copies = append(copies, "-i", "audio.mp4")
	for i, r := range rungs {
		tracks := []string{"-map", fmt.Sprintf("%d:v", i), "-map", fmt.Sprintf("%d:a", len(rungs)), "-c", "copy"}
		if r.file {
			copies = concat(copies, tracks, []string{"-movflags", "+faststart", r.name + ".mp4"})
		}
		copies = concat(copies, tracks, segments(r))
	}
	return inTurn(ctx, dir, [][]string{encode, copies})
}

// inTurn runs command lines one after another.
func inTurn(ctx context.Context, dir string, commands [][]string) (total measure.Cost, err error) {
	for _, args := range commands {
		took, err := measure.FFmpeg(ctx, dir, args...)
		if err != nil {
			return measure.Cost{}, err
		}
		total = total.Plus(took)
	}
	return total, nil
}

func concat(parts ...[]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
