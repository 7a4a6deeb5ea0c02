package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/job"
)

// ProbePlaylist probes a playlist or manifest that this server has written, with
// the segments beside it, as one medium. It must never get one from outside:
// unlike Probe it opens the local files that the playlist names.
func (t *Toolchain) ProbePlaylist(ctx context.Context, path string) (job.Media, error) {
	args := []string{
		"-hide_banner", "-loglevel", "level+warning", "-print_format", "json", "-show_streams", "-show_format",
		"-protocol_whitelist", fileProtocols, "-format_whitelist", mediaFormats + ",hls,dash,webvtt",
		// The extensions that the demuxers allow by default include neither a key in
		// a data URL nor subtitles in a manifest. All names are our own here.
		"-allowed_extensions", "ALL", "-i", filepath.Base(path),
	}
	limited, end := context.WithTimeout(ctx, probeTimeout)
	defer end()
	out := &limitedBuffer{limit: probeOutput}
	var messages stderrTail
	dir := filepath.Dir(path)
	if err := t.giveToUser(dir, "."); err != nil {
		return job.Media{}, err
	}
	err := child{path: t.ffprobe, args: args, dir: dir, stdout: out, stderr: &messages, killDelay: t.killDelay, rules: t.rules(sandbox.Rules{Read: []string{dir}})}.run(limited)
	if ctx.Err() != nil {
		return job.Media{}, context.Cause(ctx)
	}
	if err != nil {
		err = fmt.Errorf("probe playlist: %w: %s", err, lastError(messages.String()))
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() > 0 && limited.Err() == nil {
			return job.Media{}, invalidOutput("the stream that was made of it cannot be played").WithCause(err)
		}
		return job.Media{}, err
	}
	m, err := job.ParseMedia(out.Bytes())
	if err != nil {
		return job.Media{}, fmt.Errorf("read what ffprobe found in a playlist: %w", err)
	}
	return m, nil
}
