//! The cases of the W3C validation suite for trace context
//! (<https://github.com/w3c/trace-context/blob/main/test/test.py>), asked of the edge.

use axum::body::Body;
use http::HeaderValue;
use mainstay_web::{EdgeOptions, edge::Sampler};

use crate::{
    harness::{Bench, bench, bench_with, get, options},
    parts::Line,
};

const TRACE_ID: &str = "12345678901234567890123456789012";
const PARENT_ID: &str = "1234567890123456";

fn valid() -> String {
    format!("00-{TRACE_ID}-{PARENT_ID}-01")
}

/// The line of a request with these headers.
async fn asked(bench: &Bench, headers: &[(&str, &str)]) -> Line {
    let request = headers.iter().fold(get("/hello"), |request, (name, value)| {
        request.header(*name, HeaderValue::from_str(value).expect("a value"))
    });
    bench.send_and_see(request, Body::empty()).await.1
}

fn sampled(sampler: Sampler) -> Bench {
    bench_with(EdgeOptions { sampler, ..options() })
}

/// Whether a `traceparent` is continued.
async fn continues(bench: &Bench, traceparent: &str) -> bool {
    let line = asked(bench, &[("traceparent", traceparent)]).await;
    assert_ne!(line.span_id, PARENT_ID, "the span is always our own");
    assert_eq!(line.parent_id.is_some(), line.trace_id == TRACE_ID);
    line.parent_id.is_some()
}

async fn none_continues(texts: &[String]) {
    let bench = bench();
    for text in texts {
        assert!(!continues(&bench, text).await, "{text}");
    }
}

/// What is kept of these `tracestate` headers, beside a valid `traceparent`.
async fn state(bench: &Bench, headers: &[&str]) -> Option<String> {
    let parent = valid();
    let states = headers.iter().map(|text| ("tracestate", *text));
    let headers: Vec<_> = std::iter::once(("traceparent", &*parent)).chain(states).collect();
    let line = asked(bench, &headers).await;
    assert_eq!(line.trace_id, TRACE_ID, "a bad tracestate does not end the trace");
    line.trace_state
}

async fn none_is_kept(texts: &[String]) {
    let bench = bench();
    for text in texts {
        assert_eq!(state(&bench, &[text]).await, None, "{text}");
    }
}

#[tokio::test]
async fn without_headers_a_trace_is_begun_and_says_that_its_id_is_random() {
    let bench = bench();
    let answer = bench.send(get("/hello")).await;
    assert!(answer.header("traceresponse").expect("a header").ends_with("-02"));
    assert_eq!(asked(&bench, &[]).await.trace_state, None);
}

#[tokio::test]
async fn a_traceparent_without_a_tracestate_is_continued() {
    assert!(continues(&bench(), &valid()).await);
}

#[tokio::test]
async fn a_traceparent_that_is_there_twice_is_none() {
    let bench = bench();
    let other = valid().replace("01234", "01235");
    for second in [valid(), other] {
        let line = asked(&bench, &[("traceparent", &valid()), ("traceparent", &second)]).await;
        assert_eq!(line.parent_id, None);
    }
}

#[tokio::test]
async fn the_name_of_the_header_is_taken_in_any_case_and_in_no_other_form() {
    let bench = bench();
    for (name, continued) in [
        ("TraceParent", true),
        ("TrAcEpArEnT", true),
        ("TRACEPARENT", true),
        ("trace-parent", false),
        ("trace.parent", false),
    ] {
        let line = asked(&bench, &[(name, &valid())]).await;
        assert_eq!(line.parent_id.is_some(), continued, "{name}");
    }
}

#[tokio::test]
async fn version_00_has_exactly_four_fields() {
    none_continues(&[".", "-", "-01", "-what-the-future-will-be-like"].map(|more| valid() + more))
        .await;
}

#[tokio::test]
async fn a_later_version_is_read_as_far_as_it_is_known() {
    let bench = bench();
    let later = format!("cc{}", &valid()[2..]);
    for (more, continued) in [
        ("", true),
        ("-what-the-future-will-be-like", true),
        ("-", true),
        (".what-the-future-will-not-be-like", false),
    ] {
        assert_eq!(continues(&bench, &format!("{later}{more}")).await, continued, "{more}");
    }
}

#[tokio::test]
async fn a_version_of_other_than_two_hex_digits_or_ff_is_invalid() {
    let rest = valid()[2..].to_owned();
    let versions = [".0", "0.", "000", "0000", "0", "", "ff", "FF", "0g", "CC"];
    none_continues(&versions.map(|version| format!("{version}{rest}"))).await;
}

