package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/copra-video/copra/job"
)

// timelineFile is what Timeline has ffmpeg write into the folder.
const timelineFile = "timeline.framecrc"

// Timeline measures the file name in dir by reading all of its packets, without
// decoding any: ffmpeg copies the streams into a list of their times. So jumps of
// time stamps are mended here exactly as they are when the file is transcoded.
// The error is a *job.Error when the file is at fault.
func (t *Toolchain) Timeline(ctx context.Context, dir, name string, m job.Media, stall time.Duration) (job.Timeline, error) {
	args := []string{"-i", name}
	var streams []int
	var video []bool
	add := func(index int, isVideo bool) {
		args = append(args, "-map", "0:"+strconv.Itoa(index))
		streams, video = append(streams, index), append(video, isVideo)
	}
	for _, v := range m.Video {
		add(v.Index, true)
	}
	for _, a := range m.Audio {
		add(a.Index, false)
	}
	if len(streams) == 0 {
		return job.Timeline{}, nil
	}
	// copyinkf keeps what comes before the first keyframe, whose time counts.
	args = append(args, "-c", "copy", "-copyinkf", "-f", "framecrc", timelineFile)
	err := t.Run(ctx, Command{Args: args, Dir: dir, StallTimeout: stall})
	if err != nil {
		return job.Timeline{}, fmt.Errorf("measure the time line: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return job.Timeline{}, fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	f, err := root.Open(timelineFile)
	if err != nil {
		return job.Timeline{}, fmt.Errorf("read the time line: %w", err)
	}
	defer func() { _ = root.Remove(timelineFile) }()
	defer f.Close()
	line, err := job.ReadTimeline(f, streams, video)
	if _, fault := errors.AsType[*job.Error](err); fault {
		return line, err
	}
	if err != nil {
		return line, fmt.Errorf("read the time line: %w", err)
	}
	return line, nil
}
