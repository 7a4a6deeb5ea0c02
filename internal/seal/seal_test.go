package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func sealer(t *testing.T, keys ...string) *Sealer {
	t.Helper()
	s, err := ParseKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	s := sealer(t, Generate())
	for _, plain := range []string{"", "x", strings.Repeat("secret ", 100_000)} {
		sealed := s.Seal([]byte(plain), "jobs/1")
		if len(plain) > 3 && bytes.Contains(sealed, []byte(plain[:7])) {
			t.Error("the plain text shows")
		}
		got, err := s.Open(sealed, "jobs/1")
		if err != nil || string(got) != plain {
			t.Errorf("opened %d bytes of %d: %v", len(got), len(plain), err)
		}
		if again := s.Seal([]byte(plain), "jobs/1"); bytes.Equal(again, sealed) {
			t.Error("sealing twice gives the same bytes")
		}
	}
}

func TestRotation(t *testing.T) {
	first, second := Generate(), Generate()
	old := sealer(t, first).Seal([]byte("hello"), "a")
	both := sealer(t, second, first)
	if got, err := both.Open(old, "a"); err != nil || string(got) != "hello" {
		t.Errorf("with the old key second: %q %v", got, err)
	}
	if _, err := sealer(t, first).Open(both.Seal(nil, "a"), "a"); !errors.Is(err, ErrKey) {
		t.Errorf("the new key does not seal: %v", err)
	}
	if _, err := sealer(t, second).Open(old, "a"); !errors.Is(err, ErrKey) {
		t.Errorf("without the old key: %v", err)
	}
}

func TestTampering(t *testing.T) {
	s := sealer(t, Generate())
	sealed := s.Seal([]byte("hello"), "jobs/1")
	if _, err := s.Open(sealed, "jobs/2"); err == nil {
		t.Error("opened in another row")
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, "jobs/1"); err == nil {
			t.Errorf("opened with byte %d changed", i)
		}
		if _, err := s.Open(sealed[:i], "jobs/1"); err == nil {
			t.Errorf("opened when cut to %d bytes", i)
		}
	}
}

func TestParseKeys(t *testing.T) {
	good := Generate()
	for name, list := range map[string][]string{
		"none":         nil,
		"empty":        {""},
		"short":        {good, "c2hvcnQ="},
		"no base64":    {"hunter2 is my secret!"},
		"twice":        {good, good},
		"too long":     {good + good},
		"second wrong": {good, "!"},
	} {
		_, err := ParseKeys(list)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, k := range list {
			if len(k) > 1 && strings.Contains(err.Error(), k) {
				t.Errorf("%s: the error shows the key: %v", name, err)
			}
		}
	}
	spaced := " " + strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(good), "=") + "\n"
	if _, err := sealer(t, spaced).Open(sealer(t, good).Seal(nil, "a"), "a"); err != nil {
		t.Errorf("the URL alphabet: %v", err)
	}
}
