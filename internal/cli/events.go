package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// eventStream reads the stream of a job's events, which Coconut does not have.
type eventStream struct {
	c       *client
	id      string
	show    func(jobInfo)
	last    string            // id of the last event that came
	faults  map[string]string // of outputs that failed, by key
	missing bool              // the server has no such stream
}

// read reads until the stream ends, and reports whether anything came of it.
// The end of the stream is not that of the job: a connection can break, and a
// proxy can cut it off.
func (s *eventStream) read(ctx context.Context) bool {
	if s.missing {
		return false
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.c.base+"/jobs/"+url.PathEscape(s.id)+"/events", nil)
	if err != nil {
		s.missing = true
		return false
	}
	req.SetBasicAuth(s.c.key, "")
	req.Header.Set("Accept", "text/event-stream")
	if s.last != "" {
		req.Header.Set("Last-Event-ID", s.last)
	}
	resp, err := s.c.http.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return true
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		s.missing = resp.StatusCode < http.StatusInternalServerError // else it may be back soon
		return false
	}
	s.scan(resp)
	return true
}

func (s *eventStream) scan(resp *http.Response) {
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	event, data := "", ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			s.last = value
		case "event":
			event = value
		case "data":
			data = value
		case "":
			if value != "" {
				continue // a comment
			}
			s.take(event, []byte(data))
			event, data = "", ""
		}
	}
}

// take shows progress, with the reasons that events have told before.
func (s *eventStream) take(event string, data []byte) {
	switch event {
	case "output.failed":
		var e struct{ Output, Error string }
		if json.Unmarshal(data, &e) == nil {
			s.faults[e.Output] = e.Error
		}
	case "progress":
		j := jobInfo{ID: s.id}
		if json.Unmarshal(data, &j) != nil {
			return
		}
		for i := range j.Outputs {
			j.Outputs[i].Error = s.faults[j.Outputs[i].Key]
		}
		s.show(j)
	}
}
