package testmedia

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
)

// Edit is a change of the bytes of a file that ffmpeg made.
type Edit string

// The edits.
const (
	Turn90     Edit = "turn90"     // 90 degrees clockwise, in the display matrix of an MP4
	Cut        Edit = "cut"        // only the first 60 % is left
	CutMoof    Edit = "cutmoof"    // what comes after half of the last moof of an MP4 is missing
	LateSync   Edit = "latesync"   // the index of an MP4 names no keyframe before frame 50, so a seek into the first two seconds finds nothing
	EmptyAudio Edit = "emptyaudio" // the sound of an MP4 is declared and has no samples
	EmptyVideo Edit = "emptyvideo" // the video of an MP4 is declared and has no samples
	LongerAVI  Edit = "longeravi"  // the headers of an AVI claim twice its length
	Restarted  Edit = "restarted"  // all after the header of an FLV comes twice
	Hollow     Edit = "hollow"     // zeros from the middle of the first third on, up to the last tenth
	Junk       Edit = "junk"       // bytes that are no media before and behind
)

// EditFile makes a change to the file at path.
func EditFile(path string, e Edit) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch e {
	case Turn90:
		err = turn(b)
	case Cut:
		b = b[:len(b)*6/10]
	case CutMoof:
		b = b[:bytes.LastIndex(b, []byte("moof"))+100]
	case LateSync:
		err = lateSync(b)
	case EmptyAudio:
		err = emptyTrack(b, "soun")
	case EmptyVideo:
		err = emptyTrack(b, "vide")
	case Restarted:
		b = append(b, b[13:]...)
	case Hollow:
		clear(b[len(b)/6 : len(b)*9/10])
	case LongerAVI:
		err = longerAVI(b)
	case Junk:
		b = slices.Concat(junk(5000), b, junk(3000))
	default:
		err = fmt.Errorf("no edit %q", e)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// turn writes the matrix of a quarter turn clockwise into the first track
// header. The options of ffmpeg that would do it are not the same in 5 and 7.
func turn(b []byte) error {
	at := bytes.Index(b, []byte("tkhd"))
	if at < 0 || at+100 > len(b) {
		return fmt.Errorf("turn: no track header")
	}
	matrix := b[at+4+40:]
	if b[at+4] == 1 { // version 1 has times of 64 bits
		matrix = b[at+4+52:]
	}
	copy(matrix, "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"+
		"\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"+
		"\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\x00")
	return nil
}

// lateSync replaces the number of the first keyframe by 50, in the table of keyframes (stss).
func lateSync(b []byte) error {
	at := bytes.Index(b, []byte("stss"))
	if at < 0 || at+16 > len(b) {
		return fmt.Errorf("late sync: no table of keyframes")
	}
	binary.BigEndian.PutUint32(b[at+12:], 50)
	return nil
}

// emptyTrack writes zero as the number of entries into the sample tables of the
// track of a kind, and as its length.
func emptyTrack(b []byte, kind string) error {
	for trak := bytes.Index(b, []byte("trak")); trak >= 4; {
		end := trak - 4 + int(binary.BigEndian.Uint32(b[trak-4:]))
		if end > len(b) {
			break
		}
		track := b[trak:end]
		if at := bytes.Index(track, []byte("hdlr")); at >= 0 && string(track[at+12:at+16]) == kind {
			for box, count := range map[string]int{"stts": 8, "stsc": 8, "stco": 8, "ctts": 8, "stss": 8, "stsz": 12, "mdhd": 20, "tkhd": 24} {
				if i := bytes.Index(track, []byte(box)); i >= 0 {
					binary.BigEndian.PutUint32(track[i+count:], 0)
				}
			}
			return nil
		}
		next := bytes.Index(b[end:], []byte("trak"))
		if next < 0 {
			break
		}
		trak = end + next
	}
	return fmt.Errorf("empty track: no track of kind %s", kind)
}

// junk is n random bytes, the same ones each time.
func junk(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(random.Uint32())
	}
	return out
}

// longerAVI writes twice the number of frames into the headers of an AVI.
func longerAVI(b []byte) error {
	main := bytes.Index(b, []byte("avih"))
	if main < 0 {
		return fmt.Errorf("longer AVI: no header")
	}
	double := func(at int) { binary.LittleEndian.PutUint32(b[at:], 2*binary.LittleEndian.Uint32(b[at:])) }
	double(main + 8 + 16)
	for at := main; ; {
		next := bytes.Index(b[at:], []byte("strh"))
		if next < 0 {
			return nil
		}
		at += next + 4
		double(at + 4 + 32)
	}
}
