package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

// TestCards: a transcode that asks for a card waits for the workers that have such a one, as
// long as one of them lives, and else for any.
func TestCards(t *testing.T) {
	f := open(t)
	node := func(id string, slots int, queues ...string) {
		f.seen(id, 0)
		if err := f.DescribeNode(t.Context(), job.Node{ID: id, Slots: slots, Queues: queues}); err != nil {
			t.Fatal(err)
		}
	}
	node("plain", 9, "probe", "transcode")
	node("nvidia", 1, "transcode", "transcode_nvenc")
	node("intel", 4, "transcode", "transcode_qsv", "transcode_vaapi")
	queued := func(id string) (name string) {
		f.scan(&name, `SELECT r.queue FROM river_job r, jobs j WHERE j.id = $1 AND r.id = j.river_id`, id)
		return name
	}
	transcode := func(encoder string) (id string) {
		id = f.create(strings.Replace(request, `"input"`, `"settings": {"encoder": "`+encoder+`"}, "input"`, 1)).ID
		if err := f.RecordProbed(t.Context(), id, f.claim(id, "plain"), probed()); err != nil {
			t.Fatal(err)
		}
		return id
	}
	for encoder, want := range map[string]string{
		"auto": "transcode", "software": "transcode", "nvenc": "transcode_nvenc", "vaapi": "transcode_vaapi", "hardware": "transcode_qsv",
	} {
		if got := queued(transcode(encoder)); got != want {
			t.Errorf("%s is queued in %s, want %s", encoder, got, want)
		}
	}
	waiting, other := transcode("nvenc"), transcode("qsv")
	if err := f.Deregister(t.Context(), "nvidia"); err != nil {
		t.Fatal(err)
	}
	if got := queued(waiting) + " " + queued(other); got != "transcode transcode_qsv" {
		t.Errorf("without the card they wait in %s", got)
	}
	f.seen("intel", time.Minute) // it has died
	if got := queued(transcode("qsv")); got != "transcode" {
		t.Errorf("a job for a dead worker is queued in %s", got)
	}
	f.seen("plain", 0)
	if err := f.another().Deregister(t.Context(), "nobody"); err != nil { // what a process does at its end
		t.Fatal(err)
	}
	if got := queued(other); got != "transcode" {
		t.Errorf("what waited for a dead worker is in %s", got)
	}
}
