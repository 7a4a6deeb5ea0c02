package worker

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// A step that two outputs share fails once: each is made alone, and both are
// completed. When it fails for one of them again, only that one is failed.
func TestSharedStep(t *testing.T) {
	film := "mux verify:film put:film film:completed"
	hls := "put:1 segment hls:packaging verify:hls put:2 put:stream put:iframes put:master hls:completed"
	for times, want := range map[int][]string{
		1: {"encode! segment! film:encoding+hls:encoding encode encode | " + film + " | " + hls + " | job.completed"},
		2: {
			"encode! segment! film:encoding+hls:encoding encode! encode | film:failed | " + hls + " | job.failed",
			"encode! segment! film:encoding+hls:encoding encode! encode | " + film + " | put:1 delete:1 hls:failed segment! | job.failed",
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, sharedJob)
			r.journal.breaks = func(effect string, before int) error {
				if effect == "film:encoding+hls:encoding" && before == 1 {
					if left, _ := filepath.Glob(r.config.WorkDir + "/run-node/*/*"); len(left) != 1 {
						t.Errorf("the second plan begins with %q, not with the source alone", left)
					}
				}
				if effect == "encode" && before < times {
					return &ffmpeg.RunError{ExitCode: 1}
				}
				return nil
			}
			err := r.work(transcodeOnce, false)
			_, then := r.split("encode")
			// Which of the two is encoded first is left to the scheduler.
			if got := byOutput(then); err != nil || got != want[0] && got != want[len(want)-1] {
				t.Errorf("%v\n got %s\nwant %s", err, got, strings.Join(want, "\n  or "))
			}
		})
	}
}

// A process that was stopped for some seconds, and whose job another run has by
// then, stores nothing more.
func TestPausedProcessStoresNothing(t *testing.T) {
	for effect, want := range map[string]string{"verify:hls": "verify:hls put:2!", "put:2": "put:2!"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, streamJob)
			r.journal.breaks = func(e string, _ int) error {
				if e == effect {
					r.store.takeAway()
					<-time.After(2500 * time.Millisecond)
				}
				return nil
			}
			err := r.work(transcodeOnce, false)
			_, then := r.split(effect)
			if got := strings.Join(then, " "); err != nil || got != want {
				t.Errorf("%v\n got %s\nwant %s", err, got, want)
			}
		})
	}
}

// A run that waits for a slow server, and has nothing to record, learns all the
// same that it has lost its job.
func TestLeaseIsLostWhileWaiting(t *testing.T) {
	for name, work := range map[string]workFunc{"probe": probeOnce, "transcode": transcodeOnce} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, streamJob)
			r.storage.hangs = true
			time.AfterFunc(10*time.Second, r.store.takeAway)
			begin := time.Now()
			err := r.work(work, true)
			_, then := r.split("fetch:in")
			if got := strings.Join(then, " "); err != nil || got != "fetch:in!" || time.Since(begin) > 12*time.Second {
				t.Errorf("%s: after %s: %v, %s", name, time.Since(begin), err, got)
			}
		})
	}
}

// A stream that stood in the storage before stays until its successor is whole,
// and is not taken away when that fails.
func TestOlderStreamIsNotRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		r.storage.stored["/hls/master.m3u8"] = true
		r.journal.breaks = func(effect string, _ int) error {
			if effect == "put:2" {
				return job.Errorf(job.StorageRefused, "The bucket is not yours.")
			}
			return nil
		}
		err := r.work(transcodeOnce, false)
		_, then := r.split("exists:master")
		const want = "exists:master encode segment hls:packaging verify:hls put:1 put:2! hls:failed+job.failed"
		if got := strings.Join(then, " "); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	})
}

// A stream that is done before a segment was uploaded early is looked for before
// its first segment is stored, and rolled back all the same.
func TestShortStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		r.config.Media = fakeMedia{j: r.journal, film: parseMedia(t, filmProbe), quick: true}
		r.journal.breaks = func(effect string, _ int) error {
			if effect == "put:stream" {
				return job.Errorf(job.StorageRefused, "The bucket is not yours.")
			}
			return nil
		}
		err := r.work(transcodeOnce, false)
		_, then := r.split("encode")
		const want = "encode segment exists:master hls:packaging verify:hls put:1 put:2 put:stream! delete:stream delete:1 delete:2 hls:failed+job.failed"
		if got := strings.Join(then, " "); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	})
}

// A run that only uploads takes no CPU slots, and one that only waits for its
// storage lets the process take another job.
func TestUploadsTakeNoSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		var encoding, uploading bool
		var yielded []int
		r.journal.breaks = func(effect string, before int) error {
			switch {
			case effect == "put:1":
				encoding = r.slotsAreFree()
			case effect == "put:2":
				uploading = r.slotsAreFree()
				yielded = append(yielded, r.worker.YieldedSlots())
				if before < 2 {
					return errAway
				}
			}
			return nil
		}
		err := r.work(transcodeOnce, false)
		if diff := cmp.Diff([]int{0, 1, 1}, yielded); err != nil || encoding || !uploading || diff != "" {
			t.Errorf("%v; slots are free while it encodes: %v, uploads: %v; yielded (-want +got):\n%s", err, encoding, uploading, diff)
		}
	})
}

// A job that ran for longer than it may is failed, and what it has stored is taken
// away.
func TestMaxDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, `{"settings": {"max_duration": 7},`+streamJob[1:])
		err := r.work(transcodeOnce, false)
		_, then := r.split("encode")
		const want = "encode segment! delete:1 hls:failed+job.failed"
		if got := strings.Join(then, " "); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
		if got := r.store.state.Outputs[0].Error; !strings.Contains(got, "max_duration of 7 seconds") {
			t.Errorf("the customer is told %q", got)
		}
	})
	observed.Row(t, "12.1 settings.max_duration")
	observed.Row(t, "errors.md max_duration_exceeded")
}

// Jobs that wait for others of their key, or for the disk, begin nothing, and the
// latter is all that is recorded.
func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		r.store.wait = time.Minute
		if err := r.work(transcodeOnce, true); returned(err) != "snooze" || len(r.journal.effects) > 0 {
			t.Errorf("of its key: %v, %q", err, r.journal.effects)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, streamJob)
		r.fillDisk()
		err := r.work(transcodeOnce, true)
		if got := strings.Join(r.journal.effects, " "); returned(err) != "snooze" || got != "claim load job.started hls:queued" {
			t.Errorf("for the disk: %v, %s", err, got)
		}
	})
}

// What an earlier run has done is not done again, and what is not wanted is not
// made.
func TestNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, sharedJob)
		r.store.state.Output("mp4:64x36").Stage = job.Done
		err := r.work(transcodeOnce, false)
		if got := strings.Join(r.journal.effects, " "); err != nil || got != undisturbed[streamJob] {
			t.Errorf("done before: %v\n%s", err, got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, request(filmOutput(`, "if": "{{ input.width }} > 1000"`), strings.Replace(hlsOutput, `{"hls"`, `{"if": "{{ nonsense }} > 1", "hls"`, 1)))
		err := r.work(transcodeOnce, false)
		const want = "claim load job.started film:skipped+hls:failed+job.failed"
		if got := strings.Join(r.journal.effects, " "); err != nil || got != want {
			t.Errorf("not wanted, and not known: %v\n got %s\nwant %s", err, got, want)
		}
	})
}
