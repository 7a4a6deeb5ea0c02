package postgres

import (
	"context"
	"fmt"
)

// Heartbeat says that the worker process node lives. node is the id that its
// River client has, and must be another one each time a process starts: a new
// process under an old name would keep its dead forerunner's jobs from being
// taken over. The time is the database's, so that clocks need not agree.
func (s *Store) Heartbeat(ctx context.Context, node string) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO worker_node (id, seen) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen = now()`, node)
	if err != nil {
		return fmt.Errorf("renew the heartbeat of %s: %w", node, err)
	}
	return nil
}

// Deregister removes a node that ends in good order, after its River client has
// stopped. What it still held, if anything, is free at once.
func (s *Store) Deregister(ctx context.Context, node string) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM worker_node WHERE id = $1`, node); err != nil {
		return fmt.Errorf("remove the node %s: %w", node, err)
	}
	return nil
}
