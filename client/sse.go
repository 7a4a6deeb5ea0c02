package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"strconv"
	"strings"
	"time"
)

// maxMessage bounds a message of an event stream, in bytes. An event with the
// addresses of thousands of pictures is far below.
const maxMessage = 4 << 20

var errMessageTooLong = errors.New("a message of the event stream is too long")

// message is one message of a stream of server-sent events.
type message struct {
	id    string // of the last message that had one
	event string
	data  string
	retry time.Duration // 0: not said
}

// number is the id as the number of an event, 0 when it is none.
func (m message) number() int {
	n, err := strconv.Atoi(m.id)
	if err != nil {
		return 0
	}
	return n
}

// sseReader reads server-sent events as the HTML standard defines them:
// https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
type sseReader struct {
	r      *bufio.Reader
	line   []byte
	size   int    // bytes of the message so far
	id     string // stays until another one comes
	skipLF bool   // a CR came last, and a LF would belong to it
}

func newSSEReader(r io.Reader) *sseReader {
	b := bufio.NewReader(r)
	if bom, _ := b.Peek(3); string(bom) == "\ufeff" {
		_, _ = b.Discard(3) // it was peeked
	}
	return &sseReader{r: b}
}

// next returns the next message with data. One that breaks off before the empty
// line at its end is not returned.
func (s *sseReader) next() (message, error) {
	var m message
	var data []string
	s.size = 0
	for {
		line, err := s.readLine()
		if err != nil {
			return message{}, err
		}
		if line == "" {
			if data == nil && m.retry == 0 {
				m.event, s.size = "", 0
				continue
			}
			m.id, m.data = s.id, strings.Join(data, "\n")
			return m, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.event = value
		case "data":
			data = append(data, value)
		case "id":
			if !strings.Contains(value, "\x00") {
				s.id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				m.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// readLine reads a line, which ends with CR LF, LF or CR.
func (s *sseReader) readLine() (string, error) {
	s.line = s.line[:0]
	for {
		if _, err := s.r.Peek(1); err != nil {
			return "", err
		}
		chunk, _ := s.r.Peek(s.r.Buffered()) // it is there
		if s.skipLF {
			s.skipLF = false
			if chunk[0] == '\n' {
				_, _ = s.r.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(chunk, "\r\n")
		n := end
		if end < 0 {
			n = len(chunk)
		}
		if s.size += n; s.size > maxMessage {
			return "", errMessageTooLong
		}
		s.line = append(s.line, chunk[:n]...)
		if end < 0 {
			_, _ = s.r.Discard(n)
			continue
		}
		s.skipLF = chunk[end] == '\r'
		_, _ = s.r.Discard(n + 1)
		return string(s.line), nil
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

func isEventStream(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == "text/event-stream"
}

// heard calls f whenever something was read.
type heard struct {
	io.Reader
	f func()
}

func (h heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.f()
	}
	return n, err
}
