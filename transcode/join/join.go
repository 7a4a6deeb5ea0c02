// Package join makes one file of the files in which the chunks of a track were
// written. No byte of a frame is changed: the file is the header of the first
// chunk and the fragments or clusters of all, whose times count from the start of
// the whole. It also writes the duration of a fragmented MP4 into its header. The
// package is pure: it reads and writes through interfaces.
package join

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Piece is the file of a chunk.
type Piece struct {
	File io.ReaderAt
	Size int64
	// From is where the chunk begins, in seconds of the whole. Frames before it are left
	// out, which are there because the encoder has begun early.
	From float64
}

// ErrDiffer says that the chunks cannot be decoded as one track, because their
// encoders did not choose the same parameters.
var ErrDiffer = errors.New("the chunks differ in the parameters of their codec")

// errDamaged says that a file ends too early, or is not what FFmpeg writes.
var errDamaged = errors.New("the file is damaged")

// layout says what is where in the file of a chunk.
type layout struct {
	header []byte // what comes before the first frame
	config []byte // the parameters of the codec, which must be equal in all chunks; nil: not compared
	parts  []part
}

// part is a fragment or a cluster, in bytes, with the presentation time of its first frame
// in seconds.
type part struct {
	offset, size int64
	time         float64
}

// readers find the layout of files, by FFmpeg's name of the muxer that wrote them.
var readers = map[string]func(file io.ReaderAt, size int64) (layout, error){
	"mp4":      readMP4,
	"mov":      readMP4,
	"matroska": readMatroska,
}

// Reader returns the joined file of the pieces, which are in the order of time. format is
// FFmpeg's name of the muxer that wrote them. A piece may have no frames. The error wraps
// ErrDiffer if the pieces cannot be one track.
func Reader(format string, pieces []Piece) (io.Reader, error) {
	read := readers[format]
	if read == nil {
		return nil, fmt.Errorf("files of the muxer %s cannot be joined", format)
	}
	var all []io.Reader
	var first *layout
	for i, p := range pieces {
		l, err := read(p.File, p.Size)
		if err != nil {
			return nil, fmt.Errorf("read chunk %d: %w", i+1, err)
		}
		for _, part := range l.parts {
			if part.time < p.From {
				continue
			}
			if first == nil {
				first = &l
				all = append(all, bytes.NewReader(l.header))
			}
			if !bytes.Equal(first.config, l.config) {
				return nil, fmt.Errorf("join chunk %d: %w", i+1, ErrDiffer)
			}
			all = append(all, io.NewSectionReader(p.File, part.offset, part.size))
		}
	}
	return io.MultiReader(all...), nil
}

// readPart reads n bytes at an offset of a file of the given size. It fails with errDamaged
// if the file ends before, or if n is above limit.
func readPart(file io.ReaderAt, offset, n, limit, size int64) ([]byte, error) {
	if n < 0 || n > limit || offset+n > size {
		return nil, errDamaged
	}
	data := make([]byte, n)
	if _, err := file.ReadAt(data, offset); err != nil && !(errors.Is(err, io.EOF) && offset+n == size) {
		return nil, err
	}
	return data, nil
}
