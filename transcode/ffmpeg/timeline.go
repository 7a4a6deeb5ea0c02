package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// timelineFile is what Timeline has ffmpeg write into the folder.
const timelineFile = "timeline.framecrc"

// Timeline measures the file name in dir by reading all of its packets, without
// decoding any: ffmpeg copies the streams into a list of their times. So jumps of
// time stamps are mended here exactly as they are when the file is transcoded.
// The error is a *job.Error when the file is at fault.
func (t *Toolchain) Timeline(ctx context.Context, dir, name string, m job.Media, stall time.Duration) (job.Timeline, error) {
	args := []string{"-i", name}
	var streams []job.TimelineStream
	for _, v := range m.Video {
		streams = append(streams, job.TimelineStream{Index: v.Index, Video: true, Reorder: v.Reorder})
	}
	for _, a := range m.Audio {
		streams = append(streams, job.TimelineStream{Index: a.Index})
	}
	for _, s := range streams {
		args = append(args, "-map", "0:"+strconv.Itoa(s.Index))
	}
	if len(streams) == 0 {
		return job.Timeline{}, nil
	}
	// copyinkf keeps what comes before the first keyframe, whose time counts.
	args = append(args, "-c", "copy", "-copyinkf", "-f", "framecrc", timelineFile)
	var line job.Timeline
	err := t.listPackets(ctx, dir, args, stall, func(list io.Reader) (err error) {
		line, err = job.ReadTimeline(list, streams)
		return err
	})
	if _, fault := errors.AsType[*job.Error](err); fault {
		return line, err
	}
	if err != nil {
		return line, fmt.Errorf("measure the time line: %w", err)
	}
	return line, nil
}

// Weights reads all packets of a video stream of the file name in dir, without decoding
// any, and says from their sizes how an encode of it should spread its bits.
func (t *Toolchain) Weights(ctx context.Context, dir, name string, stream int, stall time.Duration) (w transcode.Weights, err error) {
	args := []string{"-i", name, "-map", "0:" + strconv.Itoa(stream), "-c", "copy", "-copyinkf", "-f", "framecrc", timelineFile}
	err = t.listPackets(ctx, dir, args, stall, func(list io.Reader) error {
		w, err = transcode.ReadWeights(list)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the sizes of the packets: %w", err)
	}
	return w, nil
}

// listPackets runs ffmpeg, which writes timelineFile, and has that read.
func (t *Toolchain) listPackets(ctx context.Context, dir string, args []string, stall time.Duration, read func(io.Reader) error) error {
	if err := t.Run(ctx, Command{Args: args, Dir: dir, StallTimeout: stall}); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	f, err := root.Open(timelineFile)
	if err != nil {
		return fmt.Errorf("open the list of packets: %w", err)
	}
	defer func() { _ = root.Remove(timelineFile) }()
	defer f.Close()
	return read(f)
}
