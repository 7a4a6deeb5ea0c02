package protect

import (
	"bytes"
	"testing"
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
