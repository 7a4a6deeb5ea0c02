package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

// TestListDeliveries: pages of the webhooks of a key, with attempts, bodies and filters, past
// those of other keys.
func TestListDeliveries(t *testing.T) {
	f := open(t)
	mine := f.keyID
	id := f.create(request).ID
	other := f.key("other")
	f.keyID = other
	theirs := f.create(request).ID
	secret, err := f.RotateSigningSecret(t.Context(), mine)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 5; n++ {
		f.exec(`INSERT INTO deliveries (job_id, n, event, body, state, created_at) VALUES ($1, $2, 'job.completed', $3, $4, $5)`,
			id, n, fmt.Sprintf(`{"n":%d}`, n), map[bool]string{true: "delivered", false: "pending"}[n%2 == 1], time.Date(2026, 11, 30, 12, n, 0, 0, time.UTC))
		f.exec(`INSERT INTO deliveries (job_id, n, event, body, created_at) VALUES ($1, $2, 'job.failed', '{}', '2026-11-30 12:00Z')`, theirs, n)
	}
	f.exec(`INSERT INTO delivery_attempts (delivery_id, n, at, status, error, duration_ms) SELECT id, a, now(), 500 + a, 'no', 7 FROM deliveries, generate_series(1, 2) a WHERE job_id = $1 AND n = 4`, id)
	list := func(key string, q job.DeliveryQuery) (numbers []int, page []job.ListedDelivery, next string) {
		t.Helper()
		page, next, err := f.ListDeliveries(t.Context(), key, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			numbers = append(numbers, d.N)
		}
		return numbers, page, next
	}
	numbers, page, next := list(mine, job.DeliveryQuery{Limit: 2, Bodies: true})
	diff(t, "the first page", []int{5, 4}, numbers)
	if d := page[1]; d.JobID != id || string(d.Body) != `{"n":4}` || d.Signing.Reveal() != secret.Reveal() || d.Tries() != 2 || d.Last().Status != 502 || d.State != job.DeliveryPending {
		t.Errorf("%+v", d)
	}
	if page[0].Tries() != 0 || page[0].Last().Status != 0 {
		t.Errorf("%+v", page[0])
	}
	numbers, page, next = list(mine, job.DeliveryQuery{Limit: 2, Cursor: next})
	diff(t, "the second page", []int{3, 2}, numbers)
	if page[0].Body != nil || !page[0].Signing.IsZero() {
		t.Errorf("a body that was not asked for: %+v", page[0])
	}
	foreign := next
	numbers, _, next = list(mine, job.DeliveryQuery{Limit: 2, Cursor: next})
	diff(t, "the last page", []int{1}, numbers)
	diff(t, "the end", "", next)
	numbers, _, _ = list(mine, job.DeliveryQuery{State: job.DeliveryPending})
	diff(t, "pending ones", []int{4, 2}, numbers)
	numbers, _, _ = list(mine, job.DeliveryQuery{Since: time.Date(2026, 11, 30, 12, 4, 0, 0, time.UTC)})
	diff(t, "those since then", []int{5, 4}, numbers)
	numbers, _, _ = list(job.AnyKey, job.DeliveryQuery{Bodies: true, Limit: 100})
	diff(t, "all keys", 10, len(numbers))
	for _, c := range []struct{ key, cursor string }{{other, foreign}, {mine, "x"}, {mine, "eA"}} {
		_, _, err := f.ListDeliveries(t.Context(), c.key, job.DeliveryQuery{Cursor: c.cursor})
		if job.Message(err, "") == "" {
			t.Errorf("the cursor %q of another: %v", c.cursor, err)
		}
	}
}

// TestListDeliveriesWindow: a key whose webhooks lie behind many of others finds them over
// empty pages, and looks no further than it asks for.
func TestListDeliveriesWindow(t *testing.T) {
	f := open(t)
	mine := f.keyID
	id := f.create(request).ID
	f.keyID = f.key("other")
	theirs := f.create(request).ID
	f.exec(`INSERT INTO deliveries (job_id, n, event, body, created_at) VALUES ($1, 1, 'job.completed', '{}', now() - interval '3 days')`, id)
	f.exec(`INSERT INTO deliveries (job_id, n, event, body, created_at) SELECT $1, n, 'job.completed', '{}', now() - interval '2 days' FROM generate_series(1, 5100) n`, theirs)
	page, next, err := f.ListDeliveries(t.Context(), mine, job.DeliveryQuery{})
	if err != nil || len(page) != 0 || next == "" {
		t.Fatalf("the first page: %v, %q, %v", page, next, err)
	}
	page, next, err = f.ListDeliveries(t.Context(), mine, job.DeliveryQuery{Cursor: next})
	if err != nil || len(page) != 1 || page[0].JobID != id || next != "" {
		t.Errorf("the second page: %v, %q, %v", page, next, err)
	}
	page, next, err = f.ListDeliveries(t.Context(), mine, job.DeliveryQuery{Since: time.Now().Add(-time.Hour)})
	if err != nil || len(page) != 0 || next != "" {
		t.Errorf("since an hour ago: %v, %q, %v", page, next, err)
	}
}
