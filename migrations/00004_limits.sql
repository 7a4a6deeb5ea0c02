-- +goose Up

-- The limits of a key. NULL: no limit. max_queued bounds its jobs that have not
-- ended, max_running those of them that are transcoded.
ALTER TABLE api_keys ADD COLUMN max_queued integer CHECK (max_queued > 0);
ALTER TABLE api_keys ADD COLUMN max_running integer CHECK (max_running > 0);

-- The attempt of the River job that has a run slot under max_running, identified
-- by the time at which it was fetched.
ALTER TABLE jobs ADD COLUMN admitted_for timestamptz;

-- For counting under the limits.
CREATE INDEX jobs_unfinished_by_key ON jobs (key_id) WHERE completed_at IS NULL;

-- +goose Down
DROP INDEX jobs_unfinished_by_key;
ALTER TABLE jobs DROP COLUMN admitted_for;
ALTER TABLE api_keys DROP COLUMN max_running;
ALTER TABLE api_keys DROP COLUMN max_queued;
