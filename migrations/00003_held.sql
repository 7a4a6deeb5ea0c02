-- +goose Up

-- What the reaper looks through: deliveries that have been held for too long.
CREATE INDEX deliveries_held ON deliveries (created_at) WHERE held;

-- +goose Down
DROP INDEX deliveries_held;
