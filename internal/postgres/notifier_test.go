package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/copra-video/copra/internal/queue"
)

// TestWake creates jobs at once and has a worker hear of each: without the word
// it would look an hour later.
func TestWake(t *testing.T) {
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
			t.Fatalf("%s was not heard of", what)
		}
	}
	f.create(request)
	await("the first job")
	// Jobs that come while a worker looks, and while the word of others is on its
	// way.
	for n := range jobs {
		f.create(request)
		if n%5 == 4 {
			for range 5 {
				await("a job")
			}
		}
	}
}
