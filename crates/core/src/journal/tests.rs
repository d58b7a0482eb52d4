//! Tests of journals: what is recorded, of whom, and how much of it.

use std::{
    collections::HashSet,
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::trace::TraceId;

fn journal(recorded: bool) -> Journal {
    let trace = TraceContext {
        trace_id: TraceId([1; 16]),
        span_id: SpanId([2; 8]),
        parent_id: None,
        sampled: false,
        random: true,
        state: None,
    };
    Journal::new(RequestId::parse("it").expect("an id"), trace, recorded)
}

fn within<T>(journal: &Journal, work: impl Future<Output = T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    let scoped =
        Work::new(deadline, "GET /it".into()).recorded_in(journal.clone()).scope(Box::pin(work));
    match pin!(scoped).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the work waits"),
    }
}

fn shape(steps: &Steps) -> Vec<(&'static str, Option<usize>, &'static str)> {
    let shape = |step: &Recorded| (step.name, step.parent.map(StepId::index), step.outcome);
    steps.list.iter().map(shape).collect()
}

#[test]
fn steps_know_what_they_are_a_part_of_also_when_they_take_turns() {
    let journal = journal(true);
    within(&journal, async {
        let outer = Step::begin(StepKind::Handler, "outer");
        let inner = |name| async move {
            let step = Step::begin(StepKind::Cache, name);
            Work::part_of(step.id(), async {
                yield_once().await;
                Step::note(StepKind::Sql, "leaf", name, None);
            })
            .await;
            step.end("ok", None);
        };
        Work::part_of(outer.id(), async {
            let (mut one, mut two) = (pin!(inner("one")), pin!(inner("two")));
            for _ in 0..2 {
                let mut context = Context::from_waker(Waker::noop());
                let _ = (one.as_mut().poll(&mut context), two.as_mut().poll(&mut context));
            }
        })
        .await;
        outer.end("ok", None);
    });
    let steps = journal.take().expect("recorded");
    let expected = [
        ("outer", None, "ok"),
        ("one", Some(0), "ok"),
        ("two", Some(0), "ok"),
        ("leaf", Some(1), "one"),
        ("leaf", Some(2), "two"),
    ];
    assert_eq!(shape(&steps), expected);
}

/// Is pending once.
async fn yield_once() {
    let mut polled = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[test]
fn a_note_is_told_where_a_step_last_began_or_ended() {
    let journal = journal(true);
    within(&journal, async {
        Step::note(StepKind::Limit, "first", "admitted", None);
        let step = Step::begin(StepKind::Sql, "step");
        Step::note(StepKind::Cache, "in it", "hit", None);
        step.end("ok", None);
        Step::note(StepKind::Cache, "after it", "hit", None);
    });
    let steps = journal.take().expect("recorded").list;
    let [first, step, inside, after] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(first.began, Duration::ZERO);
    assert_eq!(inside.began, step.began);
    assert_eq!(Some(after.began), step.took.map(|took| step.began + took));
    assert_eq!((inside.took, inside.outcome), (Some(Duration::ZERO), "hit"));
}

#[test]
fn a_step_that_nobody_ends_was_abandoned() {
    let journal = journal(true);
    within(&journal, async { drop(Step::begin(StepKind::Sql, "SELECT 1")) });
    let steps = journal.take().expect("recorded");
    assert_eq!(shape(&steps), [("SELECT 1", None, "abandoned")]);
    assert!(steps.list[0].failed && steps.list[0].took.is_some());
}

#[test]
fn what_outlives_the_request_is_recorded_nowhere() {
    let journal = journal(true);
    within(&journal, async {
        let open = Step::begin(StepKind::Sql, "open");
        let taken = journal.take().expect("recorded");
        assert_eq!(taken.list[0].took, None);
        open.end("ok", None);
        Step::begin(StepKind::Sql, "late").end("ok", None);
    });
    assert!(journal.take().is_none());
}

#[test]
fn steps_are_bounded_and_what_is_left_out_is_counted() {
    let journal = journal(true);
    within(&journal, async {
        for _ in 0..STEPS_MAX + 3 {
            Step::begin(StepKind::Sql, "again").end("ok", Some(1));
        }
    });
    let steps = journal.take().expect("recorded");
    assert_eq!((steps.list.len(), steps.omitted), (STEPS_MAX, 3));
}

#[test]
fn nothing_is_recorded_without_a_journal_or_where_nobody_asks() {
    assert!(Step::begin(StepKind::Sql, "nowhere").id().is_none());
    let silent = journal(false);
    within(&silent, async { assert!(Step::begin(StepKind::Sql, "unasked").id().is_none()) });
    assert!(silent.take().is_none());
}

#[test]
fn the_spans_of_steps_differ_from_each_other_and_from_the_requests() {
    let journal = journal(true);
    let trace = journal.trace();
    let spans: HashSet<_> = (0..STEPS_MAX as u8).map(|n| trace.span_of(StepId(n))).collect();
    assert_eq!(spans.len(), STEPS_MAX);
    assert!(!spans.contains(&trace.span_id));
}
