-- +goose Up

-- The span of the request that made or retried the job, and that of the run that
-- offered the task, as a traceparent header of the W3C; '': not traced.
ALTER TABLE jobs ADD COLUMN traceparent text NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN traceparent text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE tasks DROP COLUMN traceparent;
ALTER TABLE jobs DROP COLUMN traceparent;
