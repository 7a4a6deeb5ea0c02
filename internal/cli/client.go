package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// client speaks to a server as any Coconut client does, and uses what this
// server adds: uploads and the progress of each output.
type client struct {
	base string // with /v2
	key  string
	http *http.Client
}

// jobInfo is what GET /v2/jobs/:id tells (coconut-v2.md section 2).
type jobInfo struct {
	ID       string      `json:"id"`
	Status   string      `json:"status"`
	Progress string      `json:"progress"`
	Error    string      `json:"error"`
	Input    inputInfo   `json:"input"`
	Outputs  []outputRow `json:"outputs"`
}

type inputInfo struct {
	Status string `json:"status"`
	Error  string `json:"error"`
}

type outputRow struct {
	Key      string          `json:"key"`
	Type     string          `json:"type"`
	Status   string          `json:"status"`
	Progress string          `json:"progress"` // of this output; only in events
	URL      string          `json:"url"`
	URLs     json.RawMessage `json:"urls"` // strings, or {format, url} for httpstream
	Error    string          `json:"error"`
}

type streamURL struct {
	Format string `json:"format"`
	URL    string `json:"url"`
}

func (j jobInfo) finished() bool { return j.Status == "job.completed" || j.Status == "job.failed" }

// files lists the addresses of an output's results; a streamURL without a
// format is a plain file.
func (o outputRow) files() []streamURL {
	if o.URL != "" {
		return []streamURL{{URL: o.URL}}
	}
	var plain []string
	if json.Unmarshal(o.URLs, &plain) == nil {
		var all []streamURL
		for _, u := range plain {
			all = append(all, streamURL{URL: u})
		}
		return all
	}
	var streams []streamURL
	_ = json.Unmarshal(o.URLs, &streams)
	return streams
}

func (c *client) do(ctx context.Context, method, path string, body io.Reader, size int64, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if size >= 0 {
		req.ContentLength = size
	}
	req.SetBasicAuth(c.key, "")
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("reach the server: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode >= 400 {
		var e struct {
			Message string `json:"message"`
			Code    string `json:"error_code"`
		}
		if json.Unmarshal(data, &e) == nil && e.Message != "" {
			return fmt.Errorf("the server refused: %s (%s)", e.Message, e.Code)
		}
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (c *client) create(ctx context.Context, body []byte) (jobInfo, error) {
	var j jobInfo
	err := c.do(ctx, http.MethodPost, "/jobs", bytes.NewReader(body), int64(len(body)), &j)
	return j, err
}

func (c *client) get(ctx context.Context, id string) (jobInfo, error) {
	var j jobInfo
	err := c.do(ctx, http.MethodGet, "/jobs/"+url.PathEscape(id), nil, 0, &j)
	return j, err
}

// upload sends a local file and returns the address by which a job can name it
// as its input.
func (c *client) upload(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("measure input: %w", err)
	}
	if st.IsDir() {
		return "", fmt.Errorf("%s is a folder", path)
	}
	var answer struct {
		URL string `json:"url"`
	}
	if err := c.do(ctx, http.MethodPut, "/uploads/"+url.PathEscape(filepath.Base(path)), io.NopCloser(f), st.Size(), &answer); err != nil {
		return "", fmt.Errorf("upload input: %w", err)
	}
	return answer.URL, nil
}

// cancel asks the server to end a job.
func (c *client) cancel(ctx context.Context, id string) (jobInfo, error) {
	var j jobInfo
	err := c.do(ctx, http.MethodDelete, "/jobs/"+url.PathEscape(id), nil, 0, &j)
	return j, err
}

// follow calls show with the state of the job until it has finished: as the
// server tells of changes, or, from a server that has no such stream, about
// three times a second. A server that is away for a moment is waited for.
func (c *client) follow(ctx context.Context, id string, show func(jobInfo)) (jobInfo, error) {
	const every, patience = 300 * time.Millisecond, 30 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	answered := time.Now()
	events := eventStream{c: c, id: id, show: show, faults: map[string]string{}}
	for {
		if events.read(ctx) {
			answered = time.Now()
		}
		j, err := c.get(ctx, id)
		switch {
		case err == nil:
			answered = time.Now()
			if j.finished() || events.missing {
				show(j)
			}
			if j.finished() {
				return j, nil
			}
		case ctx.Err() != nil:
			return j, context.Cause(ctx)
		case time.Since(answered) > patience:
			return j, err
		}
		select {
		case <-ctx.Done():
			return j, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// download writes what u serves to path, which appears only when it is whole.
func (c *client) download(ctx context.Context, u, path string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("download: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("download %s: the server answered %s", path, resp.Status)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("make folder: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return 0, fmt.Errorf("make file: %w", err)
	}
	n, err := io.Copy(f, resp.Body)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return 0, fmt.Errorf("download %s: %w", path, err)
	}
	return n, nil
}
