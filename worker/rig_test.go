package worker

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// The jobs of the suite: a stream; a file and a stream that share their encode; a file
// with a watermark; the same file and a stream.
var (
	streamJob = request(hlsOutput)
	sharedJob = request(filmOutput(""), hlsOutput)
	markedJob = request(filmOutput(watermark))
	mixedJob  = request(filmOutput(watermark), hlsOutput)
)

const (
	hlsOutput = `"httpstream": {"hls": {"path": "/hls"}, "variants": ["mp4:64x36"]}`
	watermark = `, "watermark": {"url": "http://a.example.com/logo.png"}`
)

func filmOutput(params string) string { return `"mp4:64x36": {"path": "/film.mp4"` + params + `}` }

func request(outputs ...string) string {
	return `{"input": {"url": "http://a.example.com/in.mp4"}, "storage": {"service": "coconut"}, "outputs": {` + strings.Join(outputs, ",") + `}}`
}

// What ffprobe says of the input and of all results, and of the watermark.
const (
	filmProbe = `{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":64,"height":36,"pix_fmt":"yuv420p",
		"r_frame_rate":"5/1","avg_frame_rate":"5/1","duration":"12.0","nb_frames":"60"}],"format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"12.0"}}`
	markProbe = `{"streams":[{"index":0,"codec_type":"video","codec_name":"png","width":16,"height":16,"pix_fmt":"rgba",
		"r_frame_rate":"25/1","avg_frame_rate":"25/1"}],"format":{"format_name":"png_pipe"}}`
)

// kind is a way in which a phase breaks.
type kind string

const (
	fails     kind = "fails"        // for good
	shared    kind = "shared"       // as fails, in a job of two outputs
	passes    kind = "passes"       // by trouble that may pass, with attempts left
	last      kind = "last attempt" // by that trouble, for ever, with none left
	full      kind = "disk full"    // with attempts left
	cancelled kind = "cancelled"    // by the customer
	lost      kind = "lease lost"   // another run has begun
	stopped   kind = "stopped"      // the process stops
)

// phase is a part of a run, with the effect that breaks in it.
type phase struct {
	name, job, effect string
	// sharedJob and sharedEffect are for the kind shared. They default to the
	// suite's sharedJob and to effect.
	sharedJob, sharedEffect string

	fails  error
	passes error
	times  int // how often passes strikes before it has passed; 0: it does not pass
	full   error
}

func (p phase) request(k kind) string {
	switch {
	case k != shared:
		return p.job
	case p.sharedJob != "":
		return p.sharedJob
	default:
		return sharedJob
	}
}

func (p phase) effectOf(k kind) string {
	if k == shared && p.sharedEffect != "" {
		return p.sharedEffect
	}
	return p.effect
}

// outcome is the result of a run: its effects, beginning with the one that broke, the
// names of the objects that are stored in the end, and what Work returned.
type outcome struct{ then, left, returns string }

// sqlState is an error with an SQLSTATE, as PostgreSQL gives it.
type sqlState string

func (s sqlState) Error() string    { return "SQLSTATE " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

const (
	dbRefuses = sqlState("23505")
	dbFull    = sqlState("53100")
)

var (
	errBroken     = errors.New("broken")
	errDisconnect = errors.New("connection reset by peer")
	errNoSpace    = &os.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}
	errAway       = &storage.Unavailable{Message: "The storage could not be reached."}
	errStopping   = errors.New("the process stops")
)

// workFunc makes one attempt at a River job.
type workFunc func(ctx context.Context, w *Worker, row *rivertype.JobRow) error

// rig is a worker on fakes.
type rig struct {
	t       *testing.T
	journal *journal
	store   *fakeStore
	storage *fakeStorage
	config  Config
	worker  *Worker // after work has begun
	ctx     context.Context
	stop    context.CancelCauseFunc
}

func newRig(t *testing.T, request string) *rig {
	t.Helper()
	film, mark := parseMedia(t, filmProbe), parseMedia(t, markProbe)
	j := &journal{}
	r := &rig{t: t, journal: j, store: newFakeStore(j, request, film), storage: &fakeStorage{j: j, stored: map[string]bool{}}}
	r.ctx, r.stop = context.WithCancelCause(t.Context())
	t.Cleanup(func() { r.stop(nil) })
	r.config = Config{
		Store: r.store, Opener: r.storage, Media: fakeMedia{j: j, film: film, mark: mark}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Node: "node", WorkDir: t.TempDir(), Slots: 2, Uploads: 1, UploadRetryTimeout: time.Minute,
	}
	return r
}

