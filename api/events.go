package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

const (
	// reconnectDelay is the delay after which a client that lost the stream
	// reconnects.
	reconnectDelay = time.Second
	// streamWriteTimeout bounds one write, for clients that do not read.
	streamWriteTimeout = 20 * time.Second
)

// jobEvents is GET /v2/jobs/{id}/events: the past events of a job as JSON, or, for
// clients that accept text/event-stream, all events until the end of the job.
func (s *server) jobEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := requestedJob(r)
	if err != nil {
		return err
	}
	stream := accepts(r, "text/event-stream")
	after, err := lastEventID(r, stream)
	if err != nil {
		return err
	}
	// Watch before the first read, so that no change in between is missed.
	changed, stop := s.Jobs.Watch(id)
	if !stream {
		stop()
	}
	defer stop()
	h, err := s.Jobs.History(r.Context(), keyID(r), id, after)
	if err != nil {
		return err
	}
	setJobID(r, id)
	w.Header().Set("Vary", "Accept")
	if !stream {
		writeJSON(w, http.StatusOK, coconut.EncodeHistory(h))
		return nil
	}
	if h.State.Finished() && len(h.Events) == 0 {
		w.WriteHeader(http.StatusNoContent) // an EventSource does not reconnect after 204
		return nil
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would buffer it
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	sw := &sseWriter{w: w, controller: http.NewResponseController(w), after: after}
	if err := s.follow(r, sw, h, changed); err != nil {
		s.Log.DebugContext(r.Context(), "stream events: ended early", "request", requestID(r), "job", id, "error", err)
	}
	return nil
}

// follow sends events until the job has ended, the client has disconnected or the
// server stops.
func (s *server) follow(r *http.Request, sw *sseWriter, h job.History, changed <-chan struct{}) error {
	ctx := r.Context()
	fmt.Fprintf(&sw.buf, "retry: %d\n\n", reconnectDelay.Milliseconds())
	keepAlive := time.NewTicker(s.Heartbeat)
	defer keepAlive.Stop()
	for {
		sw.add(h)
		if err := sw.send(); err != nil || h.State.Finished() {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-Stopping(ctx):
			return nil
		case <-changed:
		case <-keepAlive.C:
			// The comment keeps proxies from closing the connection. Reading the job
			// makes up for notifications that were lost.
			sw.buf.WriteString(": still here\n\n")
		}
		next, err := s.Jobs.History(ctx, keyID(r), h.State.ID, sw.after)
		switch {
		case err == nil:
			h = next
		case errors.Is(err, job.ErrNotFound):
			return err
		case ctx.Err() == nil:
			// The database is down for a moment. The next change or heartbeat tries again.
			s.Log.WarnContext(ctx, "stream events", "request", requestID(r), "job", h.State.ID, "error", err)
			h.Events = nil
		}
	}
}

// sseWriter writes the events of a job to one client, as server-sent events of the
// HTML standard.
type sseWriter struct {
	w            io.Writer
	controller   *http.ResponseController
	buf          bytes.Buffer
	after        int    // the last event sent
	lastProgress string // the last progress sent
}

// add buffers new events and the progress. The last progress comes before the
// event that ends the job, after which clients close the stream.
func (sw *sseWriter) add(h job.History) {
	for i, e := range h.Events {
		if h.State.Finished() && i == len(h.Events)-1 {
			sw.progress(h.State)
		}
		fmt.Fprintf(&sw.buf, "id: %d\nevent: %s\ndata: %s\n\n", e.N, e.Kind, coconut.EncodeEvent(h.State, e))
		sw.after = e.N
	}
	sw.progress(h.State)
}

// progress buffers the progress if it has changed. It has no id, because it cannot
// be requested again.
func (sw *sseWriter) progress(s job.State) {
	data := string(coconut.EncodeProgress(s))
	if data == sw.lastProgress {
		return
	}
	sw.lastProgress = data
	fmt.Fprintf(&sw.buf, "event: progress\ndata: %s\n\n", data)
}

func (sw *sseWriter) send() error {
	if sw.buf.Len() == 0 {
		return nil
	}
	// Writers in tests may have no deadlines; that of the server has.
	_ = sw.controller.SetWriteDeadline(time.Now().Add(streamWriteTimeout))
	if _, err := sw.buf.WriteTo(sw.w); err != nil {
		return err
	}
	return sw.controller.Flush()
}

// lastEventID returns the number of the last event that the client has received:
// from the Last-Event-ID header of a stream, or from ?after=.
func lastEventID(r *http.Request, stream bool) (int, error) {
	q, err := query(r, "after")
	if err != nil {
		return 0, err
	}
	what, text := "parameter 'after'", q.Get("after")
	if id := r.Header.Get("Last-Event-ID"); stream && id != "" {
		what, text = "header 'Last-Event-ID'", id
	}
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, job.Errorf(job.QueryNotValid, "The %s is %q, expected the number of an event.", what, text)
	}
	return int(n), nil
}

// accepts reports whether the client names this media type in Accept. Wildcards do
// not count, since JSON is the default.
func accepts(r *http.Request, want string) bool {
	for _, line := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			t, params, err := mime.ParseMediaType(part)
			if err != nil || t != want {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
				return true
			}
		}
	}
	return false
}
