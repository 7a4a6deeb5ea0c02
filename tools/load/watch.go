package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/tools/measure"
)

// watch has the samples of a soak.
type watch struct {
	d           *measure.Deployment
	api, worker *measure.Server
	after       []int // the number of jobs before each sample
	series      [len(figures)][]float64
}

// figures are what is sampled. Those with a margin must not grow: the mean of the last
// third of the samples may be above that of the second third by that share, and by slack.
var figures = [...]struct {
	of, name      string
	margin, slack float64
}{
	{"worker", "RSS MB", 0.10, 4}, {"worker", "heap MB", 0.15, 2}, {"worker", "goroutines", 0.15, 10}, {"worker", "files", 0.15, 10},
	{"API", "RSS MB", 0.10, 4}, {"API", "heap MB", 0.15, 2}, {"API", "goroutines", 0.15, 10}, {"API", "files", 0.15, 10},
	{"work dir", "entries", 0, inFlight}, {"database", "MB", 0, 0}, {"River", "rows", 0, 0}, {"database", "dead rows", 0, 0},
}

// Indexes into figures. A process has four figures in a row.
const (
	ofWorker, ofAPI               = 0, 4
	rss, heap, routines, files    = 0, 1, 2, 3
	workDir, size, rows, deadRows = 8, 9, 10, 11
)

// sample takes a sample of every figure. Those of processes go up and down with the work,
// so the lowest of five readings is taken.
func (w *watch) sample(ctx context.Context, after int) error {
	var now [len(figures)]float64
	for i := range 5 {
		for at, srv := range map[int]*measure.Server{ofWorker: w.worker, ofAPI: w.api} {
			read, err := process(ctx, srv)
			if err != nil {
				return err
			}
			for k, v := range read {
				if i == 0 || v < now[at+k] {
					now[at+k] = v
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	entries, err := filepath.Glob(filepath.Join(w.d.WorkDir(), "run-*", "*"))
	if err != nil {
		return err
	}
	now[workDir] = float64(len(entries))
	conn, err := pgx.Connect(ctx, w.d.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT pg_database_size(current_database()) / 1e6, (SELECT count(*) FROM river_job),
		(SELECT sum(n_dead_tup) FROM pg_stat_user_tables)::float8`).Scan(&now[size], &now[rows], &now[deadRows])
	if err != nil {
		return err
	}
	w.after = append(w.after, after)
	for i, v := range now {
		w.series[i] = append(w.series[i], v)
	}
	return nil
}

// process reads the metrics of a process about itself. The heap is what was live after
// the last collection: half of the size at which the next one is due (GOGC=100).
func process(ctx context.Context, srv *measure.Server) (read [4]float64, err error) {
	metrics, err := srv.API.Metrics(ctx)
	if err != nil {
		return read, err
	}
	at := map[string]int{"process_resident_memory_bytes": rss, "go_memstats_next_gc_bytes": heap, "go_goroutines": routines, "process_open_fds": files}
	scale := [4]float64{rss: 1e-6, heap: 0.5e-6, routines: 1, files: 1}
	for line := range strings.Lines(string(metrics)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i, ok := at[name]; ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return read, fmt.Errorf("metric %s: %w", name, err)
			}
			read[i] = v * scale[i]
		}
	}
	return read, nil
}

// print prints all samples.
func (w *watch) print(to io.Writer) {
	tw := tabwriter.NewWriter(to, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "jobs\t")
	for _, f := range figures {
		fmt.Fprintf(tw, "%s %s\t", f.of, f.name)
	}
	for i, n := range w.after {
		fmt.Fprintf(tw, "\n%d\t", n)
		for _, s := range w.series {
			fmt.Fprintf(tw, "%.*f\t", digits(s[i]), s[i])
		}
	}
	fmt.Fprintln(tw)
	_ = tw.Flush() // standard error
}

func digits(v float64) int {
	if v < 100 && v != float64(int(v)) {
		return 1
	}
	return 0
}

// judge compares the last third of the samples with the second.
func (w *watch) judge(r *measure.Report) {
	third := len(w.after) / 3
	for i, f := range figures {
		s := w.series[i]
		last, second := mean(s[len(s)-third:]), mean(s[len(s)-2*third:len(s)-third])
		name := fmt.Sprintf("soak: %s %s", f.of, f.name)
		value := fmt.Sprintf("%.1f, before %.1f", last, second)
		if f.margin == 0 && f.slack == 0 {
			r.Note(name+", last third", value)
			continue
		}
		most := second*(1+f.margin) + f.slack
		r.Expect(name+", last third", value, fmt.Sprintf("<= %.1f", most), last <= most)
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}
