-- +goose Up

-- API keys. Only a hash is stored. A key has 128 random bits, so an attacker
-- cannot find it by trying all inputs of a plain SHA-256.
CREATE TABLE api_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    prefix     text NOT NULL, -- the first characters, to tell keys apart
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- All jobs. River deletes its rows after a day; these stay.
CREATE TABLE jobs (
    id              text PRIMARY KEY,
    key_id          text NOT NULL REFERENCES api_keys (id),
    created_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    status          text NOT NULL,
    error           text NOT NULL DEFAULT '',
    input_status    text NOT NULL,
    input_error     text NOT NULL DEFAULT '',
    -- json and not jsonb: clients get the metadata in the order of ffprobe, and
    -- jsonb refuses \u0000, which the tags of real files contain.
    input_metadata  json,

    -- The request, byte for byte, encrypted: it holds credentials.
    request_sealed  bytea NOT NULL,
    priority        smallint NOT NULL DEFAULT 0,

    -- The fencing token. Each run of a worker takes the next number, and only the
    -- latest run can write. 0: no run has begun.
    run             bigint NOT NULL DEFAULT 0,
    node            text NOT NULL DEFAULT '', -- the worker of that run; for operators
    touched_at      timestamptz NOT NULL DEFAULT now(), -- when that run last renewed its lease
    -- The River job that continues this job. If it has ended and this job has not,
    -- the job is stranded: see internal/postgres/stranded.go. It is no foreign key,
    -- since River deletes its rows.
    river_id        bigint NOT NULL,
    revivals        smallint NOT NULL DEFAULT 0, -- how often it was queued again for that reason

    -- The last numbers given to events and deliveries. A writer holds the lock of
    -- this row, so counters need no sequence.
    last_event      integer NOT NULL DEFAULT 0,
    last_delivery   integer NOT NULL DEFAULT 0,

    idempotency_key text,
    body_hash       bytea, -- SHA-256 of the request: with the same idempotency key it must be equal
    cancel_requested_at timestamptz
)
-- Room for HOT updates: the row of a job changes a dozen times.
WITH (fillfactor = 70);

-- Finds the first POST of a repeat, also when both are concurrent.
CREATE UNIQUE INDEX jobs_idempotency ON jobs (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- The list of a key's jobs, newest first. id makes the order total, for cursors.
CREATE INDEX jobs_by_key ON jobs (key_id, created_at DESC, id DESC);
CREATE INDEX jobs_by_key_status ON jobs (key_id, status, created_at DESC, id DESC);
-- For the reaper, which looks only at jobs that have not ended.
CREATE INDEX jobs_unfinished ON jobs (river_id) WHERE completed_at IS NULL;

CREATE TABLE outputs (
    job_id   text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx      integer NOT NULL, -- the position in the request
    key      text NOT NULL,
    type     text NOT NULL,
    format   text NOT NULL,
    stage    text NOT NULL,
    progress double precision NOT NULL DEFAULT 0,
    result   json, -- json for the same reasons as jobs.input_metadata
    error    text NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, idx),
    UNIQUE (job_id, key)
)
-- Room for HOT updates: progress is written every second or two, and no index
-- covers it.
WITH (fillfactor = 70);

-- All events, in order. The state of a job is the result of its events.
CREATE TABLE events (
    job_id text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq    integer NOT NULL,
    kind   text NOT NULL,
    at     timestamptz NOT NULL,
    output text NOT NULL DEFAULT '',
    data   json NOT NULL,
    PRIMARY KEY (job_id, seq)
);

-- Webhooks to be sent. The body is made when the event is recorded, so that it
-- shows the state of that moment, however late it is sent. The address is only in
-- the sealed request.
CREATE TABLE deliveries (
    id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    job_id       text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    n            integer NOT NULL, -- in the job, from 1
    event        text NOT NULL,
    body         text NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'given_up')),
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    UNIQUE (job_id, n)
);

CREATE TABLE delivery_attempts (
    delivery_id bigint NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    n           integer NOT NULL, -- in the delivery, from 1
    at          timestamptz NOT NULL,
    status      integer NOT NULL DEFAULT 0, -- of HTTP; 0: no answer
    error       text NOT NULL DEFAULT '',
    duration_ms integer NOT NULL,
    PRIMARY KEY (delivery_id, n)
);

-- The heartbeats of worker processes, by which the jobs of killed workers are
-- found. River has no heartbeats.
CREATE TABLE worker_node (
    id   text PRIMARY KEY,
    seen timestamptz NOT NULL
)
WITH (fillfactor = 50);

-- +goose Down
DROP TABLE worker_node, delivery_attempts, deliveries, events, outputs, jobs, api_keys;
