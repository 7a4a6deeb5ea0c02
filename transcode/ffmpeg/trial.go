package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/encoder"
)

// The picture of a trial: long enough for a second keyframe, and small enough to
// take a second on a slow card.
const (
	trialSeconds = 3
	trialFPS     = 30
	trialRateK   = 500 // kbit/s, at which encoders differ
	trialSource  = "testsrc2=size=640x360:rate=30:duration=3"
	// trialSSIM is what an encode must reach. The software has about 0.96. Less
	// than half of that loss more is a picture that nobody wants.
	trialSSIM = 0.90
)

// Some drivers hang instead of failing. A trial ends when nothing has come out for
// trialStall. The bound of the whole is far above what a machine needs that is busy
// with other work: a trial that is slow for that reason says nothing about the card.
const (
	trialStall   = time.Minute
	trialTimeout = 5 * time.Minute
)

// tryDevices encodes a short picture with each encoder of each card that ffmpeg has,
// and keeps what came out. It starts nothing where there is no card, and not what
// worked at an earlier start: known has its outcome. What failed is tried again, since
// the reason may have gone: sessions that another program held, a card that hung. The
// error is that of ctx.
func (t *Toolchain) tryDevices(ctx context.Context, known []transcode.DeviceEncoder) error {
	software := map[string]float64{} // SSIM of the software, by codec and depth
	hung := map[string]bool{}        // devices
	var list []transcode.DeviceEncoder
	for _, e := range encoder.HardwareRows() { // in the order of preference
		for _, d := range t.devices {
			if !d.has(e.Backend) || !t.capabilities.HasEncoder(e.Name) {
				continue
			}
			for _, depth := range e.Depths {
				if at := slices.IndexFunc(known, func(k transcode.DeviceEncoder) bool {
					return k.Works && k.Encoder == e.Name && k.Device == d.name && k.Depth == depth
				}); at >= 0 {
					list = append(list, known[at])
					continue
				}
				if hung[d.name] {
					list = append(list, transcode.DeviceEncoder{Encoder: e.Name, Device: d.name, Depth: depth, Reason: "it was not tried, since the device hung before"})
					continue
				}
				out, hangs := t.trial(ctx, d.name, e, depth)
				hung[d.name] = hangs
				key := e.Codecs[0] + strconv.Itoa(depth)
				if _, known := software[key]; !known && out.Works {
					software[key] = t.softwareSSIM(ctx, e.Codecs[0], depth)
				}
				out.SoftwareSSIM = software[key]
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				list = append(list, out)
			}
		}
	}
	t.capabilities.Devices = list
	return nil
}

func (d *device) has(b encoder.Backend) bool { return slices.Contains(d.backends, b) }

// errTrialTimeout ends a trial that goes on but does not end.
var errTrialTimeout = fmt.Errorf("it did not end within %s", trialTimeout)

// trial encodes with an encoder of a card and judges what came out. hangs reports
// that the card did not go on.
func (t *Toolchain) trial(ctx context.Context, device string, e *encoder.Video, depth int) (out transcode.DeviceEncoder, hangs bool) {
	out = transcode.DeviceEncoder{Encoder: e.Name, Device: device, Depth: depth}
	use := transcode.DeviceUse{Backend: e.Backend, Device: device, Sessions: 1}
	var err error
	out.SSIM, out.Speed, err = t.encodeTrial(ctx, e, depth, &use)
	if err != nil {
		out.Reason = err.Error()
		return out, errors.Is(err, ErrStalled) || errors.Is(err, errTrialTimeout)
	}
	out.Works = true
	return out, false
}

// softwareSSIM is the SSIM of the software's encode of the same picture at the same
// bitrate; 0 when ffmpeg has no such encoder.
func (t *Toolchain) softwareSSIM(ctx context.Context, name string, depth int) float64 {
	for _, e := range encoder.ForVideo(name, "mp4") {
		if !t.capabilities.HasEncoder(e.Name) {
			continue
		}
		ssim, _, err := t.encodeTrial(ctx, e, depth, nil)
		if err == nil {
			return ssim
		}
	}
	return 0
}

// encodeTrial encodes the picture, checks frames and keyframes, and compares. The
// error is a sentence for the operator.
func (t *Toolchain) encodeTrial(ctx context.Context, e *encoder.Video, depth int, use *transcode.DeviceUse) (ssim, speed float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, trialTimeout, errTrialTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "copra-trial-")
	if err != nil {
		return 0, 0, fmt.Errorf("make a folder for the trial: %w", err)
	}
	defer os.RemoveAll(dir)
	pixFmt := "yuv420p"
	if depth > 8 {
		pixFmt = "yuv420p10le"
	}
	s := encoder.Settings{BitrateK: trialRateK, PixFmt: pixFmt, Preset: e.Preset}
	if s.Profile, err = trialProfile(e, pixFmt); err != nil {
		return 0, 0, err
	}
	filters := append([]string{"format=" + pixFmt}, e.UploadFilters(pixFmt)...)
	const file = "trial.mp4"
	var args []string
	var uses []transcode.DeviceUse
	if use != nil {
		args, uses = use.Backend.DeviceArgs(use.Device), []transcode.DeviceUse{*use}
	}
	args = append(args, "-f", "lavfi", "-i", trialSource, "-vf", strings.Join(filters, ","), "-c:v", e.Name)
	args = append(args, e.Args(s, encoder.Run{GOP: encoder.KeyframeSeconds * trialFPS})...)
	args = append(args, "-f", "mp4", file)
	begin := time.Now()
	if err := t.Run(ctx, Command{Args: args, Dir: dir, Devices: uses, StallTimeout: cmp.Or(t.trialStall, trialStall)}); err != nil {
		return 0, 0, trialFailure(err)
	}
	speed = trialSeconds / time.Since(begin).Seconds()
	if err := t.checkTrial(ctx, filepath.Join(dir, file)); err != nil {
		return 0, 0, err
	}
	ssim, err = t.compareTrial(ctx, dir, file, pixFmt)
	return ssim, speed, err
}

