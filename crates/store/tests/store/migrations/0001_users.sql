CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (email);
