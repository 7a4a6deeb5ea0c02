package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// streamed is an event of a stream.
type streamed struct {
	id, kind string
	data     string
	lag      time.Duration // from when it happened to when it came
}

// eventStream is a client that follows a job.
type eventStream struct {
	t      *testing.T
	events chan streamed // closed when the server has ended the stream
	leave  context.CancelFunc
}

// follow opens a stream of a job's events, after the event of number last
// unless that is "".
func (c client) follow(t *testing.T, id, last string) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/jobs/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.key, "")
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("stream of events: %s", resp.Status)
	}
	s := &eventStream{t, make(chan streamed, 100), cancel}
	go func() {
		defer close(s.events)
		defer resp.Body.Close()
		var e streamed
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if e.id != "" { // progress has none
					var data struct{ At time.Time }
					if err := json.Unmarshal([]byte(e.data), &data); err != nil {
						t.Errorf("event %s: %v", e.data, err)
					}
					e.lag = time.Since(data.At)
					s.events <- e
				}
				e = streamed{}
			}
		}
	}()
	return s
}

// take reads n events, or all to the end of the stream when n is 0.
func (s *eventStream) take(n int) (list []streamed) {
	s.t.Helper()
	late := time.After(90 * time.Second)
	for n == 0 || len(list) < n {
		select {
		case e, ok := <-s.events:
			if !ok {
				if n > 0 {
					s.t.Fatalf("the stream ended after %d events", len(list))
				}
				return list
			}
			list = append(list, e)
		case <-late:
			s.t.Fatalf("%d events came in 90 s", len(list))
		}
	}
	return list
}

func told(list []streamed) (lines []string) {
	for _, e := range list {
		lines = append(lines, fmt.Sprintf("%s %s %s", e.id, e.kind, e.data))
	}
	return lines
}

// TestEventsAcrossAPIs follows a job at two API processes while a worker, a
// third process, runs it. Both streams have all events. A client whose API dies
// continues at the other one where it was.
func TestEventsAcrossAPIs(t *testing.T) {
	t.Parallel()
	d := deploy(t, 0)
	one := d.client(t, "events")
	second := launchFor(t, launch{args: []string{"api", "--listen", "127.0.0.1:0"}, env: d.env})
	base, err := second.says(startTime, `msg="copra api".* listen=(\S+)`)
	if err != nil {
		t.Fatal(err)
	}
	two := client{"http://" + base + "/v2", one.key}

	id := one.create(t, jobOf(short(t), object{"jpg:64x": object{"path": "/a.jpg"}, "mp3": object{"path": "/a.mp3"}})).ID
	whole, broken := one.follow(t, id, ""), two.follow(t, id, "")
	d.startWorker(t)
	first := broken.take(2)
	second.kill(t)
	rest := one.follow(t, id, first[1].id).take(0)
	all := whole.take(0)

	if diff := cmp.Diff(told(all), append(told(first), told(rest)...)); diff != "" {
		t.Errorf("a stream that went on elsewhere differs from one that did not break: %s", diff)
	}
	for i, e := range all {
		if e.id != fmt.Sprint(i+1) {
			t.Errorf("event %d has the number %s", i+1, e.id)
		}
	}
	// A lost notification is made up for after 15 s.
	for _, e := range slices.Concat(all, first, rest[len(rest)-1:]) {
		if e.lag > 10*time.Second {
			t.Errorf("event %s %s came %s after it had happened", e.id, e.kind, e.lag)
		}
	}
	if last := all[len(all)-1]; last.kind != "job.completed" {
		t.Errorf("the last event is %s", last.kind)
	}
	var history struct{ Events []json.RawMessage }
	if status, body, _ := one.send(t, http.MethodGet, "/jobs/"+id+"/events", nil); status != http.StatusOK || json.Unmarshal(body, &history) != nil || len(history.Events) != len(all) {
		t.Errorf("the history has %d events, the stream %d: %d %s", len(history.Events), len(all), status, body)
	}
}
