package ffmpeg

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/copra-video/copra/job"
)

// errNoPhoto says that a file is no HEIC or AVIF photo.
var errNoPhoto = errors.New("no photo")

// maxPhotoHeaders bounds what is read of a photo's headers. Those of a grid of a
// thousand tiles have some 100 kB.
const maxPhotoHeaders = 4 << 20

// photoSize returns the largest width and height that the headers of a photo claim
// for one of its pictures: the whole, a tile, a thumbnail. They are claims of the
// file, and come before anything is decoded.
func photoSize(path string) (width, height int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, fmt.Errorf("read photo: %w", err)
	}
	defer f.Close()
	head := make([]byte, 12)
	if _, err := io.ReadFull(f, head); err != nil || !isPhoto(head) {
		return 0, 0, errNoPhoto
	}
	st, err := f.Stat()
	if err != nil {
		return 0, 0, fmt.Errorf("read photo: %w", err)
	}
	if st.Size() > maxPhotoBytes {
		return 0, 0, job.InputErrorf(job.InputNotValid, "is a photo of %d bytes; at most %d are accepted", st.Size(), maxPhotoBytes)
	}
	meta, err := findMeta(f)
	if err != nil {
		return 0, 0, err
	}
	// ISO/IEC 23008-12: the properties are in meta/iprp/ipco, and the size of a
	// picture is an ispe: version and flags, width, height.
	for _, iprp := range boxes(meta, "iprp") {
		for _, ipco := range boxes(iprp, "ipco") {
			for _, ispe := range boxes(ipco, "ispe") {
				if len(ispe) >= 12 {
					width = max(width, int(binary.BigEndian.Uint32(ispe[4:])))
					height = max(height, int(binary.BigEndian.Uint32(ispe[8:])))
				}
			}
		}
	}
	if width == 0 || height == 0 {
		return 0, 0, damagedPhoto(errors.New("it has no size"))
	}
	return width, height, nil
}

// findMeta returns what the box meta of a file holds, without version and flags.
func findMeta(f io.ReaderAt) ([]byte, error) {
	var off int64
	for range 32 {
		header := make([]byte, 16)
		if n, err := f.ReadAt(header, off); n < 16 {
			return nil, damagedPhoto(errors.Join(errors.New("it has no box meta"), err))
		}
		length, size := int64(binary.BigEndian.Uint32(header)), int64(8)
		if length == 1 {
			length, size = int64(binary.BigEndian.Uint64(header[8:])), 16
		}
		if string(header[4:8]) == "meta" {
			if length < size+4 || length > maxPhotoHeaders {
				return nil, job.InputErrorf(job.InputNotValid, "is a photo with headers of %d bytes; at most %d are accepted", length, maxPhotoHeaders)
			}
			meta := make([]byte, length-size-4)
			if _, err := f.ReadAt(meta, off+size+4); err != nil {
				return nil, damagedPhoto(err)
			}
			return meta, nil
		}
		if length < size || length > 1<<50 {
			return nil, damagedPhoto(errors.New("it has no box meta"))
		}
		off += length
	}
	return nil, damagedPhoto(errors.New("it has no box meta"))
}

// boxes returns what the boxes of a kind hold (ISO/IEC 14496-12, section 4.2).
func boxes(b []byte, kind string) (found [][]byte) {
	for len(b) >= 8 {
		length, size := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		switch {
		case length == 0: // to the end
			length = uint64(len(b))
		case length == 1 && len(b) >= 16:
			length, size = binary.BigEndian.Uint64(b[8:]), 16
		}
		if length < size || length > uint64(len(b)) {
			return found
		}
		if string(b[4:8]) == kind {
			found = append(found, b[size:length])
		}
		b = b[length:]
	}
	return found
}

// copyUpright copies a PNG without its Exif data (chunk eXIf of PNG, third edition).
// libheif's program has turned the picture as the photo's properties irot and imir
// say, and copies the Exif data of the photo, whose orientation tells the same once
// more. FFmpeg 8 and newer would turn it again.
func copyUpright(w io.Writer, r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	if _, err := io.CopyN(w, in, 8); err != nil {
		return copyError(err)
	}
	for {
		header, err := in.Peek(8)
		if len(header) == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return copyError(err)
		}
		to := w
		if string(header[4:8]) == "eXIf" {
			to = io.Discard
		}
		// Length and type, the data, and a checksum.
		if _, err := io.CopyN(to, in, 12+int64(binary.BigEndian.Uint32(header))); err != nil {
			return copyError(err)
		}
	}
}

func copyError(err error) error {
	if errors.Is(err, io.EOF) {
		return damagedPhoto(err)
	}
	return fmt.Errorf("write decoded photo: %w", err)
}
