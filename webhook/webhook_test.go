package webhook

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/webhook/hostlimit"
)

// memory is a Store with one delivery. It keeps what it is told.
type memory struct {
	delivery      job.Delivery
	loadErr       error
	attempts      []job.DeliveryAttempt
	givenUp       int
	deprioritized []int64
}

func (m *memory) LoadDelivery(context.Context, int64) (job.Delivery, error) {
	return m.delivery, m.loadErr
}

func (m *memory) SaveAttempt(_ context.Context, _ int64, a job.DeliveryAttempt) error {
	m.attempts = append(m.attempts, a)
	return nil
}

func (m *memory) MarkGivenUp(context.Context, int64) error { m.givenUp++; return nil }

func (m *memory) Deprioritize(_ context.Context, id int64) error {
	m.deprioritized = append(m.deprioritized, id)
	return nil
}

func deliveryTo(url string) job.Delivery {
	return job.Delivery{
		ID: 7, JobID: "vdq1fShawHzyz3", N: 2, Event: job.JobCompletedEvent, Body: []byte(`{"a":1}`),
		Notification: job.Notification{Type: "http", URL: job.NewSecret(url)},
	}
}

func newWorker(t *testing.T, store Store) *Worker {
	client := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(client.CloseIdleConnections)
	return New(Config{Store: store, Client: client, Version: "1.2", Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry())})
}

func riverJob(attempt int, replay bool) *river.Job[queue.NotifyArgs] {
	return &river.Job[queue.NotifyArgs]{
		JobRow: &rivertype.JobRow{ID: 99, Attempt: attempt, MaxAttempts: queue.NotifyAttempts},
		Args:   queue.NotifyArgs{DeliveryID: 7, Replay: replay},
	}
}

// What River is to do after Work.
const (
	complete = "complete"
	retry    = "retry"
	cancel   = "cancel"
	snooze   = "snooze"
)

func verdict(err error) string {
	_, cancelled := errors.AsType[*rivertype.JobCancelError](err)
	_, snoozed := errors.AsType[*rivertype.JobSnoozeError](err)
	switch {
	case err == nil:
		return complete
	case cancelled:
		return cancel
	case snoozed:
		return snooze
	}
	return retry
}

func TestWork(t *testing.T) {
	status := 200
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, tt := range map[string]struct {
		url      string
		status   int
		attempt  int
		replay   bool
		done     bool
		loadErr  error
		verdict  string
		saved    int    // attempts
		error    string // of the attempt
		next     time.Duration
		givenUp  int
		attempts string // the metric's label that is counted
	}{
		"delivered":               {status: 204, attempt: 1, verdict: complete, saved: 1, attempts: "delivered"},
		"failed":                  {status: 500, attempt: 1, verdict: retry, saved: 1, error: "the receiver answered HTTP status 500", next: 5 * time.Second, attempts: "failed"},
		"failed again":            {status: 500, attempt: 7, verdict: retry, saved: 1, error: "the receiver answered HTTP status 500", next: 15 * time.Hour, attempts: "failed"},
		"failed at last":          {status: 500, attempt: 8, verdict: cancel, saved: 1, error: "the receiver answered HTTP status 500", givenUp: 1, attempts: "failed"},
		"redirect":                {status: 302, attempt: 1, verdict: retry, saved: 1, error: "the receiver answered HTTP status 302", next: 5 * time.Second, attempts: "failed"},
		"refused connection":      {url: closed.URL + "/?token=canary", attempt: 1, verdict: retry, saved: 1, error: "the receiver could not be reached: the connection was refused", next: 5 * time.Second, attempts: "failed"},
		"guarded address":         {url: "http://10.0.0.1/canary", attempt: 1, verdict: retry, saved: 1, error: "private", next: 5 * time.Second, attempts: "failed"},
		"invalid address":         {url: "http://canary\n/", attempt: 1, verdict: retry, saved: 1, error: "the notification URL is not valid", next: 5 * time.Second, attempts: "failed"},
		"already delivered":       {attempt: 2, done: true, verdict: complete},
		"replay":                  {status: 200, attempt: 1, replay: true, done: true, verdict: complete, saved: 1, attempts: "delivered"},
		"replay failed":           {status: 500, attempt: 1, replay: true, verdict: cancel, saved: 1, error: "the receiver answered HTTP status 500", attempts: "failed"},
		"no such delivery":        {attempt: 1, loadErr: job.ErrNotFound, verdict: cancel},
		"load failed":             {attempt: 1, loadErr: errors.New("no database"), verdict: retry},
		"load failed at last":     {attempt: 8, loadErr: errors.New("no database"), verdict: retry, givenUp: 1},
		"load of a replay failed": {attempt: 8, replay: true, loadErr: errors.New("no database"), verdict: retry},
		"sns without a publisher": {url: "sns", attempt: 1, verdict: retry, saved: 1, error: "this server publishes to no topics", next: 5 * time.Second, attempts: "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			status = tt.status
			m := &memory{delivery: deliveryTo(receiver.URL), loadErr: tt.loadErr}
			if tt.url != "" {
				m.delivery = deliveryTo(tt.url)
			}
			if tt.url == "sns" {
				m.delivery.Notification = job.Notification{Type: "sns", Region: "eu-west-1"}
			}
			m.delivery.Done = tt.done
			w := newWorker(t, m)
			start := time.Now()
			err := w.Work(t.Context(), riverJob(tt.attempt, tt.replay))
			if got := verdict(err); got != tt.verdict {
				t.Errorf("verdict %s (%v), want %s", got, err, tt.verdict)
			}
			if len(m.attempts) != tt.saved || m.givenUp != tt.givenUp {
				t.Fatalf("%d attempts saved, given up %d times", len(m.attempts), m.givenUp)
			}
			if tt.saved == 0 {
				return
			}
			a := m.attempts[0]
			if (a.Error == "") != (tt.error == "") || !strings.Contains(a.Error, tt.error) || strings.Contains(a.Error, "canary") || a.Status != tt.status {
				t.Errorf("attempt %d %q, want %d %q", a.Status, a.Error, tt.status, tt.error)
			}
			if a.Next.IsZero() != (tt.next == 0) || !a.Next.IsZero() && (a.Next.Before(start.Add(tt.next)) || a.Next.After(time.Now().Add(tt.next))) {
				t.Errorf("next attempt at %s, want %s after %s", a.Next, tt.next, start)
			}
			if n := testutil.ToFloat64(w.c.Metrics.attempts.WithLabelValues(string(job.JobCompletedEvent), tt.attempts)); n != 1 {
				t.Errorf("%v attempts counted as %s", n, tt.attempts)
			}
		})
	}
}

