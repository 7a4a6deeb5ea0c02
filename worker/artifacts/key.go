package artifacts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
)

// keyVersion is part of every key. It changes with the format of artifacts, and
// with the meaning of a key.
const keyVersion = "1"

// key returns the name of an artifact: a hash of all that determines its bytes.
// These are the planner's inputs (what is done), the version of ffmpeg, and the
// checksums of the source and of the watermarks that the inputs name. Addresses
// are not part of it, since another file may be there at the next run.
func (s *Session) key(plan transcode.Plan, inputs []string) (string, error) {
	h := sha256.New()
	add := func(text string) { fmt.Fprintf(h, "%d:%s", len(text), text) }
	add(keyVersion)
	add(s.program)
	names := []string{transcode.SourceName}
	for _, f := range plan.Fetches {
		// A LUT is named inside a filter graph.
		if slices.ContainsFunc(inputs, func(in string) bool { return strings.Contains(in, f.Name) }) {
			names = append(names, f.Name)
		}
	}
	for _, name := range names {
		sum, err := s.checksum(name)
		if err != nil {
			return "", fmt.Errorf("compute artifact key: %w", err)
		}
		add(sum)
	}
	for _, in := range inputs {
		add(in)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// checksum returns the SHA-256 of a file in hex.
func checksum(ctx context.Context, root *os.Root, name string) (string, error) {
	f, err := artifactstore.OpenRegular(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := f.Read(buf)
		sum.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
