-- People. `email` is kept as it was typed; `email_key` is what makes two addresses the same.
CREATE TABLE users (
    id uuid NOT NULL PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL,
    name text NOT NULL,
    age bigint,
    role text NOT NULL,
    -- Null for an account that cannot log in by password.
    password_hash text,
    -- Counts the passwords the account has had; a session is good for the one it was made with.
    password_version bigint NOT NULL,
    -- Counts the changes; what `ETag` shows and `If-Match` names.
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT users_name_check CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT users_age_check CHECK (age >= 1),
    CONSTRAINT users_role_check CHECK (role IN ('user', 'admin'))
);

CREATE UNIQUE INDEX users_email_key ON users (email_key);

-- The order of the list.
CREATE INDEX users_created_at_id_idx ON users (created_at, id);
