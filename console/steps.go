package console

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/copra-video/copra/job"
)

// stepView is a step of a job: a task that waits or runs, or what the log says of a run of
// ffmpeg.
type stepView struct {
	Step, Kind, Node string
	Part             string // of the time line: "0 s to 30 s"; "": all of it, or not known
	Badge            badge
	Progress         int // in percent, while Running
	Running          bool
	Took             time.Duration
	Speed            float64 // 0: not known
	Error            string
	Log              int // its number in the log; 0: it has not ended
}

// stepsOf returns the tasks that have not ended, and then the runs of ffmpeg, newest first.
func stepsOf(d job.Detail) []stepView {
	var list []stepView
	for _, t := range d.Tasks {
		v := stepView{Step: t.Step, Kind: t.Kind, Node: t.Node, Took: t.Running, Error: t.Error, Progress: int(100 * min(max(t.Progress, 0), 1))}
		if t.Length > 0 {
			v.Part = shortDuration(t.Start) + " to " + shortDuration(t.Start+t.Length)
		}
		switch t.Status {
		case job.TaskOffered:
			v.Badge = badge{"waiting", "idle"}
		case job.TaskRunning:
			v.Badge, v.Running = badge{"running", "busy"}, true
		default:
			continue // in the log
		}
		list = append(list, v)
	}
	for i, r := range slices.Backward(d.Log) {
		v := stepView{Step: r.Step, Kind: r.Kind, Node: r.Node, Took: r.Took, Speed: r.Speed(), Error: r.Error, Log: i + 1, Badge: badge{"done", "good"}}
		if r.Error != "" {
			v.Badge = badge{"failed", "bad"}
		}
		list = append(list, v)
	}
	return list
}

// taskSum says how far the tasks of a run are.
type taskSum struct{ Done, All int }

func taskSumOf(d job.Detail) taskSum {
	s := taskSum{All: len(d.Tasks)}
	for _, t := range d.Tasks {
		if t.Status == job.TaskDone {
			s.Done++
		}
	}
	return s
}

// stepSpans has the kinds of step by the span that shows them. The others are spanPackage.
var stepSpans = map[string]string{
	"encode": spanEncode, "pass1": spanEncode, "audio": spanEncode, "thumbnails": spanEncode, "loudness": spanEncode, "quality": spanEncode,
}

// lanes returns what each worker ran when: as many rows for a worker as it ran steps at once.
func lanes(d job.Detail, now time.Time) []row {
	var spans []laneSpan
	for _, r := range d.Log {
		spans = append(spans, laneSpan{r.Node, r.Step, r.Kind, r.At, r.At.Add(r.Took)})
	}
	for _, t := range d.Tasks {
		if t.Status == job.TaskRunning {
			spans = append(spans, laneSpan{t.Node, t.Step, t.Kind, now.Add(-t.Running), now})
		}
	}
	slices.SortStableFunc(spans, func(a, b laneSpan) int { return a.from.Compare(b.from) })
	var rows []row
	var free []time.Time // when the last span of each row ends
	for _, s := range spans {
		i := 0
		for i < len(rows) && (rows[i].Name != s.node || free[i].After(s.from)) {
			i++
		}
		if i == len(rows) {
			rows, free = append(rows, row{Name: s.node}), append(free, time.Time{})
		}
		kind := stepSpans[s.kind]
		if kind == "" {
			kind = spanPackage
		}
		rows[i].Spans = append(rows[i].Spans, span{Kind: kind, Word: s.step, from: s.from, to: s.to, Took: s.to.Sub(s.from)})
		free[i] = s.to
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return rows
}

// laneSpan is when a worker ran a step.
type laneSpan struct {
	node, step, kind string
	from, to         time.Time
}

// logEntry is a run of ffmpeg with its number, from 1.
type logEntry struct {
	N int
	job.FFmpegRun
}

// Line is the command as a shell takes it.
func (e logEntry) Line() string {
	line := "ffmpeg"
	for _, a := range e.Command {
		line += " " + shellWord(a)
	}
	return line
}

// logPage shows the runs of ffmpeg of a job: commands, messages and how they ended.
func (c *console) logPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	id := r.PathValue("id")
	entries, err := c.logOf(r.Context(), v, id)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "log", v, "Log of job "+id, struct {
		ID  string
		Log []logEntry
	}{id, entries})
	return nil
}

func (c *console) logOf(ctx context.Context, v viewer, id string) ([]logEntry, error) {
	runs, err := c.Store.FFmpegRuns(ctx, v.Scope, id)
	if err != nil {
		return nil, fmt.Errorf("show the log: %w", err)
	}
	var entries []logEntry
	for i, run := range runs {
		entries = append(entries, logEntry{i + 1, run})
	}
	return entries, nil
}