// TestPostpone checks that only a slow host costs a delivery its priority.
func TestPostpone(t *testing.T) {
	m := &memory{delivery: deliveryTo("http://127.0.0.1:1/")}
	w := newWorker(t, m)
	err := w.postpone(t.Context(), 99, &hostlimit.Deferral{Delay: 3 * time.Second})
	if s, ok := errors.AsType[*rivertype.JobSnoozeError](err); !ok || s.Duration != 3*time.Second || len(m.deprioritized) != 0 {
		t.Errorf("a busy host: %v, deprioritized %v", err, m.deprioritized)
	}
	err = w.postpone(t.Context(), 99, &hostlimit.Deferral{Delay: time.Minute, Unresponsive: true})
	if verdict(err) != snooze || len(m.deprioritized) != 1 || m.deprioritized[0] != 99 {
		t.Errorf("a slow host: %v, deprioritized %v", err, m.deprioritized)
	}
}

// TestStop stops the process while a receiver is being asked. One that answers
// soon has been told; one that does not is asked again later.
func TestStop(t *testing.T) {
	stopped := errors.New("stopped")
	for name, tt := range map[string]struct {
		answers bool
		saved   int
		err     error
	}{
		"answer in time": {true, 1, nil},
		"no answer":      {false, 0, stopped},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or the end of the connection is not noticed
				stop(stopped)
				if !tt.answers {
					<-r.Context().Done()
				}
			}))
			defer receiver.Close()
			m := &memory{delivery: deliveryTo(receiver.URL)}
			err := newWorker(t, m).Work(ctx, riverJob(1, false))
			if !errors.Is(err, tt.err) || len(m.attempts) != tt.saved {
				t.Errorf("%v, %d attempts saved", err, len(m.attempts))
			}
		})
	}
}

// TestRequest looks at a request as its receiver sees it.
func TestRequest(t *testing.T) {
	secret := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, signing := range map[string]job.Secret{"signed": job.NewSecret(secret), "unsigned": {}} {
		t.Run(name, func(t *testing.T) {
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.Method != "POST" || r.RequestURI != "/hook?b=2&a=%2f&user%5Bid%5D=7" || string(body) != `{"a":1}` {
					t.Errorf("%s %s %s", r.Method, r.RequestURI, body)
				}
				if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "Copra/1.2" || r.Header.Get("Webhook-Id") != "msg_vdq1fShawHzyz3_2" {
					t.Errorf("%v", r.Header)
				}
				if signing.IsZero() {
					if r.Header.Get("Webhook-Signature") != "" || r.Header.Get("Webhook-Timestamp") != "" {
						t.Errorf("signed without a secret: %v", r.Header)
					}
				} else if err := verifier.Verify(body, r.Header); err != nil {
					t.Errorf("signature: %v", err)
				}
			}))
			defer receiver.Close()
			m := &memory{delivery: deliveryTo(receiver.URL + "/hook?b=2&a=%2f")}
			m.delivery.Notification.Params = map[string]string{"user[id]": "7"}
			m.delivery.Signing = signing
			if err := newWorker(t, m).Work(t.Context(), riverJob(1, false)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInvalidSigningSecret(t *testing.T) {
	d := deliveryTo("http://127.0.0.1/")
	d.Signing = job.NewSecret("whsec_?canary")
	if err := sign(http.Header{}, d, time.Now()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

// TestHostOf checks which notifications share a limit.
func TestHostOf(t *testing.T) {
	for _, tt := range []struct {
		n    job.Notification
		want string
	}{
		{job.Notification{Type: "http", URL: job.NewSecret("https://user:pw@example.com:8443/a?b")}, "example.com:8443"},
		{job.Notification{Type: "http", URL: job.NewSecret("http://\x7f/")}, ""},
		{job.Notification{Type: "sns", Region: "eu-west-1"}, "sns eu-west-1"},
	} {
		if got := hostOf(tt.n); got != tt.want {
			t.Errorf("hostOf = %q, want %q", got, tt.want)
		}
	}
}
