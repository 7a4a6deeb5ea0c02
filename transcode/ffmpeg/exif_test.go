package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// withOrientation adds Exif data to a JPEG.
func withOrientation(jpeg []byte, order binary.AppendByteOrder, value uint16) []byte {
	tiff := []byte("MM\x00*")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		tiff = []byte("II*\x00")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, entry := range [][2]uint16{{0x10f, 1}, {0x112, value}} {
		tiff = order.AppendUint16(tiff, entry[0])
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, entry[1])
		tiff = order.AppendUint16(tiff, 0)
	}
	tiff = order.AppendUint32(tiff, 0)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte("\xff\xd8"), "\xff\xe0\x00\x04ab\xff\xe1"...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	return append(append(out, segment...), jpeg[2:]...)
}

// Width and height of a photo are those that are shown, not those that are stored.
func TestProbeTurnedPhoto(t *testing.T) {
	photo, err := os.ReadFile(testmedia.Clip(t, testmedia.Photo))
	if err != nil {
		t.Fatal(err)
	}
	orders := []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian}
	for value, want := range []int{0: 0, 1: 0, 2: 0, 3: 180, 4: 0, 5: 90, 6: 90, 7: 270, 8: 270, 9: 0} {
		for _, order := range orders {
			read := value
			if value > 8 {
				read = 0 // none
			}
			if got := orientation(withOrientation(photo, order, uint16(value))); got != read {
				t.Errorf("orientation %d is read as %d", value, got)
			}
		}
		path := filepath.Join(t.TempDir(), "source")
		if err := os.WriteFile(path, withOrientation(photo, orders[value%2], uint16(value)), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := tools(t).Probe(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Video[0].Rotation; got != want || m.Video[0].Width != 640 {
			t.Errorf("orientation %d: rotation %d, want %d", value, got, want)
		}
		if bytes.Contains(m.Raw, []byte("side_data_list")) != (want != 0) {
			t.Errorf("orientation %d: %s", value, m.Raw)
		}
	}
}

func FuzzOrientation(f *testing.F) {
	f.Add(withOrientation([]byte("\xff\xd8\xff\xd9"), binary.BigEndian, 6))
	f.Add(withOrientation([]byte("\xff\xd8\xff\xd9"), binary.LittleEndian, 3))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := orientation(b); v < 0 || v > 8 {
			t.Errorf("orientation %d", v)
		}
	})
}
