//! Requests with a key, by the edge's half: what is kept, what is not, and who waits for whom.

use std::time::Duration;

use http::Method;
use mainstay_web::edge::Breach;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    answer::Answer,
    harness::{options, request},
    memory::{Flaw, Memory},
    shop::{Bench, bench, body, is_replayed, kept, keyed, keyed_by},
};

fn shop() -> Bench {
    bench(Memory::default(), options())
}

fn code(answer: &Answer) -> String {
    answer.code().unwrap_or_default()
}

#[tokio::test]
async fn a_repetition_gets_the_same_answer_without_an_effect() {
    let bench = shop();
    let first = bench.order("good", "k", "tea").await;
    let line = bench.line();
    assert_eq!((first.status, line.replayed, is_replayed(&first)), (201, false, false));
    assert_eq!(line.bytes_in, body("tea").len() as u64, "a body that is read twice counts once");
    let again = bench.order("good", "\"k\"", "tea").await;
    assert_eq!(kept(&again), kept(&first));
    assert!(is_replayed(&again) && bench.line().replayed);
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(bench.memory.sold("tea"), 1);
}

#[tokio::test]
async fn without_a_key_nothing_is_kept() {
    let bench = shop();
    for _ in 0..2 {
        let request = request(Method::POST, "/orders/good");
        assert_eq!(bench.send(request, body("tea")).await.status, 201);
    }
    assert_eq!((bench.memory.sold("tea"), bench.memory.rows()), (2, 0));
}

#[tokio::test]
async fn a_refusal_of_the_handler_is_kept_with_its_request_id() {
    let bench = shop();
    for (end, expected) in [("sold-out", "SOLD_OUT"), ("forbidden", "FORBIDDEN")] {
        let first = bench.order(end, end, "tea").await;
        assert_eq!(code(&first), expected);
        first.check_promises();
        bench.log.take();
        let again = bench.order(end, end, "tea").await;
        assert!(is_replayed(&again));
        assert_eq!(kept(&again), kept(&first));
        let line = bench.line();
        assert_eq!((line.code, line.replayed), (Some(expected), true), "the line knows the code");
    }
    assert_eq!(bench.memory.sold("tea"), 2, "what it wrote as well");
}

#[tokio::test]
async fn a_key_is_bound_to_who_asks_for_what() {
    let bench = shop();
    let patch = request(Method::PATCH, "/orders/good").header("idempotency-key", "k");
    let requests = [
        keyed("good", "k"),
        keyed("other", "k"),
        keyed("good", "K"),
        patch,
        keyed_by("alice", "good", "k"),
        keyed_by("admin", "good", "k"),
    ];
    let count = requests.len() as u32;
    for request in requests {
        let answer = bench.send(request, body("tea")).await;
        assert_eq!((answer.status, is_replayed(&answer)), (201, false), "{answer:?}");
    }
    assert_eq!(bench.memory.sold("tea"), count);
    let again = bench.send(keyed_by("alice", "good", "k"), body("tea")).await;
    assert!(is_replayed(&again));
}

