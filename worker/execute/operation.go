package execute

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// operate carries out the operation of a step. It has one case for each kind of
// transcode.Operation.
func (e *Execution) operate(ctx context.Context, st transcode.Step, tail *tailReader) error {
	if err := e.otherChunkFailed(st); err != nil {
		return err
	}
	if err := e.makeDirs(st); err != nil {
		return err
	}
	switch {
	case st.Op.FFmpeg != nil:
		return e.runFFmpeg(ctx, st, *st.Op.FFmpeg, tail)
	case st.Op.ThumbnailTrack != nil:
		return e.writeThumbnailTrack(*st.Op.ThumbnailTrack)
	case st.Op.Seams != nil:
		return e.compareSeams(*st.Op.Seams)
	case st.Op.Join != nil:
		return e.joinChunks(ctx, st, *st.Op.Join)
	case st.Op.NumberPictures != nil:
		return e.numberPictures(*st.Op.NumberPictures)
	default:
		return errors.New("the step has no operation")
	}
}

// makeDirs makes the folders of a step. ffmpeg writes in the work directory too,
// so no link is followed out of it.
func (e *Execution) makeDirs(st transcode.Step) error {
	return e.inRoot(func(root *os.Root) error {
		for _, d := range st.Dirs {
			if err := root.MkdirAll(d, 0o700); err != nil {
				return fmt.Errorf("make folder: %w", err)
			}
		}
		return nil
	})
}

// runFFmpeg writes the small input files of a run of ffmpeg, and runs it.
func (e *Execution) runFFmpeg(ctx context.Context, st transcode.Step, op transcode.FFmpeg, tail *tailReader) error {
	err := e.inRoot(func(root *os.Root) error {
		for _, f := range op.Inputs {
			if err := root.WriteFile(f.Name, f.Content(e.plan.Secrets), 0o600); err != nil {
				return fmt.Errorf("write input file: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.c.Metrics.started(st)
	command := e.command(st, op.Args)
	if tail != nil {
		command.Input = tail
	}
	return e.c.Media.Run(ctx, command)
}

// command is a run of ffmpeg that advances the progress of a step.
func (e *Execution) command(st transcode.Step, args []string) ffmpeg.Command {
	return ffmpeg.Command{
		Args: args, Dir: e.dir, StallTimeout: e.c.StallTimeout,
		Progress: func(p ffmpeg.Progress) { e.progress.advance(st, p.OutTime) },
	}
}

// writeThumbnailTrack writes the WebVTT track of the pictures that were made.
func (e *Execution) writeThumbnailTrack(t transcode.ThumbnailTrack) error {
	return e.inRoot(func(root *os.Root) error {
		made := 0
		for made < len(t.Times) {
			if _, err := root.Lstat(fmt.Sprintf(t.Pictures, made+1)); errors.Is(err, fs.ErrNotExist) {
				break
			} else if err != nil {
				return fmt.Errorf("look for picture %d: %w", made+1, err)
			}
			made++
		}
		if err := root.WriteFile(t.Name, t.WebVTT(made), 0o600); err != nil {
			return fmt.Errorf("write thumbnail track: %w", err)
		}
		return nil
	})
}

// inRoot calls f with the work directory as a root that links do not leave.
func (e *Execution) inRoot(f func(*os.Root) error) error {
	root, err := os.OpenRoot(e.dir)
	if err != nil {
		return fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	return f(root)
}
