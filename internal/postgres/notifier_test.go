package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/internal/queue"
)

// TestNotifier creates jobs at once, and checks that a worker is notified of each:
// it would poll an hour later.
func TestNotifier(t *testing.T) {
	f := open(t)
	const jobs = 20
	worked := make(chan string, jobs)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(_ context.Context, j *river.Job[queue.ProbeArgs]) error {
		worked <- j.Args.JobID
		return nil
	}))
	client, err := river.NewClient(riverpgxv5.New(f.Pool()), &river.Config{
		Workers: workers, FetchPollInterval: time.Hour,
		Queues: map[string]river.QueueConfig{queue.Probe: {MaxWorkers: 4, FetchCooldown: queue.FetchCooldown}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	late := time.After(20 * time.Second)
	await := func(what string) {
		select {
		case <-worked:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
	f.create(request)
	await("the first job")
	// Jobs that are created while the worker fetches, and while notifications of
	// others are pending.
	for n := range jobs {
		f.create(request)
		if n%5 == 4 {
			for range 5 {
				await("a job")
			}
		}
	}
}
