CREATE INDEX users_email_search ON users (lower(email));