// trialProfile is the profile for a pixel format. It is an error of a pointer type
// elsewhere, which must not become a non-nil error here.
func trialProfile(e *encoder.Video, pixFmt string) (string, error) {
	profile, err := e.Profile(pixFmt, "")
	if err != nil {
		return "", err
	}
	return profile, nil
}

// trialFailure is the last error that ffmpeg printed, or what ended it.
func trialFailure(err error) error {
	if e, ok := errors.AsType[*RunError](err); ok && e.Cause == nil {
		for line := range strings.Lines(e.Tail) {
			// The first error tells why, the ones after it what came of it.
			if strings.Contains(line, "[error]") || strings.Contains(line, "[fatal]") {
				return errors.New(messagePrefix.ReplaceAllString(strings.TrimSpace(line), ""))
			}
		}
	}
	return err
}

// messagePrefix is what ffmpeg puts before a message: "[h264_nvenc @ 0x55] [error] ".
var messagePrefix = regexp.MustCompile(`^(?:\[[^\]]*\] ?)+`)

// checkTrial looks at the frames of a trial and at where its keyframes are.
func (t *Toolchain) checkTrial(ctx context.Context, file string) error {
	answer, _, err := t.query(ctx, t.rules(sandbox.Rules{Read: []string{file}}), t.ffprobe,
		"-v", "error", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", file)
	if err != nil {
		return fmt.Errorf("what it makes cannot be read: %w", err)
	}
	frames := 0
	var keyframes []string
	for line := range strings.Lines(answer) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 2 {
			continue
		}
		frames++
		if strings.HasPrefix(fields[1], "K") {
			keyframes = append(keyframes, fields[0])
		}
	}
	if frames != trialSeconds*trialFPS {
		return fmt.Errorf("it makes %d frames of %d", frames, trialSeconds*trialFPS)
	}
	if grid := []string{"0.000000", strconv.Itoa(encoder.KeyframeSeconds) + ".000000"}; strings.Join(keyframes, " ") != strings.Join(grid, " ") {
		return fmt.Errorf("its keyframes are at %s s, not at %s s", strings.Join(keyframes, ", "), strings.Join(grid, ", "))
	}
	return nil
}

// allSSIM is the last line of ffmpeg's filter ssim: "SSIM Y:0.98 (..) All:0.987 (..)".
var allSSIM = regexp.MustCompile(`SSIM .*All:([0-9.]+)`)

// compareTrial decodes a trial and compares it with its picture.
func (t *Toolchain) compareTrial(ctx context.Context, dir, file, pixFmt string) (float64, error) {
	path := filepath.Join(dir, file)
	_, messages, err := t.query(ctx, t.rules(sandbox.Rules{Read: []string{path}}), t.ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-i", path,
		"-f", "lavfi", "-i", trialSource, "-filter_complex", "[0:v]format="+pixFmt+"[a];[1:v]format="+pixFmt+"[b];[a][b]ssim", "-f", "null", "-")
	if err != nil {
		return 0, fmt.Errorf("what it makes cannot be decoded: %w", err)
	}
	m := allSSIM.FindStringSubmatch(messages)
	if m == nil {
		return 0, errors.New("what it makes cannot be compared")
	}
	ssim, err := strconv.ParseFloat(m[1], 64)
	if err == nil && ssim < trialSSIM {
		err = fmt.Errorf("its picture is damaged: SSIM %.3f, at least %.2f is expected", ssim, trialSSIM)
	}
	return ssim, err
}

// SoftwareTrials tries the software's encoders of the codecs that devices make, like
// those of the devices. It takes some seconds.
func (t *Toolchain) SoftwareTrials(ctx context.Context) ([]transcode.DeviceEncoder, error) {
	var list []transcode.DeviceEncoder
	for _, e := range encoder.HardwareRows() {
		name := e.Codecs[0]
		for _, s := range encoder.ForVideo(name, "mp4") {
			if slices.ContainsFunc(list, func(d transcode.DeviceEncoder) bool { return d.Encoder == s.Name }) {
				continue
			}
			out := transcode.DeviceEncoder{Encoder: s.Name, Depth: 8}
			if t.capabilities.HasEncoder(s.Name) {
				ssim, speed, err := t.encodeTrial(ctx, s, out.Depth, nil)
				out.SSIM, out.SoftwareSSIM, out.Speed, out.Works = ssim, ssim, speed, err == nil
				if err != nil {
					out.Reason = err.Error()
				}
			} else {
				out.Reason = "this ffmpeg does not have it"
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			list = append(list, out)
		}
	}
	return list, nil
}

// MissingDevices lists the encoders of devices that were not tried, with the reason.
func (t *Toolchain) MissingDevices() []transcode.DeviceEncoder {
	var list []transcode.DeviceEncoder
	for _, e := range encoder.HardwareRows() {
		if slices.ContainsFunc(t.capabilities.Devices, func(d transcode.DeviceEncoder) bool { return d.Encoder == e.Name }) {
			continue
		}
		reason := "there is no such card here"
		if !t.capabilities.HasEncoder(e.Name) {
			reason = "this ffmpeg does not have it"
		}
		list = append(list, transcode.DeviceEncoder{Encoder: e.Name, Reason: reason})
	}
	return list
}
