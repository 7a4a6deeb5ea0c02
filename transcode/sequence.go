package transcode

import (
	"fmt"
	"strconv"
	"strings"
)

// picturePath turns the sequence variables of Coconut into one of Go's:
// "%.2d", "%02d", "%d" and "#num#", which is "%02d". Without one it returns the
// path as it is and false.
func picturePath(path string) (string, bool) {
	at, end, ok := sequence(path)
	if !ok {
		return path, false
	}
	width := 2
	if path[at] == '%' {
		var err error
		if width, err = strconv.Atoi(strings.Trim(path[at+1:end-1], ".")); err != nil || width > 20 {
			width = 1
		}
	}
	return fmt.Sprintf("%s%%0%dd%s", escapePercent(path[:at]), width, escapePercent(path[end:])), true
}

// sequence finds the variable for the number of a picture in a path.
func sequence(path string) (from, to int, ok bool) {
	const num = "#num#"
	if at := strings.Index(path, num); at >= 0 {
		return at, at + len(num), true
	}
	for at := range len(path) {
		if path[at] != '%' {
			continue
		}
		end := at + 1
		for end < len(path) && (path[end] == '.' || path[end] >= '0' && path[end] <= '9') {
			end++
		}
		if end < len(path) && path[end] == 'd' {
			return at, end + 1, true
		}
	}
	return 0, 0, false
}

func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }
