//! Inputs are bounded, parsed and checked before any logic; every problem is listed, no value told.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use mainstay_web::EdgeOptions;

use crate::{
    harness::{bench, bench_with, by, get, options, post, put},
    parts::ALICE,
    service::UPLOAD_BYTES_MAX,
};

/// A value that would be seen if an answer repeated it.
const CANARY: &str = "c4n4ry";

/// A body without an announced length, in pieces.
fn chunked(pieces: &'static [&'static str]) -> Body {
    Body::from_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece))))
}

#[tokio::test]
async fn a_body_is_read_however_it_arrives() {
    let bench = bench();
    for body in [
        Body::from(r#"{"text":"abc"}"#),
        chunked(&[r#"{"text":"abc"}"#]),
        chunked(&["{", r#""text":"#, "", r#""abc"}"#]),
    ] {
        let answer = bench.send_json(post("/upload"), body).await;
        assert_eq!((answer.status, answer.json().as_u64()), (200, Some(3)));
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_its_endpoint_says_and_no_larger() {
    let bench = bench();
    let body = |length: usize| format!("{:<length$}", r#"{"text":"abc"}"#);
    let exact = body(UPLOAD_BYTES_MAX);
    assert_eq!(bench.send_json(post("/upload"), exact).await.status, 200);
    // Refused for what it says: nothing of it has to arrive.
    let announced = Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
    let request = post("/upload").header("content-length", UPLOAD_BYTES_MAX + 1);
    let answer = bench.send_json(request, announced).await;
    assert_eq!(answer.code().as_deref(), Some("PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.header("connection"), Some("close"));

    // The rest is never asked for: a caller cannot make the edge read for ever.
    let endless =
        stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"          ")));
    let request = post("/upload").header("content-type", "application/json");
    let (answer, line) = bench.send_and_see(request, Body::from_stream(endless)).await;
    assert_eq!(answer.code().as_deref(), Some("PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(line.bytes_in, 70, "what was read");
}

#[tokio::test]
async fn the_default_size_holds_where_an_endpoint_names_none() {
    let bench = bench_with(EdgeOptions { body_bytes_max: 10, ..options() });
    let answer = bench.send_json(post("/things"), chunked(&["[1,2,3", ",4,5,6]"])).await;
    assert_eq!(answer.code().as_deref(), Some("PAYLOAD_TOO_LARGE"));
}

#[tokio::test]
async fn a_body_is_taken_in_plain_json_and_nothing_else() {
    let bench = bench();
    let json = ("content-type", "application/json");
    for (headers, status) in [
        (&[json] as &[_], 200),
        (&[("content-type", "application/merge-patch+json")], 200),
        (&[("content-type", "Application/Json; Charset=\"UTF-8\"")], 200),
        (&[json, ("content-encoding", "identity")], 200),
        (&[], 415),
        (&[json, json], 415),
        (&[("content-type", "text/plain")], 415),
        (&[("content-type", "application/json; charset=latin1")], 415),
        (&[("content-type", "application/x-www-form-urlencoded")], 415),
        (&[("content-type", "application/json, text/plain")], 415),
        (&[json, ("content-encoding", "gzip")], 415),
        (&[json, ("content-encoding", "identity"), ("content-encoding", "gzip")], 415),
    ] {
        let request = headers
            .iter()
            .fold(post("/upload"), |request, (name, value)| request.header(*name, *value));
        let answer = bench.send_with(request, r#"{"text":"a"}"#).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let code = (status == 415).then_some("UNSUPPORTED_MEDIA_TYPE");
        assert_eq!(answer.code().as_deref(), code);
    }
}

#[tokio::test]
async fn what_is_no_json_document_is_malformed_and_its_place_is_named() {
    let deep = "[".repeat(33) + &"]".repeat(33);
    for (body, detail) in [
        ("".into(), "the body is empty (line 1, column 0)"),
        ("{\n \"text\":".into(), "the JSON document ends before it is complete (line 2, column 8)"),
        (format!("{{{CANARY}}}").into(), "the body is not a JSON document (line 1, column 2)"),
        (deep.into(), "the JSON document is nested too deeply (line 1, column "),
        (vec![b'"', 0xff, b'"'].into(), "the body is not UTF-8 (line 1, column 2)"),
    ] as [(Body, &str); 5]
    {
        let answer = bench_with(EdgeOptions { body_bytes_max: 4096, ..options() })
            .send_json(post("/things"), body)
            .await;
        assert_eq!(answer.code().as_deref(), Some("MALFORMED_JSON"), "{detail}");
        let said = answer.json()["detail"].as_str().expect("a sentence").to_owned();
        assert!(said.starts_with(detail), "{said}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let broken = stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    let answer = bench().send_json(post("/upload"), Body::from_stream(broken)).await;
    assert_eq!(answer.code().as_deref(), Some("MALFORMED_JSON"));
}

#[tokio::test]
async fn everything_wrong_with_a_body_is_listed_at_once_without_a_value() {
    let body = format!(
        r#"{{"name":"","owner":"{CANARY}","size":0,"parts":[{{"weight":1}},{{"weight":10}}],
            "{CANARY}":1}}"#
    );
    let answer = bench().send_json(post("/things"), body).await;
    assert_eq!(answer.code().as_deref(), Some("VALIDATION_FAILED"));
    assert_eq!(
        answer.field_problems(),
        [
            "body  unknown_field",
            "body /name too_short",
            "body /owner not_an_email",
            "body /parts/1/weight too_large",
            "body /size too_small",
        ]
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY));
}

#[tokio::test]
async fn a_member_that_is_given_twice_is_a_problem_of_its_own() {
    let body = r#"{"name":"a","name":"b","owner":"a@example.com"}"#;
    let answer = bench().send_json(post("/things"), body).await;
    assert_eq!(answer.field_problems(), ["body /name duplicate_field"]);
}

#[tokio::test]
async fn parameters_are_checked_like_bodies_and_say_where_they_stand() {
    let bench = bench();
    for (query, header, expected) in [
        ("", None, &["query /word required"] as &[&str]),
        ("word=", None, &["query /word too_short"]),
        ("word=c4n4ry-c4n4ry", None, &["query /word too_long"]),
        ("word=a&page=0", None, &["query /page too_small"]),
        ("word=a&page=c4n4ry", None, &["query /page wrong_type"]),
        ("word=a&page=1&page=2", None, &["query /page duplicate_field"]),
        ("word=a&order=c4n4ry", None, &["query /order not_allowed"]),
        ("word=a&c4n4ry=1", None, &["query  unknown_field"]),
        ("word=%ff", None, &["query /word bad_encoding"]),
        ("word=%zz", None, &["query /word bad_encoding"]),
        (
            "page=0&order=x",
            None,
            &["query /order not_allowed", "query /page too_small", "query /word required"],
        ),
        ("word=a", Some("1"), &["header /client-version too_small"]),
        ("word=a", Some("c4n4ry"), &["header /client-version wrong_type"]),
    ] {
        let request = get(&format!("/search?{query}"));
        let request =
            header.into_iter().fold(request, |request, v| request.header("client-version", v));
        let answer = bench.send(request).await;
        assert_eq!(answer.code().as_deref(), Some("VALIDATION_FAILED"), "{query}");
        assert_eq!(answer.field_problems(), expected, "{query} {header:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY), "{query}");
    }
}

#[tokio::test]
async fn parameters_arrive_decoded_and_typed() {
    let bench = bench();
    for (query, expected) in [
        ("word=a", "a None None [] Some(2)"),
        ("word=a+b%20c", "a b c None None [] Some(2)"),
        ("word=%C3%A9&page=7&order=oldest", "é Some(7) Some(Oldest) [] Some(2)"),
        ("tag=x&word=a&tag=y", "a None None [\"x\", \"y\"] Some(2)"),
    ] {
        let request = get(&format!("/search?{query}")).header("client-version", "2");
        assert_eq!(bench.send(request).await.json(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_path_parameter_that_breaks_its_contract_is_no_missing_page() {
    let bench = bench();
    for (id, problem) in [
        (CANARY, "path /id not_a_uuid"),
        ("%zz", "path /id bad_encoding"),
        ("urn:uuid:00000000-0000-0000-0000-000000000000", "path /id not_a_uuid"),
    ] {
        let answer = bench.send(by("admin", get(&format!("/things/{id}")))).await;
        assert_eq!(answer.code().as_deref(), Some("VALIDATION_FAILED"), "{id}");
        assert!(answer.field_problems().contains(&problem.to_owned()), "{answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY));
    }
}

#[tokio::test]
async fn the_version_a_caller_believes_in_is_compared_strongly() {
    let bench = bench();
    // A list is answered as the versions that were understood.
    for (tags, expected) in [
        (&[] as &[&str], Some("a")),
        (&["*"], Some("any")),
        (&["\"7\""], Some("[7]")),
        (&["\"6\", \"7\""], Some("[6, 7]")),
        (&["\"6\"", "\"7\""], Some("[6, 7]")),
        (&["\"unknown\", \"7\""], Some("[7]")),
        (&["\"6\""], None),
        (&["W/\"7\""], None),
        (&["7"], None),
        (&["\"07\""], None),
        (&["\"+7\""], None),
        (&[""], None),
        (&["\"unknown\""], None),
    ] {
        let request = by("alice", put(&format!("/things/{ALICE}")));
        let request = tags.iter().fold(request, |request, tag| request.header("if-match", *tag));
        let answer = bench.send_json(request, r#"{"text":"a"}"#).await;
        match expected {
            Some(name) => assert_eq!(answer.json()["name"], name, "{tags:?}"),
            None => assert_eq!(answer.code().as_deref(), Some("PRECONDITION_FAILED"), "{tags:?}"),
        }
    }
}

#[tokio::test]
async fn a_replacement_of_what_was_not_seen_is_refused() {
    let bench = bench();
    let call = |tag: Option<&str>| {
        let request = by("alice", put(&format!("/known/{ALICE}")));
        tag.into_iter().fold(request, |request, tag| request.header("if-match", tag))
    };
    for (tag, status, code) in [
        (None, 428, Some("PRECONDITION_REQUIRED")),
        (Some("\"6\""), 412, Some("PRECONDITION_FAILED")),
        (Some(""), 412, Some("PRECONDITION_FAILED")),
        (Some("\"7\""), 200, None),
        (Some("*"), 200, None),
    ] {
        let answer = bench.send_json(call(tag), r#"{"text":"a"}"#).await;
        assert_eq!((answer.status, answer.code().as_deref()), (status, code), "{tag:?}");
    }
}

#[tokio::test]
async fn a_list_of_versions_is_as_long_as_published_and_no_longer() {
    let bench = bench();
    let path = format!("/known/{ALICE}");
    let operation = &bench.edge.document().value()["paths"]["/known/{id}"]["put"];
    let parameters = operation["parameters"].as_array().expect("parameters");
    let published = parameters.iter().find(|parameter| parameter["name"] == "if-match");
    assert_eq!(published.expect("published")["schema"]["maxLength"], 1024);
    let tags = |length: usize| {
        let request = by("alice", put(&path)).header("if-match", "\"7\"");
        request.header("if-match", "x".repeat(length - 3))
    };
    let longest = bench.send_json(tags(1024), r#"{"text":"a"}"#).await;
    assert_eq!(longest.status, 200, "{longest:?}");
    let longer = bench.send_json(tags(1025), r#"{"text":"a"}"#).await;
    assert_eq!(longer.field_problems(), ["header /if-match too_long"]);
}
