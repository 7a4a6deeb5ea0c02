package seal

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzKeys checks that a list of keys is accepted, or refused without repeating
// it. Accepted keys seal and open, for one context alone.
func FuzzKeys(f *testing.F) {
	f.Add(strings.Repeat("A", 43)+"=", []byte("plain"), "jobs/a")
	f.Add("-_"+strings.Repeat("a", 41)+"\n", []byte{}, "")
	f.Fuzz(func(t *testing.T, key string, plain []byte, context string) {
		s, err := ParseKeys([]string{key})
		if err != nil {
			if len(key) > 8 && strings.Contains(err.Error(), key) {
				t.Errorf("the error tells the key: %v", err)
			}
			return
		}
		sealed := s.Seal(plain, context)
		if got, err := s.Open(sealed, context); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := s.Open(sealed, context+"x"); err == nil {
			t.Error("opened elsewhere")
		}
	})
}

// FuzzOpen checks that only sealed values open.
func FuzzOpen(f *testing.F) {
	s, err := ParseKeys([]string{strings.Repeat("A", 43) + "="})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Seal([]byte("plain"), "other"))
	f.Add([]byte{1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := s.Open(sealed, "jobs/a"); err == nil {
			t.Errorf("opened: %q", plain)
		}
	})
}
