// Package mp4index reads the index of an MP4 or QuickTime file (ISO/IEC 14496-12, box
// moov): where the keyframes of its video are, and how large its frames. It reads nothing
// else of the file, however long that is.
package mp4index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/copra-video/copra/internal/nopanic"
	"github.com/copra-video/copra/job"
)

// maxIndex is the size of the largest index that is read, in bytes. That of 10 h of video
// and audio is some 20 MiB.
const maxIndex = 64 << 20

// maxBoxes is how many boxes at the outermost level are looked at.
const maxBoxes = 64

// maxFrames is up to how many frames of a track are read: nine hours of 30 a second.
const maxFrames = 1_000_000

var errNoIndex = errors.New("it has no index that tells where its frames are")

// Add reads the index of a file of size bytes, which m describes, and sets GOPs of its
// video. A stream whose times the index does not tell for certain is left as it is: one
// in fragments, and one with edit lists that do more than to take off what is not shown.
// An error says why the index could not be read.
func Add(r io.ReaderAt, size int64, m *job.Media) error {
	if !strings.HasPrefix(m.FormatName, "mov,") {
		return errNoIndex
	}
	index, err := readIndex(r, size)
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	for i := range m.Video {
		if v := &m.Video[i]; v.GOPs == nil && v.Index < len(index.tracks) {
			v.GOPs = index.tracks[v.Index].gops(index.scale, *m, *v)
		}
	}
	return nil
}

// index is a parsed index.
type index struct {
	scale  float64 // units of time a second of the whole
	tracks []*track
}

// track is what is needed of a track. Boxes that it lacks are nil.
type track struct {
	edits []*mp4.ElstBox
	scale float64 // units of time a second
	video bool
	stts  *mp4.SttsBox
	ctts  *mp4.CttsBox
	stss  *mp4.StssBox
	stsz  *mp4.StszBox
}

// readIndex finds the index and parses it.
func readIndex(r io.ReaderAt, size int64) (x index, err error) {
	defer nopanic.Recover(&err)
	var off int64
	for range maxBoxes {
		kind, length, err := boxAt(r, off, size)
		if err != nil {
			return index{}, err
		}
		if kind != "moov" {
			off += length
			continue
		}
		if length > maxIndex {
			return index{}, fmt.Errorf("%d bytes are more than are read", length)
		}
		moov := make([]byte, length)
		if _, err := r.ReadAt(moov, off); err != nil {
			return index{}, err
		}
		if err := x.parse(moov, 0); err != nil {
			return index{}, err
		}
		if x.scale <= 0 {
			return index{}, errNoIndex
		}
		return x, nil
	}
	return index{}, errNoIndex
}

// containers are the boxes that hold those that are needed. Others, such as the
// descriptions of samples, are not parsed: QuickTime has forms of them that are not MP4's.
var containers = []string{"moov", "trak", "edts", "mdia", "minf", "stbl"}

// parse reads a box, and those within it.
func (x *index) parse(box []byte, depth int) error {
	kind, length, err := boxAt(bytes.NewReader(box), 0, int64(len(box)))
	if err != nil {
		return err
	}
	box = box[:length]
	if depth >= len(containers) || !slices.Contains(containers, kind) {
		return x.leaf(kind, box)
	}
	if kind == "trak" {
		x.tracks = append(x.tracks, &track{})
	}
	for at := int64(8); at+8 <= length; {
		_, inner, err := boxAt(bytes.NewReader(box), at, length)
		if err != nil {
			return err
		}
		if err := x.parse(box[at:at+inner], depth+1); err != nil {
			return err
		}
		at += inner
	}
	return nil
}

// leaf reads a box that has none within it.
func (x *index) leaf(kind string, box []byte) error {
	if !slices.Contains([]string{"mvhd", "mdhd", "elst", "vmhd", "stts", "ctts", "stss", "stsz"}, kind) {
		return nil
	}
	parsed, err := mp4.DecodeBox(0, bytes.NewReader(box))
	if err != nil {
		return err
	}
	if b, ok := parsed.(*mp4.MvhdBox); ok {
		x.scale = float64(b.Timescale)
		return nil
	}
	if len(x.tracks) == 0 {
		return nil
	}
	t := x.tracks[len(x.tracks)-1]
	switch b := parsed.(type) {
	case *mp4.MdhdBox:
		t.scale = float64(b.Timescale)
	case *mp4.ElstBox:
		t.edits = append(t.edits, b)
	case *mp4.VmhdBox:
		t.video = true
	case *mp4.SttsBox:
		t.stts = b
	case *mp4.CttsBox:
		t.ctts = b
	case *mp4.StssBox:
		t.stss = b
	case *mp4.StszBox:
		t.stsz = b
	}
	return nil
}

