package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/job"
)

// Heartbeat records that the worker process node is alive. node is the id of its
// River client, and must be new each time a process starts: under an old id, the
// jobs of the dead process would seem to have a live worker. The time is that of
// the database, so that the clocks of machines need not agree.
//
// The answer says whether there is work of nodes without a heartbeat for stale, which Reap
// would requeue, and whether something waits in the queues, or will within queue.DueWithin.
// That takes no statements of its own, because all workers ask all the time.
func (s *Store) Heartbeat(ctx context.Context, node string, stale time.Duration, queues []string) (w job.Unattended, err error) {
	err = s.pool.QueryRow(ctx, `
		WITH beat AS (INSERT INTO worker_node (id, seen) VALUES ($2, now()) ON CONFLICT (id) DO UPDATE SET seen = now())
		SELECT EXISTS (SELECT FROM river_job r WHERE `+orphanedSQL+` AND pg_postmaster_start_time() < now() - $1::interval),
			`+queue.DueSQL("$3::text[]", "$4::interval"), stale, node, queues, queue.DueWithin).Scan(&w.Orphans, &w.Due)
	if err != nil {
		return job.Unattended{}, fmt.Errorf("renew the heartbeat of %s: %w", node, err)
	}
	return w, nil
}

// Deregister removes a node that shuts down, after its River client has stopped.
// Its remaining River jobs, if any, can be requeued at once. The others are told to
// look for what it has given back.
func (s *Store) Deregister(ctx context.Context, node string) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM worker_node WHERE id = $1`, node); err != nil {
		return fmt.Errorf("remove the node %s: %w", node, err)
	}
	err := s.releaseCards(ctx, cardNodeAge, true)
	s.notifier.publish(queue.All(), nil)
	return err
}
