package worker

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// segments are two short segments of a stream, as FFmpeg cuts them.
//
//go:embed testdata/segment-*.ts
var segments embed.FS

// journal notes effects in their order, and breaks some of them. What succeeded is
// noted by its name, what failed by its name with an exclamation mark; failures
// of the same effect that follow one another are noted once.
type journal struct {
	// breaks is asked before an effect takes place, with how often it was asked for
	// this effect before; nil: nothing breaks.
	breaks func(effect string, before int) error

	mu      sync.Mutex
	asked   map[string]int
	effects []string
	first   map[string]int // by effect, where it stands in effects first
}

func (j *journal) do(effect string, do func() error) error {
	j.mu.Lock()
	if j.asked == nil {
		j.asked, j.first = map[string]int{}, map[string]int{}
	}
	before := j.asked[effect]
	j.asked[effect]++
	j.mu.Unlock()
	var err error
	if j.breaks != nil {
		err = j.breaks(effect, before)
	}
	if err == nil {
		err = do()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, known := j.first[effect]; !known {
		j.first[effect] = len(j.effects)
	}
	if err != nil {
		effect += "!"
		if n := len(j.effects); n > 0 && j.effects[n-1] == effect {
			return err
		}
	}
	j.effects = append(j.effects, effect)
	return err
}

func nothing() error { return nil }

// fakeStore is a database with one job.
type fakeStore struct {
	j       *journal
	request []byte

	wait time.Duration // for other jobs of the key

	mu    sync.Mutex
	state job.State
	fence int64
}

const fakeJob = "aaaaBBBB111122"

func newFakeStore(j *journal, request string, media job.Media) *fakeStore {
	spec, err := coconut.DecodeJob([]byte(request))
	if err != nil {
		panic(err)
	}
	s := &fakeStore{j: j, request: []byte(request), state: job.NewState(fakeJob, time.Now(), spec.Outputs)}
	s.state.Input.Metadata = media.Raw
	return s
}

// takeAway gives the job to another run.
func (s *fakeStore) takeAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fence++
}

// holds fails unless fence is the newest.
func (s *fakeStore) holds(fence int64) error {
	if fence != s.fence {
		return job.ErrLeaseLost
	}
	return nil
}

func (s *fakeStore) AcquireRunSlot(context.Context, string, int64) (time.Duration, error) {
	return s.wait, nil
}

func (s *fakeStore) Claim(_ context.Context, _ string, _ int64, _ int, _ string) (fence int64, err error) {
	err = s.j.do("claim", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fence++
		fence = s.fence
		return nil
	})
	return fence, err
}

func (s *fakeStore) Load(context.Context, string) (loaded job.LoadedJob, err error) {
	err = s.j.do("load", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		loaded = job.LoadedJob{State: s.snapshot(), Request: s.request, AcceptedAt: s.state.CreatedAt}
		return nil
	})
	return loaded, err
}

func (s *fakeStore) snapshot() job.State {
	state := s.state
	state.Outputs = slices.Clone(state.Outputs)
	return state
}

// Record notes the events of a call in one, joined by "+", with those that follow
// from them.
func (s *fakeStore) Record(ctx context.Context, _ string, fence int64, events ...job.Event) (job.State, error) {
	var names []string
	for _, e := range events {
		names = append(names, eventName(e))
	}
	// What follows from an event is known beforehand: the journal names the whole.
	s.mu.Lock()
	next := s.snapshot()
	s.mu.Unlock()
	for i, e := range events {
		happened, err := next.Apply(e)
		if err != nil {
			return job.State{}, err
		}
		for _, h := range happened[min(1, len(happened)):] {
			names[i] += "+" + string(h.Kind)
		}
	}
	err := s.j.do(strings.Join(names, "+"), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.holds(fence); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.state = next
		return nil
	})
	return next, err
}

// outputNames are short names of the outputs.
var outputNames = map[string]string{"mp4:64x36": "film", "httpstream": "hls"}

