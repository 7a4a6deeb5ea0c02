package execute

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/copra-video/copra/internal/nopanic"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/protect"
)

// protect encrypts the segments of a track.
func (e *Execution) protect(ctx context.Context, op transcode.Protect) error {
	return e.inRoot(func(root *os.Root) error { return protectTrack(ctx, root, op, e.plan.Secrets) })
}

// protectTrack encrypts the segments of a track below root. Each gets its name when
// it is whole, since segments are uploaded while others are still encrypted.
func protectTrack(ctx context.Context, root *os.Root, op transcode.Protect, secrets transcode.Secrets) (err error) {
	defer nopanic.Recover(&err)
	id, err := hex.DecodeString(op.KeyID)
	if err != nil {
		return fmt.Errorf("read key id: %w", err)
	}
	plain, err := root.ReadFile(op.From + "/" + op.Init)
	if err != nil {
		return fmt.Errorf("read init segment: %w", err)
	}
	track, init, err := protect.NewTrack(plain, protect.Config{Scheme: op.Scheme, KeyID: id, Key: secrets.Key(string(op.Key)), TrackID: op.Track, PSSH: op.PSSH})
	if err != nil {
		return err
	}
	if err := replaceFile(root, op.To+"/"+op.Init, init); err != nil {
		return err
	}
	for n := 1; ctx.Err() == nil; n++ {
		switch more, err := protectSegment(root, op, track, n); {
		case err != nil:
			return fmt.Errorf("segment %d: %w", n, err)
		case !more:
			return nil
		}
	}
	return context.Cause(ctx)
}

// protectSegment encrypts segment n; more is false when there is none.
func protectSegment(root *os.Root, op transcode.Protect, track *protect.Track, n int) (more bool, err error) {
	name := fmt.Sprintf(op.Segments, n)
	plain, err := root.ReadFile(op.From + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	made, err := track.Segment(plain, n)
	if err != nil {
		return false, err
	}
	return true, replaceFile(root, op.To+"/"+name, made)
}

// replaceFile writes a file that appears under its name as a whole.
func replaceFile(root *os.Root, name string, data []byte) error {
	if err := root.WriteFile(name+".part", data, 0o600); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	if err := root.Rename(name+".part", name); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	return nil
}
