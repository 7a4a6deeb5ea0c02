package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// database has the tasks of one run. The other nodes are played by the tests.
type database struct {
	nodes int
	away  bool

	mu    sync.Mutex
	tasks []job.TaskState
	offer []job.NewTask
	asked int // statements
	wake  chan struct{}
}

func (d *database) call(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.away {
		return errors.New("no connection")
	}
	return f()
}

func (d *database) OfferTasks(_ context.Context, _ string, _ int64, list []job.NewTask) (ids []int64, err error) {
	err = d.call(func() error {
		for _, t := range list {
			d.offer = append(d.offer, t)
			d.tasks = append(d.tasks, job.TaskState{ID: int64(len(d.offer)), Step: t.Step, Status: job.TaskOffered})
			ids = append(ids, int64(len(d.offer)))
		}
		return nil
	})
	return ids, err
}

func (d *database) TakeTask(_ context.Context, id int64, node string) (taken bool, err error) {
	err = d.call(func() error {
		for i, t := range d.tasks {
			if t.ID == id && t.Status == job.TaskOffered {
				d.tasks[i].Status, d.tasks[i].Node, taken = job.TaskRunning, node, true
			}
		}
		return nil
	})
	return taken, err
}

func (d *database) LoseTask(_ context.Context, id int64, silent time.Duration) error {
	return d.call(func() error {
		for i, t := range d.tasks {
			if t.ID == id && t.Silent > silent {
				d.tasks[i].Status, d.tasks[i].Error = job.TaskFailed, "silent"
			}
		}
		return nil
	})
}

func (d *database) TaskStates(context.Context, string, int64) (states []job.TaskState, err error) {
	err = d.call(func() error { states = slices.Clone(d.tasks); return nil })
	return states, err
}

func (d *database) DropTasks(_ context.Context, _ string, _ int64, ids ...int64) error {
	return d.call(func() error {
		d.tasks = slices.DeleteFunc(d.tasks, func(t job.TaskState) bool { return len(ids) == 0 || slices.Contains(ids, t.ID) })
		return nil
	})
}

func (d *database) LiveNodes(context.Context, time.Duration) (n int, err error) {
	err = d.call(func() error { n = d.nodes; return nil })
	return n, err
}

func (d *database) Watch(string) (<-chan struct{}, func()) { return d.wake, func() {} }

// set changes the newest task of a step.
func (d *database) set(step string, change func(*job.TaskState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, t := range slices.Backward(d.tasks) {
		if t.Step == step {
			change(&d.tasks[i])
			return
		}
	}
	panic("no task of " + step)
}

// offers returns what was offered.
func (d *database) offers() []job.NewTask {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.offer)
}

// statements counts the statements.
func (d *database) statements() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func (d *database) setAway(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

// steps lists the steps that have rows.
func (d *database) steps() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, t := range d.tasks {
		list = append(list, t.Step+" "+string(t.Status))
	}
	return strings.Join(list, ", ")
}

// running has a node run the newest task of a step.
func running(node string) func(*job.TaskState) {
	return func(t *job.TaskState) { t.Status, t.Node = job.TaskRunning, node }
}

const stale = 10 * time.Second

