-- +goose Up

-- What finished outputs play, in seconds by class, and how large they are.
ALTER TABLE outputs
    ADD COLUMN audio_seconds double precision NOT NULL DEFAULT 0,
    ADD COLUMN sd_seconds    double precision NOT NULL DEFAULT 0,
    ADD COLUMN hd_seconds    double precision NOT NULL DEFAULT 0,
    ADD COLUMN uhd_seconds   double precision NOT NULL DEFAULT 0,
    ADD COLUMN bytes         bigint NOT NULL DEFAULT 0;

-- What ffmpeg took for the job.
ALTER TABLE jobs ADD COLUMN cpu_seconds double precision NOT NULL DEFAULT 0;

-- The usage of jobs that were deleted after their retention.
CREATE TABLE usage_of_deleted (
    key_id        text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    day           date NOT NULL, -- UTC
    jobs          bigint NOT NULL,
    failed        bigint NOT NULL,
    audio_seconds double precision NOT NULL,
    sd_seconds    double precision NOT NULL,
    hd_seconds    double precision NOT NULL,
    uhd_seconds   double precision NOT NULL,
    bytes         bigint NOT NULL,
    cpu_seconds   double precision NOT NULL,
    PRIMARY KEY (key_id, day)
);

-- +goose Down
DROP TABLE usage_of_deleted;
ALTER TABLE jobs DROP COLUMN cpu_seconds;
ALTER TABLE outputs DROP COLUMN audio_seconds, DROP COLUMN sd_seconds, DROP COLUMN hd_seconds, DROP COLUMN uhd_seconds, DROP COLUMN bytes;
