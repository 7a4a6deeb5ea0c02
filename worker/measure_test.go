package worker

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/copra-video/copra/job"
)

// streamProbe is what ffprobe says of a transport stream, whose length is an
// estimate.
var streamProbe = strings.Replace(filmProbe, "mov,mp4,m4a,3gp,3g2,mj2", "mpegts", 1)

// An input whose length is an estimate is fetched and measured before conditions are
// evaluated, and clients see what was measured.
func TestMeasuredFirst(t *testing.T) {
	const request = `"mp4:64x36": {"path": "/film.mp4", "if": "{{ input.duration }} > 11.5"}`
	for _, c := range []struct {
		name   string
		length float64
		breaks map[string]error
		want   string
	}{
		{"as long as estimated", 12, nil, "claim load job.started open:in fetch:in measure input.transferred film:queued check " +
			"film:encoding encode mux verify:film put:film film:completed+job.completed"},
		{"shorter", 11, nil, "claim load job.started open:in fetch:in measure input.transferred film:skipped+job.completed"},
		{"not to be measured", 12, map[string]error{"measure": errBroken}, "claim load job.started open:in fetch:in measure! input.transferred film:queued check " +
			"film:encoding encode mux verify:film put:film film:completed+job.completed"},
		{"not to be had", 12, map[string]error{"fetch:in": job.Errorf(job.InputNotFound, "There is no such file.")},
			"claim load job.started open:in fetch:in! input.failed+job.failed"},
		{"storage refuses", 12, map[string]error{"check": job.Errorf(job.StorageRefused, "The bucket does not exist.")},
			"claim load job.started open:in fetch:in measure input.transferred film:queued check! film:failed+job.failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, `{"input": {"url": "http://a.example.com/in.ts"}, "storage": {"service": "coconut"}, "outputs": {`+request+`}}`)
				film := parseMedia(t, streamProbe)
				r.store.state.Input.Metadata = film.Raw
				film.Duration = c.length
				r.config.Media = fakeMedia{j: r.journal, film: film}
				r.journal.breaks = func(effect string, _ int) error { return c.breaks[effect] }
				err := r.work(transcodeOnce, false)
				if got := strings.Join(r.journal.effects, " "); err != nil || got != c.want {
					t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
				}
				if got, err := job.ParseMedia(r.store.state.Input.Metadata); err != nil || c.breaks == nil && got.Duration != c.length {
					t.Errorf("clients read a duration of %v: %v", got.Duration, err)
				}
			})
		})
	}
}

// An input whose streams hold no packet fails.
func TestMeasuredEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		r.store.state.Input.Metadata = parseMedia(t, streamProbe).Raw
		r.config.Media = emptyMedia{fakeMedia{j: r.journal}}
		err := r.work(transcodeOnce, false)
		if err != nil || r.store.state.Status != job.JobFailed || !strings.Contains(r.store.state.Input.Error, "holds none") {
			t.Errorf("%v, %s: %s", err, r.store.state.Status, r.store.state.Input.Error)
		}
	})
}

// Of an MP4 whose frames may come irregularly, the times are not measured when its video is
// copied.
func TestCopiesAreNotMeasured(t *testing.T) {
	uneven := strings.Replace(filmProbe, `"r_frame_rate":"5/1"`, `"r_frame_rate":"6/1"`, 1)
	if uneven == filmProbe {
		t.Fatal("the film has another frame rate")
	}
	for outputs, measured := range map[string]bool{
		`"mp4:copy:copy": {"path": "/film.mp4"}`:                                      false,
		`"mp4:copy:copy": {"path": "/film.mp4"}, "mp4:64x36": {"path": "/small.mp4"}`: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, `{"input": {"url": "http://a.example.com/in.mp4"}, "storage": {"service": "coconut"}, "outputs": {`+outputs+`}}`)
			film := parseMedia(t, uneven)
			r.store.state.Input.Metadata = film.Raw
			r.config.Media = fakeMedia{j: r.journal, film: film}
			err := r.work(transcodeOnce, false)
			if got := strings.Join(r.journal.effects, " "); err != nil || strings.Contains(got, " measure ") != measured || !strings.HasSuffix(got, "job.completed") {
				t.Errorf("%v, %s: %s", err, outputs, got)
			}
		})
	}
}
