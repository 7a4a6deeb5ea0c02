package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Bounds of what the summary says of one failed test.
const (
	mostMessages = 8
	mostLines    = 6   // of a message
	mostBytes    = 400 // of a line
)

// failure is a test, or a package, that failed. Its messages are those of t.Error and the like.
type failure struct {
	pkg, test string // test "": the package
	messages  [][]string
}

// message begins one of the testing package: "    file_test.go:12: text".
var message = regexp.MustCompile(`^( +)([^\s:]+\.go):(\d+): (.*)`)

// newFailure finds the messages in what a test has printed. dir is the folder of its
// package.
func newFailure(pkg, test, text, dir string) failure {
	f := failure{pkg: pkg, test: test}
	indent, kept := -1, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m := message.FindStringSubmatch(line)
		switch {
		case m != nil && (indent < 0 || len(m[1]) <= indent):
			indent, kept = len(m[1]), !logs(dir, m[2], m[3])
			if kept {
				f.messages = append(f.messages, []string{strings.TrimSpace(line)})
			}
		case strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: "):
			indent, kept = -1, false
			f.messages = append(f.messages, []string{line})
		case kept && strings.HasPrefix(line, strings.Repeat(" ", indent+4)):
			last := &f.messages[len(f.messages)-1]
			*last = append(*last, "    "+line[indent+4:])
		case !strings.HasPrefix(line, " "):
			indent, kept = -1, false
		}
	}
	return f
}

// logs reports whether the line of a source file calls t.Log: the output does not tell a log,
// such as that of a server, from the message of an error.
func logs(dir, file, line string) bool {
	text, err := os.ReadFile(filepath.Join(dir, file))
	n, _ := strconv.Atoi(line)
	lines := strings.Split(string(text), "\n")
	return err == nil && n >= 1 && n <= len(lines) && strings.Contains(lines[n-1], ".Log") && !strings.Contains(lines[n-1], ".Fatal")
}

// print begins with a line that says all of a failure with one message, for readers of such
// lines only.
func (f failure) print(w io.Writer) {
	fmt.Fprint(w, "FAIL\t", f.pkg)
	if f.test != "" {
		fmt.Fprint(w, " ", f.test)
	}
	left := ": "
	for i, m := range f.messages {
		if i == mostMessages {
			fmt.Fprintf(w, "\n    and %d more", len(f.messages)-i)
			break
		}
		for k, line := range m {
			if k == mostLines {
				fmt.Fprintf(w, "\n        and %d more lines", len(m)-k)
				break
			}
			if len(line) > mostBytes {
				line = strings.ToValidUTF8(line[:mostBytes], "") + "..."
			}
			fmt.Fprint(w, left, line)
			left = "\n    "
		}
	}
	fmt.Fprintln(w)
}
