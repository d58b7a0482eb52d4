-- API keys of machines. The token itself is not kept, only its SHA-256.
CREATE TABLE keys (
    id uuid NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL,
    -- What it is good for, separated by spaces.
    scopes text NOT NULL,
    token_hash bytea NOT NULL,
    -- The `users.password_version` it was made with.
    password_version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT keys_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT keys_token_hash_check CHECK (length(token_hash) = 32),
    CONSTRAINT keys_expires_at_check CHECK (expires_at > created_at)
);

CREATE UNIQUE INDEX keys_token_hash_key ON keys (token_hash);

-- One person's keys in the order of the list; also what the cascade follows.
CREATE INDEX keys_user_id_created_at_id_idx ON keys (user_id, created_at, id);
