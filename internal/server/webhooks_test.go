package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/internal/testtime"
	"github.com/copra-video/copra/job"
)

// due waits for a delivery that is to be tried again, and makes it due now.
func (s *server) due() {
	s.t.Helper()
	eventually(s.t, "a delivery to wait for its next try", func() bool {
		tag, err := s.srv.store.Pool().Exec(s.t.Context(), `
			UPDATE river_job SET state = 'available', scheduled_at = now()
			WHERE kind = 'notify' AND state IN ('available', 'retryable') AND scheduled_at > now()`)
		return err == nil && tag.RowsAffected() == 1
	})
}

type deliveries struct {
	Deliveries []struct {
		Number   int
		Event    string
		State    string
		NextAt   *time.Time `json:"next_at"`
		Attempts []struct {
			Status     *int
			Error      *string
			DurationMS int `json:"duration_ms"`
		}
	}
}

func (s *server) deliveries(id string) (d deliveries, text string) {
	s.t.Helper()
	status, text := s.do("GET", "/jobs/"+id+"/deliveries", "")
	if err := json.Unmarshal([]byte(text), &d); err != nil || status != 200 {
		s.t.Fatalf("deliveries: %d %s", status, text)
	}
	return d, text
}

// TestSignedWebhook answers a delivery with an error, a redirect and a success,
// replays it, and verifies the signature of each try as a receiver would.
func TestSignedWebhook(t *testing.T) {
	h := &hook{answer: func(n int) int { return []int{500, 302, 204, 204}[min(n, 4)-1] }}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	s := startServer(t)
	secret, err := s.srv.store.RotateSigningSecret(t.Context(), s.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.startWorker()
	id := s.create(jobFor(unanswered(t), receiver.URL+"/hook?token=canary"))
	if status, _ := s.do("DELETE", "/jobs/"+id, ""); status != 200 {
		t.Fatal(status)
	}
	tried := func(n int) func() bool {
		return func() bool {
			d, _ := s.deliveries(id)
			return len(d.Deliveries) == 1 && len(d.Deliveries[0].Attempts) == n
		}
	}
	for n := range 3 {
		eventually(t, fmt.Sprintf("try %d", n+1), tried(n+1))
		d, _ := s.deliveries(id)
		if n < 2 {
			// The schedule begins with 5 s and a minute.
			want := []time.Duration{5 * time.Second, time.Minute}[n]
			if left := time.Until(*d.Deliveries[0].NextAt); left > want+time.Second || left < want-5*time.Second {
				t.Errorf("the next try is due in %v, want %v", left, want)
			}
			s.due()
		}
	}
	if status, answer := s.do("POST", "/jobs/"+id+"/deliveries/1/replay", ""); status != 202 || !strings.Contains(answer, `"state":"delivered"`) {
		t.Errorf("replay: %d %s", status, answer)
	}
	eventually(t, "the replay", tried(4))

	d, text := s.deliveries(id)
	if strings.Contains(text, "canary") || strings.Contains(text, receiver.URL) {
		t.Errorf("the log tells the address: %s", text)
	}
	one := d.Deliveries[0]
	if one.State != "delivered" || one.NextAt != nil || one.Event != "job.failed" {
		t.Errorf("%s", text)
	}
	var log []string
	for _, a := range one.Attempts {
		if a.Error != nil {
			log = append(log, *a.Error)
		} else {
			log = append(log, fmt.Sprint(*a.Status))
		}
	}
	if got := strings.Join(log, ", "); got != "the receiver answered HTTP status 500, the receiver answered HTTP status 302, 204, 204" {
		t.Errorf("log: %s", got)
	}

	verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	all := h.all()
	if len(all) != 4 {
		t.Fatalf("%d requests", len(all))
	}
	for i, r := range all {
		if err := verifier.Verify(r.body, r.header); err != nil {
			t.Errorf("try %d: %v", i+1, err)
		}
		if err := verifier.Verify(append(bytes.Clone(r.body), ' '), r.header); err == nil {
			t.Errorf("try %d: another body passes too", i+1)
		}
		if r.header.Get("webhook-id") != "msg_"+id+"_1" || !bytes.Equal(r.body, all[0].body) {
			t.Errorf("try %d: id %s, body %s", i+1, r.header.Get("webhook-id"), r.body)
		}
		if r.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(r.header.Get("User-Agent"), "Copra/") {
			t.Errorf("try %d: %v", i+1, r.header)
		}
	}
	observed.Row(t, "12 webhook delivery")
}

func TestUnsignedWebhook(t *testing.T) {
	h := &hook{}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	s := startServer(t)
	s.startWorker()
	id := s.create(jobFor(unanswered(t), receiver.URL))
	s.do("DELETE", "/jobs/"+id, "")
	eventually(t, "the webhook", func() bool { return len(h.all()) == 1 })
	head := h.all()[0].header
	if head.Get("webhook-id") != "msg_"+id+"_1" || head.Get("webhook-signature") != "" || head.Get("webhook-timestamp") != "" {
		t.Errorf("%v", head)
	}
}

// TestWebhooksInOrder: the other webhooks of a job wait for the first one, until
// that has failed twice.
func TestWebhooksInOrder(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	h := &hook{}
	h.answer = func(n int) int {
		if n == 1 {
			close(arrived)
			<-answer
		}
		if n <= 2 {
			return 503
		}
		return 200
	}
	receiver := httptest.NewServer(h)
	defer receiver.Close()
	reply := sync.OnceFunc(func() { close(answer) })
	defer reply() // the receiver's end waits for it when the test fails early
	s := startServer(t)
	id := s.create(jobFor(unanswered(t), receiver.URL))
	run := s.claim(id)
	s.record(id, run, job.Event{Kind: job.InputTransferredEvent})
	s.startWorker()
	<-arrived
	s.record(id, run, job.Event{Kind: job.OutputCompletedEvent, Output: "jpg:64x"})
	s.record(id, run, job.Event{Kind: job.OutputFailedEvent, Output: "mp4:480p", Error: "No."})
	reply()
	eventually(t, "the first failure", func() bool {
		d, _ := s.deliveries(id)
		return len(d.Deliveries) == 4 && len(d.Deliveries[0].Attempts) == 1
	})
	if n := len(h.all()); n != 1 {
		t.Errorf("%d requests, although the first has failed once only", n)
	}
	s.due()
	eventually(t, "the others", func() bool { return len(h.all()) == 5 })
	s.due()
	eventually(t, "all", func() bool { return len(h.all()) == 6 })
	var got []string
	for _, r := range h.all() {
		got = append(got, r.event)
	}
	want := "input.transferred input.transferred output.completed output.failed job.failed input.transferred"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	eventually(t, "the log", func() bool {
		d, _ := s.deliveries(id)
		for _, one := range d.Deliveries {
			if one.State != "delivered" {
				return false
			}
		}
		return len(d.Deliveries) == 4
	})
}

// TestSlowReceiver gives a receiver that never answers more deliveries than a
// worker sends at once.
func TestSlowReceiver(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(release)
	h := &hook{}
	quick := httptest.NewServer(h)
	defer quick.Close()
	s := startServer(t)
	end := func(url string) {
		id := s.create(jobFor(unanswered(t), url))
		if _, err := s.srv.store.CancelJob(context.WithoutCancel(t.Context()), s.key.ID, id); err != nil {
			t.Fatal(err)
		}
	}
	for range 80 {
		end(silent.URL)
	}
	s.startWorker()
	const quickly = 5
	begin := time.Now()
	for range quickly {
		end(quick.URL)
	}
	eventually(t, "the quick receiver's", func() bool { return len(h.all()) == quickly })
	testtime.Within(t, "another receiver's webhooks", begin, 5*time.Second)
}

// TestWebhookErrorsHideTheAddress: the delivery log never shows the address.
func TestWebhookErrorsHideTheAddress(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	s := startServer(t)
	s.startWorker()
	for name, url := range map[string]string{
		"refused": closed.URL + "/canary?token=canary", "private": "http://10.0.0.1/canary?token=canary", "unknown": "http://canary.invalid/canary",
	} {
		id := s.create(jobFor(unanswered(t), url))
		s.do("DELETE", "/jobs/"+id, "")
		text := ""
		eventually(t, "a try", func() bool {
			var d deliveries
			d, text = s.deliveries(id)
			return len(d.Deliveries[0].Attempts) > 0
		})
		if !strings.Contains(text, `"status":null,"error":"`) || strings.Contains(text, "canary?") || strings.Contains(text, "token") || strings.Contains(text, "/canary") || strings.Contains(text, "denied by") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
