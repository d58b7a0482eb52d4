//! What browsers need to know: who may call across origins, and what they must not do.

use http::{HeaderValue, Method, request::Builder};
use mainstay_web::{EdgeOptions, edge::Cors};

use crate::harness::{Bench, bench, bench_with, get, options, request};

const APP: &str = "https://app.example.com";

fn cors_bench() -> Bench {
    let origins =
        vec![HeaderValue::from_static(APP), HeaderValue::from_static("https://b.example")];
    bench_with(EdgeOptions { cors: Cors { origins }, ..options() })
}

fn preflight(origin: &str) -> Builder {
    request(Method::OPTIONS, "/hello")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
}

fn cors_headers(answer: &crate::answer::Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(http::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test]
async fn without_origins_there_is_no_cors() {
    let bench = bench();
    for request in [get("/hello").header("origin", APP), preflight(APP)] {
        let answer = bench.send(request).await;
        assert!(cors_headers(&answer).is_empty(), "{answer:?}");
        assert_eq!(answer.header("vary"), None);
    }
}

#[tokio::test]
async fn an_origin_on_the_list_may_read_every_answer_errors_included() {
    let bench = cors_bench();
    for path in ["/hello", "/nowhere", "/me", "/panic/literal"] {
        let answer = bench.send(get(path).header("origin", APP)).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{path}");
        let exposed = answer.header("access-control-expose-headers").expect("a list");
        assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn any_other_origin_is_not_mentioned_and_caches_are_told() {
    let bench = cors_bench();
    let others = ["https://evil.example", "https://app.example.com.evil.example", "null", "*"];
    for origin in others {
        for request in [get("/hello").header("origin", origin), preflight(origin)] {
            let answer = bench.send(request).await;
            assert!(cors_headers(&answer).is_empty(), "{origin}: {answer:?}");
            assert_eq!(answer.header("vary"), Some("origin"));
        }
    }
    assert_eq!(bench.send(get("/hello")).await.header("vary"), Some("origin"));
}

#[tokio::test]
async fn a_preflight_learns_methods_and_headers() {
    let bench = cors_bench();
    let answer = bench.send(preflight(APP)).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    let methods = answer.header("access-control-allow-methods");
    assert_eq!(methods, Some("GET, HEAD, OPTIONS, POST"));
    let headers = answer.header("access-control-allow-headers").expect("a list");
    assert!(headers.contains("authorization") && headers.contains("if-match"), "{headers}");
    assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    // A plain `OPTIONS` asks for nothing across origins.
    let plain = bench.send(request(Method::OPTIONS, "/hello").header("origin", APP)).await;
    assert_eq!(plain.header("access-control-allow-methods"), None);
}

#[tokio::test]
async fn transport_security_is_announced_only_where_it_is_configured() {
    let value = "max-age=63072000";
    let secure =
        EdgeOptions { transport_security: Some(HeaderValue::from_static(value)), ..options() };
    for (bench, expected) in [(bench(), None), (bench_with(secure), Some(value))] {
        for path in ["/hello", "/nowhere"] {
            let answer = bench.send(get(path)).await;
            assert_eq!(answer.header("strict-transport-security"), expected, "{path}");
        }
    }
}
