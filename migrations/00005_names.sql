-- +goose Up

-- Columns get the names that the program uses.
ALTER TABLE jobs RENAME COLUMN revivals TO requeues;
ALTER TABLE jobs RENAME COLUMN admitted_for TO run_slot_for;
ALTER TABLE deliveries RENAME COLUMN held TO blocked;
ALTER INDEX deliveries_held RENAME TO deliveries_blocked;

-- It was written and never read. The event job.cancelled has the time.
ALTER TABLE jobs DROP COLUMN cancel_requested_at;

-- +goose Down
ALTER TABLE jobs ADD COLUMN cancel_requested_at timestamptz;
ALTER INDEX deliveries_blocked RENAME TO deliveries_held;
ALTER TABLE deliveries RENAME COLUMN blocked TO held;
ALTER TABLE jobs RENAME COLUMN run_slot_for TO admitted_for;
ALTER TABLE jobs RENAME COLUMN requeues TO revivals;
