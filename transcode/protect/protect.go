// Package protect encrypts fragmented MP4 by Common Encryption (ISO/IEC 23001-7),
// with the schemes cenc and cbcs. It is pure: bytes in, bytes out. The same
// arguments give the same bytes, so a stream that is made again fits what was
// uploaded of it before.
package protect

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"
)

// The schemes: AES-CTR of all of a frame's slices, and AES-CBC of one block in ten
// of them. Audio is encrypted whole by either.
const (
	CENC = "cenc"
	CBCS = "cbcs"
)

// The ids of key systems, as in pssh boxes and manifests.
const (
	Widevine  = "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
	PlayReady = "9a04f079-9840-4286-ab92-e65be0885f95"
	// Common is the W3C's, which ClearKey reads.
	Common = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
)

// Config is how a track is encrypted.
type Config struct {
	Scheme  string
	KeyID   []byte // 16 bytes
	Key     []byte // 16 bytes
	TrackID string // tells tracks with the same key apart
	PSSH    [][]byte
}

// Track encrypts the segments of a track.
type Track struct {
	c    Config
	data *mp4.InitProtectData
}

// NewTrack returns the encrypter of a track with the encrypted form of its init
// segment. It has the pssh boxes of c, and one by which players with ClearKey find
// the key id.
func NewTrack(init []byte, c Config) (*Track, []byte, error) {
	if len(c.KeyID) != 16 || len(c.Key) != 16 {
		return nil, nil, errors.New("protect init segment: key and key id have 16 bytes each")
	}
	f, err := mp4.DecodeFile(bytes.NewReader(init))
	if err != nil {
		return nil, nil, fmt.Errorf("read init segment: %w", err)
	}
	if f.Init == nil || f.Init.Moov == nil || f.Init.Moov.Mvex == nil {
		return nil, nil, errors.New("read init segment: it is not one of fragmented MP4")
	}
	boxes := []*mp4.PsshBox{{Version: 1, SystemID: systemID(Common), KIDs: []mp4.UUID{mp4.UUID(c.KeyID)}}}
	for _, b := range c.PSSH {
		box, err := parsePSSH(b)
		if err != nil {
			return nil, nil, err
		}
		boxes = append(boxes, box)
	}
	data, err := mp4.InitProtect(f.Init, c.Key, c.iv(0), c.Scheme, mp4.UUID(c.KeyID), boxes)
	if err != nil {
		return nil, nil, fmt.Errorf("protect init segment: %w", err)
	}
	var out bytes.Buffer
	if err := f.Init.Encode(&out); err != nil {
		return nil, nil, fmt.Errorf("write init segment: %w", err)
	}
	return &Track{c, data}, out.Bytes(), nil
}

// Segment returns the encrypted form of media segment n of the track, from 1.
func (t *Track) Segment(data []byte, n int) ([]byte, error) {
	f, err := mp4.DecodeFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	var out bytes.Buffer
	for _, s := range f.Segments {
		for i, frag := range s.Fragments {
			// A counter for each fragment, in the half of the vector that the
			// cipher does not count in.
			if err := mp4.EncryptFragment(frag, t.c.Key, t.c.iv(uint64(n)<<24|uint64(i)), t.data); err != nil {
				return nil, fmt.Errorf("encrypt segment: %w", err)
			}
			dropEmptyInfo(frag.Moof.Traf)
		}
		if err := s.Encode(&out); err != nil {
			return nil, fmt.Errorf("write segment: %w", err)
		}
	}
	if out.Len() == 0 {
		return nil, errors.New("read segment: there is no media in it")
	}
	return out.Bytes(), nil
}

// dropEmptyInfo takes the sizes and the offset of auxiliary information out of a fragment
// that has none. With one vector for the whole track and samples that are encrypted whole,
// as the audio of cbcs, there is nothing to tell of a sample, and the boxes are omitted
// (ISO/IEC 23001-7 section 7.2). FFmpeg 7.1 does not open a file with empty ones.
func dropEmptyInfo(traf *mp4.TrafBox) {
	if traf.Saiz == nil || traf.Saiz.DefaultSampleInfoSize > 0 || len(traf.Saiz.SampleInfo) > 0 {
		return
	}
	traf.Saiz, traf.Saio = nil, nil
	traf.Children = slices.DeleteFunc(traf.Children, func(b mp4.Box) bool { return b.Type() == "saiz" || b.Type() == "saio" })
}

// iv is an initialisation vector: 8 bytes of the track, which n is added to, and
// for AES-CTR 8 zero bytes, in which the cipher counts blocks. With cbcs one vector
// is that of the whole track.
func (c Config) iv(n uint64) []byte {
	mac := hmac.New(sha256.New, c.Key)
	mac.Write([]byte("copra initialisation vector " + c.TrackID))
	iv := mac.Sum(nil)[:16]
	if c.Scheme == CENC {
		binary.BigEndian.PutUint64(iv, binary.BigEndian.Uint64(iv)+n)
		clear(iv[8:])
	}
	return iv
}

// parsePSSH reads a whole pssh box (ISO/IEC 23001-7 section 8.1). It comes from
// outside, so it is not left to a library.
func parsePSSH(b []byte) (*mp4.PsshBox, error) {
	broken := errors.New("read pssh: it is not a whole pssh box")
	if len(b) < 32 || string(b[4:8]) != "pssh" || binary.BigEndian.Uint32(b) != uint32(len(b)) || b[8] > 1 {
		return nil, broken
	}
	box := &mp4.PsshBox{Version: b[8], SystemID: slices.Clone(b[12:28])}
	rest := b[28:]
	if box.Version == 1 {
		n := int(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n > len(rest)/16 {
			return nil, broken
		}
		for id := range slices.Chunk(rest[:16*n], 16) {
			box.KIDs = append(box.KIDs, slices.Clone(id))
		}
		if rest = rest[16*n:]; len(rest) < 4 {
			return nil, broken
		}
	}
	if int(binary.BigEndian.Uint32(rest)) != len(rest)-4 {
		return nil, broken
	}
	box.Data = slices.Clone(rest[4:])
	return box, nil
}

// System returns the id of the key system of a whole pssh box, such as Widevine,
// and what the box holds for it. ok is false for what is no such box.
func System(pssh []byte) (id string, data []byte, ok bool) {
	box, err := parsePSSH(pssh)
	if err != nil {
		return "", nil, false
	}
	return box.SystemID.String(), box.Data, true
}

func systemID(id string) mp4.UUID {
	u, err := mp4.NewUUIDFromString(id)
	if err != nil {
		return nil // the constants are valid
	}
	return u
}