// eventName is the kind of an event, and for that of an output its name with what
// became of it.
func eventName(e job.Event) string {
	switch {
	case e.Kind == job.OutputStageEvent:
		return outputNames[e.Output] + ":" + string(e.Stage)
	case e.Output != "":
		return outputNames[e.Output] + ":" + strings.TrimPrefix(string(e.Kind), "output.")
	default:
		return string(e.Kind)
	}
}

func (s *fakeStore) RecordProbed(_ context.Context, _ string, fence int64, probed job.Event) error {
	return s.j.do(eventName(probed), func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.holds(fence)
	})
}

// SetProgress is no effect: it says what is known already.
func (s *fakeStore) SetProgress(_ context.Context, _ string, fence int64, _ map[string]float64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holds(fence)
}

func (*fakeStore) Heartbeat(context.Context, string) error                 { return nil }
func (*fakeStore) Reap(context.Context, time.Duration) (job.Reaped, error) { return job.Reaped{}, nil }

func (*fakeStore) FinishedForGood(context.Context, []string, time.Duration) (map[string]bool, error) {
	return nil, nil
}

// fakeStorage is where inputs come from and results go to.
type fakeStorage struct {
	j     *journal
	hangs bool // sources give nothing for an hour

	mu     sync.Mutex
	stored map[string]bool // by key
}

func (s *fakeStorage) Source(_ context.Context, in job.Input) (storage.Source, error) {
	name := path.Base(in.URL.Reveal())
	return fakeSource{s.j, name, s.hangs}, s.j.do("open:"+shortName(name), nothing)
}

func (s *fakeStorage) Upload(context.Context, job.Secret) (storage.Bucket, error) {
	return nil, errors.New("no output has a URL of its own")
}

func (s *fakeStorage) Bucket(context.Context, *job.Storage, storage.Namespace) (storage.Bucket, error) {
	return fakeBucket{s}, nil
}

// keys are the names of what is stored.
func (s *fakeStorage) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for key := range s.stored {
		names = append(names, shortName(key))
	}
	slices.Sort(names)
	return names
}

// shortName is a file's name without its extension; of segments the number alone.
func shortName(key string) string {
	return strings.TrimPrefix(strings.TrimSuffix(path.Base(key), path.Ext(key)), "segment-0000")
}

type fakeBucket struct{ s *fakeStorage }

func (b fakeBucket) Check(context.Context) error { return b.s.j.do("check", nothing) }

func (b fakeBucket) Put(_ context.Context, key string, body storage.Body, _ storage.PutOptions) error {
	return b.s.j.do("put:"+shortName(key), func() error {
		if _, err := io.Copy(io.Discard, io.NewSectionReader(body, 0, body.Size())); err != nil {
			return err
		}
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		b.s.stored[key] = true
		return nil
	})
}

func (b fakeBucket) URL(key string) string { return "https://results.example.com" + key }

func (b fakeBucket) Exists(_ context.Context, key string) (there bool, err error) {
	err = b.s.j.do("exists:"+shortName(key), func() error {
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		there = b.s.stored[key]
		return nil
	})
	return there, err
}

func (b fakeBucket) Delete(_ context.Context, key string) error {
	return b.s.j.do("delete:"+shortName(key), func() error {
		b.s.mu.Lock()
		defer b.s.mu.Unlock()
		delete(b.s.stored, key)
		return nil
	})
}

type fakeSource struct {
	j     *journal
	name  string
	hangs bool
}

func (s fakeSource) Size() int64 { return int64(len(s.name)) }

func (s fakeSource) Ranges() bool { return false }

func (s fakeSource) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	err := s.j.do("fetch:"+shortName(s.name), func() error {
		if s.hangs {
			return pass(ctx, time.Hour)
		}
		return nil
	})
	return io.NopCloser(bytes.NewReader([]byte(s.name)[offset:])), err
}

