//! The discipline matrix: with one decision left out, one sentence says where and what to write.

mod endpoints;

use std::{sync::Arc, time::Duration};

use mainstay_core::OutageMode;
use mainstay_web::{
    Authenticated, Cache, Edge, EdgeBuilder, Limit, Repeat, Routes,
    discipline::{Column, Evidence, Finding, Matrix},
    get, patch, post, put,
};
use serde_json::Value;

use self::endpoints::{
    by_header, by_key, by_name, change, create, log_in, mute, replace, show, take_anything,
};
use crate::{
    harness::{options, parts},
    parts::{Lines, Quotas},
};

const MINUTE: Duration = Duration::from_mins(1);
const WHY: &str = "it is a test";
const OWN: Limit = Limit::per_client(5, MINUTE).on_outage(OutageMode::Closed);

fn routes() -> Routes<()> {
    Routes::new("m", ())
}

fn edge(builder: EdgeBuilder) -> Edge {
    let parts = parts(&Arc::<Lines>::default(), &Arc::<Quotas>::default());
    builder.build(options(), parts).expect("no contradiction")
}

/// Judged as if every error had been tested.
fn judged(builder: EdgeBuilder) -> Matrix {
    let edge = edge(builder);
    let everything = edge.document().value()["paths"].as_object().expect("paths").iter().flat_map(
        |(path, item)| {
            let methods: Vec<_> = item.as_object().expect("an object").keys().collect();
            let codes = edge.document().codes();
            let lines = methods.into_iter().flat_map(move |method| {
                let method = method.to_uppercase();
                codes.iter().map(move |code| format!("{method}\t{path}\t{code}\n"))
            });
            lines.collect::<Vec<_>>()
        },
    );
    let evidence: String = everything.collect();
    edge.discipline(&Evidence::parse(&evidence).expect("well formed"))
}

fn findings(routes: Routes<()>) -> Vec<Finding> {
    judged(EdgeBuilder::default().mount(routes)).findings()
}

/// One endpoint of each kind with every decision made.
fn disciplined() -> Routes<()> {
    let why = Repeat::NoEffect("it says the same");
    routes()
        .add(get("/a/{id}", show).public().cache(Cache::NoStore).summary("Show"))
        .add(
            post("/a", create)
                .public()
                .limit(OWN)
                .body_bytes_max(64)
                .on_repeat(why)
                .summary("Say it"),
        )
        .add(
            post("/log-in", log_in)
                .allow(Authenticated)
                .without_scope(WHY)
                .unlimited(WHY)
                .body_bytes_max(64)
                .on_repeat(Repeat::Again("each is its own"))
                .summary("Log in"),
        )
        .add(
            patch("/a", change)
                .allow(Authenticated)
                .without_scope(WHY)
                .on_repeat(why)
                .summary("Change"),
        )
        .add(put("/a", replace).allow(Authenticated).without_scope(WHY).summary("Replace"))
}

#[test]
fn an_endpoint_of_each_kind_can_satisfy_it() {
    let matrix = judged(EdgeBuilder::default().mount(disciplined()));
    let told: Vec<_> = matrix.findings().iter().map(ToString::to_string).collect();
    assert!(matrix.is_green() && told.is_empty(), "{told:#?}");
}

/// Asserts that there is one finding, where and as it should be.
#[track_caller]
fn check(routes: Routes<()>, column: Column, sentence: &str) {
    let findings = findings(routes);
    let [finding] = &findings[..] else { panic!("{sentence}: {findings:#?}") };
    assert_eq!(finding.column, column, "{finding}");
    assert!(finding.sentence.starts_with(sentence), "{finding}");
}

#[test]
fn what_anybody_may_send_or_guess_needs_decisions_of_its_own() {
    let why = Repeat::NoEffect("it says the same");
    let public = || post("/a", create).public().summary("Say it").on_repeat(why);
    let secret = || {
        post("/a", log_in).allow(Authenticated).without_scope(WHY).summary("Log in").on_repeat(why)
    };
    check(
        routes().add(public().limit(OWN)),
        Column::Body,
        "anybody may send it, so the default size of a body is too much; write .body_bytes_max(",
    );
    check(
        routes().add(public().body_bytes_max(64)),
        Column::Limit,
        "anybody may send it, so the default limit is not enough; write .limit(",
    );
    check(
        routes().add(public().limit(Limit::per_client(5, MINUTE)).body_bytes_max(64)),
        Column::Outage,
        "its limit does not say what happens when nobody can count; write .on_outage(",
    );
    check(
        routes().add(secret().body_bytes_max(64)),
        Column::Limit,
        "its body takes a secret, which can be guessed at, so the default limit is not enough",
    );
    check(
        routes().add(secret().limit(OWN)),
        Column::Body,
        "its body takes a secret, which can be guessed at, so the default size of a body",
    );
}

