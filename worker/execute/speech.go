package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/worker/workdir"
)

// Speech is a service that transcribes speech.
type Speech interface {
	// Transcribe returns what is spoken in sound, which has size bytes of samples as of
	// transcode.SpeechRate. Cues count from the start of the sound. language is a tag of
	// BCP 47, "" where it is not known. The message of a *job.Error is for customers.
	Transcribe(ctx context.Context, sound io.ReaderAt, size int64, language string) ([]captions.Cue, error)
}

// transcribe has the speech service hear a sound, and writes what it understood. If
// there is none its outputs get a note that says why.
func (e *Execution) transcribe(ctx context.Context, st transcode.Step, op transcode.Transcribe) error {
	text, err := e.speech(ctx, op)
	if err != nil {
		if ctx.Err() == nil && e.c.Note != nil {
			e.c.Note(ctx, st, transcode.NoSpeech(job.Message(err, "the sound could not be read")))
		}
		return err
	}
	return e.inRoot(func(root *os.Root) error {
		if err := root.WriteFile(op.To, text, 0o600); err != nil {
			return fmt.Errorf("write captions: %w", err)
		}
		return nil
	})
}

// speech returns the WebVTT of a sound.
func (e *Execution) speech(ctx context.Context, op transcode.Transcribe) ([]byte, error) {
	if e.c.Speech == nil {
		return nil, errors.New("there is no speech service")
	}
	f, err := workdir.OpenRegularIn(e.dir, op.From, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open sound: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at sound: %w", err)
	}
	cues, err := e.c.Speech.Transcribe(ctx, f, st.Size(), op.Language)
	if err != nil {
		return nil, err
	}
	// Read again, as captions of a client are, so that the same bounds hold.
	text := captions.WebVTT(cues)
	if _, err := captions.Parse(text, captions.Hint{}); errors.Is(err, captions.ErrNoCues) {
		return nil, job.Errorf(job.CaptionsNotValid, "none was heard")
	} else if err != nil {
		return nil, err
	}
	return text, nil
}

// withoutMissing returns the arguments of a run: those without a file that is not there
// where the run can do without.
func (e *Execution) withoutMissing(op transcode.FFmpeg) (args []string, err error) {
	if op.Without == nil {
		return op.Args, nil
	}
	err = e.inRoot(func(root *os.Root) error {
		_, err := root.Lstat(op.Without.File)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return op.Without.Args, nil
	case err != nil:
		return nil, fmt.Errorf("look for %s: %w", op.Without.File, err)
	}
	return op.Args, nil
}
