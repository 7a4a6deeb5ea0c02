package input

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/copra-video/copra/job"
)

// tsSync begins each packet of a transport stream.
const tsSync = 0x47

// The containers of segments.
type container string

const (
	tsSegment    container = "MPEG-TS"
	boxSegment   container = "MP4"
	otherSegment container = "other"
)

// start looks at how a segment begins. It passes over the ID3 tag of packed audio, and
// notes the time in that of a file's first segment.
func (w *walker) start(in *bufio.Reader, name string, at int64) (container, error) {
	for {
		head, err := in.Peek(10)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if len(head) < 10 || string(head[:3]) != "ID3" {
			break
		}
		size := int(head[6]&0x7f)<<21 | int(head[7]&0x7f)<<14 | int(head[8]&0x7f)<<7 | int(head[9]&0x7f)
		if size > 1<<20 {
			return "", job.InputErrorf(job.InputDamaged, "begins with a tag that is too large")
		}
		tag := make([]byte, 10+size)
		if _, err := io.ReadFull(in, tag); err != nil {
			return "", job.InputErrorf(job.InputDamaged, "is not complete").WithCause(err)
		}
		if _, known := w.stamps[name]; at == 0 && !known {
			if s, ok := packedStart(tag); ok {
				w.stamps[name] = s
			}
		}
	}
	head, err := in.Peek(12)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return containerOf(head)
}

// packedStart reads when packed audio begins, in seconds, from its ID3 tag (RFC 8216,
// section 3.4).
func packedStart(tag []byte) (float64, bool) {
	owner := []byte("com.apple.streaming.transportStreamTimestamp\x00")
	i := bytes.Index(tag, owner)
	if i < 0 || i+len(owner)+8 > len(tag) {
		return 0, false
	}
	return float64(binary.BigEndian.Uint64(tag[i+len(owner):])&(1<<33-1)) / 90000, true
}

func containerOf(head []byte) (container, error) {
	boxes := []string{"ftyp", "styp", "moof", "moov", "sidx", "emsg", "prft", "free", "skip", "mdat", "uuid"}
	switch {
	case len(head) == 0:
		return "", job.InputErrorf(job.InputDamaged, "is empty")
	case head[0] == tsSync:
		return tsSegment, nil
	case len(head) >= 8 && slices.Contains(boxes, string(head[4:8])):
		return boxSegment, nil
	case len(head) >= 4 && (string(head[:4]) == "\x1a\x45\xdf\xa3" || string(head[:4]) == "\x1f\x43\xb6\x75"): // WebM
		return otherSegment, nil
	case len(head) >= 2 && (head[0] == 0xff && head[1]&0xe0 == 0xe0 || head[0] == 0x0b && head[1] == 0x77): // ADTS, MPEG audio; AC-3
		return otherSegment, nil
	}
	return "", job.InputErrorf(job.InputDamaged, "is no segment of media")
}

// whole checks that what was appended to out from at on is not cut off.
func whole(out *os.File, at int64, kind container) error {
	st, err := out.Stat()
	if err != nil {
		return fmt.Errorf("write work file: %w", err)
	}
	end := st.Size()
	cut := job.InputErrorf(job.InputDamaged, "is not complete: it ends before its media does")
	switch kind {
	case tsSegment:
		if (end-at)%188 != 0 {
			return cut
		}
	case boxSegment:
		var head [16]byte
		for at < end {
			n, err := out.ReadAt(head[:], at)
			if n < 8 {
				return cut.WithCause(err)
			}
			size := int64(binary.BigEndian.Uint32(head[:]))
			switch {
			case size == 0:
				return nil // to the end of the file
			case size == 1 && n == 16:
				size = int64(binary.BigEndian.Uint64(head[8:]) & (1<<62 - 1))
			}
			if size < 8 || size > end-at {
				return cut
			}
			at += size
		}
	}
	return nil
}

// decrypter decrypts AES-128 in CBC mode, and takes off the padding (PKCS7).
type decrypter struct {
	in    io.Reader
	mode  cipher.BlockMode
	left  int64 // bytes of in
	ready []byte
	buf   []byte
}

func newDecrypter(in io.Reader, size int64, key []byte, iv [16]byte) (*decrypter, error) {
	if size == 0 || size%aes.BlockSize != 0 {
		return nil, job.InputErrorf(job.InputDamaged, "is encrypted and not complete: its %d bytes are no multiple of %d", size, aes.BlockSize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use key of segment: %w", err)
	}
	return &decrypter{in: in, mode: cipher.NewCBCDecrypter(block, iv[:]), left: size, buf: make([]byte, 32<<10)}, nil
}

// Read implements io.Reader. A padding that is none is a *job.Error.
func (d *decrypter) Read(p []byte) (int, error) {
	if len(d.ready) == 0 {
		if d.left == 0 {
			return 0, io.EOF
		}
		b := d.buf[:min(int64(len(d.buf)), d.left)]
		if _, err := io.ReadFull(d.in, b); err != nil {
			return 0, fmt.Errorf("read work file: %w", err)
		}
		d.mode.CryptBlocks(b, b)
		if d.left -= int64(len(b)); d.left == 0 {
			pad := int(b[len(b)-1])
			if pad < 1 || pad > aes.BlockSize || !bytes.Equal(b[len(b)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
				return 0, job.InputErrorf(job.InputDamaged, "has no padding")
			}
			if b = b[:len(b)-pad]; len(b) == 0 {
				return 0, io.EOF
			}
		}
		d.ready = b
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	return n, nil
}
