package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

const (
	// forwardTimeout bounds a request to the receiver, as that of a webhook.
	forwardTimeout = 10 * time.Second
	// forwardWait is the pause before a receiver that is not there is tried again.
	forwardWait = 2 * time.Second
)

// Listen forwards the webhooks of the key to an address, which may be one of this machine
// that the server cannot reach. It ends when ctx does.
func Listen(ctx context.Context, call command.Call) error {
	var s settings.Settings
	var p endpoint
	var asJSON bool
	f := forwarder{call: call.Name, out: call.Stdout, notes: call.Stderr, wait: forwardWait}
	var since, target string
	err := s.ParseFlags(call, settings.Folder, append(p.rows(&s, standaloneOfData),
		settings.Row{Flag: "forward", Set: settings.Text(&target), Help: "address that gets the webhooks, http://localhost:3000/hook."},
		settings.Row{Flag: "since", Shown: "now", Set: settings.Text(&since), Help: "also those that were recorded since then, 2026-11-30T14:30:00Z."},
		settings.Row{Flag: "state", Set: settings.Text(&f.file), Help: "file that keeps what was forwarded, so that the next call goes on there."},
		settings.Row{Flag: "json", Switch: &asJSON, Help: "print a line of JSON for each webhook."})...)
	if err != nil {
		return err
	}
	if f.target, err = url.Parse(target); err != nil || f.target.Scheme != "http" && f.target.Scheme != "https" || f.target.Host == "" {
		return command.Usagef("%s: --forward needs an address such as http://localhost:3000/hook", call.Name)
	}
	f.json = asJSON
	if since != "" {
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			return command.Usagef("%s: --since: %q is not a time of the form 2026-11-30T14:30:00Z", call.Name, since)
		}
		f.position.StartAt(at)
	}
	if err := f.load(); err != nil {
		return err
	}
	c, err := p.running(ctx, call.Name, s)
	if err != nil {
		return err
	}
	fmt.Fprintf(call.Stderr, "forwarding the webhooks of %s to %s\n", c.BaseURL(), f.target.Redacted())
	return f.run(ctx, c)
}

// forwarder forwards webhooks to one receiver.
type forwarder struct {
	call       string
	target     *url.URL
	json       bool
	file       string // "": the position is not kept
	out, notes io.Writer
	wait       time.Duration
	receiver   http.RoundTripper // nil: the usual one
	position   client.Position
	away       bool // the receiver could not be reached at the last attempt
}

// run forwards until ctx ends.
func (f *forwarder) run(ctx context.Context, c *client.Client) error {
	receiver := &http.Client{Transport: f.receiver, Timeout: forwardTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for {
		err := f.forwardAll(ctx, c, receiver)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // whoever ended it knows
		}
		if !errors.Is(err, errReceiverAway) {
			return err
		}
		// What the receiver did not get comes again, signed anew.
		t := time.NewTimer(f.wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

var errReceiverAway = errors.New("the receiver cannot be reached")

// forwardAll forwards what comes until ctx ends, or fails with errReceiverAway.
func (f *forwarder) forwardAll(ctx context.Context, c *client.Client, receiver *http.Client) error {
	for d, err := range c.FollowDeliveries(ctx, &f.position) {
		if err != nil {
			return err
		}
		begin := time.Now()
		status, err := f.post(ctx, receiver, d)
		if err != nil {
			if !f.away && ctx.Err() == nil {
				fmt.Fprintf(f.notes, "%s: %v; trying again until it answers\n", f.call, err)
			}
			f.away = true
			return errReceiverAway
		}
		f.away = false
		f.position.Add(d)
		if err := errors.Join(f.save(), f.show(d, status, time.Since(begin))); err != nil {
			return err
		}
	}
	return nil
}

// post sends a webhook to the receiver. Whatever it answers, it has got it.
func (f *forwarder) post(ctx context.Context, receiver *http.Client, d *client.ListedDelivery) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.target.String(), strings.NewReader(d.Body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	for name, value := range d.Headers {
		r.Header.Set(name, value)
	}
	res, err := receiver.Do(r)
	if err != nil {
		return 0, fmt.Errorf("reach the receiver: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // only the status is of interest
	return res.StatusCode, nil
}

// forwarded is a webhook that was forwarded, as JSON.
type forwarded struct {
	ID     string           `json:"id"`
	JobID  string           `json:"job_id"`
	Event  client.EventName `json:"event"`
	Status int              `json:"status"` // of the receiver
	TookMS int64            `json:"took_ms"`
}

func (f *forwarder) show(d *client.ListedDelivery, status int, took time.Duration) error {
	if f.json {
		if err := json.NewEncoder(f.out).Encode(forwarded{d.ID(), d.JobID, d.Event, status, took.Milliseconds()}); err != nil {
			return fmt.Errorf("print JSON: %w", err)
		}
		return nil
	}
	_, err := fmt.Fprintf(f.out, "%s  %s  %s  %d  %d ms\n", d.CreatedAt.Local().Format(time.TimeOnly), d.ID(), d.Event, status, took.Milliseconds())
	return err
}

// load reads the position that an earlier call has kept.
func (f *forwarder) load() error {
	if f.file == "" {
		return nil
	}
	data, err := os.ReadFile(f.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	var kept client.Position
	if err := json.Unmarshal(data, &kept); err != nil || kept.Newest.IsZero() {
		return command.Usagef("%s: --state: %s is not a file that %s has written", f.call, f.file, f.call)
	}
	f.position = kept
	return nil
}

// save keeps the position. A file that is there is replaced as a whole.
func (f *forwarder) save() error {
	if f.file == "" {
		return nil
	}
	data, err := json.Marshal(f.position)
	if err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	tmp := filepath.Join(filepath.Dir(f.file), "."+filepath.Base(f.file)+".new")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	if err := os.Rename(tmp, f.file); err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	return nil
}
