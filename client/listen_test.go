package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
)

// record is a notification that a test server lists: job a's number n, after some seconds.
type record struct{ n, second int }

func (r record) at() time.Time {
	return time.Date(2026, 11, 30, 12, 0, r.second, 0, time.UTC)
}

// lists is a server of GET /v2/deliveries.
type lists struct {
	records []record // oldest first
	down    bool
}

func (l *lists) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	status, body := 200, ""
	if l.down {
		status = 503
	} else {
		since, _ := time.Parse(time.RFC3339Nano, q.Get("since"))
		var list []string
		for i := len(l.records) - 1; i >= 0; i-- {
			if x := l.records[i]; !x.at().Before(since) {
				list = append(list, fmt.Sprintf(`{"job_id":"a","number":%d,"event":"job.completed","state":"pending","created_at":%q,"attempts":[],"body":"{}","headers":{"webhook-id":"msg_a_%d"}}`, x.n, x.at().Format(time.RFC3339Nano), x.n))
			}
		}
		next := "null"
		switch half := len(list) / 2; { // two pages
		case q.Get("limit") == "1" && len(list) > 0:
			list = list[:1]
		case q.Get("cursor") == "2":
			list = list[half:]
		case half > 0:
			list, next = list[:half], `"2"`
		}
		body = `{"deliveries":[` + strings.Join(list, ",") + `],"next_cursor":` + next + `}`
	}
	w := httptest.NewRecorder()
	answer(status, body, "Content-Type", "application/json; charset=utf-8")(w, r)
	return w.Result(), nil
}

// TestFollowDeliveries: what comes is yielded once and in its order, also what becomes
// visible late, across a server that is away, and by a program that goes on at a position.
func TestFollowDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lists{records: []record{{1, 0}, {2, 10}}}
		c, err := client.New(client.Options{BaseURL: "http://server/v2", APIKey: testKey, HTTPClient: &http.Client{Transport: l}})
		if err != nil {
			t.Fatal(err)
		}
		var p client.Position
		// follow notes what is yielded until nothing came for a minute. It adds all but
		// those that are refused.
		follow := func(refuse int) (got []int) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for d, err := range c.FollowDeliveries(ctx, &p) {
				if ctx.Err() != nil {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, d.Number)
				if d.Number == refuse {
					break
				}
				p.Add(d)
			}
			return got
		}
		expect := func(what string, want, got []int) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
		expect("what was there before", nil, follow(0))
		l.records = append(l.records, record{3, 20}, record{4, 21})
		expect("what is new", []int{3, 4}, follow(0))
		expect("once", nil, follow(0))
		l.records = append(l.records, record{5, 15}, record{6, 30}) // 5 began before 3 and 4 and ended after them
		expect("what became visible late", []int{5, 6}, follow(0))
		l.records = append(l.records, record{7, 40}, record{8, 41})
		expect("a receiver that is away", []int{7}, follow(7))
		expect("the same once more", []int{7, 8}, follow(0))
		l.down = true
		expect("a server that is away", nil, follow(0))
		l.down = false
		l.records = append(l.records, record{9, 50}, record{10, 900})
		expect("when it is back", []int{9, 10}, follow(0))
		if len(p.Seen) != 1 {
			t.Errorf("%d are remembered", len(p.Seen))
		}
		p.StartAt(record{0, 41}.at())
		expect("from a time on", []int{8, 9, 10}, follow(0))
		p.StartAt(time.Time{})
		expect("from the beginning", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, follow(0))
		*l, p = lists{}, client.Position{}
		expect("a key without any", nil, follow(0))
		l.records = []record{{1, 0}}
		expect("its first", []int{1}, follow(0))
	})
}

// TestFollowDeliveriesRefused: an unknown key ends the loop.
func TestFollowDeliveriesRefused(t *testing.T) {
	c := against(t, answer(401, `{"message":"no","error_code":"authentication_failed"}`))
	for _, err := range c.FollowDeliveries(t.Context(), new(client.Position)) {
		if !client.HasCode(err, "authentication_failed") {
			t.Errorf("%v", err)
		}
	}
}