#[test]
fn each_decision_that_is_left_out_has_its_sentence() {
    let shown = || get("/a/{id}", show).public().summary("Show");
    let changed = || patch("/a", change).allow(Authenticated).without_scope(WHY).summary("Change");
    check(
        routes().add(changed()),
        Column::Idempotency,
        "nobody has said what a second identical request does; write .on_repeat(",
    );
    check(
        routes().add(put("/a", change).allow(Authenticated).without_scope(WHY).summary("Replace")),
        Column::Idempotency,
        "a PUT replaces the whole, also what its sender has not seen; take `RequireIfMatch`",
    );
    let why = Repeat::NoEffect("it says the same");
    check(
        routes().add(patch("/a", change).allow(Authenticated).summary("Change").on_repeat(why)),
        Column::Access,
        "nobody has said which scope opens it to API keys; write .scope(",
    );
    let again = changed().on_repeat(Repeat::Again("each is its own"));
    check(
        routes().add(again.body_bytes_max(64)),
        Column::Limit,
        "every repetition has an effect, so the default limit is not enough; write .limit(",
    );
    check(
        routes().add(shown()),
        Column::Cache,
        "nobody has said who may keep the answer; write .cache(",
    );
    check(
        routes().add(get("/a/{id}", show).public().cache(Cache::NoStore)),
        Column::Documented,
        "it has no summary; write .summary(",
    );
}

#[test]
fn a_blank_reason_is_none() {
    let shown = || get("/a/{id}", show).public().summary("Show").cache(Cache::NoStore);
    let changed = || patch("/a", change).allow(Authenticated).without_scope(WHY).summary("Change");
    let blank = |how: &str| format!("the reason is blank; write {how}");
    check(routes().add(shown().unlimited(" ")), Column::Limit, &blank(".unlimited(\"why\")"));
    check(
        routes().add(shown().without_deadline("")),
        Column::Deadline,
        &blank(".without_deadline(\"why\")"),
    );
    check(
        routes().add(changed().on_repeat(Repeat::Again("\t")).limit(OWN).body_bytes_max(64)),
        Column::Idempotency,
        &blank(".on_repeat(Repeat::Again(\"why\"))"),
    );
    check(
        routes().add(changed().on_repeat(Repeat::NoEffect(""))),
        Column::Idempotency,
        &blank(".on_repeat(Repeat::NoEffect(\"why\"))"),
    );
    check(
        routes().add(
            patch("/a", change)
                .allow(Authenticated)
                .without_scope(" ")
                .on_repeat(Repeat::NoEffect("it says the same"))
                .summary("Change"),
        ),
        Column::Access,
        &blank(".without_scope(\"why\")"),
    );
}

#[test]
fn a_finding_names_the_line_of_the_route_table_and_the_endpoint() {
    let line = line!() + 1;
    let undecided = get("/a/{id}", show).public().summary("Show");
    let findings = findings(routes().add(undecided));
    let told = findings[0].to_string();
    let place = format!("{}:{line}: GET /a/{{id}}: cache: nobody has said", file!());
    assert!(told.starts_with(&place), "{told} does not start with {place}");
}

#[test]
fn an_input_without_an_upper_bound_is_named_by_its_pointer() {
    let loose =
        post("/a", take_anything).allow(Authenticated).without_scope(WHY).summary("Take it");
    let findings = findings(routes().add(loose.on_repeat(Repeat::NoEffect("it is a test"))));
    let told: Vec<_> = findings.iter().map(|finding| finding.sentence.as_str()).collect();
    let expected = [
        "body /inner/note is a text of any length; write #[schemars(length(max",
        "body /tags is a list of any length; write #[schemars(length(max",
        "body /text is a text of any length; write #[schemars(length(max",
        "body /words takes any number of entries; write #[schemars(extend(\"maxProperties\"",
        "body /words has keys of any length; write #[schemars(extend(\"propertyNames\"",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told} does not start with {expected}");
    }
}

#[test]
fn what_is_personal_or_secret_stays_out_of_what_others_write_down() {
    let found = |endpoint| findings(routes().add(endpoint));
    for (findings, sentence) in [
        (
            found(get("/a/{name}", by_name).public().summary("Show").cache(Cache::NoStore)),
            "the path parameter `name` is personal",
        ),
        (
            found(get("/a", by_key).public().summary("Show").cache(Cache::NoStore)),
            "the query parameter `key` is secret",
        ),
        (
            found(get("/a", by_header).public().summary("Show").cache(Cache::NoStore)),
            "the header parameter `key` is secret",
        ),
    ] {
        let [finding] = &findings[..] else { panic!("{sentence}: {findings:#?}") };
        assert_eq!(finding.column, Column::Personal);
        assert!(finding.sentence.starts_with(sentence), "{finding}");
    }
}

