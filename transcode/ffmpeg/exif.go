package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/copra-video/copra/job"
)

// exifBytes is the size of the head of a JPEG in which the orientation is looked
// for. Cameras write it first.
const exifBytes = 256 << 10

// applyOrientation adds the rotation of a JPEG to ffprobe's answer. ffmpeg rotates
// the picture by itself, but ffprobe reports the rotation of frames only. Without
// it a portrait photo would be planned as a landscape one.
func (in probeSource) applyOrientation(ctx context.Context, m job.Media) (job.Media, error) {
	if !m.Still() || len(m.Video) == 0 || m.Video[0].Codec != "mjpeg" || m.Video[0].Rotation != 0 {
		return m, nil
	}
	head, err := in.read(ctx, 0, exifBytes)
	if err != nil {
		return m, fmt.Errorf("read head of the picture: %w", err)
	}
	degrees, turned := displayRotation[orientation(head)]
	if !turned {
		return m, nil
	}
	raw, err := withRotation(m.Raw, degrees)
	if err != nil {
		return m, err
	}
	return job.ParseMedia(raw)
}

// displayRotation are ffprobe's degrees, counterclockwise, of the Exif
// orientations that rotate a picture. An orientation that also mirrors has the
// degrees of its rotation.
var displayRotation = map[int]int{3: -180, 5: -90, 6: -90, 7: 90, 8: 90}

// withRotation adds a display matrix to the first stream of ffprobe's JSON, as
// ffprobe does for video.
func withRotation(raw []byte, degrees int) ([]byte, error) {
	// The members of the stream keep their order: the side data come last.
	var doc struct {
		Streams []json.RawMessage `json:"streams"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil || len(doc.Streams) == 0 {
		return nil, fmt.Errorf("parse ffprobe output: %w", err)
	}
	was := bytes.TrimSpace(doc.Streams[0])
	now := fmt.Appendf(bytes.Clone(was[:len(was)-1]), `,"side_data_list":[{"side_data_type":"Display Matrix","rotation":%d}]}`, degrees)
	return bytes.Replace(raw, was, now, 1), nil
}

// orientation reads the orientation (CIPA DC-008, tag 0x112) from the head of a
// JPEG: 1 to 8; 0 when there is none.
func orientation(b []byte) int {
	if !bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return 0
	}
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		marker, length := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if marker == 0xda || length < 2 { // start of scan: no more headers
			return 0
		}
		end := min(len(b), at+2+length)
		if segment := b[at+4 : max(at+4, end)]; marker == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		at += 2 + length
	}
	return 0
}

// tiffOrientation finds the tag 0x112 in the first directory of a TIFF structure.
func tiffOrientation(b []byte) int {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	default:
		return 0
	}
	if len(b) < 8 {
		return 0
	}
	at := int(order.Uint32(b[4:]))
	if at < 8 || at > len(b)-2 {
		return 0
	}
	n := int(order.Uint16(b[at:]))
	for at += 2; n > 0 && at+12 <= len(b); at, n = at+12, n-1 {
		if order.Uint16(b[at:]) == 0x112 && order.Uint16(b[at+2:]) == 3 {
			if v := int(order.Uint16(b[at+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 0
		}
	}
	return 0
}
