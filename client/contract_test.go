package client_test

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/job"
)

// operations has a call of the client for each operation of api/openapi.yaml.
// Those without a call have the reason.
var operations = map[string]struct {
	call func(t *testing.T, c *client.Client)
	none string
}{
	"GET /v2/jobs":                      {call: func(t *testing.T, c *client.Client) { _, _ = c.ListPage(t.Context(), client.ListOptions{}) }},
	"POST /v2/jobs":                     {call: func(t *testing.T, c *client.Client) { _, _ = c.CreateJob(t.Context(), &client.JobRequest{}) }},
	"POST /v2/validate":                 {call: func(t *testing.T, c *client.Client) { _, _ = c.Validate(t.Context(), &client.JobRequest{}) }},
	"POST /v2/storage-check":            {call: func(t *testing.T, c *client.Client) { _, _ = c.CheckStorage(t.Context(), &client.Storage{}) }},
	"GET /v2/nodes":                     {call: func(t *testing.T, c *client.Client) { _, _ = c.Nodes(t.Context()) }},
	"GET /v2/jobs/{id}":                 {call: func(t *testing.T, c *client.Client) { _, _ = c.Job(t.Context(), "x") }},
	"DELETE /v2/jobs/{id}":              {call: func(t *testing.T, c *client.Client) { _, _ = c.Cancel(t.Context(), "x") }},
	"POST /v2/jobs/{id}/cancel":         {none: "as DELETE, for clients that cannot send it"},
	"POST /v2/jobs/{id}/retry":          {call: func(t *testing.T, c *client.Client) { _, _ = c.Retry(t.Context(), "x") }},
	"POST /v2/jobs/{id}/playback-token": {call: func(t *testing.T, c *client.Client) { _, _ = c.PlaybackToken(t.Context(), "x", 0) }},
	"POST /v2/keys/{id}":                {none: "for players"},
	"GET /v2/keys/{id}/{kid}":           {none: "for players"},
	"GET /v2/jobs/{id}/events":          {call: func(t *testing.T, c *client.Client) { _, _ = c.Events(t.Context(), "x", 0) }},
	"GET /v2/jobs/{id}/deliveries":      {call: func(t *testing.T, c *client.Client) { _, _ = c.Deliveries(t.Context(), "x") }},
	"GET /v2/deliveries": {call: func(t *testing.T, c *client.Client) {
		_, _ = c.ListDeliveries(t.Context(), client.DeliveryListOptions{})
	}},
	"GET /v2/usage":                            {call: func(t *testing.T, c *client.Client) { _, _ = c.Usage(t.Context(), time.Time{}, time.Time{}) }},
	"GET /v2/jobs/{id}/logs":                   {call: func(t *testing.T, c *client.Client) { _, _ = c.Logs(t.Context(), "x") }},
	"POST /v2/jobs/{id}/deliveries/{n}/replay": {call: func(t *testing.T, c *client.Client) { _, _ = c.Replay(t.Context(), "x", 1) }},
	"GET /v2/metadata/jobs/{id}":               {call: func(t *testing.T, c *client.Client) { _, _ = c.Metadata(t.Context(), "x") }},
	"GET /v2/metadata/jobs/{id}/":              {none: "as without the slash, for clients that send it"},
	"GET /v2/metadata/jobs/{id}/{key}":         {call: func(t *testing.T, c *client.Client) { _, _ = c.MetadataOf(t.Context(), "x", "mp4:720p") }},
	"POST /v2/uploads":                         {call: func(t *testing.T, c *client.Client) { _, _ = c.SignUpload(t.Context(), time.Minute) }},
	"PUT /v2/uploads/{name}":                   {call: func(t *testing.T, c *client.Client) { _, _ = c.Upload(t.Context(), "a.mp4", strings.NewReader("x"), 1) }},
	"GET /storage/{path}":                      {call: func(t *testing.T, c *client.Client) { _, _ = c.Download(t.Context(), root(c)+"/storage/a", io.Discard) }},
	"GET /healthz":                             {call: func(t *testing.T, c *client.Client) { _, _ = c.Health(t.Context()) }},
	"GET /readyz":                              {call: func(t *testing.T, c *client.Client) { _, _ = c.Ready(t.Context()) }},
	"GET /metrics":                             {call: func(t *testing.T, c *client.Client) { _, _ = c.Metrics(t.Context()) }},
	"GET /openapi.yaml":                        {call: func(t *testing.T, c *client.Client) { _, _ = c.OpenAPI(t.Context()) }},
	"GET /":                                    {none: "a page for people"},
}

