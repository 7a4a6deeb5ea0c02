package postgres

import (
	"context"
	"fmt"

	"github.com/copra-video/copra/internal/queue"
)

// Heartbeat records that the worker process node is alive. node is the id of its
// River client, and must be new each time a process starts: under an old id, the
// jobs of the dead process would seem to have a live worker. The time is that of
// the database, so that the clocks of machines need not agree.
func (s *Store) Heartbeat(ctx context.Context, node string) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO worker_node (id, seen) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen = now()`, node)
	if err != nil {
		return fmt.Errorf("renew the heartbeat of %s: %w", node, err)
	}
	return nil
}

// Deregister removes a node that shuts down, after its River client has stopped.
// Its remaining River jobs, if any, can be requeued at once. The others are told to
// look for what it has given back.
func (s *Store) Deregister(ctx context.Context, node string) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM worker_node WHERE id = $1`, node); err != nil {
		return fmt.Errorf("remove the node %s: %w", node, err)
	}
	s.notifier.publish(queue.All(), nil)
	return nil
}
