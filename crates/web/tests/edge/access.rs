//! Who may call: decided over the caller and the path, before any logic.

use std::sync::{Arc, atomic::Ordering};

use axum::body::Body;
use mainstay_web::{Authenticated, EdgeBuilder, EdgeParts, NoContent, Routes, get as endpoint};
use uuid::Uuid;

use crate::{
    answer::Answer,
    harness::{PEER, bench, by, get, options, parts},
    parts::{ALICE, ROOT},
};

#[tokio::test]
async fn a_credential_that_is_no_good_is_told_from_none() {
    let bench = bench();
    let long = format!("Bearer {}", "x".repeat(513));
    let plain = "Bearer";
    let invalid = "Bearer error=\"invalid_token\"";
    for (authorization, expected) in [
        (&[] as &[&str], plain),
        (&["Basic YWxpY2U6"], plain),
        (&["alice"], plain),
        (&["Bearer nobody"], invalid),
        (&["bearer nobody"], invalid),
        (&["Bearer"], invalid),
        (&["Bearer  "], invalid),
        (&["Bearer alice x"], invalid),
        (&[&long], invalid),
        (&["Bearer alice", "Bearer alice"], invalid),
    ] {
        let request = authorization
            .iter()
            .fold(get("/me"), |request, value| request.header("authorization", *value));
        let answer = bench.send(request).await;
        assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"), "{authorization:?}");
        assert_eq!(answer.header("www-authenticate"), Some(expected), "{authorization:?}");
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = get("/things").header("authorization", format!("{scheme} admin"));
        assert_eq!(bench.send(request).await.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_failed_look_up_is_no_verdict_about_the_credential() {
    let (answer, line) = bench().send_and_see(by("broken", get("/me")), Body::empty()).await;
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("SESSIONS_UNAVAILABLE")));
    assert_eq!(line.cause.as_deref(), Some("no connection to the session store"));
    assert!(!String::from_utf8_lossy(&answer.body).contains("session store"));
}

#[tokio::test]
async fn without_an_authenticator_nobody_is_known() {
    let bench = bench();
    let nobody = EdgeParts { authenticator: None, ..parts(&bench.log, &bench.quotas) };
    let hello = || async { NoContent };
    let routes = Routes::new("m", ()).add(endpoint("/hello", hello).allow(Authenticated));
    let edge = EdgeBuilder::default().mount(routes).build(options(), nobody).expect("an edge");
    let request = by("alice", get("/hello")).body(Body::empty()).expect("a request");
    let answer = Answer::read(Arc::new(edge).handle(request, &PEER).await).await;
    assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"));
}

#[tokio::test]
async fn ones_own_things_are_open_in_any_spelling_and_the_administrator_sees_all() {
    let bench = bench();
    let own = format!("/things/{ALICE}");
    let upper = format!("/things/{}", ALICE.to_string().to_uppercase());
    let others = format!("/things/{ROOT}");
    for (credential, path) in
        [("alice", &own), ("alice", &upper), ("admin", &own), ("admin", &others)]
    {
        let answer = bench.send(by(credential, get(path))).await;
        assert_eq!(answer.status, 200, "{credential} {path}");
    }
}

#[tokio::test]
async fn a_credential_of_limited_scope_opens_what_names_its_scope() {
    let bench = bench();
    for path in ["/me", "/things", "/strict"] {
        let answer = bench.send(by("reader", get(path))).await;
        let expected = if path == "/strict" { 405 } else { 403 };
        assert_eq!(answer.status, expected, "{path}");
    }
    for credential in ["reader", "alice"] {
        assert_eq!(bench.send(by(credential, get("/context"))).await.status, 200, "{credential}");
    }
    let own = format!("/things/{ALICE}");
    let answer = bench.send(by("reader", get(&own))).await;
    assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "the policy alone does not open it");
    let operation = &bench.edge.document().value()["paths"]["/context"]["get"];
    assert_eq!(operation["x-scope"], "things:read");
}

#[tokio::test]
async fn a_stranger_learns_nothing_about_what_exists() {
    let bench = bench();
    let paths =
        [ROOT.to_string(), Uuid::nil().to_string(), "nonsense".to_owned(), "%00".to_owned()];
    let mut answers = Vec::new();
    for path in paths {
        let request = by("alice", get(&format!("/things/{path}"))).header("x-request-id", "same");
        let answer = bench.send(request).await;
        assert_eq!(answer.status, 403, "{path}");
        answers.push(answer.body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(bench.probe.lookups.load(Ordering::Relaxed), 0, "the handler never runs");
}
