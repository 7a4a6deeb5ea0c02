package testmedia

import (
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	one := strings.Fields("-copyts -i v -ss 1 -i source -map 0:v:0 -map 1:a -c copy -map_metadata 1:g -map_chapters -1 -f mp4 one")
	two := strings.Fields("-itsoffset -2 -copyts -i a -map 0 -map_metadata -1 -map_chapters 0 two -map 0:1 three")
	want := "-copyts -i v -ss 1 -i source -itsoffset -2 -i a " +
		"-map 0:v:0 -map 1:a -c copy -map_metadata 1:g -map_chapters -1 -f mp4 one -map 2 -map_metadata -1 -map_chapters 2 two -map 2:1 three"
	if got := strings.Join(Merge(one, two), " "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for args, want := range map[string]string{
		"-i a -map 0 b":            "",
		"-copyts -i a -map 0:v b":  "-copyts",
		"-i a b":                   "no", // which streams are taken depends on the inputs
		"-i a -map 0 b c":          "no",
		"-i pipe:0 -map 0 b":       "no",
		"-map 0 b":                 "no",
		"-i a -map 0 b -i c":       "no",
		"-i a -map 0":              "no",
		"-i a -filter_complex x b": "no",
		"-i a -map 0 b -y":         "no",
	} {
		got := "no"
		if global, ok := Mergeable(strings.Fields(args)); ok {
			got = strings.Join(global, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}
