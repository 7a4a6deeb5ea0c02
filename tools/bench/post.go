package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// warmUp is how long requests are sent before they count. Meanwhile connections are
// opened and statements prepared.
const warmUp = time.Second

// post sends jobs at a steady rate to an API process without a worker.
func (b *bench) post(ctx context.Context) error {
	srv, database, stop, err := b.APIOnly(ctx, "post")
	if err != nil {
		return err
	}
	defer stop()
	used := func() (cpu time.Duration) {
		for _, pid := range []int{srv.Cmd.Process.Pid, database} {
			t, _ := measure.CPUTime(pid) // 0 if it cannot be read: the figure has no bound
			cpu += t
		}
		return cpu
	}
	request := srv.Request("https://example.com/in.mp4", sharingOutputs(), nil)
	if warm := measure.Send(ctx, srv, request, float64(b.rate), int(warmUp.Seconds()*float64(b.rate))); warm.Failed != nil {
		return warm.Failed
	}
	n := int(b.length.Seconds() * float64(b.rate))
	own, _ := measure.CPUTime(os.Getpid()) // with srv and the database, which are below it
	busy, total := measure.MachineTime()
	before := used()
	sent := measure.Send(ctx, srv, request, float64(b.rate), n)
	cpu := used() - before
	ownNow, _ := measure.CPUTime(os.Getpid())
	others := measure.OthersShare(busy, total, ownNow-own)
	lost := 0
	for _, id := range sent.IDs {
		if j, err := srv.API.Job(ctx, id); err != nil || j.ID != id {
			lost++
		}
	}
	if sent.Failed != nil {
		fmt.Fprintln(os.Stderr, "post: first failure:", sent.Failed)
	}
	p99 := measure.Quantile(sent.Latencies, 0.99)
	what := fmt.Sprintf("post: %d a second for %s", b.rate, b.length)
	b.report.Note(what+", p50", measure.MS(measure.Quantile(sent.Latencies, 0.5)))
	b.report.Expect(what+", p99", measure.MS(p99), "<= 20 ms", len(sent.Latencies) > 0 && p99 <= 20*time.Millisecond)
	b.report.Note(what+", max", measure.MS(measure.Quantile(sent.Latencies, 1)))
	b.report.Note(what+", CPU of API and PostgreSQL", measure.MS(cpu/time.Duration(n))+" a request")
	b.report.Note(what+", machine busy with other work", others)
	lost += n - len(sent.IDs)
	b.report.Expect(what+", refused or lost", fmt.Sprintf("%d of %d", lost, n), "0", lost == 0)
	return nil
}
