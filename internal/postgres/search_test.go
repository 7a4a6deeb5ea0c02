package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

// TestSearchJobs: each filter finds its jobs and no others, of a key and of all keys.
func TestSearchJobs(t *testing.T) {
	f := open(t)
	noted := strings.Replace(request, `{`, `{"metadata": {"order": "4711_%"},`, 1)
	first, second := f.create(request).ID, f.create(noted).ID
	diff(t, "the metadata", map[string]string{"order": "4711_%"}, f.get(second).Metadata)
	f.exec(`UPDATE jobs SET created_at = '2026-01-01', error = 'It is Odd' WHERE id = $1`, first)
	mine := f.keyID
	f.keyID = f.key("other")
	theirs := f.create(request).ID
	for _, c := range []struct {
		what, key string
		q         job.ListQuery
		want      []string
	}{
		{"all of a key", mine, job.ListQuery{}, []string{second, first}},
		{"all", job.AnyKey, job.ListQuery{}, []string{theirs, second, first}},
		{"none of no key", "", job.ListQuery{}, nil},
		{"by status", job.AnyKey, job.ListQuery{Status: job.JobStarting, Limit: 2}, []string{theirs, second}},
		{"by metadata", job.AnyKey, job.ListQuery{MetadataName: "order", MetadataValue: "4711_%"}, []string{second}},
		{"by other metadata", job.AnyKey, job.ListQuery{MetadataName: "order", MetadataValue: "4711"}, nil},
		{"by a text of the metadata", job.AnyKey, job.ListQuery{Text: "711_%"}, []string{second}},
		{"by a text that is no pattern", job.AnyKey, job.ListQuery{Text: "4%1"}, nil},
		{"by an error", mine, job.ListQuery{Text: "is odd"}, []string{first}},
		{"by an output", mine, job.ListQuery{Text: "JPG:300"}, []string{second, first}},
		{"by an id", job.AnyKey, job.ListQuery{Text: theirs}, []string{theirs}},
		{"by time", mine, job.ListQuery{Since: time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}, []string{first}},
		{"by time, none", mine, job.ListQuery{Until: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
	} {
		jobs, _, err := f.SearchJobs(t.Context(), c.key, c.q)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		var got []string
		for _, j := range jobs {
			got = append(got, j.ID)
		}
		diff(t, c.what, c.want, got)
	}
	if d, err := f.JobDetail(t.Context(), job.AnyKey, theirs); err != nil || d.KeyName != "other" {
		t.Errorf("details: %+v, %v", d.Listed, err)
	}
	if _, err := f.JobDetail(t.Context(), mine, theirs); err == nil {
		t.Error("details of another key's job")
	}
}

// TestOverview: what ended is counted in its hour, for a key and for all.
func TestOverview(t *testing.T) {
	f := open(t)
	id := f.create(request).ID
	run := f.claim(id, "node")
	f.record(id, run, job.Event{Kind: job.JobStartedEvent})
	if _, err := f.Heartbeat(t.Context(), "node", time.Minute, nil); err != nil {
		t.Fatal(err)
	}
	if err := f.DescribeNode(t.Context(), job.Node{ID: "node", Version: "1.2", Slots: 3, Encoders: []string{"h264_nvenc"}}); err != nil {
		t.Fatal(err)
	}
	nodes, err := f.Nodes(t.Context(), time.Minute)
	if err != nil || len(nodes) != 1 || !nodes[0].Alive || nodes[0].Running != 1 || nodes[0].Slots != 3 || nodes[0].Version != "1.2" || !slices.Equal(nodes[0].Encoders, []string{"h264_nvenc"}) {
		t.Errorf("the nodes are %+v, %v", nodes, err)
	}
	at := time.Now()
	f.record(id, run, job.Event{Kind: job.OutputCompletedEvent, Output: "mp4:720p", At: at, Result: job.Result{URL: "u", Metadata: []byte(`{"streams": [], "format": {"duration": "90.5", "tags": {"odd": "\u0000"}}}`)}},
		job.Event{Kind: job.OutputFailedEvent, Output: "jpg:300x", At: at, Error: "No.", Reason: job.EncodingFailed})
	for _, key := range []string{f.keyID, job.AnyKey} {
		o, err := f.Overview(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		last := o.Hours[len(o.Hours)-1]
		if len(o.Hours) != 24 || last.Failed != 1 || last.Seconds != 90.5 || o.Starting+o.Processing != 0 {
			t.Errorf("the overview is %+v", o)
		}
		diff(t, "the failures", []job.FailureCount{{Reason: job.EncodingFailed, Count: 1, JobID: id}}, o.Failures)
	}
	if o, err := f.Overview(t.Context(), f.key("other")); err != nil || len(o.Failures) != 0 {
		t.Errorf("of another key: %+v, %v", o, err)
	}
}
