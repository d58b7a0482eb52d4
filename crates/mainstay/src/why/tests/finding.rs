//! What is kept is found, by either id and by what it was.

use mainstay_core::Fault as _;

use super::{super::recorder::Filter, Ended, Kept, recorder};

const BUDGET: usize = 1_000_000;

#[test]
fn a_request_is_found_by_its_id_and_with_its_trace() {
    let recorder = recorder(BUDGET);
    for (id, trace, at_ms) in [("a", 0xab, 0), ("b", 0xab, 1), ("c", 0xcd, 2)] {
        let id = id.to_owned();
        Ended { id, trace, ..Ended::new(503, at_ms) }.record(&recorder);
    }
    let found = |id: &str| {
        let found = recorder.find(id).unwrap_or_default();
        found.into_iter().map(|record| record.id).collect::<String>()
    };
    assert_eq!(found("b"), "b");
    assert_eq!(found(&format!("{:032x}", 0xab)), "ba", "newest first");
    assert_eq!(found(&format!("{:032X}", 0xab)), "ba");
    // A caller may choose the id of somebody else's trace.
    Ended { id: format!("{:032x}", 0xcd), trace: 1, ..Ended::new(503, 3) }.record(&recorder);
    assert_eq!(found(&format!("{:032x}", 0xcd)), format!("{:032x}c", 0xcd));
    for unknown in ["d", "ab", &"+".repeat(32), &"0".repeat(32), ""] {
        assert_eq!(found(unknown), "", "{unknown}");
    }
}

#[test]
fn what_is_not_kept_says_what_is() {
    let full = recorder(BUDGET);
    Ended::new(503, 0).record(&full);
    let error = full.find("unknown").expect_err("not kept");
    assert_eq!(error.code().name, "REQUEST_NOT_KEPT");
    let detail = error.detail();
    assert!(detail.starts_with("1 requests since 2026-01-31T12:00:00.000Z are kept"), "{detail}");
    assert!(detail.contains("1000000 bytes"), "{detail}");

    let off = recorder(0);
    Ended::new(503, 0).record(&off);
    assert_eq!(
        off.find("request-0").expect_err("off").to_string(),
        "nothing is recorded: why.bytes is 0"
    );
}

#[test]
fn one_question_is_answered_with_a_hundred_records_at_most() {
    let recorder = recorder(BUDGET);
    for at in 0..200 {
        Ended::new(503, at).record(&recorder);
    }
    let found = recorder.find(&format!("{:032x}", 7)).expect("kept");
    assert_eq!((found.len(), &*found[0].id), (100, "request-199"));
}

#[test]
fn requests_are_listed_by_what_they_were() {
    let recorder = recorder(BUDGET);
    for (at, (status, way)) in [(200, 1), (404, 3), (503, 0), (499, 1), (503, 2)].iter().enumerate()
    {
        Ended { way: *way, ..Ended::new(*status, at as i64) }.record(&recorder);
    }
    let list = |filter: Filter<'_>, limit| {
        let list = recorder.list(&filter, limit);
        list.iter()
            .map(|record| record.id.trim_start_matches("request-").to_owned())
            .collect::<String>()
    };
    let any = || Filter::default();
    assert_eq!(list(any(), 10), "43210");
    assert_eq!(list(any(), 2), "43");
    assert_eq!(list(Filter { kept: Some(Kept::Failure), ..any() }, 10), "432");
    assert_eq!(list(Filter { kept: Some(Kept::Refusal), ..any() }, 10), "1");
    assert_eq!(list(Filter { kept: Some(Kept::Slow), ..any() }, 10), "0");
    assert_eq!(list(Filter { route: Some("/users/{id}"), ..any() }, 10), "30");
    assert_eq!(list(Filter { method: Some("POST"), ..any() }, 10), "2");
    assert_eq!(list(Filter { status: Some(503), ..any() }, 10), "42");
    assert_eq!(list(Filter { code: Some("TROUBLE"), status: Some(404), ..any() }, 10), "1");
    assert_eq!(list(Filter { code: Some("OTHER"), ..any() }, 10), "");
}

#[test]
fn a_record_says_what_the_line_of_the_log_says() {
    let recorder = recorder(BUDGET);
    let cause = "é".repeat(600);
    Ended { cause: cause.clone(), ..Ended::new(503, 5) }.record(&recorder);
    let record = recorder.find("request-5").expect("kept").remove(0);
    assert_eq!(record.cause.as_deref(), Some(&*format!("{}…", &cause[..1024])));
    let json = serde_json::to_value(&record).expect("JSON");
    for (member, expected) in [
        ("time", serde_json::json!("2026-01-31T12:00:00.005Z")),
        ("trace_id", "00000000000000000000000000000007".into()),
        ("span_id", "0101010101010101".into()),
        ("module", "users".into()),
        ("ms", 1.0.into()),
        ("code", "TROUBLE".into()),
        ("meaning", "Something is wrong".into()),
        ("release", "accounts 0.1.0".into()),
        ("kept", "failure".into()),
        ("omitted", 0.into()),
    ] {
        assert_eq!(json[member], expected, "{member}");
    }
    let step = serde_json::json!({
        "kind": "sql", "name": "SELECT 1", "at_ms": 0.0, "waited_ms": 0.0, "ms": 1.5,
        "outcome": "ok", "failed": false, "number": 1,
    });
    assert_eq!(json["steps"][0], step);
    for absent in ["parent_id", "user_id", "replayed", "client"] {
        assert!(json.get(absent).is_none(), "{absent}");
    }
}
