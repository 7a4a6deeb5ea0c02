package ffmpeg

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"time"
)

// progress reads what -progress writes: lines of key=value, a block of which
// ends with the key "progress". It never blocks the writer.
type progress struct {
	part  []byte
	now   Progress
	block func(Progress) // called for each whole block
}

func (p *progress) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		p.line(string(append(p.part, b[:i]...)))
		p.part, b = p.part[:0], b[i+1:]
	}
	// No line of a block is long; what is, is not ours to keep.
	if len(p.part)+len(b) < 4096 {
		p.part = append(p.part, b...)
	}
	return n, nil
}

// line takes in one line. A value of "N/A", and any that makes no sense,
// leaves the one before: time does not run backwards because ffmpeg has
// nothing to tell at this moment.
func (p *progress) line(line string) {
	key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
	value = strings.TrimSpace(value)
	switch key {
	case "out_time_us": // out_time_ms would be microseconds too
		if us, ok := count(value); ok {
			p.now.OutTime = time.Duration(us) * time.Microsecond
		}
	case "frame":
		if n, ok := count(value); ok {
			p.now.Frame = n
		}
	case "total_size":
		if n, ok := count(value); ok {
			p.now.Size = n
		}
	case "fps":
		if f, err := strconv.ParseFloat(value, 64); err == nil && f >= 0 {
			p.now.FPS = f
		}
	case "speed":
		if f, err := strconv.ParseFloat(strings.TrimSuffix(value, "x"), 64); err == nil && f >= 0 {
			p.now.Speed = f
		}
	case "progress":
		p.block(p.now)
	}
}

// count reads a number that is not negative and, in microseconds, still fits a
// time.Duration.
func count(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n < 1<<53
}

// mailbox hands the newest value to a function that may be slow, from one
// goroutine, without ever holding up who puts it in.
type mailbox struct {
	mu    sync.Mutex
	value Progress
	full  chan struct{}
	done  chan struct{}
}

func openMailbox(f func(Progress)) *mailbox {
	m := &mailbox{full: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for range m.full {
			m.mu.Lock()
			v := m.value
			m.mu.Unlock()
			f(v)
		}
	}()
	return m
}

func (m *mailbox) put(v Progress) {
	m.mu.Lock()
	m.value = v
	m.mu.Unlock()
	select {
	case m.full <- struct{}{}:
	default: // one is waiting and will find the newest value
	}
}

// close waits until the last value was handed over.
func (m *mailbox) close() {
	close(m.full)
	<-m.done
}
