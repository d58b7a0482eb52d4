-- Wrong passwords in a row, by what was guessed at. Also for addresses that nobody has: who guesses
-- is to notice no difference, now or when old rows are removed.
CREATE TABLE log_in_failures (
    -- The SHA-256 of what was guessed at. Who knows an address can find its row.
    target bytea NOT NULL PRIMARY KEY,
    failures bigint NOT NULL,
    -- When the last attempt began or failed.
    last_at timestamptz NOT NULL,
    CONSTRAINT log_in_failures_target_check CHECK (length(target) = 32),
    CONSTRAINT log_in_failures_failures_check CHECK (failures >= 1)
);

-- What finds old rows.
CREATE INDEX log_in_failures_last_at_idx ON log_in_failures (last_at);

-- An account that has had no password counts none.
-- mainstay: allow backfill because nobody logs in to these accounts, so nobody waits for their rows
UPDATE users SET password_version = 0 WHERE password_hash IS NULL;