func root(c *client.Client) string { return strings.TrimSuffix(c.BaseURL(), "/v2") }

// TestContract: every operation of the API has a method of the client, which
// sends just that.
func TestContract(t *testing.T) {
	var sent string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Method + " " + r.URL.EscapedPath()
		w.WriteHeader(404)
	})
	left := maps.Clone(operations)
	for path, item := range description(t).Paths.Map() {
		for method := range item.Operations() {
			name := method + " " + path
			op, ok := left[name]
			delete(left, name)
			switch {
			case !ok:
				t.Errorf("%s has no method in the client: add one, and a row here", name)
			case op.call != nil:
				sent = ""
				op.call(t, c)
				pattern := regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(name), "[^/]+") + "$")
				if !pattern.MatchString(sent) {
					t.Errorf("for %s the client sends %q", name, sent)
				}
			case op.none == "":
				t.Errorf("%s has neither a call nor a reason", name)
			}
		}
	}
	for name := range left {
		t.Errorf("%s is not in openapi.yaml", name)
	}
}

var parameter = regexp.MustCompile(`\\\{\w+\\\}`)

// TestCodes: the codes that the client names are those of the server.
func TestCodes(t *testing.T) {
	for got, want := range map[string]job.Reason{
		client.CodeIdempotencyKeyReused: job.IdempotencyKeyReused,
		client.CodeJobFinished:          job.JobFinished,
		client.CodeJobNotFinished:       job.JobNotFinished,
		client.CodeNothingToRetry:       job.NothingToRetry,
		client.CodeTooManyJobs:          job.TooManyJobs,
		client.CodeTooManyRequests:      job.TooManyRequests,
	} {
		if got != want.Code() {
			t.Errorf("the client has %q, the server %q", got, want)
		}
	}
}

// TestNames: events and statuses are those of the API.
func TestNames(t *testing.T) {
	doc := description(t)
	enum := func(values []any) (names []string) {
		for _, v := range values {
			names = append(names, v.(string))
		}
		return names
	}
	events := enum(doc.Components.Schemas["Event"].Value.Properties["event"].Value.Enum)
	for _, want := range []client.EventName{
		client.EventJobStarted, client.EventInputProbed, client.EventInputTransferred, client.EventInputFailed, client.EventOutputStage,
		client.EventOutputCompleted, client.EventOutputFailed, client.EventOutputSkipped, client.EventOutputNote, client.EventStreamPlayable, client.EventJobCancelled, client.EventJobRetried,
		client.EventJobCompleted, client.EventJobFailed,
	} {
		if !slices.Contains(events, string(want)) {
			t.Errorf("the API has no event %s", want)
		}
		events = slices.DeleteFunc(events, func(e string) bool { return e == string(want) })
	}
	if len(events) > 0 {
		t.Errorf("the client does not name the events %q", events)
	}
	var done, final []string
	for _, s := range enum(doc.Components.Schemas["OutputStatus"].Value.Enum) {
		if client.OutputStatus(s).Done() {
			done = append(done, s)
		}
		if client.OutputStatus(s).Final() {
			final = append(final, s)
		}
	}
	if len(done) != 3 || len(final) != 3+9 {
		t.Errorf("done are %q, final %q", done, final)
	}
	for _, s := range enum(doc.Components.Schemas["JobStatus"].Value.Enum) {
		if j := client.JobStatus(s); j.Finished() != (j == client.JobCompleted || j == client.JobFailed) {
			t.Errorf("%s is finished: %v", s, j.Finished())
		}
	}
}
