//! The begin and the end of a promotion, each one transaction: foreign keys go and come back, and
//! sequences go on behind the ids that came.
//!
//! Tables may refer to each other and to themselves, so no order of rows satisfies every key after
//! every batch. Deferring the check does not help: it comes with the commit, and a copy of one
//! transaction could not go on where it was interrupted. Switching it off
//! (`session_replication_role`) is for superusers. So the keys are written down and dropped at the
//! begin, which the owner of the tables may do, and added again at the end. By that the server
//! checks every row, and the target is whole before anybody uses it.

use tokio_postgres::{Error, error::SqlState};

use super::{
    PromoteError,
    copy::PREPARED,
    tables::{Table, quoted},
    wrong,
};
use crate::{
    database::{Connection, Database, Inner},
    error::{Cause, StoreError},
};

/// How long it takes depends on the rows, so it has no limit.
const OPEN: &str = "BEGIN; SET LOCAL statement_timeout = 0; \
    SET LOCAL idle_in_transaction_session_timeout = 0";

/// The keys are written down and dropped; those of a partition come and go with its table's.
const BEGIN: &str = "\
    CREATE TABLE mainstay_promotion_keys AS \
        SELECT conrelid::regclass::text AS child, conname AS name, \
            pg_get_constraintdef(oid) AS definition FROM pg_constraint \
        WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace; \
    DO $$ DECLARE key record; BEGIN \
        FOR key IN SELECT * FROM mainstay_promotion_keys LOOP \
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.child, key.name); \
        END LOOP; END $$";

const END: &str = "DO $$ DECLARE key record; id record; BEGIN \
        FOR key IN SELECT * FROM mainstay_promotion_keys LOOP \
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', \
                key.child, key.name, key.definition); \
        END LOOP; \
        FOR id IN SELECT c.oid::regclass::text AS of, attname AS name, \
                pg_get_serial_sequence(c.oid::regclass::text, attname) AS sequence \
            FROM pg_class c JOIN pg_attribute ON attrelid = c.oid \
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') \
                AND attnum > 0 AND NOT attisdropped LOOP \
            IF id.sequence IS NOT NULL THEN EXECUTE \
                format('SELECT setval(%L, max(%I)) FROM %s HAVING max(%2$I) IS NOT NULL', \
                    id.sequence, id.name, id.of); \
            END IF; \
        END LOOP; END $$; \
    DROP TABLE mainstay_promotion, mainstay_promotion_keys";

/// Makes the schema of an empty target ready for rows in any order.
pub(super) async fn begin(target: &Database, tables: &[Table]) -> Result<(), PromoteError> {
    // Rows that migrations have put there come from the source as well.
    let empty = tables.iter().map(|table| format!("; DELETE FROM {}", quoted(&table.name)));
    let note = format!("; INSERT INTO mainstay_promotion VALUES ('{PREPARED}', 0, 0)");
    in_tx(target, &format!("{BEGIN}{}{note}", empty.collect::<String>())).await
}

/// Brings the foreign keys back, sets the sequences, and forgets the promotion.
pub(super) async fn end(target: &Database) -> Result<(), PromoteError> {
    in_tx(target, END).await
}

async fn in_tx(target: &Database, sql: &str) -> Result<(), PromoteError> {
    let Inner::Postgres(engine) = target.inner() else {
        return Err(wrong("the target is no server", "Name a `postgres://…` address."));
    };
    let connection = engine.exclusive().await?;
    run(&connection, sql).await.map_err(explained)
}

async fn run(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.client().batch_execute(OPEN).await?;
    connection.client().batch_execute(sql).await?;
    // Apart from the rest: a server whose client was killed does that, and then rolls it back.
    connection.client().batch_execute("COMMIT").await
}

fn explained(error: Error) -> PromoteError {
    let Some(server) = error.as_db_error() else {
        return StoreError::Unavailable(Cause::from(error)).into();
    };
    // Its message names tables and constraints; values are in its detail.
    let said = server.message();
    if *server.code() == SqlState::FOREIGN_KEY_VIOLATION {
        let why = format!("a row refers to one that is not there: {said}");
        let fix = "Correct it in the SQLite file, drop the target's tables and run it again.";
        return wrong(why, fix);
    }
    let why = format!("postgres says: {said} ({})", server.code().code());
    wrong(why, "Check the rights of the user; run it again, and it goes on where it stopped.")
}
