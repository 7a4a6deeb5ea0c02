package format

import (
	"strings"
	"testing"
)

func TestLoudness(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string // of String; "": it is refused
		says string
	}{
		{"mp4:720p::loudness=-14", "mp4:720p::loudness=-14", ""},
		{"mp3:128k:loudness=-16.04", "mp3:128k:loudness=-16", ""},
		{"mp4:::loudness=14", "", "from -40 to -5"},
		{"mp4:::loudness=-41", "", "from -40 to -5"},
		{"mp4:::loudness=NaN", "", "from -40 to -5"},
		{"mp4:::loudness", "", "from -40 to -5"},
		{"mp4:720p:copy:loudness=-14", "", "needs audio that is encoded"},
		{"mp4:720p:x:loudness=-14", "", "needs audio that is encoded"},
	} {
		f, err := Parse(tt.in)
		if err == nil {
			err = Supported(f)
		}
		switch {
		case tt.want == "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", tt.in, err, tt.says)
		case tt.want != "" && (err != nil || f.String() != tt.want):
			t.Errorf("%s: %q, %v", tt.in, f.String(), err)
		}
	}
	if f, err := FromHash("mp4", map[string]any{"loudness": -23.0}); err != nil || f.Options.Loudness != -23 {
		t.Errorf("hash: %v, %v", f.Options.Loudness, err)
	}
}
