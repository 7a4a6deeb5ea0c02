package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// Verify probes a finished file and compares it with want. The error is a
// *job.Error that says in one sentence what is wrong with the file, or another
// error when the file could not be probed.
func (t *Toolchain) Verify(ctx context.Context, path string, want transcode.Expect) (job.Media, error) {
	m, err := t.Probe(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errEmpty) {
		return job.Media{}, invalidOutput("nothing was encoded").WithCause(err)
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		// Probe's own sentences are about an input.
		return job.Media{}, invalidOutput("the result is not a playable file").WithCause(e)
	}
	if err != nil {
		return job.Media{}, err
	}
	if want.Duration > 0 && !closeTo(m.Duration, want) && slices.Contains(unindexed, m.FormatName) {
		if d, err := t.measureDuration(ctx, path); err != nil {
			return job.Media{}, err
		} else if d > 0 {
			m.Duration = d
		}
	}
	if e := checkExpected(m, want); e != nil {
		return m, e
	}
	return m, nil
}

// unindexed are formats without an index: ffprobe estimates their duration from
// the bitrate at the beginning.
var unindexed = []string{"aac", "ac3", "eac3", "dts", "mp3", "amr", "h264", "hevc", "m4v", "mpegvideo"}

// measureDuration reads all packets of a file and returns how long they last in
// seconds. The file is named relative to the folder of the run, because the
// sandbox's user may not be able to reach the folder by its absolute path.
func (t *Toolchain) measureDuration(ctx context.Context, path string) (float64, error) {
	var last time.Duration
	err := t.Run(ctx, Command{
		Args:     []string{"-i", "file:" + filepath.Base(path), "-map", "0", "-c", "copy", "-f", "null", "-"},
		Dir:      filepath.Dir(path),
		Progress: func(p Progress) { last = max(last, p.OutTime) },
	})
	return last.Seconds(), err
}

func checkExpected(m job.Media, w transcode.Expect) *job.Error {
	if w.Video && len(m.Video) == 0 {
		return invalidOutput("the result has no video")
	}
	if w.Audio && len(m.Audio) == 0 {
		return invalidOutput("the result has no audio")
	}
	if w.Width > 0 || w.Height > 0 {
		if len(m.Video) == 0 {
			return invalidOutput("the result has no video")
		}
		v := m.Video[0]
		if w.Width > 0 && v.Width != w.Width || w.Height > 0 && v.Height != w.Height {
			return invalidOutput("the result is %dx%d where %s was expected", v.Width, v.Height, expectedSize(w))
		}
	}
	// Of fragments ffprobe counts from the first frame, else from the start.
	if w.Duration > 0 && !closeTo(m.Duration, w) && !closeTo(m.StartTime+m.Duration, w) {
		why := ""
		if m.Duration < w.Duration {
			why = "; the input may be damaged or not complete"
		}
		return invalidOutput("the result lasts %.2f seconds where %.2f were expected"+why, m.Duration, w.Duration)
	}
	return nil
}

func expectedSize(w transcode.Expect) string {
	side := func(n int, any string) string {
		if n == 0 {
			return any
		}
		return fmt.Sprint(n)
	}
	return strings.Join([]string{side(w.Width, "any"), side(w.Height, "any")}, "x")
}

func closeTo(got float64, want transcode.Expect) bool {
	return math.Abs(got-want.Duration) <= max(0.5, 0.02*want.Duration)+want.Slack
}

func invalidOutput(format string, args ...any) *job.Error {
	return job.Errorf(job.OutputNotValid, "The media file couldn't be encoded: "+format+".", args...)
}
