package worker

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/spec/observed"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// When a step that two outputs share fails, each is made alone and both are completed.
// When one of them fails again, only that one fails.
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

// What fails in chunks is made in one piece, also if it is the only output. A job that
// does not ask for chunks, and a server that makes none, have one encode.
func TestChunksFallBack(t *testing.T) {
	ultrafast := strings.Replace(request(filmOutput("")), `{`, `{"settings": {"ultrafast": true}, `, 1)
	for _, tt := range []struct {
		request string
		off     bool
		breaks  bool
		want    string
	}{
		{ultrafast, false, true, "encode! film:encoding encode mux verify:film put:film film:completed+job.completed"},
		{ultrafast, true, false, "encode mux verify:film put:film film:completed+job.completed"},
		{request(filmOutput("")), false, false, "encode mux verify:film put:film film:completed+job.completed"},
		{strings.Replace(ultrafast, `"/film.mp4"`, `"/film.mp4", "offset": 1`, 1), false, false, "film:note film:encoding encode mux verify:film put:film film:completed+job.completed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, tt.request)
			film := parseMedia(t, strings.ReplaceAll(filmProbe, "12.0", "90.0"))
			r.store.state.Input.Metadata = film.Raw
			r.config.Media, r.config.Chunks = fakeMedia{j: r.journal, film: film}, !tt.off
			r.journal.breaks = func(effect string, before int) error {
				if tt.breaks && effect == "encode" && before < 1 {
					return &ffmpeg.RunError{ExitCode: 1}
				}
				return nil
			}
			err := r.work(transcodeOnce, false)
			first, _, _ := strings.Cut(tt.want, " ")
			_, then := r.split(strings.TrimSuffix(first, "!"))
			got := strings.Join(then, " ")
			if tt.breaks {
				// Other chunks may have begun before the first one failed.
				got = othersBegan.ReplaceAllString(got, "encode! film:encoding")
			}
			if err != nil || got != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

var othersBegan = regexp.MustCompile(`^encode! (encode )+film:encoding`)

// A process that was suspended for some seconds, and whose job another run has by
// then, stores nothing.
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

// A run that waits for a slow server, and makes no statement meanwhile, learns that it
// has lost its lease.
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

// An older stream is not replaced before the new one is complete, and not deleted when
// the new one fails.
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

// Of a stream that is done before the segment uploader has begun, the storage is asked
// for an older stream before the first upload, and the new one is rolled back.
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

// A run that only uploads holds no CPU slots, and yields its slot, also before its storage
// is away.
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
		if diff := cmp.Diff([]int{1, 1, 1}, yielded); err != nil || encoding || !uploading || diff != "" {
			t.Errorf("%v; slots are free while it encodes: %v, uploads: %v; yielded (-want +got):\n%s", err, encoding, uploading, diff)
		}
	})
}

// What a job of a queue for a card yields makes no room for another transcode.
func TestCardYieldsNothing(t *testing.T) {
	w := New(newRig(t, streamJob).config)
	for name, want := range map[string]int{queue.Cards()[0]: 0, queue.Transcode: 1} {
		slot := w.slotOf(name)
		slot.SetEncoded(true)
		if n := w.YieldedSlots(); n != want {
			t.Errorf("%s: %d slots are yielded", name, n)
		}
		slot.Release()
	}
}

// A job fails when it exceeds its max_duration, and its streams are rolled back.
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

// A job that waits for a run slot of its key has no effect. One that waits for disk
// space has only queued its outputs.
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

// Outputs that an earlier run has made are not made again. Outputs whose condition does
// not hold, or cannot be evaluated, are not made.
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
			t.Errorf("skipped and failed: %v\n got %s\nwant %s", err, got, want)
		}
	})
}