// bubble runs a test on a Share in a bubble with its own time.
func bubble(t *testing.T, nodes int, f func(t *testing.T, d *database, s *Share)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &database{nodes: nodes, wake: make(chan struct{}, 1)}
		s := Start(t.Context(), Config{
			Store: d, JobID: "j", Run: 1, Node: "self", Stale: stale, Log: slog.New(slog.DiscardHandler),
			Spec: func(_ context.Context, st transcode.Step) ([]byte, error) {
				if st.ID == "secret" {
					return nil, errors.New("it cannot be described")
				}
				return []byte(st.ID), nil
			},
		})
		f(t, d, s)
		s.Close()
		if left := d.steps(); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

func step(id string, cost float64) transcode.Step {
	return transcode.Step{ID: id, Kind: transcode.StepEncode, Cost: cost, Outputs: []int{2}}
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func wantState(t *testing.T, when string, s *Step, want State) {
	t.Helper()
	if got, _ := s.State(); got != want {
		t.Errorf("%s: state %d, want %d", when, got, want)
	}
}

func noProgress(float64) {}

// TestAlone: a process without others, and one whose steps get slots at once, have no
// rows.
func TestAlone(t *testing.T) {
	bubble(t, 1, func(t *testing.T, d *database, s *Share) {
		a := s.Add(step("a", 1), noProgress)
		pass(20 * time.Second)
		if d.statements() > 5 || len(d.offers()) > 0 {
			t.Errorf("%d statements, %d offers", d.statements(), len(d.offers()))
		}
		if !a.Take(t.Context()) {
			t.Error("not taken")
		}
		a.End()
		d.mu.Lock()
		d.nodes = 2 // another one starts
		d.mu.Unlock()
		b := s.Add(step("b", 1), noProgress)
		if !b.Take(t.Context()) {
			t.Error("not taken")
		}
		pass(20 * time.Second)
		b.End()
		s.Add(step("c", 1), noProgress)
		pass(10 * time.Second)
		if got := d.steps(); got != "c offered" {
			t.Errorf("offered: %q", got)
		}
	})
}

// TestShare offers the most costly steps first, takes one itself, and waits for others.
func TestShare(t *testing.T) {
	bubble(t, 2, func(t *testing.T, d *database, s *Share) {
		var mu sync.Mutex
		var progress float64
		a, b, c := s.Add(step("a", 1), noProgress), s.Add(step("b", 3), func(p float64) {
			mu.Lock()
			defer mu.Unlock()
			progress = p
		}), s.Add(step("c", 2), noProgress)
		s.Add(step("secret", 9), noProgress)
		pass(500 * time.Millisecond)
		if d.statements() > 0 {
			t.Error("steps that have just begun to wait are offered")
		}
		pass(2 * time.Second)
		if got := d.steps(); got != "b offered, c offered, a offered" {
			t.Errorf("offered: %s", got)
		}
		if !a.Take(t.Context()) {
			t.Error("the own task is not taken")
		}
		d.set("b", running("x"))
		d.set("b", func(t *job.TaskState) { t.Progress = 0.4 })
		if b.Take(t.Context()) {
			t.Error("the task of another is taken")
		}
		wantState(t, "not taken", b, Elsewhere)
		pass(lookEvery)
		_, changed := b.State()
		d.set("b", func(t *job.TaskState) { t.Status = job.TaskDone })
		d.wake <- struct{}{}
		<-changed
		wantState(t, "done", b, Made)
		mu.Lock()
		if progress != 0.4 {
			t.Errorf("progress %g", progress)
		}
		mu.Unlock()
		b.Unusable() // the store has lost it
		wantState(t, "lost", b, Open)
		if !b.Take(t.Context()) {
			t.Error("not taken back")
		}
		a.End()
		b.End()
		pass(2 * lookEvery)
		if got := d.steps(); got != "c offered" {
			t.Errorf("left: %s", got)
		}
		c.End()
	})
}

// TestFailedElsewhere: a step that fails is offered to others, and after two failures to
// nobody.
func TestFailedElsewhere(t *testing.T) {
	bubble(t, 3, func(t *testing.T, d *database, s *Share) {
		a := s.Add(step("a", 1), noProgress)
		for n, node := range []string{"x", "y"} {
			pass(3 * time.Second)
			last := d.offers()[len(d.offers())-1]
			if len(d.offers()) != n+1 || last.Attempt != n+1 || len(last.Tried) != n {
				t.Errorf("offers %+v", d.offers())
			}
			d.set("a", func(t *job.TaskState) { t.Status, t.Node = job.TaskFailed, node })
		}
		pass(10 * time.Second)
		wantState(t, "failed twice", a, Open)
		if len(d.offers()) != 2 || d.steps() != "" {
			t.Errorf("%d offers, left: %s", len(d.offers()), d.steps())
		}
		if !a.Take(t.Context()) {
			t.Error("not taken")
		}
		a.End()
	})
}

// TestSilentWorker takes a task from a worker that is dead, unless nobody could reach
// the database.
func TestSilentWorker(t *testing.T) {
	bubble(t, 2, func(t *testing.T, d *database, s *Share) {
		a := s.Add(step("a", 1), noProgress)
		pass(3 * time.Second)
		d.set("a", running("x"))
		pass(20 * time.Second)
		wantState(t, "running", a, Elsewhere)
		d.setAway(true)
		pass(time.Minute)
		wantState(t, "database away", a, Elsewhere)
		d.set("a", func(t *job.TaskState) { t.Silent = time.Minute })
		d.setAway(false)
		pass(3 * time.Second)
		wantState(t, "database back", a, Elsewhere)
		d.set("a", func(t *job.TaskState) { t.Silent = 0 })
		pass(20 * time.Second)
		wantState(t, "worker back", a, Elsewhere)
		d.set("a", func(t *job.TaskState) { t.Silent = stale + time.Second })
		pass(3 * time.Second)
		wantState(t, "silent", a, Open)
		if len(d.offers()) != 2 || !slices.Equal(d.offers()[1].Tried, []string{"x"}) {
			t.Errorf("offers %+v", d.offers())
		}
		a.End()
	})
}

// TestDatabaseAway: a step that nobody has is run here, whatever became of its row.
func TestDatabaseAway(t *testing.T) {
	bubble(t, 2, func(t *testing.T, d *database, s *Share) {
		a := s.Add(step("a", 1), noProgress)
		pass(3 * time.Second)
		d.setAway(true)
		if !a.Take(t.Context()) {
			t.Error("not taken")
		}
		d.setAway(false)
		a.End()
		pass(3 * time.Second)
	})
}

// TestStraggler offers a step again that is slow, to others and to this process. The
// first result counts.
func TestStraggler(t *testing.T) {
	bubble(t, 3, func(t *testing.T, d *database, s *Share) {
		a, b := s.Add(step("a", 10), noProgress), s.Add(step("b", 10), noProgress)
		pass(3 * time.Second)
		d.set("a", func(t *job.TaskState) { t.Status, t.Node, t.Running = job.TaskDone, "x", 5*time.Second })
		d.set("b", running("y"))
		d.set("b", func(t *job.TaskState) { t.Running, t.Progress = 11*time.Second, 0.6 })
		pass(2 * lookEvery)
		wantState(t, "not that slow", b, Elsewhere)
		if len(d.offers()) != 2 {
			t.Errorf("%d offers", len(d.offers()))
		}
		d.set("b", func(t *job.TaskState) { t.Running, t.Progress = 30*time.Second, 0.6 })
		pass(2 * lookEvery)
		if len(d.offers()) != 3 {
			t.Errorf("%d offers of a slow step", len(d.offers()))
		}
		wantState(t, "slow", b, Open)
		if !b.Take(t.Context()) {
			t.Error("a slow step cannot be taken")
		}
		d.mu.Lock()
		for i, task := range d.tasks {
			if task.Node == "y" {
				d.tasks[i].Status = job.TaskDone
			}
		}
		d.mu.Unlock()
		pass(2 * lookEvery)
		wantState(t, "the first result", b, Made)
		a.End()
		b.End()
		if nodes := s.NodesOf(2); !slices.Equal(nodes, []string{"x", "y"}) || len(s.NodesOf(1)) > 0 {
			t.Errorf("output 2 was made by %q, output 1 by %q", nodes, s.NodesOf(1))
		}
		if nodes := s.Close(); fmt.Sprint(nodes) != "map[x:1 y:1]" {
			t.Errorf("%v", nodes)
		}
	})
}

// sourceStore says which jobs have tasks.
type sourceStore struct {
	mu   sync.Mutex
	open map[string]bool
}

func (s *sourceStore) JobsWithTasks(context.Context, []string) (map[string]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]bool{"j": s.open["j"]}, nil
}

// fakeSource is an input that notes how it is used.
type fakeSource struct {
	users, closed int
	err           error
}

func (*fakeSource) Use(context.Context, string) (*ffmpeg.Served, func(), error) {
	return nil, func() {}, nil
}
func (f *fakeSource) Err() error                             { return f.err }
func (*fakeSource) Unchanged(context.Context) error          { return nil }
func (*fakeSource) Identity(context.Context) (string, error) { return "sum", nil }
func (f *fakeSource) Retain()                                { f.users++ }
func (f *fakeSource) Close()                                 { f.users--; f.closed++ }

// TestSources opens an input once for several tasks, and removes it when its job has
// none. One that has failed is opened anew. A run of this process lends its own.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		store := &sourceStore{open: map[string]bool{"j": true}}
		folder := func(id string) string { return filepath.Join(root, id) }
		s := NewSources(store, folder, slog.New(slog.DiscardHandler))
		var opened []*fakeSource
		open := func(_ context.Context, dir string) (Source, error) {
			opened = append(opened, &fakeSource{users: 1})
			return opened[len(opened)-1], os.WriteFile(filepath.Join(dir, transcode.SourceName), []byte("input"), 0o600)
		}
		gone := errors.New("not found")
		if _, err := s.Open(t.Context(), "j", func(context.Context, string) (Source, error) { return nil, gone }); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		for n := range 4 {
			source, err := s.Open(t.Context(), "j", open)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(folder("j"), transcode.SourceName)); err != nil {
				t.Error(err)
			}
			source.Close()
			source.Close() // a second call does nothing
			<-time.After(3 * sweepEvery)
			if n == 2 {
				opened[0].err = gone
			}
		}
		if len(opened) != 2 || opened[0].closed != 1 || opened[1].closed != 0 {
			t.Errorf("opened %d times: %+v", len(opened), opened)
		}
		store.mu.Lock()
		store.open["j"] = false
		store.mu.Unlock()
		<-time.After(2 * sweepEvery)
		if _, err := os.Stat(folder("j")); !os.IsNotExist(err) || opened[1].closed != 1 {
			t.Errorf("kept: %v, closed %d times", err, opened[1].closed)
		}

		own := &fakeSource{users: 1}
		revoke := s.Lend("j", own)
		source, err := s.Open(t.Context(), "j", open)
		if err != nil || source != Source(own) || own.users != 2 {
			t.Errorf("%v, %v, %d users", source, err, own.users)
		}
		revoke()
		source.Close()
		if own.users != 1 {
			t.Errorf("%d users are left", own.users)
		}
	})
}
