package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink receives webhooks. Each name has an address of its own.
type sink struct {
	srv    *httptest.Server
	ending chan struct{}

	mu       sync.Mutex
	received map[string][]webhook
	behave   map[string]func(n int) int // by name: the status for the nth delivery; 0: never answers
}

// webhook is one delivery, in the order of arrival.
type webhook struct {
	JobID    string          `json:"job_id"`
	Event    string          `json:"event"`
	Metadata bool            `json:"metadata"`
	Data     json.RawMessage `json:"data"`

	raw    []byte
	header http.Header
	query  url.Values
	status int
}

func newSink() *sink {
	s := &sink{ending: make(chan struct{}), received: map[string][]webhook{}, behave: map[string]func(int) int{}}
	s.srv = httptest.NewServer(s)
	return s
}

func (s *sink) close() {
	close(s.ending)
	s.srv.CloseClientConnections()
	s.srv.Close()
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	body, err := io.ReadAll(r.Body)
	h := webhook{raw: body, header: r.Header, query: r.URL.Query(), status: http.StatusOK}
	if err != nil || json.Unmarshal(body, &h) != nil || r.Method != http.MethodPost {
		h.Event = "not valid"
	}
	s.mu.Lock()
	if f := s.behave[name]; f != nil {
		h.status = f(len(s.received[name]))
	}
	s.received[name] = append(s.received[name], h)
	s.mu.Unlock()
	if h.status == 0 {
		select {
		case <-r.Context().Done():
		case <-s.ending:
		}
		return
	}
	w.WriteHeader(h.status)
}

// url is the address for name.
func (s *sink) url(name string) string { return s.srv.URL + "/" + name }

// answer sets the function that answers deliveries to name.
func (s *sink) answer(name string, f func(n int) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behave[name] = f
}

func (s *sink) all(name string) []webhook {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received[name])
}

// await waits until an event of a job has arrived at name, and returns all
// that have.
func (s *sink) await(t testing.TB, name, event string, limit time.Duration) []webhook {
	t.Helper()
	var got []webhook
	eventually(t, limit, "webhook "+event+" at "+name, func() bool {
		got = s.all(name)
		return slices.ContainsFunc(got, func(h webhook) bool { return h.Event == event })
	})
	return got
}

// count waits until n deliveries have arrived at name.
func (s *sink) count(t testing.TB, name string, n int, limit time.Duration) []webhook {
	t.Helper()
	eventually(t, limit, "enough webhooks at "+name, func() bool { return len(s.all(name)) >= n })
	return s.all(name)
}

// events lists the deliveries: the event, with the key of the output if it has
// one.
func events(hooks []webhook) []string {
	var list []string
	for _, h := range hooks {
		var data struct{ Key string }
		_ = json.Unmarshal(h.Data, &data)
		list = append(list, strings.TrimSpace(h.Event+" "+data.Key))
	}
	return list
}
