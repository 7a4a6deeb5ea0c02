package cli

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
)

// TestListenRefuses: mistakes in the call, before a server is asked.
func TestListenRefuses(t *testing.T) {
	env := map[string]string{"COPRA_SERVER": "http://127.0.0.1:1/v2", "COPRA_API_KEY": "k-1"}
	called(t.Context(), Listen, env).expect(t, 2, "--forward needs an address")
	called(t.Context(), Listen, env, "--forward", "localhost:3000").expect(t, 2, "--forward needs an address")
	called(t.Context(), Listen, env, "--forward", "http://localhost:1", "--since", "now").expect(t, 2, "--since")
	called(t.Context(), Listen, env, "--forward", "http://localhost:1", "--state", file(t, "state", "{}")).expect(t, 2, "not a file that")
}

// TestListen forwards the webhook of a real job: the bytes and headers that its own receiver
// gets. The receiver is not there at first. A second call goes on behind the first one.
func TestListen(t *testing.T) {
	c, env := standalone(t)
	direct := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		direct <- r.Header.Get("Webhook-Id") + " " + string(body)
	}))
	defer hook.Close()
	input, release := missingInput(t)
	release()
	fail := func() *client.Job {
		t.Helper()
		j, err := c.CreateJob(t.Context(), &client.JobRequest{
			Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"}, Outputs: client.Outputs{"mp3": "/a.mp3"},
			Notification: &client.NotificationRequest{URL: hook.URL},
		})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	first := fail()
	want := <-direct

	// An address at which nobody listens yet.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	forwardedTo := make(chan string, 10)
	state := filepath.Join(t.TempDir(), "state")
	listen := func(args ...string) (stop func() result) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan result, 1)
		go func() {
			done <- called(ctx, Listen, env, append(args, "--forward", "http://"+address+"/hook?a=b", "--state", state)...)
		}()
		return func() result { cancel(); return <-done }
	}
	stop := listen("--since", first.CreatedAt.Add(-time.Minute).Format(time.RFC3339), "--json")
	receiver := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		forwardedTo <- r.URL.String() + " " + r.Header.Get("Content-Type") + " " + r.Header.Get("Webhook-Id") + " " + string(body)
	})}
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	go func() { _ = receiver.Serve(l) }()
	defer receiver.Close()
	if got := <-forwardedTo; got != "/hook?a=b application/json "+want {
		t.Errorf("forwarded %s, want %s", got, want)
	}
	kept(t, state, want)
	stop().expect(t, 0, `"event":"job.failed","status":418`, first.ID)

	second := fail()
	want = <-direct
	stop = listen()
	if got := <-forwardedTo; !strings.HasSuffix(got, want) {
		t.Errorf("forwarded %s, want %s", got, want)
	}
	kept(t, state, want)
	r := stop()
	r.expect(t, 0, "job.failed  418", second.ID, "forwarding the webhooks")
	if strings.Contains(r.out, first.ID) || len(forwardedTo) != 0 {
		t.Errorf("the first one came again:\n%s", r.out)
	}
}

// kept waits until the state names a webhook that was forwarded.
func kept(t *testing.T, state, webhook string) {
	t.Helper()
	id, _, _ := strings.Cut(webhook, " ")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var p client.Position
		if data, err := os.ReadFile(state); err == nil && json.Unmarshal(data, &p) == nil && !p.Seen[id].IsZero() {
			return
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the state is not kept")
		}
	}
}

// TestForwardStale: a webhook that the receiver did not get is asked for anew, since its
// signature has a time.
func TestForwardStale(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = w.Write([]byte(`{"deliveries":[{"job_id":"a","number":1,"event":"job.completed","state":"pending","created_at":"2026-11-30T12:00:00Z","attempts":[],"body":"{}","headers":{"webhook-id":"msg_a_1"}}],"next_cursor":null}`))
	}))
	defer srv.Close()
	c, err := client.New(client.Options{BaseURL: srv.URL, APIKey: "k-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	var out, notes syncBuffer
	f := forwarder{call: "test", target: &url.URL{Scheme: "http", Host: "receiver"}, out: &out, notes: &notes}
	f.position.StartAt(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))
	f.receiver = roundTripper(func(*http.Request) (*http.Response, error) {
		if tries++; tries < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		cancel()
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	})
	if err := f.run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if tries != 4 || asked < 4 || strings.Count(notes.String(), "trying again") != 1 {
		t.Errorf("%d tries, asked %d times, told %q", tries, asked, notes.String())
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
