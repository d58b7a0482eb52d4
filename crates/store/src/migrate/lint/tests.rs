//! Every rule: what it refuses, the rewrite that it proposes, and the escape.

use super::*;

/// What is in use before the file under test.
const USED: &str = "
    CREATE TABLE users (id uuid PRIMARY KEY, email text, age bigint, name varchar(10));
    CREATE TABLE posts (id uuid PRIMARY KEY, author_id uuid);
    CREATE INDEX users_email_idx ON users (email);
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM users;
";

fn used() -> Checker {
    let mut checker = Checker::default();
    assert_eq!(rules(&checker.read("0001_used.sql", USED)), [], "a new table is nobody's");
    checker.release();
    checker
}

fn findings(statements: &[PlannedStatement]) -> Vec<&Finding> {
    statements.iter().flat_map(|statement| &statement.findings).collect()
}

fn rules(statements: &[PlannedStatement]) -> Vec<Rule> {
    findings(statements).iter().map(|finding| finding.rule).collect()
}

fn locks(sql: &str) -> Vec<String> {
    let read = used().read("0002_test.sql", sql);
    let locks = read.iter().flat_map(|statement| &statement.locks);
    locks.map(|lock| format!("{} {} {:?}", lock.mode.as_str(), lock.table, lock.span)).collect()
}

