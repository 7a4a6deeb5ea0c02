package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// object is a JSON object as tests write them.
type object = map[string]any

// client makes requests to a server with one API key.
type client struct{ base, key string }

// jobDoc is the answer to GET, decoded by types of our own, so that a mistake in
// the program's types shows.
type jobDoc struct {
	ID          string  `json:"id"`
	CreatedAt   string  `json:"created_at"`
	CompletedAt *string `json:"completed_at"`
	Status      string  `json:"status"`
	Progress    string  `json:"progress"`
	Error       string  `json:"error"`
	Input       struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	} `json:"input"`
	Outputs []outputDoc `json:"outputs"`
	raw     []byte
}

type outputDoc struct {
	Key    string          `json:"key"`
	Type   string          `json:"type"`
	Format string          `json:"format"`
	Status string          `json:"status"`
	URL    string          `json:"url"`
	URLs   json.RawMessage `json:"urls"`
	Error  string          `json:"error"`
}

func (j *jobDoc) finished() bool { return j.Status == "job.completed" || j.Status == "job.failed" }

func (j *jobDoc) output(t testing.TB, key string) outputDoc {
	t.Helper()
	for _, o := range j.Outputs {
		if o.Key == key {
			return o
		}
	}
	t.Fatalf("the job has no output %q: %s", key, j.raw)
	return outputDoc{}
}

func (o outputDoc) images(t testing.TB) []string {
	t.Helper()
	var urls []string
	if err := json.Unmarshal(o.URLs, &urls); err != nil {
		t.Fatalf("urls of %s: %v: %s", o.Key, err, o.URLs)
	}
	return urls
}

// stream returns the address of a stream's playlist or manifest.
func (o outputDoc) stream(t testing.TB, format string) string {
	t.Helper()
	var list []struct{ Format, URL string }
	if err := json.Unmarshal(o.URLs, &list); err != nil {
		t.Fatalf("urls of %s: %v: %s", o.Key, err, o.URLs)
	}
	for _, e := range list {
		if e.Format == format {
			return e.URL
		}
	}
	t.Fatalf("no %s in %s", format, o.URLs)
	return ""
}

// send makes a request of /v2; body may be nil, a string or something to
// encode.
func (c client) send(t testing.TB, method, path string, body any) (int, []byte, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var from io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		from = strings.NewReader(b)
	case io.Reader:
		from = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		from = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, from)
	if err != nil {
		t.Fatal(err)
	}
	if c.key != "" {
		req.SetBasicAuth(c.key, "")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, answer, resp.Header
}

// create posts a job that must be accepted.
func (c client) create(t testing.TB, spec any) jobDoc {
	t.Helper()
	status, body, _ := c.send(t, http.MethodPost, "/jobs", spec)
	if status != http.StatusCreated {
		t.Fatalf("POST answered %d: %s", status, body)
	}
	return parseJob(t, body)
}

func (c client) get(t testing.TB, id string) jobDoc {
	t.Helper()
	status, body, _ := c.send(t, http.MethodGet, "/jobs/"+id, nil)
	if status != http.StatusOK {
		t.Fatalf("GET answered %d: %s", status, body)
	}
	return parseJob(t, body)
}

func parseJob(t testing.TB, body []byte) jobDoc {
	t.Helper()
	var j jobDoc
	if err := json.Unmarshal(body, &j); err != nil {
		t.Fatalf("job: %v: %s", err, body)
	}
	j.raw = body
	return j
}

// wait returns the job when it has finished.
func (c client) wait(t testing.TB, id string, limit time.Duration) jobDoc {
	t.Helper()
	var j jobDoc
	eventually(t, limit, "job "+id+" has finished", func() bool {
		j = c.get(t, id)
		return j.finished()
	})
	return j
}

// run creates a job and waits until it has ended.
func (c client) run(t testing.TB, limit time.Duration, spec any) jobDoc {
	t.Helper()
	return c.wait(t, c.create(t, spec).ID, limit)
}

// completed runs a job that must succeed.
func (c client) completed(t testing.TB, limit time.Duration, spec any) jobDoc {
	t.Helper()
	j := c.run(t, limit, spec)
	if j.Status != "job.completed" {
		t.Fatalf("the job failed: %s", j.raw)
	}
	return j
}

// jobOf is a request with the built-in storage.
func jobOf(input string, outputs object) object {
	return object{"input": object{"url": input}, "storage": object{"service": "coconut"}, "outputs": outputs}
}

// fetch returns what an address serves.
func fetch(t testing.TB, url string) []byte {
	t.Helper()
	status, body, _ := fetchRange(t, url, "")
	if status != http.StatusOK {
		t.Fatalf("GET %s answered %d", url, status)
	}
	return body
}

func fetchRange(t testing.TB, url, byteRange string) (int, []byte, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body, resp.Header
}

// metric is the sum of a counter over those of its series that have labels.
func (c client) metric(t testing.TB, name, labels string) float64 {
	t.Helper()
	sum := 0.0
	for line := range strings.Lines(string(fetch(t, strings.TrimSuffix(c.base, "/v2")+"/metrics"))) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && strings.HasPrefix(series, name) && strings.Contains(series, labels) {
			var v float64
			if _, err := fmt.Sscan(value, &v); err != nil {
				t.Fatalf("metric %q: %v", line, err)
			}
			sum += v
		}
	}
	return sum
}
