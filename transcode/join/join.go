// Package join makes one file of the files in which the chunks of a track were
// written. No byte of a frame is changed: the file is the header of the first
// chunk and the fragments or clusters of all, whose times count from the start of
// the whole. The package is pure: it reads through io.ReaderAt.
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
	From float64 // seconds: what begins before is left out
}

// ErrDiffer says that the chunks cannot be decoded as one track, because their
// encoders did not choose the same parameters.
var ErrDiffer = errors.New("the chunks differ in the parameters of their codec")

// errDamaged says that a file ends within one of its parts.
var errDamaged = errors.New("the file of a chunk is damaged")

// layout is a file of a chunk, taken apart.
type layout struct {
	header []byte // what comes before the first frame
	config []byte // what must be equal in all chunks
	parts  []part
}

// part is a run of bytes with the time of its first frame in seconds.
type part struct {
	offset, size int64
	time         float64
}

// readers take files apart by FFmpeg's name of the muxer that wrote them.
var readers = map[string]func(file io.ReaderAt, size int64) (layout, error){
	"mp4":      readMP4,
	"mov":      readMP4,
	"matroska": readMatroska,
}

// Reader returns the joined file of the pieces, which are in the order of time and
// were written by the muxer with FFmpeg's name format. A piece may be without frames.
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

// readPart reads n bytes at an offset, which lie within size. It refuses more than
// limit.
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
