package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/internal/queue"
)

// A transcode that asks for a card is put into the queue of that kind of card, which only
// workers with such a one serve. With none of them alive it is in the queue of all, and is made
// in software there, which says so.

// cardNodeAge is the age of a heartbeat up to which a worker with a card counts.
const cardNodeAge = 15 * time.Second

// cardQueue returns the queue of the cards that a job wants; "": it wants none, or no worker
// has one. Of several kinds it is the one with the most slots.
func cardQueue(ctx context.Context, tx *txn, id string) (string, error) {
	var name string
	err := tx.QueryRow(ctx, `
		SELECT q FROM jobs j, unnest(j.cards) card, worker_node n, unnest(n.queues) q
		WHERE j.id = $1 AND n.seen > now() - $2::interval
			AND q = ANY ($3) AND (card = 'hardware' OR q = $4 || card)
		GROUP BY q ORDER BY sum(n.slots) DESC, q LIMIT 1`, id, cardNodeAge, queue.Cards(), queue.OnCards("")).Scan(&name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("find workers with the card of job %q: %w", id, err)
	}
	return name, nil
}

// releaseCards moves what waits for cards that no worker with a heartbeat within stale has to
// the queue of all. It does nothing until the database has been up for that long, since no
// worker can have sent one while it was down; with gone a worker has just left.
func (s *Store) releaseCards(ctx context.Context, stale time.Duration, gone bool) error {
	tag, err := s.pool.Exec(ctx, `
		UPDATE river_job r SET queue = $2 WHERE r.state = ANY ('{available,retryable,scheduled}') AND r.queue = ANY ($1)
			AND ($4 OR pg_postmaster_start_time() < now() - $3::interval)
			AND NOT EXISTS (SELECT FROM worker_node n WHERE r.queue = ANY (n.queues) AND n.seen > now() - $3::interval)`,
		queue.Cards(), queue.Transcode, stale, gone)
	if err != nil {
		return fmt.Errorf("release what waits for a card: %w", err)
	}
	if tag.RowsAffected() > 0 {
		s.notifier.publish([]string{queue.Transcode}, nil)
	}
	return nil
}
