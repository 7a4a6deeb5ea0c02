package cli

import (
	"context"
	"errors"
	"time"

	"github.com/copra-video/copra/client"
)

// snapshot is what is shown of a job while it runs.
type snapshot struct {
	id       string
	status   client.JobStatus
	progress client.Percent
	outputs  []outputSnapshot // in the order of the request
}

type outputSnapshot struct {
	key      string
	status   client.OutputStatus
	progress client.Percent // of this output alone; -1: unknown
	fault    string         // why it failed
}

// snapshotOf is what the job itself tells, which is not the progress of its
// outputs.
func snapshotOf(j *client.Job) snapshot {
	s := snapshot{id: j.ID, status: j.Status, progress: j.Progress}
	for _, o := range j.Outputs {
		s.outputs = append(s.outputs, outputSnapshot{o.Key, o.Status, -1, o.Error})
	}
	return s
}

// reconnectTimeout is how long a server may be away while its job is followed.
const reconnectTimeout = 30 * time.Second

// follow calls show with the state of the job until it has finished: as the
// server tells of changes, or, from a server that does not stream events, about
// three times a second.
func follow(ctx context.Context, c *client.Client, id string, show func(snapshot)) (*client.Job, error) {
	const every = 300 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for stream := true; ; {
		if stream {
			err := showEvents(ctx, c, id, show)
			stream = !errors.Is(err, client.ErrNoStream) && !errors.Is(err, client.ErrNotFound)
			if err != nil && stream {
				return nil, err
			}
		}
		j, err := c.Job(ctx, id)
		if err != nil {
			return nil, err
		}
		if !stream || j.Status.Finished() {
			show(snapshotOf(j))
		}
		if j.Status.Finished() {
			return j, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// showEvents shows the progress of a job until it has ended, with the reasons of
// outputs that failed.
func showEvents(ctx context.Context, c *client.Client, id string, show func(snapshot)) error {
	faults := map[string]string{} // by key
	for u, err := range c.FollowEvents(ctx, id, client.FollowOptions{ReconnectTimeout: reconnectTimeout}) {
		switch {
		case err != nil:
			return err
		case u.Event != nil && u.Event.Name == client.EventOutputFailed:
			faults[u.Event.Output] = u.Event.Error
		case u.Progress != nil:
			s := snapshot{id: id, status: u.Progress.Status, progress: u.Progress.Progress}
			for _, o := range u.Progress.Outputs {
				s.outputs = append(s.outputs, outputSnapshot{o.Key, o.Status, o.Progress, faults[o.Key]})
			}
			show(s)
		}
	}
	return nil
}
