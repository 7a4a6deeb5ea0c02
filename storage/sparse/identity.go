package sparse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/copra-video/copra/storage"
)

// sampleBytes is how much of each end of a file Identity looks at.
const sampleBytes = 64 << 10

// Identity names the content of the file in hex, equally in every process that reads the
// same. Of a source that has a version it is made from that, the size, and both ends of
// the file. Of another source it waits for the whole file.
func (f *File) Identity(ctx context.Context) (string, error) {
	version, size := storage.VersionOf(f.src), f.Size()
	sum := sha256.New()
	if version == "" || size < 0 {
		if err := f.FetchAll(); err != nil {
			return "", err
		}
		if err := f.Wait(ctx); err != nil {
			return "", err
		}
		if _, err := io.Copy(sum, io.NewSectionReader(f.file, 0, f.Size())); err != nil {
			return "", fmt.Errorf("read input: %w", err)
		}
		return hex.EncodeToString(sum.Sum(nil)), nil
	}
	fmt.Fprintf(sum, "%q %d ", version, size)
	for _, from := range []int64{0, max(0, size-sampleBytes)} {
		part := io.NewSectionReader(f.ReaderAt(ctx), from, min(size, sampleBytes))
		if n, err := io.Copy(sum, part); err != nil || n < part.Size() {
			return "", cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