/// One statement, which breaks one rule.
const BAD: &[(Rule, &str)] = &[
    (Rule::CreateIndex, "CREATE INDEX i ON users (age)"),
    (Rule::CreateIndex, "create unique index if not exists i on public.users using btree (age)"),
    (Rule::CreateIndex, "CREATE INDEX ON \"users\" (lower(email))"),
    (Rule::CreateIndex, "REINDEX INDEX users_email_idx"),
    (Rule::CreateIndex, "REINDEX TABLE users"),
    (Rule::DropIndex, "DROP INDEX users_email_idx"),
    (Rule::DropIndex, "DROP INDEX IF EXISTS users_email_idx, other CASCADE"),
    (Rule::NotNull, "ALTER TABLE users ALTER COLUMN email SET NOT NULL"),
    (Rule::NotNull, "ALTER TABLE ONLY users ALTER age SET NOT NULL"),
    (Rule::NotNull, "ALTER TABLE users ADD COLUMN role text NOT NULL"),
    (Rule::Constraint, "ALTER TABLE users ADD CHECK (age > 0)"),
    (Rule::Constraint, "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0)"),
    (
        Rule::Constraint,
        "ALTER TABLE posts ADD CONSTRAINT f FOREIGN KEY (author_id) REFERENCES users (id)",
    ),
    (Rule::Constraint, "ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES users"),
    (Rule::Constraint, "ALTER TABLE users ADD CONSTRAINT n NOT NULL email"),
    (Rule::Constraint, "ALTER TABLE users ADD EXCLUDE USING gist (age WITH =)"),
    (Rule::Constraint, "ALTER TABLE users ADD COLUMN height bigint CHECK (height > 0)"),
    (
        Rule::Constraint,
        "ALTER TABLE posts ADD COLUMN editor_id uuid DEFAULT '0' REFERENCES users (id)",
    ),
    (Rule::Unique, "ALTER TABLE users ADD UNIQUE (email)"),
    (Rule::Unique, "ALTER TABLE users ADD CONSTRAINT u UNIQUE (email, age)"),
    (Rule::Unique, "ALTER TABLE users ADD PRIMARY KEY (id)"),
    (Rule::Unique, "ALTER TABLE users ADD COLUMN handle text UNIQUE"),
    (Rule::ColumnType, "ALTER TABLE users ALTER COLUMN age TYPE numeric(10, 2)"),
    (Rule::ColumnType, "ALTER TABLE users ALTER age SET DATA TYPE text USING age::text"),
    (Rule::DropColumn, "ALTER TABLE users DROP COLUMN age"),
    (Rule::DropColumn, "ALTER TABLE IF EXISTS users DROP IF EXISTS age CASCADE"),
    (Rule::RenameColumn, "ALTER TABLE users RENAME COLUMN age TO years"),
    (Rule::RenameColumn, "ALTER TABLE users RENAME age TO years"),
    (Rule::DropTable, "DROP TABLE posts"),
    (Rule::DropTable, "DROP TABLE IF EXISTS public.posts CASCADE"),
    (Rule::DropTable, "DROP VIEW something"),
    (Rule::RenameTable, "ALTER TABLE users RENAME TO people"),
    (Rule::RenameTable, "ALTER TABLE users SET SCHEMA archive"),
    (Rule::Default, "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid()"),
    (Rule::Default, "ALTER TABLE users ADD seen timestamptz NOT NULL DEFAULT clock_timestamp()"),
    (Rule::Default, "ALTER TABLE users ADD COLUMN n bigint DEFAULT (1 + nextval('s'))"),
    (Rule::Default, "ALTER TABLE users ADD COLUMN n bigserial"),
    (Rule::Default, "ALTER TABLE users ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY"),
    (
        Rule::Default,
        "ALTER TABLE users ADD COLUMN n text GENERATED ALWAYS AS (lower(email)) STORED",
    ),
    (Rule::Rewrite, "ALTER TABLE users SET UNLOGGED"),
    (Rule::Rewrite, "ALTER TABLE users SET TABLESPACE fast"),
    (Rule::Rewrite, "ALTER TABLE users SET ACCESS METHOD heap"),
    (Rule::Rewrite, "ALTER TABLE users ALTER COLUMN age SET EXPRESSION AS (1)"),
    (Rule::ExclusiveLock, "TRUNCATE users"),
    (Rule::ExclusiveLock, "TRUNCATE TABLE ONLY users CASCADE"),
    (Rule::ExclusiveLock, "LOCK TABLE users IN SHARE MODE"),
    (Rule::ExclusiveLock, "CLUSTER users USING users_email_idx"),
    (Rule::ExclusiveLock, "VACUUM FULL users"),
    (Rule::ExclusiveLock, "VACUUM (FULL, ANALYZE) users"),
    (Rule::ExclusiveLock, "REFRESH MATERIALIZED VIEW totals"),
    (Rule::ExclusiveLock, "ALTER TABLE users DETACH PARTITION users_2020"),
    (Rule::Backfill, "UPDATE users SET age = 1"),
    (Rule::Backfill, "UPDATE users SET age = 1 WHERE age IS NULL"),
    (Rule::Backfill, "delete from users where age < 0"),
    (Rule::Backfill, "WITH old AS (SELECT 1) UPDATE users SET age = 1"),
    (Rule::LockTimeout, "SET lock_timeout = 0"),
    (Rule::LockTimeout, "SET LOCAL statement_timeout TO '1h'"),
    (Rule::LockTimeout, "RESET ALL"),
    (Rule::LockTimeout, "SELECT set_config('lock_timeout', '0', true)"),
    (Rule::Transaction, "COMMIT"),
    (Rule::Transaction, "BEGIN"),
    (Rule::Opaque, "DO $$ BEGIN EXECUTE 'DROP TABLE users'; END $$"),
    (Rule::Opaque, "CALL cleanup()"),
    (Rule::Opaque, "ALTER DOMAIN d ADD CHECK (value > 0)"),
    (Rule::Opaque, "ALTER TABLE users FROBNICATE"),
];

#[test]
fn each_rule_refuses_and_proposes_what_it_accepts() {
    for (rule, sql) in BAD {
        let read = used().read("0002_bad.sql", sql);
        let found = findings(&read);
        let found_rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
        assert!(!found.is_empty() && found_rules.iter().all(|r| r == rule), "{sql}: {found:?}");
        let mut checker = used();
        for content in &found[0].rewrite.files {
            let again = checker.read("0003_rewrite.sql", content);
            assert_eq!(findings(&again), Vec::<&Finding>::new(), "{sql}\n{}", found[0]);
            checker.release();
        }
    }
    let special = [Rule::Concurrently, Rule::LockHeld, Rule::Escape];
    let untested = Rule::ALL
        .iter()
        .filter(|rule| !special.contains(rule) && !BAD.iter().any(|(tested, _)| tested == *rule));
    assert_eq!(untested.collect::<Vec<_>>(), Vec::<&Rule>::new(), "each rule has a bad case");
}