// fakeMedia is an ffmpeg that takes its time and knows the file names of its
// arguments.
type fakeMedia struct {
	j          *journal
	film, mark job.Media
	quick      bool // steps take no time
}

func (fakeMedia) Version() string { return "fake" }

func (fakeMedia) Capabilities() transcode.Capabilities { return transcode.Capabilities{} }

func (m fakeMedia) Probe(_ context.Context, file string) (job.Media, error) {
	if strings.HasPrefix(filepath.Base(file), transcode.SourceName) {
		return m.film, m.j.do("probe", nothing)
	}
	return m.mark, m.j.do("probe:logo", nothing)
}

// Timeline is what is measured of the film: it lasts as long as it says.
func (m fakeMedia) Timeline(context.Context, string, string, job.Media, time.Duration) (job.Timeline, error) {
	t := job.Timeline{Streams: map[int]job.StreamTimeline{}}
	for _, v := range m.film.Video {
		t.Streams[v.Index] = job.StreamTimeline{Packets: 1, End: m.film.Duration, Rate: v.FPS}
	}
	for _, a := range m.film.Audio {
		t.Streams[a.Index] = job.StreamTimeline{Packets: 1, End: m.film.Duration}
	}
	return t, m.j.do("measure", nothing)
}

// emptyMedia measures that the input's streams hold nothing.
type emptyMedia struct{ fakeMedia }

func (m emptyMedia) Timeline(_ context.Context, _, _ string, of job.Media, _ time.Duration) (job.Timeline, error) {
	t := job.Timeline{Streams: map[int]job.StreamTimeline{}}
	for _, v := range of.Video {
		t.Streams[v.Index] = job.StreamTimeline{}
	}
	return t, m.j.do("measure", nothing)
}

func (m fakeMedia) Verify(context.Context, string, transcode.Expect) (job.Media, error) {
	return m.film, m.j.do("verify:film", nothing)
}

func (m fakeMedia) ProbePlaylist(context.Context, string) (job.Media, error) {
	return m.film, m.j.do("verify:hls", nothing)
}

// Run makes the files of a step. An encode takes five seconds and a copy one; a
// segment step has cut its segments before it reads its input to the end, and
// takes three seconds more. A step that breaks does so at its end, and one whose
// input breaks ends a moment later.
func (m fakeMedia) Run(ctx context.Context, c ffmpeg.Command) error {
	last := c.Args[len(c.Args)-1]
	pattern := slices.Index(c.Args, "-hls_segment_filename") + 1
	switch {
	case pattern > 0:
		err := cut(c.Dir, c.Args[pattern])
		if err == nil {
			err = readAll(ctx, c.Input)
		}
		if err == nil {
			err = m.pass(ctx, 3100*time.Millisecond)
		} else {
			err = errors.Join(err, pass(context.WithoutCancel(ctx), 400*time.Millisecond))
		}
		return m.j.do("segment", func() error { return err })
	case slices.Contains(c.Args, "libx264"):
		err := errors.Join(write(c.Dir, last), m.pass(ctx, 5300*time.Millisecond))
		return m.j.do("encode", func() error { return err })
	default:
		err := errors.Join(write(c.Dir, last), m.pass(ctx, 1200*time.Millisecond))
		return m.j.do("mux", func() error { return err })
	}
}

func (m fakeMedia) pass(ctx context.Context, d time.Duration) error {
	if m.quick {
		d = 0
	}
	return pass(ctx, d)
}

// cut writes the segments.
func cut(dir, pattern string) error {
	for n := range 2 {
		data, err := segments.ReadFile(fmt.Sprintf("testdata/segment-%05d.ts", n+1))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf(pattern, n+1)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func readAll(ctx context.Context, in ffmpeg.Input) error {
	for buf := make([]byte, 100); ; {
		if _, err := in.Read(ctx, buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func write(dir, name string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600)
}

// pass lets time go by.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
