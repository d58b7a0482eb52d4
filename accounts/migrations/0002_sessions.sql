-- Who is signed in. The token itself is not kept, only its SHA-256.
CREATE TABLE sessions (
    id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL,
    -- The `users.password_version` it was made with.
    password_version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_token_hash_check CHECK (length(token_hash) = 32),
    CONSTRAINT sessions_expires_at_check CHECK (expires_at > created_at)
);

CREATE UNIQUE INDEX sessions_token_hash_key ON sessions (token_hash);

-- One person's sessions in the order of the list; also what the cascade follows.
CREATE INDEX sessions_user_id_created_at_id_idx ON sessions (user_id, created_at, id);

-- What finds sessions that are over.
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);
