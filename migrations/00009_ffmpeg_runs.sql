-- +goose Up

-- The runs of ffmpeg for a job, for GET /v2/jobs/:id/logs: the last messages and the
-- arguments, without credentials. At most some hundred rows a job.
CREATE TABLE ffmpeg_runs (
    id            bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job_id        text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    run           bigint NOT NULL,
    task          bigint NOT NULL DEFAULT 0, -- 0: the worker of the job ran it
    node          text NOT NULL,
    step          text NOT NULL,
    kind          text NOT NULL,
    started_at    timestamptz NOT NULL,
    seconds       double precision NOT NULL,
    cpu_seconds   double precision NOT NULL,
    media_seconds double precision NOT NULL,
    command       text[] NOT NULL,
    said          text NOT NULL,
    error         text NOT NULL
);

CREATE INDEX ffmpeg_runs_by_job ON ffmpeg_runs (job_id, id);
-- For the sweep.
CREATE INDEX ffmpeg_runs_by_time ON ffmpeg_runs (started_at);

-- +goose Down
DROP TABLE ffmpeg_runs;
