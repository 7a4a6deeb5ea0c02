package testmedia

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// Cuts returns the beginnings of a clip up to so many points: every second one
// spread evenly, the others close to the two ends, where headers and indexes are.
func Cuts(whole []byte, points int) [][]byte {
	var at []int
	size := float64(len(whole))
	for i := range points {
		n := int(size * (float64(i) + 0.5) / float64(points))
		near := int(math.Pow(size/2, (float64(i)+0.5)/float64(points)))
		switch i % 4 {
		case 1:
			n = near
		case 3:
			n = len(whole) - near
		}
		at = append(at, min(max(n, 1), len(whole)-1))
	}
	slices.Sort(at)
	var out [][]byte
	for _, n := range at {
		out = append(out, whole[:n])
	}
	return out
}

// Flips returns copies of a clip with bits flipped, from one to some hundreds.
func Flips(whole []byte, copies int) [][]byte {
	random := rand.New(rand.NewPCG(1, uint64(len(whole))))
	var out [][]byte
	for i := range copies {
		flipped := bytes.Clone(whole)
		for range 1 << (i % 10) {
			flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
		}
		out = append(out, flipped)
	}
	return out
}

// Bombs returns files, by name, that claim or unpack to absurd sizes, rates, times or
// numbers of tracks.
func Bombs(t testing.TB) map[string][]byte {
	t.Helper()
	read := func(r Recipe) []byte {
		b, err := os.ReadFile(Clip(t, r))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	oneFrame := read(OneFrame)
	return map[string][]byte{
		"claims-30000x30000.png":  pngOf(30000, 30000, nil),
		"is-30000x30000.png":      pngOf(30000, 30000, make([]byte, 30000*(30000/8+1))),
		"claims-65535x65535.gif":  []byte("GIF89a\xff\xff\xff\xff\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02\x44\x01\x00\x3b"),
		"claims-30000x30000.avi":  patched(t, read(rawAVI), "strf", 8, le32(30000), le32(30000)),
		"billion-fps.mp4":         patched(t, read(NoAudio), "mdhd", 12, be32(1_000_000_000)),
		"hour-with-one-frame.mp4": patched(t, patched(t, oneFrame, "stts", 12, be32(3600*12800)), "mdhd", 16, be32(3600*12800)),
		"tick-is-a-year.mp4":      patched(t, oneFrame, "mdhd", 12, be32(1), be32(math.MaxUint32)),
		"300-sounds.mkv":          read(manySounds()),
		"100000-streams.mkv":      manyTracks(100_000),
	}
}

var rawAVI = Recipe{Name: "raw.avi", Args: []string{"-f", "lavfi", "-i", "testsrc2=s=64x36:r=25:d=0.2", "-c:v", "rawvideo", "-pix_fmt", "bgr24"}}

// manySounds is a recipe with 300 sound tracks.
func manySounds() Recipe {
	args := []string{"-f", "lavfi", "-i", "testsrc2=s=64x36:d=0.2", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "0.2", "-map", "0:v"}
	for range 300 {
		args = append(args, "-map", "1:a")
	}
	return Recipe{Name: "sounds.mkv", Args: append(args, "-c:v", "mpeg4", "-c:a", "pcm_s16le")}
}

// manyTracks returns a Matroska file that holds n descriptions of tracks and no media.
func manyTracks(n int) []byte {
	element := func(id string, content ...byte) []byte {
		size := binary.BigEndian.AppendUint64(nil, uint64(len(content)))
		size[0] = 1 // of eight bytes
		return append(append([]byte(id), size...), content...)
	}
	var tracks []byte
	for i := range n {
		entry := append(element("\xd7", byte(i>>16), byte(i>>8), byte(i)), element("\x73\xc5", byte(i>>16), byte(i>>8), byte(i), 1)...)
		entry = append(append(entry, element("\x83", 2)...), element("\x86", []byte("A_PCM/INT/LIT")...)...)
		tracks = append(tracks, element("\xae", entry...)...)
	}
	head := element("\x1a\x45\xdf\xa3", element("\x42\x82", []byte("matroska")...)...)
	return append(head, element("\x18\x53\x80\x67", element("\x16\x54\xae\x6b", tracks...)...)...)
}

// pngOf returns a PNG of one bit a pixel. rows is the image data before compression; nil:
// the file ends after the header.
func pngOf(w, h uint32, rows []byte) []byte {
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = append(out, body...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	}
	chunk("IHDR", append(append(be32(w), be32(h)...), 1, 0, 0, 0, 0))
	if rows != nil {
		var packed bytes.Buffer
		z, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
		_, _ = z.Write(rows)
		_ = z.Close()
		chunk("IDAT", packed.Bytes())
		chunk("IEND", nil)
	}
	return out
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }

// patched returns a copy of data with values written into the first box or chunk of a kind,
// at an offset from the end of its name.
func patched(t testing.TB, data []byte, kind string, offset int, values ...[]byte) []byte {
	t.Helper()
	i := bytes.Index(data, []byte(kind))
	if i < 0 {
		t.Fatalf("no %s in the clip", kind)
	}
	out := bytes.Clone(data)
	copy(out[i+4+offset:], slices.Concat(values...))
	return out
}

// Family is a container with a clip of it.
type Family struct {
	Name string // the extension
	Path string
}

// Usual is how many of Families are common. They come first.
const Usual = 5

// Families returns a clip in each kind of container, the common ones first. Some are real
// clips of the shared folder of media.
func Families(t testing.TB) []Family {
	t.Helper()
	// With its index in front, so that a part of it can be played; of its 6 s a third is enough.
	mp4 := Recipe{Name: "faststart.mp4", Args: []string{"-i", Shared(t, "parametric-stereo.mp4"), "-t", "2", "-c", "copy", "-movflags", "+faststart"}}
	made := func(name string) string {
		return Clip(t, Recipe{Name: "standard." + name, Args: h264aac("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2)})
	}
	return []Family{
		{"mp4", Clip(t, mp4)}, {"mov", Shared(t, "rotated-180.mov")}, {"ts", Shared(t, "portrait.ts")}, {"webm", Shared(t, "vp9.webm")}, {"mkv", made("mkv")},
		{"mp3", Shared(t, "audio.mp3")}, {"jpg", Shared(t, "photo.jpg")}, {"flv", made("flv")}, {"avi", made("avi")},
		{"mpg", Clip(t, Recipe{Name: "standard.mpg", Args: []string{"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-c:v", "mpeg2video", "-c:a", "mp2"}})},
		{"ogv", Clip(t, Recipe{Name: "standard.ogv", Args: []string{"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", beeps2, "-c:v", "libtheora", "-c:a", "libvorbis"}})},
		{"gif", Clip(t, Recipe{Name: "standard.gif", Args: []string{"-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2"}})},
	}
}
