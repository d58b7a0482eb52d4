//! A token in front of everything that is for operators alone.

use mainstay_core::Secret;
use mainstay_web::{EdgeOptions, ops};

use crate::harness::{Bench, bench_with, by, get, options};

const TOKEN: &str = "0123456789abcdef";

fn bench() -> Bench {
    let gate = ops::gate(&Secret::new(TOKEN.to_owned()), Vec::new());
    bench_with(EdgeOptions { gate: Some(gate), ..options() })
}

#[tokio::test]
async fn probes_need_no_token_and_everything_else_does() {
    let bench = bench();
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(bench.send(get(path)).await.status, 200, "{path}");
    }
    for path in ["/hello", "/readyz?verbose", "/livez?x", "/search?word=a"] {
        let answer = bench.send(get(path)).await;
        assert_eq!((answer.status, answer.code().as_deref()), (401, Some("UNAUTHENTICATED")));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
    }
    assert_eq!(bench.send(by(TOKEN, get("/hello"))).await.status, 200);
    assert_eq!(bench.send(by(TOKEN, get("/readyz?verbose"))).await.status, 200);
}

#[tokio::test]
async fn only_the_whole_token_opens_and_only_once_in_the_head() {
    let bench = bench();
    let longer = format!("{TOKEN}x");
    for wrong in ["", "x", &TOKEN[..15], &longer, &TOKEN.to_uppercase(), &"x".repeat(600)] {
        let answer = bench.send(by(wrong, get("/hello"))).await;
        assert_eq!(answer.status, 401, "{wrong}");
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, Some("Bearer error=\"invalid_token\""), "{wrong}");
    }
    assert_eq!(bench.send(by(TOKEN, by(TOKEN, get("/hello")))).await.status, 401);
    let basic = get("/hello").header("authorization", format!("Basic {TOKEN}"));
    assert_eq!(bench.send(basic).await.status, 401);
}