#[tokio::test]
async fn a_trace_id_is_32_lower_case_hex_digits_that_are_not_all_zero() {
    let zero = "0".repeat(32);
    let texts = [
        zero.as_str(),
        ".2345678901234567890123456789012",
        "1234567890123456789012345678901.",
        "1234567890123456789012345678901A",
        "123456789012345678901234567890123",
        "1234567890123456789012345678901",
        "",
    ];
    none_continues(&texts.map(|id| format!("00-{id}-{PARENT_ID}-01"))).await;
}

#[tokio::test]
async fn a_parent_id_is_16_lower_case_hex_digits_that_are_not_all_zero() {
    let texts = [
        "0000000000000000",
        ".234567890123456",
        "123456789012345.",
        "123456789012345A",
        "12345678901234567",
        "123456789012345",
        "",
    ];
    none_continues(&texts.map(|id| format!("00-{TRACE_ID}-{id}-01"))).await;
}

#[tokio::test]
async fn flags_are_two_lower_case_hex_digits() {
    let texts = [".0", "0.", "001", "1", "", "0A"];
    none_continues(&texts.map(|flags| format!("00-{TRACE_ID}-{PARENT_ID}-{flags}"))).await;
}

#[tokio::test]
async fn the_flags_that_are_known_are_passed_on_and_no_others() {
    let bench = bench();
    for (given, passed_on) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03")]
    {
        let parent = format!("00-{TRACE_ID}-{PARENT_ID}-{given}");
        let answer = bench.send(get("/hello").header("traceparent", parent)).await;
        let response = answer.header("traceresponse").expect("a header").to_owned();
        assert_eq!(&response[..35], &valid()[..35]);
        assert_eq!(&response[53..], passed_on, "{given}");
    }
}

#[tokio::test]
async fn a_trace_that_begins_here_is_kept_by_the_ratio_and_a_callers_as_the_caller_says() {
    for (ratio, begun) in [(0.0, "02"), (1.0, "03")] {
        let bench = sampled(Sampler::new(ratio, 100));
        let flags = async |headers: &[(&str, &str)]| {
            let request =
                headers.iter().fold(get("/hello"), |r, (name, value)| r.header(*name, *value));
            let answer = bench.send(request).await;
            answer.header("traceresponse").expect("a header")[53..].to_owned()
        };
        assert_eq!(flags(&[]).await, begun);
        assert_eq!(flags(&[("traceparent", &valid())]).await, "01");
        let not_kept = format!("00-{TRACE_ID}-{PARENT_ID}-00");
        assert_eq!(flags(&[("traceparent", &not_kept)]).await, "00");
        assert_eq!(flags(&[("traceparent", "nonsense")]).await, begun);
    }
}

#[tokio::test]
async fn a_flood_of_callers_who_keep_their_traces_is_not_followed() {
    let bench = sampled(Sampler::new(0.0, 0));
    // The id is one that any ratio would keep.
    let chosen = format!("00-{}-{PARENT_ID}-03", "f".repeat(32));
    let answer = bench.send(get("/hello").header("traceparent", chosen)).await;
    assert!(answer.header("traceresponse").expect("a header").ends_with("-02"));
}

#[tokio::test]
async fn space_around_a_traceparent_says_nothing() {
    let bench = bench();
    for (before, after) in [(" ", ""), ("\t", ""), ("", " "), ("", "\t"), ("\t ", " \t")] {
        assert!(continues(&bench, &format!("{before}{}{after}", valid())).await);
    }
}

#[tokio::test]
async fn a_tracestate_without_a_valid_traceparent_is_dropped() {
    let bench = bench();
    assert_eq!(asked(&bench, &[("tracestate", "foo=1")]).await.trace_state, None);
    let invalid = [("traceparent", "nonsense"), ("tracestate", "foo=1")];
    assert_eq!(asked(&bench, &invalid).await.trace_state, None);
}

#[tokio::test]
async fn a_tracestate_is_kept_beside_its_trace() {
    let bench = bench();
    for text in ["foo=1,bar=2", "foo=1"] {
        assert_eq!(state(&bench, &[text]).await.as_deref(), Some(text));
    }
}

