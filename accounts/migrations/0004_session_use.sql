-- When a session was last seen (null: not since it began), and what program it belongs to.
ALTER TABLE sessions ADD COLUMN last_used_at timestamptz;
ALTER TABLE sessions ADD COLUMN device text NOT NULL DEFAULT 'unknown';
