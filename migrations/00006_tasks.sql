-- +goose Up

-- Steps of running jobs that any worker may run. A row is state: the River job
-- beside it carries the work to a worker. Rows live as long as the run that
-- offered them.
CREATE TABLE tasks (
    id          bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job_id      text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    run         bigint NOT NULL, -- the run of the job that offered it; when another begins, it is void
    step        text NOT NULL,   -- in the plan of that run
    kind        text NOT NULL,   -- of the step
    state       text NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'running', 'done', 'failed')),
    -- The fencing token of the task. Each claim takes the next number.
    fence       bigint NOT NULL DEFAULT 0,
    attempt     smallint NOT NULL,                -- of the step, from 1
    node        text NOT NULL DEFAULT '',         -- the worker that claimed it last
    tried       text[] NOT NULL DEFAULT '{}',     -- workers that should not be the next
    offered_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    touched_at  timestamptz NOT NULL DEFAULT now(), -- when its worker last renewed the lease
    ended_at    timestamptz,
    progress    double precision NOT NULL DEFAULT 0,
    cost        double precision NOT NULL,        -- in the planner's units
    -- The part of the time line that it covers, in seconds.
    window_start double precision NOT NULL DEFAULT 0,
    window_length double precision NOT NULL DEFAULT 0,
    artifacts   text[] NOT NULL DEFAULT '{}',     -- keys of what it has stored
    error       text NOT NULL DEFAULT '',
    -- What the worker needs to run the step, encrypted: it names addresses.
    spec_sealed bytea NOT NULL
)
-- Room for HOT updates: progress is written every second, and no index covers it.
WITH (fillfactor = 70);

CREATE INDEX tasks_by_job ON tasks (job_id);

-- +goose Down
DROP TABLE tasks;
