package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/join"
	"github.com/copra-video/copra/worker/workdir"
)

// otherChunkFailed returns an error when a chunk has failed without which st is of no
// use: all of them are needed by the step that compares their edges.
func (e *Execution) otherChunkFailed(st transcode.Step) error {
	if st.Range == nil {
		return nil
	}
	for _, seams := range e.plan.Steps {
		if seams.Op.Seams == nil || !slices.Contains(seams.Needs, st.ID) {
			continue
		}
		for _, id := range seams.Needs {
			if err := e.err(id); err != nil {
				return fmt.Errorf("%w: %w", errSkipped, err)
			}
		}
	}
	return nil
}

// compareSeams compares the frames at the edges of chunks. The error is a
// *join.SeamError when the source cannot be cut where it was.
func (e *Execution) compareSeams(s transcode.Seams) error {
	return e.inRoot(func(root *os.Root) error {
		for _, seam := range s.Pairs {
			before, err := root.ReadFile(seam.Before)
			if err != nil {
				return fmt.Errorf("read frames at edge: %w", err)
			}
			after, err := root.ReadFile(seam.After)
			if err != nil {
				return fmt.Errorf("read frames at edge: %w", err)
			}
			if err := join.CompareSeam(seam.Seconds, seam.Length, before, after); err != nil {
				return err
			}
		}
		return nil
	})
}

// joinChunks runs ffmpeg over the chunks of a rendition, which it reads as one file.
func (e *Execution) joinChunks(ctx context.Context, st transcode.Step, j transcode.Join) error {
	var pieces []join.Piece
	for _, p := range j.Pieces {
		file, err := workdir.OpenRegularIn(e.dir, p.Name, os.O_RDONLY)
		if err != nil {
			return fmt.Errorf("open chunk: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return fmt.Errorf("look at chunk: %w", err)
		}
		pieces = append(pieces, join.Piece{File: file, Size: info.Size(), From: p.From})
	}
	joined, err := join.Reader(j.Format, pieces)
	if err != nil {
		return fmt.Errorf("join chunks: %w", err)
	}
	command := e.command(st, j.Args, 0, 1)
	command.Input = plainInput{joined}
	return e.ffmpeg(ctx, command)
}

// plainInput is an ffmpeg.Input that never has to wait.
type plainInput struct{ io.Reader }

// Read implements ffmpeg.Input.
func (r plainInput) Read(_ context.Context, p []byte) (int, error) { return r.Reader.Read(p) }

// numberPictures gives the pictures of chunks their final names. They keep the old
// names too, since they may still be on the way to the artifact store.
func (e *Execution) numberPictures(n transcode.NumberPictures) error {
	return e.inRoot(func(root *os.Root) error {
		made := 0
		for _, from := range n.From {
			for k := 1; ; k++ {
				name := fmt.Sprintf(from, k)
				if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
					break
				} else if err != nil {
					return fmt.Errorf("look for picture: %w", err)
				}
				made++
				if err := root.Link(name, fmt.Sprintf(n.To, made)); err != nil {
					return fmt.Errorf("number picture: %w", err)
				}
			}
		}
		return nil
	})
}