#[tokio::test]
async fn another_request_under_the_key_is_refused() {
    let bench = shop();
    assert_eq!(bench.order("good", "k", "tea").await.status, 201);
    let other = bench.order("good", "k", "rum").await;
    assert_eq!((other.status, code(&other).as_str()), (422, "IDEMPOTENCY_KEY_REUSED"));
    other.check_promises();
    let queried = request(Method::POST, "/orders/good?gift=1").header("idempotency-key", "k");
    assert_eq!(code(&bench.send(queried, body("tea")).await), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!((bench.memory.sold("tea"), bench.memory.sold("rum")), (1, 0));
}

#[tokio::test]
async fn what_is_no_key_is_refused() {
    let bench = shop();
    for bad in ["", "a b", "\"", "\"a", &"k".repeat(256)] {
        let answer = bench.order("good", bad, "tea").await;
        assert_eq!((answer.status, code(&answer).as_str()), (400, "IDEMPOTENCY_KEY_INVALID"));
        answer.check_promises();
    }
    let twice = keyed("good", "k").header("idempotency-key", "k");
    assert_eq!(code(&bench.send(twice, body("tea")).await), "IDEMPOTENCY_KEY_INVALID");
    assert_eq!(bench.memory.sold("tea"), 0);
}

#[tokio::test]
async fn what_has_not_begun_may_be_corrected() {
    let bench = shop();
    for (sent, expected) in [("{", "MALFORMED_JSON"), ("{}", "VALIDATION_FAILED")] {
        assert_eq!(code(&bench.send(keyed("good", "k"), sent).await), expected);
        assert_eq!(bench.memory.rows(), 0);
    }
    assert_eq!(bench.order("good", "k", "tea").await.status, 201);
}

#[tokio::test]
async fn what_failed_or_should_come_later_has_no_effect_and_may_be_tried_again() {
    let bench = bench(Memory::default(), {
        let mut options = options();
        options.breach = Breach::Report;
        options
    });
    for (end, expected) in [
        ("come-again", "COME_AGAIN"),
        ("queue", "QUEUE"),
        ("overloaded", "OVERLOADED"),
        ("panic", "INTERNAL"),
        ("surprise", "INTERNAL"),
        ("much", "INTERNAL"),
    ] {
        bench.log.take();
        let answer = bench.order(end, end, "tea").await;
        assert_eq!(code(&answer), expected, "{end}");
        answer.check_promises();
        assert_eq!((bench.memory.sold("tea"), bench.memory.rows()), (0, 0), "{end}");
        let cause = bench.line().cause.unwrap_or_default();
        assert!(end != "much" || cause.contains("262144 bytes can be kept"), "{cause}");
    }
}

#[tokio::test]
async fn an_endpoint_without_a_body_is_done_once_too() {
    let bench = shop();
    let ask = || request(Method::POST, "/bare").header("idempotency-key", "k");
    let first = bench.send(ask(), "").await;
    let again = bench.send(ask(), "whatever is sent").await;
    assert_eq!(kept(&again), kept(&first));
    assert_eq!(bench.memory.sold("air"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_meanwhile_waits_for_the_answer() {
    let bench = shop();
    let (first, again, ()) =
        tokio::join!(bench.order("wait", "k", "tea"), bench.order("wait", "k", "tea"), async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            bench.go.add_permits(9);
        });
    assert_eq!(kept(&again), kept(&first));
    assert_eq!((first.status, bench.memory.sold("tea")), (201, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_before_the_deadline() {
    let bench = shop();
    let begun = Instant::now();
    let later = async {
        // Time stands still until everybody waits, so the other one has the claim by then.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let impatient = keyed("wait", "k").header("request-timeout", "2");
        let answer = bench.send(impatient, body("tea")).await;
        (answer, begun.elapsed())
    };
    let (first, (again, waited)) = tokio::join!(bench.order("wait", "k", "tea"), later);
    assert_eq!((again.status, code(&again).as_str()), (409, "IDEMPOTENCY_IN_PROGRESS"));
    assert_eq!(again.header("retry-after"), Some("1"));
    again.check_promises();
    let (early, late) = (Duration::from_millis(1500), Duration::from_millis(1900));
    assert!((early..=late).contains(&waited), "{waited:?}");
    assert_eq!(code(&first), "DEADLINE_EXCEEDED", "nobody let it go on");
    assert_eq!((bench.memory.sold("tea"), bench.memory.rows()), (0, 0));
}

#[tokio::test]
async fn a_store_that_fails_is_no_licence_to_go_on() {
    for (flaw, status, expected) in
        [(Flaw::Unreachable, 503, "NO_STORE"), (Flaw::Loses, 409, "IDEMPOTENCY_IN_PROGRESS")]
    {
        let bench = bench(Memory::with(flaw), options());
        let answer = bench.order("good", "k", "tea").await;
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected));
        answer.check_promises();
        assert_eq!(bench.memory.sold("tea"), 0);
    }
}

#[tokio::test]
async fn the_contract_names_the_key_the_replay_and_the_codes() {
    let bench = shop();
    let document: &Value = bench.edge.document().value();
    let operation = &document["paths"]["/orders/{end}"]["post"];
    let parameters = operation["parameters"].as_array().expect("parameters");
    let key = parameters.iter().find(|parameter| parameter["name"] == "idempotency-key");
    let key = key.expect("the key is published");
    assert_eq!((&key["in"], &key["required"]), (&"header".into(), &false.into()));
    for status in ["201", "409", "422"] {
        let headers = &operation["responses"][status]["headers"];
        assert!(headers["idempotent-replayed"].is_object(), "{status}");
    }
    let text = operation["responses"].to_string();
    for code in ["IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_IN_PROGRESS"] {
        assert!(text.contains(code), "{code}");
    }
    assert!(bench.edge.keeps_answers());
}
