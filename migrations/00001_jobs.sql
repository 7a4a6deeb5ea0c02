-- +goose Up

-- The keys that clients authenticate with. Only a hash is kept: a key is 128
-- random bits, so a plain SHA-256 cannot be searched.
CREATE TABLE api_keys (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    prefix     text NOT NULL, -- the first characters, for people to tell keys apart
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- The record of every job. River's rows come and go; these stay.
CREATE TABLE jobs (
    id              text PRIMARY KEY,
    key_id          text NOT NULL REFERENCES api_keys (id),
    created_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    status          text NOT NULL,
    error           text NOT NULL DEFAULT '',
    input_status    text NOT NULL,
    input_error     text NOT NULL DEFAULT '',
    -- json and not jsonb: clients get ffprobe's findings with its own order of
    -- members, and jsonb refuses \u0000, which files do carry in their tags.
    input_metadata  json,

    -- The request as it came, encrypted, since it holds credentials.
    request_sealed  bytea NOT NULL,
    priority        smallint NOT NULL DEFAULT 0,

    -- The fence: each run of a worker takes the next number, and nothing is
    -- written for a run that is not the last. 0: none has begun.
    run             bigint NOT NULL DEFAULT 0,
    node            text NOT NULL DEFAULT '', -- who holds that run
    touched_at      timestamptz NOT NULL DEFAULT now(), -- the last sign of life of that run
    -- The River job that is to bring this one on. When it ended and this job
    -- has not, the job was abandoned: see internal/postgres/reap.go. No foreign
    -- key, since River cleans its table.
    river_id        bigint NOT NULL,
    revivals        smallint NOT NULL DEFAULT 0, -- how often it was queued anew for that reason

    -- The last numbers given to rows of events and deliveries. Counters here,
    -- because writers hold this row's lock anyway.
    last_event      integer NOT NULL DEFAULT 0,
    last_delivery   integer NOT NULL DEFAULT 0,

    idempotency_key text,
    body_hash       bytea, -- SHA-256 of the request, to tell a repeat from another request
    cancel_requested_at timestamptz
)
-- Room for updates in place: a job's row changes a dozen times in its life.
WITH (fillfactor = 70);

-- A repeated POST finds the first one, also when both come at once.
CREATE UNIQUE INDEX jobs_idempotency ON jobs (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- The list of a key's jobs, newest first; id makes the order total, for cursors.
CREATE INDEX jobs_by_key ON jobs (key_id, created_at DESC, id DESC);
CREATE INDEX jobs_by_key_status ON jobs (key_id, status, created_at DESC, id DESC);
-- What the reaper looks through: only what has not ended.
CREATE INDEX jobs_unfinished ON jobs (river_id) WHERE completed_at IS NULL;

CREATE TABLE outputs (
    job_id   text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    idx      integer NOT NULL, -- the place in the request
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
-- Progress is written every second or two; no index covers it, so with room in
-- the page that costs no index entry.
WITH (fillfactor = 70);

-- Every fact, in order. The state above is what they add up to.
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
-- tells the state of that moment however late it arrives. The address is in the
-- sealed request and nowhere else.
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

-- The worker processes and when they were last heard of. River has no
-- heartbeats, so this is how a killed worker's jobs are found.
CREATE TABLE worker_node (
    id   text PRIMARY KEY,
    seen timestamptz NOT NULL
)
WITH (fillfactor = 50);

-- +goose Down
DROP TABLE worker_node, delivery_attempts, deliveries, events, outputs, jobs, api_keys;
