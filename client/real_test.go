package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/testtime"
)

// slowInput serves a clip once it is released, and keeps the job waiting until
// then.
func slowInput(t *testing.T) (url string, release func()) {
	t.Helper()
	released := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-released:
			http.ServeFile(w, r, "testdata/clip.mp4")
		case <-r.Context().Done():
		}
	}))
	release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(func() { release(); srv.Close() })
	return srv.URL + "/clip.mp4", release
}

// TestServerBreaksConnections: events that are followed over connections that
// break are those that the server has, each once and in order.
func TestServerBreaksConnections(t *testing.T) {
	c := realClient(t)
	input, release := slowInput(t)
	j, err := c.CreateJob(t.Context(), &client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"}, Outputs: client.Outputs{"jpg:64x": "/a.jpg"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []client.Event
	for u, err := range c.FollowEvents(t.Context(), j.ID, client.FollowOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if u.Event != nil {
			got = append(got, *u.Event)
			real.cut()
			release()
		}
	}
	h, err := c.Events(t.Context(), j.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.Events, got); diff != "" {
		t.Error(diff)
	}
	if last := got[len(got)-1]; last.Name != client.EventJobCompleted {
		t.Errorf("the last event is %s", last.Name)
	}
	rest, err := c.Events(t.Context(), j.ID, 2)
	if err != nil || len(rest.Events) != len(got)-2 {
		t.Errorf("behind the second event are %d of %d events: %v", len(rest.Events), len(got), err)
	}
}

// TestServerControlsJobs: cancel, retry, the log of webhooks and a replay.
func TestServerControlsJobs(t *testing.T) {
	c := realClient(t)
	input, release := slowInput(t)
	hooks := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		n, parsed := client.ParseNotification(body)
		if err := errors.Join(err, parsed); err != nil {
			t.Error(err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		hooks <- string(n.Event)
	}))
	defer hook.Close()
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-hooks:
			if got != want {
				t.Errorf("the webhook tells of %s, want %s", got, want)
			}
		case <-time.After(testtime.Allow(20 * time.Second)):
			t.Fatalf("no webhook told of %s", want)
		}
	}
	j, err := c.CreateJob(t.Context(), &client.JobRequest{
		Input: client.Input{URL: input}, Storage: &client.Storage{Service: "coconut"}, Outputs: client.Outputs{"jpg:64x": "/a.jpg"},
		Notification: &client.NotificationRequest{URL: hook.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Retry(t.Context(), j.ID); !client.HasCode(err, client.CodeJobNotFinished) {
		t.Errorf("retry of a job that runs: %v", err)
	}
	if j, err := c.Cancel(t.Context(), j.ID); err != nil || j.Error != "cancelled" || j.CompletedAt.IsZero() {
		t.Fatalf("cancel: %+v, %v", j, err)
	}
	expect("job.failed")
	if _, err := c.Cancel(t.Context(), j.ID); !client.HasCode(err, client.CodeJobFinished) {
		t.Errorf("cancel once more: %v", err)
	}
	release()
	if j, err := c.Retry(t.Context(), j.ID); err != nil || j.Status.Finished() {
		t.Fatalf("retry: %+v, %v", j, err)
	}
	if j, err := c.Wait(t.Context(), j.ID); err != nil || j.Err() != nil {
		t.Fatalf("wait: %+v, %v", j, err)
	}
	expect("job.completed")
	if _, err := c.Retry(t.Context(), j.ID); !client.HasCode(err, client.CodeNothingToRetry) {
		t.Errorf("retry of a job that is done: %v", err)
	}
	all, err := c.Deliveries(t.Context(), j.ID)
	if err != nil || len(all) != 2 || all[0].Event != client.EventJobFailed || len(all[0].Attempts) != 1 || all[0].Attempts[0].Status != 202 {
		t.Errorf("deliveries: %+v, %v", all, err)
	}
	if d, err := c.Replay(t.Context(), j.ID, 1); err != nil || d.Number != 1 {
		t.Errorf("replay: %+v, %v", d, err)
	}
	expect("job.failed")
	if _, err := c.Replay(t.Context(), j.ID, 9); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("replay of what is not there: %v", err)
	}
}

// TestServerTellsOfItself: what needs no job.
func TestServerTellsOfItself(t *testing.T) {
	c := realClient(t)
	if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" || h.Version == "" {
		t.Errorf("health: %+v, %v", h, err)
	}
	if r, err := c.Ready(t.Context()); err != nil || !r.Ready {
		t.Errorf("readiness: %+v, %v", r, err)
	}
	if m, err := c.Metrics(t.Context()); err != nil || len(m) == 0 {
		t.Errorf("%d bytes of metrics, %v", len(m), err)
	}
	if d, err := c.OpenAPI(t.Context()); err != nil || len(d) == 0 {
		t.Errorf("%d bytes of description, %v", len(d), err)
	}
	stranger := connect(t, client.Options{BaseURL: c.BaseURL(), APIKey: "k-other"})
	if _, err := stranger.ListPage(t.Context(), client.ListOptions{}); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("an unknown key: %v", err)
	}
}

// TestServerListsPages: pages of one job each are the whole list.
func TestServerListsPages(t *testing.T) {
	c := realClient(t)
	var made []string
	for range 3 {
		j, err := c.CreateJob(t.Context(), &client.JobRequest{
			Settings: &client.Settings{Priority: -50}, Input: client.Input{URL: "http://127.0.0.1:1/a.mp4"},
			Storage: &client.Storage{Service: "coconut"}, Outputs: client.Outputs{"mp4:720p": "/a.mp4"},
		})
		if err != nil {
			t.Fatal(err)
		}
		made = append([]string{j.ID}, made...)
	}
	var got []string
	for j, err := range c.ListJobs(t.Context(), client.ListOptions{Limit: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, j.ID); len(got) == len(made) {
			break
		}
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Error(diff)
	}
	for _, err := range c.ListJobs(t.Context(), client.ListOptions{Status: "job.odd"}) {
		if e, ok := errors.AsType[*client.Error](err); !ok || e.StatusCode != 400 {
			t.Errorf("an unknown status: %v", err)
		}
	}
}