#[test]
fn everything_named_needs_words() {
    let mute = get("/a", mute).public().summary("\n").cache(Cache::NoStore);
    let findings = findings(routes().add(mute));
    let told: Vec<_> = findings.iter().map(|finding| finding.sentence.as_str()).collect();
    assert_eq!(
        told,
        [
            "it has no summary; write .summary(\"…\")",
            "query parameter `text` has no description; write a doc comment on the field",
            "answer /id has no description; write a doc comment on the field",
        ]
    );
}

#[test]
fn an_error_that_no_test_has_produced_is_named() {
    let shown = get("/a/{id}", show).public().cache(Cache::NoStore).summary("Show");
    let edge = edge(EdgeBuilder::default().mount(routes().add(shown)));
    let evidence = "GET\t/a/{id}\tRATE_LIMITED\nGET\t/b\tVALIDATION_FAILED\n-\t-\tINVALID_HOST\n";
    let evidence = Evidence::parse(evidence).expect("well formed");
    let matrix = edge.discipline(&evidence);
    let findings = matrix.findings();
    let sentence = "no test is known to produce DEADLINE_EXCEEDED, HEAD_TOO_LARGE, INTERNAL, \
                    MALFORMED_REQUEST, URI_TOO_LONG, VALIDATION_FAILED; write one that does";
    assert!(findings[0].sentence.starts_with(sentence), "{}", findings[0]);
    assert_eq!(matrix.tested(&evidence), "*\t*\tINVALID_HOST\nGET\t/a/{id}\tRATE_LIMITED\n");
}

#[test]
fn a_raw_router_needs_a_reason_and_no_more() {
    let raw = |reason| EdgeBuilder::default().mount_raw("/legacy", axum::Router::new(), reason);
    assert!(judged(raw("moves next quarter")).is_green());
    let line = line!() + 1;
    let matrix = judged(raw(" \n"));
    let told: Vec<_> = matrix.findings().iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "one router, one sentence: {told:#?}");
    // The closure is where it was mounted.
    let place = format!("{}:{}: * /legacy/{{*rest}}: access: ", file!(), line - 3);
    assert!(told[0].starts_with(&place), "{} does not start with {place}", told[0]);
    assert!(told[0].ends_with("write .mount_raw(path, router, \"why it speaks for itself\")"));
}

#[test]
fn machines_get_every_cell_and_every_finding() {
    let undecided = get("/b", mute).public().summary("Mute").unlimited("it is a test");
    let json = judged(EdgeBuilder::default().mount(disciplined().add(undecided))).to_json();
    let endpoints = json["endpoints"].as_array().expect("a list");
    assert_eq!(endpoints.len(), 6);
    let first = &endpoints[0];
    assert_eq!((&first["method"], &first["path"]), (&"GET".into(), &"/a/{id}".into()));
    assert_eq!((&first["module"], &first["handler"]), (&"m".into(), &"show".into()));
    assert!(first["file"].as_str().is_some_and(|file| file.ends_with("discipline.rs")));
    assert!(first["line"].is_u64());
    let names: Vec<_> = first["cells"].as_object().expect("cells").keys().cloned().collect();
    let mut expected = Column::ALL.map(Column::name);
    expected.sort_unstable();
    assert_eq!(names, expected);
    let cell = |at: usize, name: &str| -> &Value { &endpoints[at]["cells"][name] };
    assert_eq!(cell(0, "limit")["says"], "600/1min per client (default)");
    assert_eq!(cell(1, "idempotency")["reason"], "it says the same");
    assert_eq!((&cell(5, "cache")["decided"], &json["green"]), (&false.into(), &false.into()));
    let findings = json["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 3, "the cache and two descriptions: {findings:#?}");
    assert_eq!(findings[0]["column"], "cache");
}

#[test]
fn people_get_a_table_with_defaults_marked_and_reasons_below() {
    let undecided = get("/b", by_key).public().unlimited("it is a test");
    let table = judged(EdgeBuilder::default().mount(disciplined().add(undecided))).to_string();
    for line in [
        "METHOD  PATH     INPUT    ERRORS",
        "GET     /a/{id}  bounded  8 of 8 tested    public         600/1min per client*  local*",
        "POST    /a       bounded",
        "POST   /log-in  limit: none             it is a test",
        "* the default of the service   ! undecided",
        "6 endpoints, 3 findings",
    ] {
        assert!(table.contains(line), "{line:?} is not in\n{table}");
    }
    let last = table.lines().find(|line| line.contains("GET     /b")).expect("a row");
    assert!(last.contains("! undecided") && last.contains("! exposed"), "{last}");
}
