-- +goose Up

-- The output minutes of a key in a calendar month, UTC, after which it gets no more
-- jobs, and how long its jobs are kept once they have ended. NULL: no limit, and as
-- long as --job-retention says.
ALTER TABLE api_keys ADD COLUMN max_minutes integer CHECK (max_minutes > 0);
ALTER TABLE api_keys ADD COLUMN keep_jobs interval CHECK (keep_jobs > interval '0');

-- +goose Down
ALTER TABLE api_keys DROP COLUMN keep_jobs;
ALTER TABLE api_keys DROP COLUMN max_minutes;
