package postgres

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/copra-video/copra/job"
)

const (
	// deliveryWindow is how many webhooks, of all keys, are read for one page. A page
	// may be short, or empty, and yet have a next one.
	deliveryWindow = 5000
	// deliverySlack is how much earlier than its neighbours, by its time, a webhook may
	// have been recorded: transactions do not end in the order in which they began.
	deliverySlack = time.Hour
)

// ListDeliveries returns a page of the webhooks of a key, or of all keys for job.AnyKey,
// newest first, and the cursor of the next page, "" after the last one. It fails with a
// *job.Error for an invalid cursor.
func (s *Store) ListDeliveries(ctx context.Context, keyID string, q job.DeliveryQuery) (list []job.ListedDelivery, next string, err error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	q.Limit = min(q.Limit, 100)
	before := int64(math.MaxInt64)
	if q.Cursor != "" {
		if before, err = s.parseDeliveryCursor(keyID, q.Cursor); err != nil {
			return nil, "", err
		}
	}
	var last int64
	err = pgx.BeginTxFunc(ctx, s.pool, readOnly, func(tx pgx.Tx) (err error) {
		if list, last, err = deliveryPage(ctx, tx, keyID, q, before); err != nil {
			return err
		}
		if last == 0 {
			last, err = endOfDeliveryWindow(ctx, tx, q.Since, before)
		}
		if err == nil && q.Bodies && len(list) > 0 {
			err = s.addSigning(ctx, tx, keyID, list)
		}
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	if last != 0 {
		next = s.deliveryCursor(keyID, last)
	}
	return list, next, nil
}

// deliveryPage reads the webhooks of a page. A join with jobs could read all of them. last is the id of the last one if the window
// has more of them, and else 0.
func deliveryPage(ctx context.Context, tx pgx.Tx, keyID string, q job.DeliveryQuery, before int64) (list []job.ListedDelivery, last int64, err error) {
	body := "''::text"
	if q.Bodies {
		body = "d.body"
	}
	rows, err := tx.Query(ctx, `
		SELECT d.id, d.job_id, d.n, d.event, d.state, d.created_at, d.delivered_at, d.next_at, `+body+`
		FROM (SELECT * FROM deliveries WHERE id < $1 ORDER BY id DESC LIMIT `+fmt.Sprint(deliveryWindow)+`) d
		WHERE ($3 = '' OR d.state = $3) AND d.created_at >= $4 AND ($2 = '`+job.AnyKey+`' OR (SELECT key_id FROM jobs WHERE id = d.job_id) = $2)
		ORDER BY d.id DESC LIMIT $5`, before, keyID, sanitizeText(string(q.State)), q.Since, q.Limit+1)
	if err != nil {
		return nil, 0, err
	}
	var ids []int64
	list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (job.ListedDelivery, error) {
		var d job.ListedDelivery
		var id int64
		var text string
		var delivered, due *time.Time
		err := row.Scan(&id, &d.JobID, &d.N, &d.Event, &d.State, &d.CreatedAt, &delivered, &due, &text)
		d.CreatedAt, d.DeliveredAt, d.NextAt = d.CreatedAt.UTC(), utcOrZero(delivered), utcOrZero(due)
		if q.Bodies {
			d.Body = []byte(text)
		}
		ids = append(ids, id)
		return d, err
	})
	if err != nil {
		return nil, 0, err
	}
	if len(list) > q.Limit {
		list, ids, last = list[:q.Limit], ids[:q.Limit], ids[q.Limit-1]
	}
	return list, last, addAttempts(ctx, tx, list, ids)
}

// addAttempts reads the attempts of webhooks with these ids. OFFSET keeps PostgreSQL from
// reading all attempts for a join.
func addAttempts(ctx context.Context, tx pgx.Tx, list []job.ListedDelivery, ids []int64) error {
	place := map[int64]int{}
	for i, id := range ids {
		place[id] = i
	}
	rows, err := tx.Query(ctx, `
		SELECT id, a.at, a.status, a.error, a.duration_ms
		FROM unnest($1::bigint[]) id CROSS JOIN LATERAL (SELECT * FROM delivery_attempts WHERE delivery_id = id ORDER BY n OFFSET 0) a`, ids)
	if err != nil {
		return err
	}
	var id, ms int64
	var a job.DeliveryAttempt
	_, err = pgx.ForEachRow(rows, []any{&id, &a.At, &a.Status, &a.Error, &ms}, func() error {
		a.At, a.Duration = a.At.UTC(), time.Duration(ms)*time.Millisecond
		d := &list[place[id]]
		d.Attempts = append(d.Attempts, a)
		return nil
	})
	return err
}

// endOfDeliveryWindow returns the id of the last webhook that was read for a page; 0 when
// all were, or when those before are older than since.
func endOfDeliveryWindow(ctx context.Context, tx pgx.Tx, since time.Time, before int64) (id int64, err error) {
	err = tx.QueryRow(ctx, `
		SELECT id FROM (SELECT id, created_at FROM deliveries WHERE id < $1 ORDER BY id DESC OFFSET `+fmt.Sprint(deliveryWindow-1)+` LIMIT 1) d
		WHERE created_at >= $2::timestamptz - $3::interval`, before, since, deliverySlack).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// addSigning adds the secret of a key to its webhooks.
func (s *Store) addSigning(ctx context.Context, tx pgx.Tx, keyID string, list []job.ListedDelivery) error {
	var sealed []byte
	err := tx.QueryRow(ctx, `SELECT signing_sealed FROM api_keys WHERE id = $1`, keyID).Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // those of all keys are not signed
	}
	if err != nil {
		return err
	}
	secret, err := s.openSigning(keyID, sealed)
	for i := range list {
		list[i].Signing = secret
	}
	return err
}

// deliveryCursor encodes a position in the list: that behind a webhook. It is sealed: the
// number counts the webhooks of all keys.
func (s *Store) deliveryCursor(keyID string, id int64) string {
	return base64.RawURLEncoding.EncodeToString(s.sealer.Seal(binary.BigEndian.AppendUint64(nil, uint64(id)), deliveryCursorContext(keyID)))
}

func (s *Store) parseDeliveryCursor(keyID, c string) (int64, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(c)
	var plain []byte
	if err == nil {
		plain, err = s.sealer.Open(sealed, deliveryCursorContext(keyID))
	}
	if err != nil || len(plain) != 8 {
		return 0, job.Errorf(job.CursorNotValid, "The cursor %q is not valid; take it from the page before.", c)
	}
	return int64(binary.BigEndian.Uint64(plain)), nil
}

// deliveryCursorContext is the associated data that binds a cursor to its key.
func deliveryCursorContext(keyID string) string { return "deliveries/" + keyID }
