-- Requests that came with an Idempotency-Key, and what they were answered. The key itself is not
-- kept. The answers may be personal: a row is for a day.
CREATE TABLE mainstay_idempotency (
    -- The SHA-256 of the key and of what it is bound to.
    id bytea NOT NULL PRIMARY KEY,
    -- A hash of the query and the body.
    fingerprint bytea NOT NULL,
    -- Who has the claim. What somebody else has taken over, nobody completes.
    attempt uuid NOT NULL,
    -- When the claim may be taken over; no matter once there is an answer.
    lease_until timestamptz NOT NULL,
    -- When the row is no more than an old row.
    expires_at timestamptz NOT NULL,
    -- Null until there is an answer.
    status bigint,
    -- The code of a problem.
    code text,
    -- As in HTTP: a line for each, name and value.
    headers bytea,
    body bytea,
    CONSTRAINT mainstay_idempotency_id_check CHECK (length(id) = 32),
    CONSTRAINT mainstay_idempotency_fingerprint_check CHECK (length(fingerprint) = 32),
    CONSTRAINT mainstay_idempotency_status_check CHECK (status BETWEEN 200 AND 499)
);

-- What finds old rows.
CREATE INDEX mainstay_idempotency_expires_at_idx ON mainstay_idempotency (expires_at);
