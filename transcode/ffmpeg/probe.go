package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/job"
)

const (
	probeTimeout = 60 * time.Second
	probeOutput  = 8 << 20 // bytes of JSON; 200 streams with long tags need far less
)

// Probe asks ffprobe what is in source: a local file, or an address of our own
// range server (http://127.0.0.1:PORT/...), and nothing else. The error is a
// *job.Error for a photo that DecodePhoto has to replace first, and for what is no media, is damaged, or holds neither audio nor video.
// Other errors are the server's. format.filename is the last part of source only.
func (t *Toolchain) Probe(ctx context.Context, source string) (job.Media, error) {
	in, err := openProbeSource(source)
	if err != nil {
		return job.Media{}, err
	}
	if in.file != "" {
		if err := t.giveToUser(in.dir(), filepath.Base(in.file)); err != nil {
			return job.Media{}, err
		}
	}
	limited, end := context.WithTimeout(ctx, probeTimeout)
	defer end()
	args := append([]string{
		"-hide_banner", "-loglevel", "level+warning", "-print_format", "json", "-show_streams", "-show_format",
		"-protocol_whitelist", in.protocols, "-format_whitelist", mediaFormats,
	}, probeLimits...)
	out := &limitedBuffer{limit: probeOutput}
	var messages stderrTail
	err = child{path: t.ffprobe, args: append(args, "-i", in.address), dir: in.dir(), stdout: out, stderr: &messages, killDelay: t.killDelay, rules: t.probeRules(in)}.run(limited)
	switch {
	case ctx.Err() != nil:
		return job.Media{}, context.Cause(ctx)
	case out.over:
		return job.Media{}, job.InputErrorf(job.InputNotValid, "describes itself at more length than is accepted").WithCause(errTooLong)
	case limited.Err() != nil:
		return job.Media{}, job.InputErrorf(job.InputNotValid, "could not be examined within %d seconds", int(probeTimeout.Seconds()))
	case err != nil && t.decodesPhoto(ctx, in):
		return job.Media{}, job.NewError(job.InputPhotoNotReadable)
	case err != nil:
		return job.Media{}, in.refusal(ctx, err, messages.String())
	}
	m, err := job.ParseMedia(out.Bytes())
	if err != nil {
		return job.Media{}, err
	}
	if strings.HasPrefix(m.FormatName, "mov,") && t.decodesPhoto(ctx, in) {
		return job.Media{}, job.NewError(job.InputPhotoNotReadable) // FFmpeg 7.1 takes each tile for a stream
	}
	if m, err = in.applyOrientation(ctx, m); err != nil {
		return job.Media{}, err
	}
	if len(m.Video) == 0 && len(m.Audio) == 0 {
		if head, err := in.read(ctx, 0, headBytes); err == nil && isAnimatedWebP(head) {
			return job.Media{}, job.InputErrorf(job.InputNotValid, "is an animated WebP, which FFmpeg cannot decode; it has to be a GIF, an animated PNG or a film")
		}
		return job.Media{}, job.InputErrorf(job.InputNotValid, "holds no audio and no video that can be decoded").WithCause(errors.New(lastError(messages.String())))
	}
	if in.truncated(ctx, m.FormatName, m.Size) {
		return job.Media{}, job.InputErrorf(job.InputDamaged, "is not complete: the file ends before its media does")
	}
	if strings.HasPrefix(m.FormatName, "mov,") && in.encrypted(ctx, m.Size) {
		return job.Media{}, job.NewError(job.InputEncrypted)
	}
	t.addHDRMetadata(limited, in, &m)
	m.SetFilename(in.name)
	return m, nil
}

// addHDRMetadata reads the static HDR metadata that the container lacks from the
// first frame of HDR streams. Without an answer the stream is HDR all the same.
func (t *Toolchain) addHDRMetadata(ctx context.Context, in probeSource, m *job.Media) {
	for _, stream := range m.MissingHDR() {
		args := append([]string{
			"-hide_banner", "-loglevel", "error", "-print_format", "json", "-show_frames", "-show_entries", "frame=side_data_list",
			"-select_streams", strconv.Itoa(stream), "-read_intervals", "%+#1",
			"-protocol_whitelist", in.protocols, "-format_whitelist", mediaFormats,
		}, probeLimits...)
		out := &limitedBuffer{limit: probeOutput}
		var messages stderrTail
		err := child{path: t.ffprobe, args: append(args, "-i", in.address), dir: in.dir(), stdout: out, stderr: &messages, killDelay: t.killDelay, rules: t.probeRules(in)}.run(ctx)
		if err != nil {
			return
		}
		m.MergeHDR(stream, out.Bytes())
	}
}

// refusal turns a failed run of ffprobe into an error: a *job.Error when the input
// is of no use, another when the server could not read it.
func (in probeSource) refusal(ctx context.Context, err error, tail string) error {
	cause := fmt.Errorf("run ffprobe: %w: %s", err, lastError(tail))
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return cause
	}
	if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		if s.Signal() == syscall.SIGKILL { // most likely out of memory, which another try may not be
			return cause
		}
		return job.InputErrorf(job.InputNotValid, "could not be examined: FFprobe crashed on it").WithCause(cause)
	}
	head, headErr := in.read(ctx, 0, headBytes)
	if headErr != nil {
		return fmt.Errorf("read the input after ffprobe: %w", errors.Join(headErr, cause))
	}
	if len(head) == 0 {
		return errEmpty
	}
	return probeFailure(head, tail).WithCause(cause)
}

// headBytes is the size of the head of a refused input that is examined.
const headBytes = 1024

var errEmpty = job.InputErrorf(job.InputNotValid, "is empty")

var errTooLong = errors.New("it writes more than is accepted")

// limitedBuffer fails when it gets more than limit bytes, which ends the writer.
type limitedBuffer struct {
	bytes.Buffer
	limit int
	over  bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.over = true
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}
