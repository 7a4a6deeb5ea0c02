package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/tools/measure"
)

const (
	// idleSettle is the time after a job until a worker takes its queues for idle, and some.
	idleSettle = 80 * time.Second
	// idleWindow is how long an idle deployment is watched. PostgreSQL's autovacuum looks
	// at each database once a minute, so it is a multiple of that.
	idleWindow = 2 * time.Minute
)

// idle measures what an API and a worker cost that have nothing to do: transactions of the
// database, those of its autovacuum included, and CPU time.
func (b *bench) idle(ctx context.Context) error {
	d, err := b.Deploy(ctx, "idle")
	if err != nil {
		return err
	}
	defer d.Stop()
	api, err := d.API(ctx)
	if err != nil {
		return err
	}
	defer api.Stop()
	shared, err := b.Sub("idle", "shared")
	if err != nil {
		return err
	}
	w, err := d.Worker(ctx, "--artifact-store", shared) // with one, it serves the queue of tasks too
	if err != nil {
		return err
	}
	defer w.Stop()
	if err := b.oneJob(ctx, api); err != nil {
		return err
	}
	if err := pause(ctx, idleSettle); err != nil {
		return err
	}
	store, err := d.Store(ctx, 1)
	if err != nil {
		return err
	}
	defer store.Close()
	pids := []int{w.Cmd.Process.Pid, api.Cmd.Process.Pid, d.PID}
	before, cpu, err := idleCounts(ctx, store, pids)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := pause(ctx, idleWindow); err != nil {
		return err
	}
	took := time.Since(begin)
	after, cpuAfter, err := idleCounts(ctx, store, pids)
	if err != nil {
		return err
	}
	const mostRate, mostShare = 0.5, 0.005
	rate := float64(after-before) / took.Seconds()
	share := func(i int) float64 { return (cpuAfter[i] - cpu[i]).Seconds() / took.Seconds() }
	percent := func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
	b.report.Expect("idle: transactions of the database, with one worker and one API", fmt.Sprintf("%.2f/s", rate),
		fmt.Sprintf("<= %.1f/s", mostRate), rate <= mostRate)
	b.report.Expect("idle: CPU of the worker, of one core", percent(share(0)), "<= 0.5 %", share(0) <= mostShare)
	b.report.Note("idle: CPU of the API", percent(share(1)))
	b.report.Note("idle: CPU of PostgreSQL", percent(share(2)))
	return nil
}

// oneJob makes a job of one second of video, so that all connections are open that work needs.
func (b *bench) oneJob(ctx context.Context, api *measure.Server) error {
	clip := filepath.Join(b.Dir, "idle", "tiny.mp4")
	if _, err := measure.FFmpeg(ctx, b.Dir, "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=1", "-c:v", "libx264",
		"-preset", "ultrafast", "-pix_fmt", "yuv420p", clip); err != nil {
		return err
	}
	input, err := api.API.UploadFile(ctx, clip)
	if err != nil {
		return err
	}
	_, _, _, err = api.Job(ctx, api.Request(input, client.Outputs{"mp4:0x90": "/out.mp4"}, nil))
	return err
}

// idleCounts returns the transactions of the database and the CPU time of processes so far.
func idleCounts(ctx context.Context, store *postgres.Store, pids []int) (n int64, cpu []time.Duration, err error) {
	for _, pid := range pids {
		used, err := measure.CPUTime(pid)
		if err != nil {
			return 0, nil, err
		}
		cpu = append(cpu, used)
	}
	n, err = transactions(ctx, store)
	return n, cpu, err
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