#[test]
fn each_rule_can_be_allowed_with_a_reason_directly_above() {
    for (rule, sql) in BAD {
        let name = rule.as_str();
        let with = |comment: &str| {
            used().read("0002_bad.sql", &format!("-- What it is for.\n{comment}\n{sql};"))
        };
        let allowed = with(&format!("-- mainstay: allow {name} because the table is small"));
        assert_eq!(findings(&allowed), Vec::<&Finding>::new(), "{sql}");
        let blank = with(&format!("-- mainstay: allow {name} because "));
        assert!(rules(&blank).contains(rule) && rules(&blank).contains(&Rule::Escape), "{sql}");
        let other = if *rule == Rule::Backfill { Rule::Rewrite } else { Rule::Backfill };
        let other = with(&format!("-- mainstay: allow {} because of it", other.as_str()));
        assert!(rules(&other).contains(rule), "{sql}");
        let far = with(&format!("-- mainstay: allow {name} because of it\n\n-- Else."));
        assert!(rules(&far).contains(rule) && rules(&far).contains(&Rule::Escape), "{sql}");
    }
}

#[test]
fn an_escape_that_is_not_understood_is_a_finding() {
    for (comment, why) in [
        ("-- mainstay: allow backfill", "an escape is"),
        ("-- mainstay: allow backfill because", "blank"),
        ("-- mainstay: allow everything because of it", "no rule `everything`"),
        ("-- mainstay: allow escape because of it", "no rule `escape`"),
        ("-- mainstay: please", "an escape is"),
        ("/* mainstay: allow backfill because */", "blank"),
    ] {
        let read = used().read("0002_test.sql", &format!("{comment}\nSELECT 1;"));
        let found = findings(&read);
        assert_eq!(rules(&read), [Rule::Escape], "{comment}");
        assert!(found[0].why.contains(why), "{comment}: {}", found[0]);
    }
    let said = "-- mainstay keeps this table.\nSELECT 1;";
    assert_eq!(rules(&used().read("0002_test.sql", said)), []);
}

#[test]
fn what_nobody_waits_for_passes() {
    for sql in [
        "ALTER TABLE users ADD COLUMN seen_at timestamptz",
        "ALTER TABLE users ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now()",
        "ALTER TABLE users ADD COLUMN device text NOT NULL DEFAULT 'random()'",
        "ALTER TABLE users ADD COLUMN price numeric(10, 2) DEFAULT '1'::numeric(10, 2)",
        "ALTER TABLE users ADD COLUMN boss_id uuid REFERENCES users (id)",
        "ALTER TABLE users ADD COLUMN a text, ADD COLUMN b text DEFAULT NULL",
        "ALTER TABLE users ALTER COLUMN age SET DEFAULT random()",
        "ALTER TABLE users ALTER COLUMN age DROP NOT NULL",
        "ALTER TABLE users DROP CONSTRAINT c",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID",
        "ALTER TABLE users VALIDATE CONSTRAINT c",
        "ALTER TABLE users ADD CONSTRAINT u UNIQUE USING INDEX u",
        "ALTER TABLE users SET (fillfactor = 70)",
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
        "CREATE INDEX CONCURRENTLY i ON users (age)",
        "CREATE INDEX i ON ONLY users (age)",
        "DROP INDEX CONCURRENTLY users_email_idx",
        "REINDEX (CONCURRENTLY) TABLE users",
        "ALTER TABLE users DETACH PARTITION p CONCURRENTLY",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
        "VACUUM users",
        "UPDATE users SET age = 1 WHERE id IN (SELECT id FROM users WHERE age < 1 LIMIT 100)",
        "INSERT INTO users (id) VALUES (1)",
        "COMMENT ON TABLE users IS 'COMMIT; DROP TABLE users;'",
        "CREATE FUNCTION f() RETURNS trigger AS $$ BEGIN DELETE FROM users; END $$ LANGUAGE sql",
        "CREATE TRIGGER t BEFORE UPDATE OF age ON users EXECUTE FUNCTION f()",
        "SET search_path = public",
        "/* DROP TABLE users; */ SELECT 'DROP TABLE users;'",
    ] {
        let read = used().read("0002_good.sql", sql);
        assert_eq!(findings(&read), Vec::<&Finding>::new(), "{sql}");
    }
}