// boxAt reads the type and the length of the box at an offset.
func boxAt(r io.ReaderAt, off, size int64) (kind string, length int64, err error) {
	var head [16]byte
	n, err := r.ReadAt(head[:], off)
	if n < 8 {
		if err == nil || errors.Is(err, io.EOF) {
			err = errNoIndex
		}
		return "", 0, err
	}
	length = int64(binary.BigEndian.Uint32(head[:]))
	switch {
	case length == 1 && n == 16:
		length = int64(binary.BigEndian.Uint64(head[8:]))
	case length == 0: // up to the end
		length = size - off
	}
	if length < 8 || length > size-off {
		return "", 0, errNoIndex
	}
	return string(head[4:8]), length, nil
}

// gops is what the index says of the stream v; nil when it is not certain.
func (t *track) gops(movieScale float64, m job.Media, v job.VideoStream) (g *job.GOPs) {
	var err error
	defer func() {
		if err != nil {
			g = nil // the tables contradict one another
		}
	}()
	defer nopanic.Recover(&err)
	if !t.video || t.scale <= 0 {
		return nil
	}
	packets := t.samples(v.Frames)
	late, taken, ok := t.edit(movieScale)
	if packets == nil || !ok {
		return nil
	}
	g = job.NewGOPs(packets, 1/t.scale, late-float64(taken)/t.scale-m.StartTime)
	// ffprobe must agree on when the video begins. With an edit list in the middle of a
	// GOP it does not.
	if g == nil || math.Abs(g.Keyframes[0]-(v.StartTime-m.StartTime)) > 0.001 {
		return nil
	}
	return g
}

// samples lists the frames of a track in the order of the file; nil when the tables do not
// agree that there are so many frames.
func (t *track) samples(frames int64) []job.Packet {
	if t.stts == nil || t.stsz == nil || frames > maxFrames || int64(t.stsz.GetNrSamples()) != frames {
		return nil
	}
	count := int(frames)
	var packets []job.Packet
	var at int64
	for i, n := range t.stts.SampleCount {
		for range n {
			if len(packets) == count {
				return nil
			}
			delta := int64(t.stts.SampleTimeDelta[i])
			size := int64(t.stsz.GetSampleSize(len(packets) + 1))
			packets = append(packets, job.Packet{Time: at, Duration: delta, Bytes: size, Key: t.stss == nil})
			at += delta
		}
	}
	if len(packets) != count {
		return nil
	}
	if c := t.ctts; c != nil {
		run := 0
		for i := range packets {
			for run < len(c.SampleOffset)-1 && int(c.EndSampleNr[run+1]) <= i {
				run++
			}
			packets[i].Time += int64(c.SampleOffset[run])
		}
	}
	if t.stss != nil {
		for _, n := range t.stss.SampleNumber {
			if n < 1 || int(n) > count {
				return nil
			}
			packets[n-1].Key = true
		}
	}
	return packets
}

// edit is what the edit list of a track does: late seconds of nothing, and then what
// follows taken units of the media. ok is false when it does more.
func (t *track) edit(movieScale float64) (late float64, taken int64, ok bool) {
	if len(t.edits) == 0 {
		return 0, 0, true
	}
	list := t.edits[0].Entries
	if len(list) == 2 && list[0].MediaTime == -1 {
		late = float64(list[0].SegmentDuration) / movieScale
		list = list[1:]
	}
	if len(t.edits) > 1 || len(list) != 1 || list[0].MediaTime < 0 || list[0].MediaRateInteger != 1 || list[0].MediaRateFraction != 0 {
		return 0, 0, false
	}
	return late, list[0].MediaTime, true
}
