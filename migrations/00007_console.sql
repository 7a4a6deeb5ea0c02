-- +goose Up

-- Who is signed in to the console. Of the token in the cookie only a SHA-256 is
-- stored; it has 128 random bits. A session of a key ends when the key is
-- revoked.
CREATE TABLE console_sessions (
    hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    key_id     text REFERENCES api_keys (id) ON DELETE CASCADE, -- NULL: the operator
    -- HMAC of the token under the operator's credential: a session of an operator
    -- ends when the credential is changed. No row helps to find the credential.
    proof      bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((key_id IS NULL) = (proof IS NOT NULL))
);

-- What the customer noted at the job: names and values, all text.
ALTER TABLE jobs ADD COLUMN metadata jsonb;
CREATE INDEX jobs_metadata ON jobs USING gin (metadata jsonb_path_ops) WHERE metadata IS NOT NULL;

-- The list of all jobs, for the operator.
CREATE INDEX jobs_by_time ON jobs (created_at DESC, id DESC);
CREATE INDEX jobs_by_status ON jobs (status, created_at DESC, id DESC);
-- What ended in the last hours.
CREATE INDEX jobs_by_end ON jobs (completed_at) WHERE completed_at IS NOT NULL;

-- How long a finished output plays; NULL for pictures and for outputs of earlier versions.
ALTER TABLE outputs ADD COLUMN seconds double precision;

ALTER TABLE worker_node ADD COLUMN started_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE worker_node ADD COLUMN version text NOT NULL DEFAULT '';
ALTER TABLE worker_node ADD COLUMN slots integer NOT NULL DEFAULT 0; -- 0: not known

-- +goose Down
ALTER TABLE worker_node DROP COLUMN slots, DROP COLUMN version, DROP COLUMN started_at;
ALTER TABLE outputs DROP COLUMN seconds;
DROP INDEX jobs_by_end, jobs_by_status, jobs_by_time, jobs_metadata;
ALTER TABLE jobs DROP COLUMN metadata;
DROP TABLE console_sessions;