#[test]
fn a_table_of_the_same_plan_is_nobodys() {
    let created = "CREATE TABLE fresh (id uuid PRIMARY KEY, user_id uuid);";
    let used_later = "
        CREATE INDEX fresh_idx ON fresh (user_id);
        ALTER TABLE fresh ADD CONSTRAINT f FOREIGN KEY (user_id) REFERENCES users (id);
        ALTER TABLE fresh ALTER COLUMN user_id SET NOT NULL;
        UPDATE fresh SET user_id = id;
        DROP INDEX fresh_idx;
        ALTER TABLE fresh RENAME TO fresher;
        TRUNCATE fresher;
        DROP TABLE fresher;";
    let together = used().read("0002_a.sql", &format!("{created}{used_later}"));
    assert_eq!(rules(&together), []);
    let mut checker = used();
    assert_eq!(rules(&checker.read("0002_a.sql", created)), []);
    assert_eq!(rules(&checker.read("0003_b.sql", used_later)), [], "an earlier file of the plan");
    let mut checker = used();
    checker.read("0002_a.sql", created);
    checker.release();
    let in_use = rules(&checker.read("0003_b.sql", used_later));
    let each = in_use.iter().filter(|rule| **rule != Rule::LockHeld).count();
    assert_eq!(each, 8, "it is in use now: {in_use:?}");
    let again = "CREATE TABLE IF NOT EXISTS users (id uuid); CREATE INDEX i ON users (id);";
    assert_eq!(rules(&used().read("0002_a.sql", again)), [Rule::CreateIndex], "it was there");
}

#[test]
fn a_validated_check_makes_not_null_free() {
    let file = |checker: &mut Checker, sql: &str| {
        let rules = rules(&checker.read("0002_test.sql", sql));
        checker.release();
        rules
    };
    let set = "ALTER TABLE users ALTER COLUMN email SET NOT NULL";
    let add = |test: &str| format!("ALTER TABLE users ADD CONSTRAINT c CHECK ({test}) NOT VALID");
    let validate = "ALTER TABLE users VALIDATE CONSTRAINT c";
    for (test, expected) in [
        ("email IS NOT NULL", &[] as &[Rule]),
        ("\"email\" is not null AND age > 1", &[]),
        ("email IS NOT NULL OR age > 1", &[Rule::NotNull]),
        ("age IS NOT NULL", &[Rule::NotNull]),
    ] {
        let mut checker = used();
        assert_eq!(file(&mut checker, &add(test)), []);
        assert_eq!(file(&mut checker, set), [Rule::NotNull], "not validated: {test}");
        assert_eq!(file(&mut checker, validate), []);
        assert_eq!(file(&mut checker, set), expected, "{test}");
        file(&mut checker, "ALTER TABLE users DROP CONSTRAINT c");
        assert_eq!(file(&mut checker, set), [Rule::NotNull], "dropped: {test}");
    }
}

#[test]
fn what_cannot_run_in_a_transaction_is_alone() {
    let index = "CREATE INDEX CONCURRENTLY i ON users (age);";
    let company = format!("{index} SELECT 1;");
    assert_eq!(rules(&used().read("0002_test.sql", &company)), [Rule::Concurrently]);
    let allowed = format!("-- mainstay: allow concurrently because of it\n{company}");
    assert_eq!(rules(&used().read("0002_test.sql", &allowed)), [], "the server will refuse it");
    let alone = used().read("0002_test.sql", &format!("-- A comment is no company.\n{index}"));
    assert!(alone[0].outside_transaction && alone[0].findings.is_empty(), "{alone:?}");
    let index = |sql| outside_transaction(sql).map(|outside| outside.index);
    assert_eq!(index("CREATE INDEX CONCURRENTLY i ON users (age)"), Some(Some("i".to_owned())));
    assert_eq!(index("DROP INDEX CONCURRENTLY i;"), Some(None));
    assert_eq!(index("CREATE INDEX i ON users (age)"), None);
    assert_eq!(index(&company), None);
}

#[test]
fn a_transaction_is_controlled_wherever_its_words_begin_a_statement() {
    for sql in ["/* a */ -- b\n COMMIT AND CHAIN", "SELECT 1; rollback", "SAVEPOINT s; SELECT 1"] {
        assert!(controls_transaction(sql), "{sql}");
    }
    for sql in ["-- COMMIT", "SELECT 'a; COMMIT'", "DO $$ BEGIN; COMMIT; END $$", ""] {
        assert!(!controls_transaction(sql), "{sql}");
    }
}

