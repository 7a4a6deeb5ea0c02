package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/join"
	"github.com/copra-video/copra/worker/workdir"
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
	case st.Op.Protect != nil:
		return e.protect(ctx, *st.Op.Protect)
	case st.Op.Loudness != nil:
		return e.measureLoudness(ctx, st, *st.Op.Loudness)
	case st.Op.Quality != nil:
		return e.measureQuality(ctx, st, *st.Op.Quality)
	case st.Op.WriteCaptions != nil:
		return e.writeCaptions(*st.Op.WriteCaptions)
	case st.Op.Transcribe != nil:
		return e.transcribe(ctx, st, *st.Op.Transcribe)
	case st.Op.WriteDuration != nil:
		return e.writeDuration(*st.Op.WriteDuration)
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
	if err := e.writeInputs(op.Inputs); err != nil {
		return err
	}
	args, err := e.withoutMissing(op)
	if err != nil {
		return err
	}
	e.c.Metrics.started(st)
	from := 0.0
	if op.First != nil {
		from = transcode.FirstPassShare
		if err := e.ffmpeg(ctx, e.command(st, op.First, 0, from)); err != nil {
			return err
		}
	}
	command := e.command(st, args, from, 1)
	if tail != nil {
		command.Input = tail
	}
	if err := e.ffmpeg(ctx, command); err != nil {
		return err
	}
	return e.picturesMade(st)
}

// writeInputs writes the small input files of a run.
func (e *Execution) writeInputs(list []transcode.InputFile) error {
	return e.inRoot(func(root *os.Root) error {
		for _, f := range list {
			if err := root.WriteFile(f.Name, f.Content(e.plan.Secrets), 0o600); err != nil {
				return fmt.Errorf("write input file: %w", err)
			}
		}
		return nil
	})
}

// picturesMade fails when a picture that a step was to find is not there: where its index
// leads nowhere, ffmpeg ends well without one. A decode from the start may find it.
func (e *Execution) picturesMade(st transcode.Step) error {
	if st.Kind != transcode.StepThumbnails {
		return nil
	}
	return e.inRoot(func(root *os.Root) error {
		for _, name := range st.Files {
			if strings.Contains(name, "%") {
				continue
			}
			if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
				return job.Errorf(job.OutputNotValid, "A picture could not be taken from the input.").WithCause(fmt.Errorf("%s was not made", name))
			} else if err != nil {
				return fmt.Errorf("look for picture: %w", err)
			}
		}
		return nil
	})
}

// command is a run of ffmpeg that advances the progress of a step from one share of
// it to another.
func (e *Execution) command(st transcode.Step, args []string, from, to float64) ffmpeg.Command {
	var ended func(ffmpeg.Report)
	if e.c.Ran != nil {
		ended = func(r ffmpeg.Report) { e.c.Ran(st, r) }
	}
	return ffmpeg.Command{
		Ended: ended,
		Args:  args, Dir: e.dir, Devices: st.Devices, StallTimeout: e.c.StallTimeout,
		Progress: func(p ffmpeg.Progress) { e.progress.advance(st, p.OutTime, from, to) },
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

// writeCaptions writes captions that were fetched or extracted as WebVTT or ASS.
func (e *Execution) writeCaptions(w transcode.WriteCaptions) error {
	f, err := workdir.OpenRegularIn(e.dir, w.From, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open captions: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, captions.MaxBytes))
	if err != nil {
		return fmt.Errorf("read captions: %w", err)
	}
	text, err := w.Text(data)
	if err != nil {
		return err
	}
	return e.inRoot(func(root *os.Root) error {
		if err := root.WriteFile(w.To, text, 0o600); err != nil {
			return fmt.Errorf("write captions: %w", err)
		}
		return nil
	})
}

// writeDuration writes the duration of a fragmented MP4 into its header.
func (e *Execution) writeDuration(w transcode.WriteDuration) error {
	file, err := workdir.OpenRegularIn(e.dir, w.Name, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open fragmented MP4: %w", err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err == nil {
		err = join.WriteDuration(file, st.Size())
	}
	if err != nil {
		return fmt.Errorf("write duration: %w", err)
	}
	return file.Close()
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
