package protect

import (
	"bytes"
	"testing"

	"github.com/Eyevinn/mp4ff/aac"
	"github.com/Eyevinn/mp4ff/mp4"
)

func FuzzSystem(f *testing.F) {
	box := []byte("\x00\x00\x00\x24pssh\x00\x00\x00\x00\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed\x00\x00\x00\x04data")
	common := append([]byte("\x00\x00\x00\x34pssh\x01\x00\x00\x00\x10\x77\xef\xec\xc0\xb2\x4d\x02\xac\xe3\x3c\x1e\x52\xe2\xfb\x4b\x00\x00\x00\x01"), make([]byte, 20)...)
	f.Add(box)
	f.Add(common)
	f.Add(box[:31])
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, data, ok := System(b); ok && (len(id) != 36 || len(data) > len(b)-32) {
			t.Errorf("%q has the system %s with %q", b, id, data)
		}
	})
	if id, data, ok := System(box); !ok || id != Widevine || string(data) != "data" {
		f.Errorf("%s, %q, %v", id, data, ok)
	}
	if id, _, ok := System(common); !ok || id != Common {
		f.Errorf("%s, %v", id, ok)
	}
	for n := range box {
		if _, _, ok := System(box[:n]); ok {
			f.Errorf("%d bytes of %d are taken for a box", n, len(box))
		}
	}
}

// Vectors differ between tracks and, with AES-CTR, between fragments; the half in which
// the cipher counts begins at zero. They are the same each time.
func TestVectors(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 16)
	a, b := Config{Scheme: CENC, Key: key, TrackID: "720p"}, Config{Scheme: CENC, Key: key, TrackID: "audio"}
	if !bytes.Equal(a.iv(1), a.iv(1)) || bytes.Equal(a.iv(1), a.iv(2)) || bytes.Equal(a.iv(1), b.iv(1)) {
		t.Errorf("vectors %x %x %x", a.iv(1), a.iv(2), b.iv(1))
	}
	if !bytes.Equal(a.iv(1)[8:], make([]byte, 8)) {
		t.Errorf("the counter begins at %x", a.iv(1)[8:])
	}
	a.Scheme = CBCS
	if !bytes.Equal(a.iv(1), a.iv(2)) {
		t.Errorf("the vector of cbcs changes: %x %x", a.iv(1), a.iv(2))
	}
}

func TestBrokenSegments(t *testing.T) {
	good := Config{Scheme: CBCS, Key: make([]byte, 16), KeyID: make([]byte, 16)}
	for _, init := range []string{"", "no boxes at all"} {
		if _, _, err := NewTrack([]byte(init), good); err == nil {
			t.Errorf("%q is taken for an init segment", init)
		}
	}
	if _, _, err := NewTrack(nil, Config{Scheme: CBCS}); err == nil {
		t.Error("there is no key")
	}
	if _, err := (&Track{c: good}).Segment(nil, 1); err == nil {
		t.Error("nothing is taken for a segment")
	}
}

// TestAuxiliaryInformation: a fragment tells of its samples what there is to tell, and has no
// box about nothing: FFmpeg 7.1 does not open such a file.
func TestAuxiliaryInformation(t *testing.T) {
	init := mp4.CreateEmptyInit()
	init.AddEmptyTrack(48000, "audio", "und")
	trak := init.Moov.Trak
	if err := trak.SetAACDescriptor(aac.AAClc, 48000); err != nil {
		t.Fatal(err)
	}
	frag, err := mp4.CreateFragment(1, trak.Tkhd.TrackID)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		frag.AddFullSample(mp4.FullSample{Sample: mp4.Sample{Dur: 1024, Size: 40}, Data: make([]byte, 40)})
	}
	segment := mp4.NewMediaSegment()
	segment.AddFragment(frag)
	var head, media bytes.Buffer
	if err := init.Encode(&head); err != nil {
		t.Fatal(err)
	}
	if err := segment.Encode(&media); err != nil {
		t.Fatal(err)
	}
	for scheme, told := range map[string]bool{CENC: true, CBCS: false} {
		track, _, err := NewTrack(head.Bytes(), Config{Scheme: scheme, Key: make([]byte, 16), KeyID: make([]byte, 16)})
		if err != nil {
			t.Fatal(err)
		}
		locked, err := track.Segment(media.Bytes(), 1)
		if err != nil {
			t.Fatal(err)
		}
		f, err := mp4.DecodeFile(bytes.NewReader(locked))
		if err != nil {
			t.Fatal(err)
		}
		moof := f.Segments[0].Fragments[0].Moof
		if traf := moof.Traf; traf.Senc == nil || (traf.Saiz != nil) != told || (traf.Saio != nil) != told || told && traf.Saiz.SampleCount != 3 {
			t.Errorf("%s: senc %v, saiz %+v, saio %+v", scheme, traf.Senc != nil, traf.Saiz, traf.Saio)
		}
		if at := moof.Traf.Trun.DataOffset; uint64(at) != moof.Size()+8 {
			t.Errorf("%s: the samples are at %d of a moof of %d bytes", scheme, at, moof.Size())
		}
	}
}