#[test]
fn a_lock_is_not_held_while_a_table_is_worked_through() {
    for sql in [
        "ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID;
         ALTER TABLE users VALIDATE CONSTRAINT c;",
        "ALTER TABLE users ADD COLUMN n bigint;
         -- mainstay: allow backfill because it was slept over
         UPDATE posts SET author_id = NULL;",
        "CREATE TABLE fresh (user_id uuid REFERENCES users (id));
         INSERT INTO fresh SELECT id FROM users;",
    ] {
        let read = used().read("0002_test.sql", sql);
        assert_eq!(rules(&read), [Rule::LockHeld], "{sql}");
        let content = &findings(&read)[0].rewrite.files[0];
        let again = rules(&used().read("0003_rest.sql", content));
        assert!(again.iter().all(|rule| *rule == Rule::Backfill), "{sql}: {again:?}");
    }
}

#[test]
fn the_locks_of_a_statement_are_named() {
    for (sql, expected) in [
        ("ALTER TABLE users ADD COLUMN n bigint", &["ACCESS EXCLUSIVE users Brief"] as &[_]),
        (
            "CREATE TABLE t (user_id uuid REFERENCES users (id), p uuid REFERENCES posts)",
            &["SHARE ROW EXCLUSIVE users Brief", "SHARE ROW EXCLUSIVE posts Brief"],
        ),
        ("CREATE INDEX CONCURRENTLY i ON users (age)", &["SHARE UPDATE EXCLUSIVE users Whole"]),
        ("CREATE TRIGGER t BEFORE UPDATE OF age ON users", &["SHARE ROW EXCLUSIVE users Brief"]),
        ("CREATE RULE r AS ON UPDATE TO users DO NOTHING", &["ACCESS EXCLUSIVE users Brief"]),
        ("DROP TRIGGER t ON users", &["ACCESS EXCLUSIVE users Brief"]),
        ("INSERT INTO users SELECT * FROM posts", &["ROW EXCLUSIVE users Whole"]),
        ("CREATE TABLE t (id bigint)", &[]),
        ("ALTER TABLE users SET (fillfactor = 70)", &["SHARE UPDATE EXCLUSIVE users Brief"]),
        ("ALTER TABLE users ALTER age SET STATISTICS 9", &["SHARE UPDATE EXCLUSIVE users Brief"]),
        ("ALTER TABLE users ALTER age SET DEFAULT 1", &["ACCESS EXCLUSIVE users Brief"]),
        ("ALTER TABLE users DISABLE TRIGGER ALL", &["SHARE ROW EXCLUSIVE users Brief"]),
        ("ALTER TABLE users ALTER age TYPE text", &["ACCESS EXCLUSIVE users Whole"]),
        (
            "TRUNCATE users, posts",
            &["ACCESS EXCLUSIVE users Brief", "ACCESS EXCLUSIVE posts Brief"],
        ),
    ] {
        assert_eq!(locks(sql), expected, "{sql}");
    }
}

#[test]
fn a_finding_says_where_why_and_what_to_write() {
    let sql = "SELECT 1;\n\n-- What finds sessions.\nCREATE INDEX i\n    ON users (age);";
    let read = used().read("0002_test.sql", sql);
    assert_eq!(
        findings(&read)[0].to_string(),
        "0002_test.sql:4: create-index: CREATE INDEX i ON users (age)\n\
         \x20 why: SHARE on users: every write waits until the index is built\n\
         \x20 fix: build it beside the writers, in a file of its own:\n\
         \x20   CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (age);"
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged(sql in "(?s).{0,80}") {
        used().read("0002_test.sql", &sql);
    }

    #[test]
    fn statements_of_any_words_are_judged(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 0..14)
    ) {
        used().read("0002_test.sql", &words.join(" "));
    }
}

/// What the rules look for.
const WORDS: &[&str] = &[
    "ALTER",
    "TABLE",
    "users",
    "ADD",
    "COLUMN",
    "CONSTRAINT",
    "CHECK",
    "(",
    ")",
    ",",
    "DEFAULT",
    "a",
    "REFERENCES",
    "PRIMARY",
    "KEY",
    "UNIQUE",
    "TYPE",
    "SET",
    "NOT",
    "NULL",
    "IS",
    "DROP",
    "INDEX",
    "CREATE",
    "ON",
    "CONCURRENTLY",
    "UPDATE",
    "WHERE",
    "LIMIT",
    "WITH",
    "FROM",
    ";",
    "'",
    "$$",
    ".",
];
