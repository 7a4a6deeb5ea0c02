package ffmpeg

import (
	"bytes"
	"strings"
	"sync"
)

// stderrTailBytes is how much of the messages is kept. A damaged input can make
// ffmpeg write a line for every frame.
const stderrTailBytes = 64 << 10

// stderrTail keeps the end of what is written to it, and calls a function for
// every line. It never blocks and never fails, so it does not slow the writer.
type stderrTail struct {
	mu      sync.Mutex
	buf     []byte
	partial []byte            // a line without its end yet
	line    func(line string) // nil: none
}

func (t *stderrTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*stderrTailBytes {
		cut := t.buf[len(t.buf)-stderrTailBytes:]
		if i := bytes.IndexByte(cut, '\n'); i >= 0 {
			cut = cut[i+1:]
		}
		t.buf = append(t.buf[:0], cut...)
	}
	if t.line != nil {
		t.lines(p)
	}
	return len(p), nil
}

func (t *stderrTail) lines(p []byte) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		t.line(string(append(t.partial, p[:i]...)))
		t.partial, p = t.partial[:0], p[i+1:]
	}
	if len(t.partial)+len(p) <= stderrTailBytes {
		t.partial = append(t.partial, p...)
	}
}

// String returns the last lines, at most stderrTailBytes of them.
func (t *stderrTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buf
	if len(b) > stderrTailBytes {
		b = b[len(b)-stderrTailBytes:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
