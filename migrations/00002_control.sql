-- +goose Up

-- When a finished job was last put back to its beginning: the bound on its
-- duration counts from then.
ALTER TABLE jobs ADD COLUMN retried_at timestamptz;

-- What webhooks of the key's jobs are signed with, encrypted; NULL: they are not.
ALTER TABLE api_keys ADD COLUMN signing_sealed bytea;

-- A held delivery waits for the one before it, and has no River job yet: the
-- end of that one, or its second failure, queues it.
ALTER TABLE deliveries ADD COLUMN held boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE deliveries DROP COLUMN held;
ALTER TABLE api_keys DROP COLUMN signing_sealed;
ALTER TABLE jobs DROP COLUMN retried_at;
