CREATE INDEX users_email_search ON users (email COLLATE NOCASE);
