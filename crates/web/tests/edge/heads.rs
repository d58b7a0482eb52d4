//! What is decided by the head alone: host, method, conditions on reads.

use axum::body::Body;
use http::{Method, Request, Version};
use mainstay_web::EdgeOptions;

use crate::{
    harness::{bench, bench_with, by, get, options, request},
    parts::ALICE,
};

#[tokio::test]
async fn a_request_names_exactly_one_valid_host() {
    let bench = bench();
    let (relative, absolute) = ("/hello", "http://localhost/hello");
    for (version, target, hosts, status) in [
        (Version::HTTP_11, relative, &["localhost"] as &[&str], 200),
        (Version::HTTP_11, relative, &["example.com:8080"], 200),
        (Version::HTTP_11, relative, &["[::1]:80"], 200),
        (Version::HTTP_11, absolute, &["localhost"], 200),
        (Version::HTTP_11, relative, &[], 400),
        // RFC 9112 section 3.2: also when the target has an authority.
        (Version::HTTP_11, absolute, &[], 400),
        (Version::HTTP_11, "http://user@localhost/hello", &["localhost"], 400),
        (Version::HTTP_11, relative, &["localhost", "localhost"], 400),
        (Version::HTTP_11, relative, &["a b"], 400),
        (Version::HTTP_11, relative, &["user@localhost"], 400),
        (Version::HTTP_11, relative, &["localhost:+80"], 400),
        (Version::HTTP_11, relative, &[""], 400),
        (Version::HTTP_10, relative, &[], 200),
        (Version::HTTP_10, relative, &["a b"], 400),
        (Version::HTTP_10, relative, &["a", "b"], 400),
        (Version::HTTP_2, absolute, &[], 200),
        (Version::HTTP_2, absolute, &["localhost"], 200),
        (Version::HTTP_2, relative, &["localhost"], 200),
        (Version::HTTP_2, relative, &[], 400),
        (Version::HTTP_2, "http://user@localhost/hello", &[], 400),
    ] {
        let request = Request::get(target).version(version);
        let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
        let answer = bench.send(request).await;
        assert_eq!(answer.status, status, "{version:?} {target} {hosts:?}");
        let code = (status == 400).then_some("INVALID_HOST");
        assert_eq!(answer.code().as_deref(), code);
    }
}

#[tokio::test]
async fn a_target_is_as_long_as_the_options_say() {
    let bench = bench_with(EdgeOptions { uri_bytes_max: 20, ..options() });
    let of_length = |length: usize| get(&format!("{:x<length$}", "/hello?"));
    assert_eq!(bench.send(of_length(20)).await.status, 200);
    assert_eq!(bench.send(of_length(21)).await.code().as_deref(), Some("URI_TOO_LONG"));
}

#[tokio::test]
async fn a_path_is_matched_as_it_is_written() {
    let bench = bench();
    for path in ["/hello/", "//hello", "/Hello", "/hell%6f", "/", "/things/a/b"] {
        assert_eq!(
            bench.send(get(path)).await.code().as_deref(),
            Some("ROUTE_NOT_FOUND"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_told_which_are() {
    let bench = bench();
    for (method, path, allow) in [
        (Method::DELETE, "/hello", "GET, HEAD, OPTIONS, POST"),
        (Method::TRACE, "/hello", "GET, HEAD, OPTIONS, POST"),
        (Method::HEAD, "/upload", "OPTIONS, POST"),
        (Method::PATCH, "/things/c4n4ry", "GET, HEAD, OPTIONS, PUT"),
    ] {
        let answer = bench.send(request(method.clone(), path)).await;
        assert_eq!(answer.code().as_deref(), Some("METHOD_NOT_ALLOWED"), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow));
        let options = bench.send(request(Method::OPTIONS, path)).await;
        assert_eq!((options.status, options.header("allow")), (204, Some(allow)));
        assert!(options.body.is_empty());
    }
    let nowhere = bench.send(request(Method::OPTIONS, "/nowhere")).await;
    assert_eq!(nowhere.code().as_deref(), Some("ROUTE_NOT_FOUND"));
}

#[tokio::test]
async fn head_is_answered_like_get() {
    let bench = bench();
    let path = format!("/things/{ALICE}");
    for path in [path.as_str(), "/nowhere", "/hello"] {
        let ask = |method| by("alice", request(method, path)).header("x-request-id", "same");
        let (get, head) = (bench.send(ask(Method::GET)).await, bench.send(ask(Method::HEAD)).await);
        assert_eq!(head.status, get.status, "{path}");
        let (mut expected, mut seen) = (get.headers, head.headers);
        for varying in ["traceresponse", "ratelimit"] {
            expected.remove(varying);
            seen.remove(varying);
        }
        assert_eq!(seen, expected, "{path}");
    }
}

#[tokio::test]
async fn a_reader_that_has_the_present_version_gets_no_body() {
    let bench = bench();
    let ask = |method, tags: &[&str]| {
        let request = by("alice", request(method, &format!("/things/{ALICE}")));
        tags.iter().fold(request, |request, tag| request.header("if-none-match", *tag))
    };
    for (tags, status) in [
        (&["\"7\""] as &[&str], 304),
        (&["W/\"7\""], 304),
        (&["*"], 304),
        (&["\"6\", W/\"7\""], 304),
        (&["\"6\"", "\"7\""], 304),
        (&["\"6\""], 200),
        (&["7"], 200),
        (&["\"\""], 200),
        (&[], 200),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = bench.send(ask(method, tags)).await;
            assert_eq!((answer.status, answer.header("etag")), (status, Some("\"7\"")), "{tags:?}");
            let unchanged = status == 304;
            assert_eq!(answer.body.is_empty(), unchanged, "{tags:?}");
            assert_eq!(answer.header("content-type").is_none(), unchanged, "{tags:?}");
        }
    }
    // Only reads are conditional, and only answers with a tag.
    let write = ask(Method::PUT, &["\"7\""]).header("content-type", "application/json");
    assert_eq!(bench.send_with(write, r#"{"text":"a"}"#).await.status, 200);
    assert_eq!(bench.send(get("/hello").header("if-none-match", "*")).await.status, 200);
    let (refused, _) =
        bench.send_and_see(get("/nowhere").header("if-none-match", "*"), Body::empty()).await;
    assert_eq!(refused.status, 404);
}
