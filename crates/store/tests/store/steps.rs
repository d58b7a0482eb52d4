//! What of a request's work is recorded, and below what.

use std::time::{Duration, Instant};

use mainstay_core::{
    Journal, Recorded, RequestId, SpanId, StepId, SystemClock, TraceContext, TraceId, Work,
};
use mainstay_store::{CacheSpec, Caches, DatabaseOptions, params};

use crate::fixture::{Fixture, SHORT};

const COUNT: &str = "SELECT count(*) FROM notes";
const INSERT: &str = "INSERT INTO notes (id, body) VALUES ($1, 'secret')";

fn journal() -> Journal {
    let trace = TraceContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        parent_id: None,
        sampled: false,
        random: true,
        state: None,
    };
    Journal::new(RequestId::parse("it").expect("an id"), trace, true)
}

/// The steps of some work.
async fn steps_of(work: impl Future<Output = ()>) -> Vec<Recorded> {
    let journal = journal();
    let deadline = Instant::now() + Duration::from_mins(1);
    let of = Work::new(deadline, "GET /it".into()).recorded_in(journal.clone());
    of.scope(Box::pin(work)).await;
    journal.take().expect("recorded").list
}

/// Kind, name, the place of what it is a part of, outcome, number.
type Shape = (&'static str, &'static str, Option<usize>, &'static str, Option<i64>);

fn shapes(steps: &[Recorded]) -> Vec<Shape> {
    let shape = |step: &Recorded| {
        let parent = step.parent.map(StepId::index);
        (step.kind.as_str(), step.name, parent, step.outcome, step.number)
    };
    steps.iter().map(shape).collect()
}

#[tokio::test]
async fn a_statement_is_a_step_that_names_its_text_and_none_of_its_values() {
    let fixture = Fixture::new().await;
    let steps = steps_of(async {
        fixture.db.execute(INSERT, params![1]).await.expect("is written");
        fixture.db.execute(INSERT, params![1]).await.expect_err("the id is taken");
        let _: Vec<(i64,)> = fixture.db.query(COUNT, params![]).await.expect("is read");
    });
    let expected = [
        ("sql", INSERT, None, "ok", Some(1)),
        ("sql", INSERT, None, "constraint", None),
        ("sql", COUNT, None, "ok", Some(1)),
    ];
    let steps = steps.await;
    assert_eq!(shapes(&steps), expected);
    for step in &steps {
        assert!(step.waited <= step.took.expect("ended"), "{step:?}");
        assert_eq!(step.failed, step.outcome == "constraint");
    }
}

#[tokio::test]
async fn a_transaction_holds_its_statements() {
    let fixture = Fixture::new().await;
    let steps = steps_of(async {
        let mut kept = fixture.db.begin().await.expect("begins");
        kept.execute(INSERT, params![1]).await.expect("is written");
        kept.commit().await.expect("is kept");
        fixture.db.begin().await.expect("begins").rollback().await.expect("is undone");
        drop(fixture.db.begin().await.expect("begins"));
    });
    let expected = [
        ("transaction", "transaction", None, "committed", None),
        ("sql", INSERT, Some(0), "ok", Some(1)),
        ("transaction", "transaction", None, "rolled_back", None),
        ("transaction", "transaction", None, "abandoned", None),
    ];
    assert_eq!(shapes(&steps.await), expected);
}

#[tokio::test]
async fn the_wait_for_a_turn_is_told_from_the_work() {
    let options = DatabaseOptions { queue_wait_max: SHORT * 20, ..DatabaseOptions::default() };
    let fixture = Fixture::with(DatabaseOptions { pool_max: 1, ..options }).await;
    let held = fixture.db.begin().await.expect("begins");
    let asking = steps_of(async {
        fixture.db.execute(INSERT, params![1]).await.expect("is written");
    });
    let holding = async {
        // As long as whoever holds the writer, or the only connection, keeps it.
        tokio::time::sleep(SHORT).await;
        held.rollback().await.expect("is undone");
    };
    let (steps, ()) = tokio::join!(asking, holding);
    assert!(steps[0].waited >= SHORT / 2, "{:?}", steps[0]);
}

#[tokio::test]
async fn a_cache_tells_where_a_value_came_from_and_holds_its_load() {
    let fixture = Fixture::new().await;
    let caches = Caches::alone(std::sync::Arc::new(SystemClock::new()));
    let cache = caches.in_process(CacheSpec::<i64>::new("numbers"));
    let steps = steps_of(async {
        for _ in 0..2 {
            let db = fixture.db.clone();
            let load = || async move {
                let (count,): (i64,) = db.query_one(COUNT, params![]).await?;
                Ok(Some(count))
            };
            cache.get_or_load("key", load).await.expect("is loaded");
        }
    });
    let expected = [
        ("cache", "numbers", None, "loaded", None),
        ("sql", COUNT, Some(0), "ok", Some(1)),
        ("cache", "numbers", None, "hit", None),
    ];
    assert_eq!(shapes(&steps.await), expected);
}
