package artifacts

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/copra-video/copra/job"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/execute"
)

// maker is an ffmpeg whose arguments are the files that it writes: name=content.
type maker struct {
	mu  sync.Mutex
	ran []string // first arguments
}

func (m *maker) Run(_ context.Context, c ffmpeg.Command) error {
	m.mu.Lock()
	m.ran = append(m.ran, strings.Join(c.Args, " "))
	m.mu.Unlock()
	for _, a := range c.Args {
		name, content, ok := strings.Cut(a, "=")
		if !ok {
			continue
		}
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// resumed runs plans of one job one after the other, each in a new folder.
type resumed struct {
	t       *testing.T
	store   *artifactstore.Store
	at      string // the store's folder
	source  string
	version string
	metrics *Metrics
	steps   *execute.Metrics
	counts  *prometheus.Registry // of steps
	log     bytes.Buffer
}

const resumedJob = "aaaaBBBB111122"

func newResumed(t *testing.T) *resumed {
	r := &resumed{t: t, at: t.TempDir(), source: "the film", version: "5.1", metrics: NewMetrics(prometheus.NewRegistry()), counts: prometheus.NewRegistry()}
	r.steps = execute.NewMetrics(r.counts)
	var err error
	if r.store, err = artifactstore.Open(t.Context(), artifactstore.Options{Address: r.at}); err != nil {
		t.Fatal(err)
	}
	return r
}

// encodes returns how many encoders were counted.
func (r *resumed) encodes() (n float64) {
	r.t.Helper()
	families, err := r.counts.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}

// run runs the steps of a plan and closes the session. It returns the arguments of
// the runs of ffmpeg, and the files that are there.
func (r *resumed) run(plan transcode.Plan, end End) (ran []string, files map[string]string) {
	r.t.Helper()
	dir := r.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, transcode.SourceName), []byte(r.source), 0o600); err != nil {
		r.t.Fatal(err)
	}
	for _, f := range plan.Fetches {
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(plan.Secrets[f.URL].Reveal()), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	media, log := &maker{}, slog.New(slog.NewTextHandler(&r.log, nil))
	session := NewCache(r.store, r.version, log, r.metrics).Open(r.t.Context(), resumedJob, dir)
	s := execute.Start(r.t.Context(), dir, plan, execute.Config{
		Media: media, Cache: session.ForPlan(r.t.Context(), plan), Keys: []string{"a"}, Progress: func(map[string]float64) {}, Log: log, Metrics: r.steps})
	s.WaitAll()
	session.Close(r.t.Context(), end)
	if _, err := s.Wait(r.t.Context(), 0); err != nil {
		r.t.Error(err)
	}
	for _, st := range plan.Steps {
		for _, artifact := range st.Artifacts {
			for _, name := range artifact.Files {
				if session.Pinned(name) {
					r.t.Errorf("%s is to be kept for ever", name)
				}
			}
		}
	}
	files = map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[rel] = string(data)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	delete(files, transcode.SourceName)
	slices.Sort(media.ran)
	return media.ran, files
}

// counted compares the counter of artifacts, by result, and resets it.
func (r *resumed) counted(want map[string]float64) {
	r.t.Helper()
	got := map[string]float64{}
	for _, result := range []string{"stored", "restored", "missing", "broken", "error"} {
		if n := testutil.ToFloat64(r.metrics.artifacts.WithLabelValues(result)); n > 0 {
			got[result] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("artifacts (-want +got):\n%s%s", diff, r.log.String())
	}
	r.metrics.artifacts.Reset()
}

const (
	pass1  = "v1-pass-0.log=log v1-pass-0.log.mbtree=tree"
	both   = "v1.mp4=video out1/00001.jpg=one out1/00002.jpg=two"
	copied = "film.mp4=all"
)

// resumable is a plan with two passes, two artifacts of one step, a numbered row of
// pictures, a watermark, and a step without artifacts.
func resumable(mark string) transcode.Plan {
	step := func(id, args string, needs ...string) transcode.Step {
		return transcode.Step{ID: id, Op: transcode.Operation{FFmpeg: &transcode.FFmpeg{Args: strings.Fields(args)}}, Needs: needs, Dirs: []string{"out1"}, Outputs: []int{0}, Cost: 1}
	}
	first, encode := step("pass1-1", pass1), step("encode-1", both, "pass1-1")
	first.VideoEncodes, encode.VideoEncodes, encode.Cost = 1, 1, 4
	first.Artifacts = []transcode.Artifact{{KeyInputs: []string{"pass1"}, Files: []string{"v1-pass*"}}}
	encode.Artifacts = []transcode.Artifact{
		{KeyInputs: []string{"encode", "-i", "mark-1"}, Files: []string{"v1.mp4"}},
		{KeyInputs: []string{"pictures"}, Files: []string{"out1/%05d.jpg"}},
	}
	return transcode.Plan{
		Steps:   []transcode.Step{first, encode, step("mux-1", copied, "encode-1")},
		Fetches: []transcode.Fetch{{Name: "mark-1", URL: "mark-1"}},
		Secrets: transcode.Secrets{"mark-1": job.NewSecret(mark)},
	}
}

func TestResume(t *testing.T) {
	r := newResumed(t)
	plan := resumable("logo")
	_, want := r.run(plan, Failed)
	r.counted(map[string]float64{"stored": 3})
	encodes := r.encodes()

	ran, got := r.run(plan, Failed)
	if diff := cmp.Diff([]string{copied}, ran); diff != "" {
		t.Errorf("the second run (-want +got):\n%s", diff)
	}
	// The log of the first pass is of no use without the second.
	delete(want, "v1-pass-0.log")
	delete(want, "v1-pass-0.log.mbtree")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files of the second run (-want +got):\n%s", diff)
	}
	r.counted(map[string]float64{"restored": 2})
	if n := r.encodes(); n != encodes || n != 2 {
		t.Errorf("%g encoders were counted, and %g after a run that started none", encodes, n)
	}

	// By other names, as in another plan, and by what does as well.
	plan.Steps[1].Artifacts[0].KeyInputs, plan.Steps[1].Artifacts[0].Substitutes = []string{"encode", "plainly"}, [][]string{plan.Steps[1].Artifacts[0].KeyInputs}
	plan.Steps[1].Artifacts[0].Files, plan.Steps[1].Artifacts[1].Files = []string{"o2-v7.mp4"}, []string{"o2-out1/%05d.jpg"}
	if ran, got = r.run(plan, Completed); len(ran) != 1 || got["o2-v7.mp4"] != "video" || got["o2-out1/00002.jpg"] != "two" {
		t.Errorf("ran %q, files %q", ran, got)
	}
	if keys, err := r.store.List(t.Context(), resumedJob); err != nil || len(keys) != 0 {
		t.Errorf("%d artifacts of a job that is complete, %v", len(keys), err)
	}
}

// What makes other bytes has another key.
func TestResumeOfSomethingElse(t *testing.T) {
	for name, change := range map[string]func(*resumed, *transcode.Plan){
		"input":     func(r *resumed, _ *transcode.Plan) { r.source = "another film" },
		"ffmpeg":    func(r *resumed, _ *transcode.Plan) { r.version = "7.1" },
		"arguments": func(_ *resumed, p *transcode.Plan) { p.Steps[1].Artifacts[0].KeyInputs[0] = "encode better" },
		"watermark": func(_ *resumed, p *transcode.Plan) { *p = resumable("another logo") },
	} {
		t.Run(name, func(t *testing.T) {
			r := newResumed(t)
			r.run(resumable("logo"), Failed)
			r.metrics.artifacts.Reset()
			plan := resumable("logo")
			change(r, &plan)
			if ran, _ := r.run(plan, Failed); !slices.Contains(ran, both) {
				t.Errorf("not done again: ran %q", ran)
			}
		})
	}
}

// When an artifact is damaged, or was deleted after the store was listed, its step
// runs and it is stored again.
func TestResumeOfDamage(t *testing.T) {
	r := newResumed(t)
	plan := resumable("logo")
	r.run(plan, Failed)
	r.metrics.artifacts.Reset()
	stored, err := filepath.Glob(filepath.Join(r.at, "*", resumedJob, "*"))
	if err != nil || len(stored) != 3 {
		t.Fatalf("%q, %v", stored, err)
	}
	for _, p := range stored {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-1] ^= 1
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ran, _ := r.run(plan, Failed)
	if diff := cmp.Diff([]string{copied, pass1, both}, ran, cmp.Transformer("sort", func(s []string) []string { return slices.Sorted(slices.Values(s)) })); diff != "" {
		t.Errorf("ran (-want +got):\n%s", diff)
	}
	r.counted(map[string]float64{"broken": 2, "stored": 2}) // the other part of the encode was not looked at
	if err := os.WriteFile(stored[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(plan, Failed)
	r.run(plan, Failed)
	if ran, _ := r.run(plan, Failed); len(ran) != 1 {
		t.Errorf("the store has not healed: ran %q", ran)
	}
}

// A store that does not work fails no step.
func TestStoreAway(t *testing.T) {
	r := newResumed(t)
	plan := resumable("logo")
	if err := os.RemoveAll(r.at); err != nil {
		t.Fatal(err)
	}
	if ran, _ := r.run(plan, Failed); len(ran) != 3 {
		t.Errorf("ran %q", ran)
	}
	r.counted(map[string]float64{"error": 3})
	if !strings.Contains(r.log.String(), "artifact not stored") {
		t.Errorf("nobody is told: %s", r.log.String())
	}
	// It fails while artifacts are fetched: the rest of the run does without.
	if err := os.Mkdir(r.at, 0o700); err != nil {
		t.Fatal(err)
	}
	r.run(plan, Failed)
	r.metrics.artifacts.Reset()
	stored, err := filepath.Glob(filepath.Join(r.at, "*", resumedJob, "*"))
	if err != nil || len(stored) != 3 {
		t.Fatalf("%q, %v", stored, err)
	}
	for _, p := range stored {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(p, 0o700); err != nil { // it is there, and cannot be read
			t.Fatal(err)
		}
	}
	if ran, _ := r.run(plan, Failed); len(ran) != 3 {
		t.Errorf("ran %q", ran)
	}
}

// Without a store all steps run.
func TestWithoutStore(t *testing.T) {
	session := NewCache(nil, "5.1", slog.New(slog.DiscardHandler), nil).Open(t.Context(), resumedJob, t.TempDir())
	u := session.ForPlan(t.Context(), resumable("logo"))
	if u.Satisfied(resumable("logo").Steps[0]) || session.Pinned("v1.mp4") {
		t.Error("there is no store")
	}
	u.Store(resumable("logo").Steps[0])
	session.Close(t.Context(), Completed)
}

func TestFileName(t *testing.T) {
	a := transcode.Artifact{Files: []string{"v1.mp4", "out1/%05d.jpg", "v1-pass*"}}
	for stored, want := range map[string]string{
		"0": "v1.mp4", "1.17": "out1/00017.jpg", "2.-0.log.mbtree": "v1-pass-0.log.mbtree", "2.": "v1-pass",
		"0.x": "", "1": "", "1.0": "", "1.-1": "", "1.x": "", "2": "", "2./../x": "", "3": "", "-1": "", "": "", "x": "", "../x": "", "2.a/b": "",
	} {
		if got, ok := fileName(a, stored); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %t; want %q", stored, got, ok, want)
		}
	}
}

// knows is a database that knows which jobs are finished for good.
type knows struct {
	over map[string]bool
	keep time.Duration
}

func (k *knows) FinishedForGood(_ context.Context, _ []string, keep time.Duration) (map[string]bool, error) {
	k.keep = keep
	return k.over, nil
}

func TestCollect(t *testing.T) {
	r := newResumed(t)
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.WriteFile("f", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := strings.Repeat("a", 64)
	for _, id := range []string{"running", "over", "unknown"} {
		if _, err := r.store.Put(t.Context(), id, key, root, []artifactstore.File{{Name: "0", Path: "f"}}); err != nil {
			t.Fatal(err)
		}
	}
	db := &knows{over: map[string]bool{"running": false, "over": true}}
	c := Collector{Artifacts: r.store, Jobs: db, Retention: time.Minute, Log: slog.New(slog.DiscardHandler)}
	left := func(now time.Time) (ids []string) {
		t.Helper()
		for range 2 { // as two workers may
			if err := c.collect(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
		jobs, err := r.store.Jobs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for id := range jobs {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return ids
	}
	if diff := cmp.Diff([]string{"running", "unknown"}, left(time.Now())); diff != "" || db.keep != time.Minute {
		t.Errorf("kept for %s (-want +got):\n%s", db.keep, diff)
	}
	if diff := cmp.Diff([]string{"running"}, left(time.Now().Add(unknownFor+time.Minute))); diff != "" {
		t.Errorf("a day later (-want +got):\n%s", diff)
	}
}
