-- +goose Up

-- When a finished job was last retried: the limit on its duration counts from then.
ALTER TABLE jobs ADD COLUMN retried_at timestamptz;

-- The secret that signs the webhooks of the key's jobs, encrypted. NULL: they are
-- not signed.
ALTER TABLE api_keys ADD COLUMN signing_sealed bytea;

-- A blocked delivery waits for the one before it and has no River job yet. It is
-- queued when that one ends or fails for the second time.
ALTER TABLE deliveries ADD COLUMN held boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN held;
ALTER TABLE api_keys DROP COLUMN signing_sealed;
ALTER TABLE jobs DROP COLUMN retried_at;
