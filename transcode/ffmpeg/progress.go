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
	// The lines of a block are short, so a long one is dropped.
	if len(p.part)+len(b) < 4096 {
		p.part = append(p.part, b...)
	}
	return n, nil
}

// line parses one line. "N/A" and any value that cannot be parsed leave the
// value before as it is, so that the reported time never goes back.
func (p *progress) line(line string) {
	key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
	value = strings.TrimSpace(value)
	switch key {
	case "out_time_us": // out_time_ms would be microseconds too
		if us, ok := parseCount(value); ok {
			p.now.OutTime = time.Duration(us) * time.Microsecond
		}
	case "frame":
		if n, ok := parseCount(value); ok {
			p.now.Frame = n
		}
	case "total_size":
		if n, ok := parseCount(value); ok {
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

// parseCount parses a number that is not negative and that fits a time.Duration
// when it counts microseconds.
func parseCount(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n < 1<<53
}

// latestValue passes the latest value to a function from one goroutine. The
// function may be slow: put never waits for it, and values in between are lost.
type latestValue struct {
	mu      sync.Mutex
	value   Progress
	changed chan struct{}
	done    chan struct{}
}

func newLatestValue(f func(Progress)) *latestValue {
	m := &latestValue{changed: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for range m.changed {
			m.mu.Lock()
			v := m.value
			m.mu.Unlock()
			f(v)
		}
	}()
	return m
}

func (m *latestValue) put(v Progress) {
	m.mu.Lock()
	m.value = v
	m.mu.Unlock()
	select {
	case m.changed <- struct{}{}:
	default: // the goroutine has yet to wake up, and will take this value
	}
}

// close waits until the function has got the last value.
func (m *latestValue) close() {
	close(m.changed)
	<-m.done
}
