package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"time"

	"github.com/copra-video/copra/job"
)

const (
	// keepAlive is the interval of comments, which keep proxies from closing the
	// stream. At each of them the session is checked.
	keepAlive = 15 * time.Second
	// writeTimeout bounds one write, for clients that do not read.
	writeTimeout = 20 * time.Second
	// reconnectDelay is the delay after which a browser reconnects.
	reconnectDelay = 2 * time.Second
)

// live is the stream of server-sent events of an open page. An event "fragments" has a JSON
// object: HTML by the id of the element whose content it is. The first event has all
// fragments, so a page is up to date again when its stream was broken and has reconnected.
func (c *console) live(w http.ResponseWriter, r *http.Request, v viewer) error {
	name, src, err := c.source(r, v)
	if err != nil {
		return err
	}
	tp, changed, leave := c.topics.follow(v.Scope+" "+name, src)
	defer leave()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would buffer it
	w.WriteHeader(http.StatusOK)
	s := &stream{w: w, controller: http.NewResponseController(w), sent: map[string]uint64{}}
	fmt.Fprintf(&s.buf, "retry: %d\n\n", reconnectDelay.Milliseconds())
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		if s.send() != nil {
			return nil // the client has disconnected
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-c.Stopping(r.Context()):
			return nil
		case <-changed:
			s.add(tp.snapshot())
		case <-tick.C:
			if _, err := c.viewer(r); err != nil {
				return nil // signed out, or the key was revoked: the browser learns it when it reconnects
			}
			s.buf.WriteString(": still here\n\n")
		}
	}
}

// source returns the name and the source of the topic that the parameter "page" asks for.
func (c *console) source(r *http.Request, v viewer) (string, source, error) {
	q := r.URL.Query()
	switch q.Get("page") {
	case "overview":
		return "overview", source{
			make:  func(ctx context.Context) (snapshot, error) { return c.overviewSnapshot(ctx, v) },
			watch: c.Store.WatchAll,
		}, nil
	case "jobs":
		list, err := listQuery(q)
		if err != nil {
			return "", source{}, err
		}
		return "jobs " + list.values().Encode(), source{
			make:  func(ctx context.Context) (snapshot, error) { return c.jobsSnapshot(ctx, v, list) },
			watch: c.Store.WatchAll,
		}, nil
	case "job":
		id := q.Get("id")
		if _, err := c.Store.JobDetail(r.Context(), v.Scope, id); err != nil {
			return "", source{}, err
		}
		return "job " + id, source{
			make:  func(ctx context.Context) (snapshot, error) { return c.jobSnapshot(ctx, v, id) },
			watch: func() (<-chan struct{}, func()) { return c.Store.Watch(id) },
		}, nil
	}
	return "", source{}, job.ErrNotFound
}

// liveURL is the address of the stream of a page.
func liveURL(page string, more url.Values) string {
	q := url.Values{"page": {page}}
	for name, values := range more {
		q[name] = values
	}
	return "/console/live?" + q.Encode()
}

// stream writes to one open page, and remembers what the page has.
type stream struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	buf        bytes.Buffer
	sent       map[string]uint64 // by id: the hash of the key of the fragment that was sent last
}

var seed = maphash.MakeSeed()

// add buffers the fragments that the page does not have.
func (s *stream) add(snap *snapshot) {
	news := map[string]string{}
	for _, f := range snap.fragments {
		k := maphash.String(seed, f.key())
		if old, ok := s.sent[f.ID]; !ok || old != k {
			s.sent[f.ID], news[f.ID] = k, f.HTML
		}
	}
	if len(news) == 0 {
		return
	}
	data, _ := json.Marshal(news) // cannot fail for a map of strings
	fmt.Fprintf(&s.buf, "event: fragments\ndata: %s\n\n", data)
}

// send writes what is buffered. The error says that the client has disconnected.
func (s *stream) send() error {
	if s.buf.Len() == 0 {
		return nil
	}
	// The writer of a test may not support deadlines, which is no failure.
	_ = s.controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.buf.WriteTo(s.w); err != nil {
		return err
	}
	return s.controller.Flush()
}
