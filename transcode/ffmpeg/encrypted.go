package ffmpeg

import (
	"context"
	"encoding/binary"
	"slices"
)

// maxIndex bounds how much of an MP4's index is read, in bytes. The sample
// descriptions stand before the tables, which make an index long.
const maxIndex = 8 << 20

// encryptedEntries are the sample entries of encrypted tracks: those of Common
// Encryption (ISO/IEC 14496-12 section 8.12) and of Apple's FairPlay.
var encryptedEntries = []string{"encv", "enca", "enct", "encs", "drmi", "drms"}

// encrypted reports whether a track of an MP4 is encrypted. ffprobe does not
// tell: it shows the codec that comes out of the decryption, and the decoders
// then find nothing but damage.
func (in probeSource) encrypted(ctx context.Context, size int64) bool {
	var off int64
	for range 32 {
		b, err := in.read(ctx, off, 16)
		if err != nil || len(b) < 16 {
			return false
		}
		length := int64(binary.BigEndian.Uint32(b))
		if length == 1 {
			length = int64(binary.BigEndian.Uint64(b[8:]))
		}
		if length < 8 || length > 1<<50 {
			return false
		}
		if string(b[4:8]) == "moov" {
			index, err := in.read(ctx, off+8, int(min(length-8, maxIndex)))
			return err == nil && anyEncrypted(index)
		}
		if off += length; size > 0 && off >= size {
			return false
		}
	}
	return false
}

// anyEncrypted looks through the boxes of an index for the sample descriptions.
func anyEncrypted(b []byte) bool {
	for len(b) >= 8 {
		length, kind := int(binary.BigEndian.Uint32(b)), string(b[4:8])
		if length < 8 {
			return false
		}
		content := b[8:min(length, len(b))]
		switch kind {
		case "trak", "mdia", "minf", "stbl":
			if anyEncrypted(content) {
				return true
			}
		case "stsd":
			if len(content) >= 16 && slices.Contains(encryptedEntries, string(content[12:16])) {
				return true
			}
		}
		if length > len(b) {
			return false
		}
		b = b[length:]
	}
	return false
}
