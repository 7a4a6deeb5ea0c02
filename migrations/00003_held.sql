-- +goose Up

-- For the reaper, which looks for deliveries that have been blocked for too long.
CREATE INDEX deliveries_held ON deliveries (created_at) WHERE held;

-- +goose Down
DROP INDEX deliveries_held;