#[tokio::test]
async fn the_name_of_the_tracestate_is_taken_in_any_case_and_in_no_other_form() {
    let bench = bench();
    for (name, kept) in
        [("TraceState", true), ("TRACESTATE", true), ("trace-state", false), ("trace.state", false)]
    {
        let line = asked(&bench, &[("traceparent", &valid()), (name, "foo=1")]).await;
        assert_eq!(line.trace_state.is_some(), kept, "{name}");
    }
}

#[tokio::test]
async fn an_empty_tracestate_is_allowed_and_is_none() {
    let bench = bench();
    assert_eq!(state(&bench, &[""]).await, None);
    assert_eq!(state(&bench, &["foo=1", ""]).await.as_deref(), Some("foo=1"));
    assert_eq!(state(&bench, &["", "foo=1"]).await.as_deref(), Some("foo=1"));
    assert_eq!(state(&bench, &["foo=1,,bar=2,"]).await.as_deref(), Some("foo=1,bar=2"));
}

#[tokio::test]
async fn several_tracestates_are_one_list_in_their_order() {
    let headers = ["foo=1,bar=2", "rojo=1,congo=2", "baz=3"];
    let expected = "foo=1,bar=2,rojo=1,congo=2,baz=3";
    assert_eq!(state(&bench(), &headers).await.as_deref(), Some(expected));
}

#[tokio::test]
async fn a_key_that_is_there_twice_invalidates_the_whole() {
    let bench = bench();
    for headers in [&["foo=1,foo=1"] as &[&str], &["foo=1,foo=2"], &["foo=1", "foo=2"]] {
        assert_eq!(state(&bench, headers).await, None, "{headers:?}");
    }
}

#[tokio::test]
async fn every_character_that_keys_and_values_may_have_is_kept() {
    let bench = bench();
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    // A value does not end with a space, and begins with one only here.
    for text in [
        format!("{key}=a"),
        format!("0tenant@{key}=a").replace(key, "a0_-*/"),
        format!("foo=x{value}"),
    ] {
        assert_eq!(state(&bench, &[&text]).await, Some(text));
    }
}

#[tokio::test]
async fn space_around_entries_says_nothing() {
    let bench = bench();
    for text in ["foo=1 , bar=2", "foo=1\t,\tbar=2", " foo=1,bar=2 ", "\tfoo=1 \t , \t bar=2\t"] {
        assert_eq!(state(&bench, &[text]).await.as_deref(), Some("foo=1,bar=2"), "{text:?}");
    }
}

#[tokio::test]
async fn a_key_of_other_characters_invalidates_the_whole() {
    let keys = ["foo ", "FOO", "foo.bar", "Foo", "1foo", "_foo", "foo bar", ""];
    none_is_kept(&keys.map(|key| format!("{key}=1,bar=2"))).await;
}

#[tokio::test]
async fn a_key_of_a_tenant_has_one_at_sign_between_two_names() {
    let keys = ["foo@", "@foo", "foo@@bar", "foo@bar@baz", "foo@1bar", "@"];
    none_is_kept(&keys.map(|key| format!("{key}=1,bar=2"))).await;
}

#[tokio::test]
async fn thirty_two_entries_are_kept_and_one_more_invalidates_the_whole() {
    let bench = bench();
    let entries: Vec<_> = (1..=33).map(|n| format!("bar{n:02}={n:02}")).collect();
    let kept = entries[..32].join(",");
    assert_eq!(state(&bench, &[&kept]).await, Some(kept));
    assert_eq!(state(&bench, &[&entries.join(",")]).await, None);
    assert_eq!(state(&bench, &[&entries[..20].join(","), &entries[20..].join(",")]).await, None);
}

#[tokio::test]
async fn keys_and_values_have_the_lengths_of_the_specification() {
    let bench = bench();
    let long = |n: usize| "t".repeat(n);
    for (entry, kept) in [
        (format!("{}=1", long(256)), true),
        (format!("{}=1", long(257)), false),
        (format!("{}@{}=1", long(241), long(14)), true),
        (format!("{}@{}=1", long(242), long(1)), false),
        (format!("{}@{}=1", long(1), long(15)), false),
        (format!("bar={}", long(256)), true),
        (format!("bar={}", long(257)), false),
        ("bar=".to_owned(), false),
    ] {
        let text = format!("foo=1,{entry}");
        assert_eq!(state(&bench, &[&text]).await, kept.then_some(text));
    }
}

#[tokio::test]
async fn a_value_of_other_characters_invalidates_the_whole() {
    none_is_kept(&["foo=bar=baz", "foo=,bar=3", "foo", "foo=a\tb"].map(str::to_owned)).await;
}
