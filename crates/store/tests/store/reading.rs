//! Readers: what they see, and how they are stopped.

use mainstay_store::{DatabaseOptions, StoreError, params};

use crate::fixture::{ENDLESS, Fixture, SHORT, add};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_write_is_seen_by_every_later_read() {
    let fixture = Fixture::new().await;
    let writers = (0..8_i64).map(|writer| {
        let db = fixture.db.clone();
        tokio::spawn(async move {
            for id in (0..50).map(|n| writer * 100 + n) {
                add(&db, id).await.expect("the id is new");
                let sql = "SELECT body FROM notes WHERE id = $1";
                let found: (String,) = db.query_one(sql, params![id]).await.expect("is there");
                assert_eq!(found.0, "text");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("every read saw its write");
    }
}

#[tokio::test]
async fn one_row_is_demanded_or_optional() {
    let fixture = Fixture::new().await;
    let sql = "SELECT id FROM notes WHERE id = $1";
    let missing = fixture.db.query_one::<(i64,)>(sql, params![1]).await;
    assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    assert_eq!(fixture.db.query_optional::<(i64,)>(sql, params![1]).await.expect("is read"), None);
    fixture.add(1).await.expect("the id is new");
    assert_eq!(fixture.db.query_one::<(i64,)>(sql, params![1]).await.expect("is there"), (1,));
}

#[tokio::test]
async fn a_slow_read_is_stopped_in_time() {
    let options =
        DatabaseOptions { statement_timeout: SHORT, readers: 1, ..DatabaseOptions::default() };
    let fixture = Fixture::with(options).await;
    let error = fixture.db.query::<(i64,)>(ENDLESS, params![]).await.expect_err("never ends");
    assert!(matches!(error, StoreError::TimedOut(_)), "{error:?}");
    assert!(fixture.ids().await.is_empty(), "the reader works on");
}

#[tokio::test]
async fn a_read_is_stopped_when_its_caller_goes_away() {
    // A minute for the statement, and the default two seconds in the queue: unless the first is
    // stopped, the second is refused.
    let options = DatabaseOptions {
        statement_timeout: std::time::Duration::from_mins(1),
        readers: 1,
        ..DatabaseOptions::default()
    };
    let fixture = Fixture::with(options).await;
    for _ in 0..10 {
        let db = fixture.db.clone();
        let reading = tokio::spawn(async move { db.query::<(i64,)>(ENDLESS, params![]).await });
        tokio::task::yield_now().await;
        reading.abort();
        assert!(fixture.ids().await.is_empty());
    }
}

#[tokio::test]
async fn a_statement_that_writes_is_no_query() {
    let fixture = Fixture::new().await;
    for sql in ["INSERT INTO notes VALUES (1, '') RETURNING id", "BEGIN", "BEGIN IMMEDIATE"] {
        let error = fixture.db.query::<()>(sql, params![]).await.expect_err(sql);
        assert!(matches!(error, StoreError::Internal(_)), "{sql}: {error:?}");
    }
    for sql in ["COMMIT", "ROLLBACK", "SAVEPOINT mine", "RELEASE member"] {
        let error = fixture.db.execute(sql, params![]).await.expect_err(sql);
        assert!(matches!(error, StoreError::Internal(_)), "{sql}: {error:?}");
    }
    assert!(fixture.ids().await.is_empty());
}

#[tokio::test]
async fn only_changed_rows_are_counted() {
    let fixture = Fixture::new().await;
    for id in 0..3 {
        assert_eq!(fixture.add(id).await.expect("the id is new"), 1);
    }
    let count = |sql| fixture.db.execute(sql, params![]);
    assert_eq!(count("UPDATE notes SET body = 'b' WHERE id > 0").await.expect("runs"), 2);
    assert_eq!(count("UPDATE notes SET body = 'b' WHERE id > 9").await.expect("runs"), 0);
    assert_eq!(count("CREATE TABLE other (id bigint)").await.expect("runs"), 0);
    assert_eq!(count("DELETE FROM notes").await.expect("runs"), 3);
}
