package sparse

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/copra-video/copra/storage"
)

const (
	// sampleBytes is how much of each end of a file Identity looks at.
	sampleBytes = 64 << 10
	// identityParts is how many parts of partBytes Identity looks at where the source has no
	// version, from one end of the file to the other.
	identityParts = 16
	// wholeBytes is up to which size all of a file without a version is looked at.
	wholeBytes = 2 << 20
)

// Identity names the content of the file in hex, equally in every process that reads the
// same. It is made from the size, and
//
//   - of a source that has a version, from that and both ends of the file,
//   - of another source, from Options.Scope and parts that lie evenly in the file: files of one
//     length that differ nowhere but between these have one name in the scope,
//   - of one that is small or knows no ranges, from all of it, for which it waits.
func (f *File) Identity(ctx context.Context) (string, error) {
	version, size := storage.VersionOf(f.src), f.Size()
	if version == "" {
		if size > wholeBytes && f.src.Ranges() {
			if name, err := f.sampled(ctx, size); !errors.Is(err, errWhole) {
				return name, err
			}
		}
		return f.hashed(ctx)
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %d ", version, size)
	for _, from := range []int64{0, max(0, size-sampleBytes)} {
		part := io.NewSectionReader(f.ReaderAt(ctx), from, min(size, sampleBytes))
		if n, err := io.Copy(sum, part); err != nil || n < part.Size() {
			return "", cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// sampled names the content by parts of it. The error is errWhole when the source does not
// send parts.
func (f *File) sampled(ctx context.Context, size int64) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q, parts of %d ", f.o.Scope, size)
	for _, p := range evenly(spans{{0, size}}, identityParts) {
		part, err := f.part(ctx, p)
		if err != nil {
			return "", err
		}
		_, _ = sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// hashed names the content by all of it.
func (f *File) hashed(ctx context.Context) (string, error) {
	if err := f.FetchAll(); err != nil {
		return "", err
	}
	if err := f.Wait(ctx); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f.file, 0, f.Size())); err != nil {
		return "", fmt.Errorf("read input: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
