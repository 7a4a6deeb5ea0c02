package ffmpeg

import (
	"bytes"
	"strings"
	"sync"
)

// tailBytes is how much of the messages is kept. A damaged input can make
// ffmpeg write a line a frame.
const tailBytes = 64 << 10

// tail keeps the last of what is written to it, and looks at every line as it
// passes. It never blocks and never fails, so the writer is never held up.
type tail struct {
	mu   sync.Mutex
	buf  []byte
	part []byte            // the line that is being written
	line func(line string) // nil: not
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailBytes {
		cut := t.buf[len(t.buf)-tailBytes:]
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

func (t *tail) lines(p []byte) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		t.line(string(append(t.part, p[:i]...)))
		t.part, p = t.part[:0], p[i+1:]
	}
	if len(t.part)+len(p) <= tailBytes {
		t.part = append(t.part, p...)
	}
}

// String returns the last lines, at most tailBytes of them.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.buf
	if len(b) > tailBytes {
		b = b[len(b)-tailBytes:]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[i+1:]
		}
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
