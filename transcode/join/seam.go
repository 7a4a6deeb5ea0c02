package join

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// SeamError says that a source cannot be cut at an edge between chunks: a decoder that
// enters the source shortly before it gives other frames than one that comes from further
// back.
type SeamError struct {
	Seconds int    // the time of the edge
	What    string // how the frames differ
}

// Error implements error.
func (e *SeamError) Error() string {
	return fmt.Sprintf("the input cannot be cut at %d s: %s", e.Seconds, e.What)
}

// CompareSeam compares the frames that two chunks have decoded in the length seconds before
// the edge between them. Earlier ones are left out. before and after are what FFmpeg's muxer framecrc wrote in the chunk on either side.
// The error is a *SeamError.
func CompareSeam(seconds, length int, before, after []byte) error {
	a, b := frames(before, seconds-length), frames(after, seconds-length)
	if len(a) != len(b) {
		return &SeamError{seconds, fmt.Sprintf("%d and %d frames before it", len(a), len(b))}
	}
	for i := range a {
		if a[i] != b[i] {
			return &SeamError{seconds, fmt.Sprintf("frame %d of %d before it is not the same", i+1, len(a))}
		}
	}
	return nil
}

// frames returns time, size and checksum of each frame that framecrc has written. Durations
// are left out, because decoders know them for some frames only. Frames before the second
// from are left out too.
func frames(list []byte, from int) []string {
	var out []string
	num, den := 1, 1
	for s := bufio.NewScanner(bytes.NewReader(list)); s.Scan(); {
		// "#tb 0: 1/90000" is the unit of the times.
		if n, err := fmt.Sscanf(s.Text(), "#tb 0: %d/%d", &num, &den); n == 2 && err == nil {
			continue
		}
		fields := strings.FieldsFunc(s.Text(), func(r rune) bool { return r == ',' || r == ' ' })
		// stream, dts, pts, duration, size, checksum
		if strings.HasPrefix(s.Text(), "#") || len(fields) < 6 {
			continue
		}
		if pts, err := strconv.Atoi(fields[2]); err == nil && pts*num < from*den {
			continue
		}
		out = append(out, fields[2]+" "+fields[4]+" "+fields[5])
	}
	return out
}
