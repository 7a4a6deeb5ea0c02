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
	// maxDiscard is how much more is read, and thrown away, of a request that
	// is too large: a client that is still writing would see a reset
	// connection instead of the answer.
	maxDiscard = 64 << 20
	// maxRest and restTime bound the same for a body that nobody wanted.
	maxRest  = 16 << 20
	restTime = 2 * time.Second
)

var errBodyTime = errors.New("the request body did not arrive in time")

// readBody reads a job request, also a chunked, gzipped or Expect'ed one, that
// may take so long to arrive.
func readBody(w http.ResponseWriter, r *http.Request, bodyTime time.Duration) ([]byte, error) {
	// A client that said Expect: 100-continue has sent nothing yet, and will
	// not when it is refused without a read.
	if r.ContentLength > maxBody && r.Header.Get("Expect") != "" {
		return nil, closing(w, tooLarge())
	}
	deadlines := http.NewResponseController(w)
	// Not every writer has deadlines; the server's has.
	_ = deadlines.SetReadDeadline(time.Now().Add(bodyTime))

	body, err := limited(r)
	switch {
	case err == nil:
		// The server goes on reading in the background to notice a client that
		// leaves; a deadline would look like that and cancel the request.
		_ = deadlines.SetReadDeadline(time.Time{})
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, closing(w, errBodyTime)
	case errors.Is(err, errTooLarge):
		if _, err := io.CopyN(io.Discard, r.Body, maxDiscard); !errors.Is(err, io.EOF) {
			return nil, closing(w, tooLarge())
		}
		_ = deadlines.SetReadDeadline(time.Time{})
		return nil, tooLarge()
	default:
		return nil, closing(w, job.Errorf(job.ConfigNotValid, "The request body could not be read to its end.").WithCause(err))
	}
}

var errTooLarge = errors.New("too large")

func limited(r *http.Request) ([]byte, error) {
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

// discardRest reads what the handler left of the body, before the answer goes
// out. The server would do so for 256 KiB, after which it resets the
// connection, and without a bound in time, so that a client that never sends
// its body held the connection for ever.
func discardRest(w http.ResponseWriter, r *http.Request) {
	// To read would be to ask a client for the body that it holds back.
	if w.Header().Get("Connection") == "close" || r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime))
	_, _ = io.CopyN(io.Discard, r.Body, maxRest) // the answer does not depend on it
}

// closing returns err and has the connection closed after the answer, since
// there may be more of the request on it.
func closing(w http.ResponseWriter, err error) error {
	w.Header().Set("Connection", "close")
	return err
}