func parseMedia(t *testing.T, probe string) job.Media {
	t.Helper()
	m, err := job.ParseMedia([]byte(probe))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// breakAt breaks a phase in one way.
func (r *rig) breakAt(p phase, k kind) {
	r.journal.breaks = func(effect string, before int) error {
		if effect != p.effectOf(k) {
			return nil
		}
		switch k {
		case fails, shared:
			return p.fails
		case passes:
			if p.times > 0 && before >= p.times {
				return nil
			}
			return p.passes
		case last:
			return p.passes
		case full:
			if errors.Is(p.full, dbFull) && before > 0 {
				return nil // there is space again
			}
			return p.full
		case cancelled: // the job is taken from its run, and River ends the run's context
			r.store.takeAway()
			r.stop(river.ErrJobCancelledRemotely)
		case lost:
			r.store.takeAway()
			if effect == "claim" {
				return job.ErrLeaseLost
			}
		case stopped:
			r.stop(errStopping)
			return p.fails // what is broken off may say whatever it likes
		}
		return context.Cause(r.ctx)
	}
}

// fillDisk demands more free disk space than there is.
func (r *rig) fillDisk() {
	var fs unix.Statfs_t
	if err := unix.Statfs(r.config.WorkDir, &fs); err != nil {
		r.t.Fatal(err)
	}
	free, total := int64(fs.Bavail)*fs.Bsize, int64(fs.Blocks)*fs.Bsize
	r.config.MinFreeDisk = free + (total-free)/2
}

// work makes one attempt. It checks that no slot and no work file is left behind.
func (r *rig) work(work workFunc, lastAttempt bool) error {
	r.t.Helper()
	r.worker = New(r.config)
	row := &rivertype.JobRow{ID: 1, Attempt: 1, MaxAttempts: 5}
	if lastAttempt {
		row.Attempt = row.MaxAttempts
	}
	err := work(r.ctx, r.worker, row)
	if n := r.worker.YieldedSlots(); n != 0 {
		r.t.Errorf("%d slots are yielded for ever", n)
	}
	if !r.slotsAreFree() {
		r.t.Error("slots are taken for ever")
	}
	if folders, _ := os.ReadDir(r.config.WorkDir + "/run-node"); len(folders) > 0 {
		r.t.Errorf("work files are left: %v", folders)
	}
	return err
}

// slotsAreFree reports whether no job holds a CPU slot.
func (r *rig) slotsAreFree() bool {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Millisecond)
	defer cancel()
	for range r.config.Slots {
		_, release, err := r.worker.slots.Acquire(ctx, transcode.Plan{})
		if err != nil {
			return false
		}
		defer release()
	}
	return true
}

func transcodeOnce(ctx context.Context, w *Worker, row *rivertype.JobRow) error {
	return (&transcodeWorker{w: w}).Work(ctx, &river.Job[queue.TranscodeArgs]{JobRow: row, Args: queue.TranscodeArgs{JobID: fakeJob}})
}

func probeOnce(ctx context.Context, w *Worker, row *rivertype.JobRow) error {
	return (&probeWorker{w: w}).Work(ctx, &river.Job[queue.ProbeArgs]{JobRow: row, Args: queue.ProbeArgs{JobID: fakeJob}})
}

// split splits the effects at the first occurrence of one.
func (r *rig) split(effect string) (before, then []string) {
	r.t.Helper()
	at, ok := r.journal.first[effect]
	if !ok {
		r.t.Fatalf("there was no effect %q: %q", effect, r.journal.effects)
	}
	return r.journal.effects[:at], r.journal.effects[at:]
}

// byOutput sorts effects into those of no output or of both, those of the file, those
// of the stream, and the end of the job. The order of two encodes that wait for the
// same slot is left to the scheduler.
func byOutput(effects []string) string {
	var parts [4][]string
	for _, e := range effects {
		rest, end, ended := strings.Cut(e, "+job.")
		if ended {
			parts[3] = append(parts[3], "job."+end)
		}
		of := 2
		switch {
		case strings.Contains(rest, "+"), strings.HasPrefix(rest, "encode"), rest == "segment!" && len(parts[0]) == 1:
			of = 0
		case strings.HasPrefix(rest, "film:"), slices.Contains([]string{"mux", "verify:film", "put:film"}, strings.TrimSuffix(rest, "!")):
			of = 1
		}
		parts[of] = append(parts[of], rest)
	}
	var text []string
	for _, p := range parts {
		text = append(text, strings.Join(p, " "))
	}
	return strings.Join(text, " | ")
}

// returned describes what Work returned.
func returned(err error) string {
	if err == nil {
		return "done"
	}
	if _, ok := errors.AsType[*river.JobSnoozeError](err); ok {
		return "snooze"
	}
	switch {
	case errors.Is(err, errStopping):
		return "stopped"
	case errors.Is(err, river.ErrJobCancelledRemotely):
		return "cancelled"
	default:
		return "error"
	}
}
