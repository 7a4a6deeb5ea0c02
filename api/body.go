package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/copra-video/copra/job"
)

const (
	maxBody = 1 << 20 // bytes of a job request
	// maxDiscard bounds how much of a too large body is read and discarded. A
	// client that is still writing would get a connection reset instead of the
	// answer.
	maxDiscard = 64 << 20
	// maxUnread and unreadTimeout bound the same for a body that no handler reads.
	maxUnread     = 16 << 20
	unreadTimeout = 2 * time.Second
)

var errBodyTimeout = errors.New("the request body did not arrive in time")

// readBody reads the body of a job request, which must arrive within bodyTime. It
// may be chunked, gzipped, or announced by Expect: 100-continue.
func readBody(w http.ResponseWriter, r *http.Request, bodyTime time.Duration) ([]byte, error) {
	// A client with Expect: 100-continue sends its body only after the server has
	// begun to read it.
	if r.ContentLength > maxBody && r.Header.Get("Expect") != "" {
		return nil, withClose(w, tooLarge())
	}
	deadlines := http.NewResponseController(w)
	// Writers in tests may have no deadlines; that of the server has.
	_ = deadlines.SetReadDeadline(time.Now().Add(bodyTime))

	body, err := readLimited(r)
	switch {
	case err == nil:
		// The server continues to read in the background to detect a client that
		// disconnects. The deadline would look like that, and cancel the request.
		_ = deadlines.SetReadDeadline(time.Time{})
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, withClose(w, errBodyTimeout)
	case errors.Is(err, errTooLarge):
		if _, err := io.CopyN(io.Discard, r.Body, maxDiscard); !errors.Is(err, io.EOF) {
			return nil, withClose(w, tooLarge())
		}
		_ = deadlines.SetReadDeadline(time.Time{})
		return nil, tooLarge()
	default:
		return nil, withClose(w, job.Errorf(job.ConfigNotValid, "The request body could not be read to its end.").WithCause(err))
	}
}

var errTooLarge = errors.New("too large")

func readLimited(r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, errTooLarge
	}
	var from io.Reader = r.Body
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = z
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(from, maxBody+1))
	if err == nil && n > maxBody {
		err = errTooLarge
	}
	return body.Bytes(), err
}

func tooLarge() error {
	return job.Errorf(job.ConfigNotValid, "The request body is too large: at most %d bytes (1 MiB) are accepted.", maxBody)
}

// discardUnread reads the part of the body that the handler has not read, before
// the answer is sent. net/http would read 256 KiB and then reset the connection,
// and would wait without limit for a client that never sends its body.
func discardUnread(w http.ResponseWriter, r *http.Request) {
	// With Expect: 100-continue, reading would make the client send the body.
	if w.Header().Get("Connection") == "close" || r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadTimeout))
	_, _ = io.CopyN(io.Discard, r.Body, maxUnread) // the answer does not depend on it
}

// withClose returns err and makes the server close the connection after the
// answer, since unread parts of the request may be on it.
func withClose(w http.ResponseWriter, err error) error {
	w.Header().Set("Connection", "close")
	return err
}
