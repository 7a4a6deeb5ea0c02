-- +goose Up

-- The cards that a job asks for: backends (nvenc, qsv, vaapi), and hardware for any.
ALTER TABLE jobs ADD COLUMN cards text[] NOT NULL DEFAULT '{}';
-- The queues that a worker serves.
ALTER TABLE worker_node ADD COLUMN queues text[] NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE worker_node DROP COLUMN queues;
ALTER TABLE jobs DROP COLUMN cards;
