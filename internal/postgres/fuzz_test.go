package postgres

import (
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzCursor checks that any cursor of a client is a position in the list or is
// refused, and that our own cursors can be parsed.
func FuzzCursor(f *testing.F) {
	f.Add(cursor(time.Unix(1_700_000_000, 123000), "2QcdNFigRRztnh"))
	f.Add("LmE")
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		at, id, err := parseCursor(text)
		if err != nil {
			return
		}
		if !utf8.ValidString(id) || at.Before(time.Unix(0, 0)) || at.Year() > 294276 {
			t.Errorf("%q: %s %q", text, at, id)
		}
		if again, other, err := parseCursor(cursor(at, id)); err != nil || !again.Equal(at) || other != id {
			t.Errorf("%q came back as %s %q, %v", text, again, other, err)
		}
	})
}
