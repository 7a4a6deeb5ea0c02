-- +goose Up

-- The encoders of cards that work on a node, by FFmpeg's names.
ALTER TABLE worker_node ADD COLUMN encoders text[] NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE worker_node DROP COLUMN encoders;
