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
	// streamRetry is after how long a client that lost the stream connects anew.
	streamRetry = time.Second
	// streamWrite bounds one write to a client that does not read.
	streamWrite = 20 * time.Second
)

// jobEvents is GET /v2/jobs/{id}/events: what has happened to the job, and for
// those who accept text/event-stream what happens to it until its end.
func (s *server) jobEvents(w http.ResponseWriter, r *http.Request) error {
	id, err := wantedJob(r)
	if err != nil {
		return err
	}
	stream := accepts(r, "text/event-stream")
	after, err := lastSeen(r, stream)
	if err != nil {
		return err
	}
	// Before the first look, so that nothing falls in between.
	changed, stop := s.Jobs.Watch(id)
	if !stream {
		stop()
	}
	defer stop()
	h, err := s.Jobs.History(r.Context(), keyID(r), id, after)
	if err != nil {
		return err
	}
	noteJob(r, id)
	w.Header().Set("Vary", "Accept")
	if !stream {
		writeJSON(w, http.StatusOK, coconut.EncodeHistory(h))
		return nil
	}
	if h.State.Finished() && len(h.Events) == 0 {
		w.WriteHeader(http.StatusNoContent) // which tells an EventSource to stay away
		return nil
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would collect it
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	f := &feed{to: w, flush: http.NewResponseController(w), after: after}
	if err := s.follow(r, f, h, changed); err != nil {
		s.Log.DebugContext(r.Context(), "stream events: ended early", "request", requestID(r), "job", id, "error", err)
	}
	return nil
}

// follow sends what happens until the job has ended, the client has left or
// the server stops.
func (s *server) follow(r *http.Request, f *feed, h job.History, changed <-chan struct{}) error {
	ctx := r.Context()
	fmt.Fprintf(&f.buf, "retry: %d\n\n", streamRetry.Milliseconds())
	beat := time.NewTicker(s.Heartbeat)
	defer beat.Stop()
	for {
		f.add(h)
		if err := f.send(); err != nil || h.State.Finished() {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-stopping(ctx):
			return nil
		case <-changed:
		case <-beat.C:
			// The comment keeps proxies from closing the connection, and the
			// look at the job makes up for a word that was lost.
			f.buf.WriteString(": still here\n\n")
		}
		next, err := s.Jobs.History(ctx, keyID(r), h.State.ID, f.after)
		switch {
		case err == nil:
			h = next
		case errors.Is(err, job.ErrNotFound):
			return err
		case ctx.Err() == nil:
			// The database is away for a moment; the next word or beat asks again.
			s.Log.WarnContext(ctx, "stream events", "request", requestID(r), "job", h.State.ID, "error", err)
			h.Events = nil
		}
	}
}

// feed writes a job's events to one client.
type feed struct {
	to    io.Writer
	flush *http.ResponseController
	buf   bytes.Buffer
	after int    // the last event sent
	last  string // the last progress sent
}

// add takes what is new. Progress comes before the event that ends the job,
// and so the stream.
func (f *feed) add(h job.History) {
	for i, e := range h.Events {
		if h.State.Finished() && i == len(h.Events)-1 {
			f.progress(h.State)
		}
		fmt.Fprintf(&f.buf, "id: %d\nevent: %s\ndata: %s\n\n", e.N, e.Kind, coconut.EncodeEvent(h.State, e))
		f.after = e.N
	}
	f.progress(h.State)
}

// progress is sent when it changed. It has no id: it cannot be asked for again.
func (f *feed) progress(s job.State) {
	data := string(coconut.EncodeProgress(s))
	if data == f.last {
		return
	}
	f.last = data
	fmt.Fprintf(&f.buf, "event: progress\ndata: %s\n\n", data)
}

func (f *feed) send() error {
	if f.buf.Len() == 0 {
		return nil
	}
	// Not every writer has deadlines; the server's has.
	_ = f.flush.SetWriteDeadline(time.Now().Add(streamWrite))
	if _, err := f.buf.WriteTo(f.to); err != nil {
		return err
	}
	return f.flush.Flush()
}

// lastSeen is the number of the last event that the client has: from the
// header of a stream that reconnects, or ?after=.
func lastSeen(r *http.Request, stream bool) (int, error) {
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

// accepts reports whether the client asks for this type by its name: JSON is
// what all others get.
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
