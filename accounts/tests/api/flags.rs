//! `/flags`: who decides, who reads what, what is on for whom.

use std::time::Duration;

use mainstay_testing::{Call, Reply, TestApp};
use serde_json::{Value, json};

use crate::support::{Person, UNKNOWN_ID, assert_outcome, outcome, start, text};

/// An administrator, and somebody who is none.
struct Scene {
    app: TestApp,
    root: Person,
    ada: Person,
}

impl Scene {
    async fn start() -> Self {
        let app = start().await;
        let root = Person::join_as_admin(&app, "root").await;
        let ada = Person::join(&app, "ada").await;
        Self { app, root, ada }
    }

    fn create(&self, flag: &Value) -> Call {
        self.app.post("/flags").bearer(&self.root.token).json(flag)
    }

    async fn make(&self, flag: Value) -> Reply {
        let made = self.create(&flag).send().await;
        assert_outcome(&made, 201, "", &flag.to_string());
        made
    }

    fn replace(&self, key: &str, tag: &str, definition: &Value) -> Call {
        let call = self.app.call("PUT".parse().expect("a method"), &format!("/flags/{key}"));
        call.bearer(&self.root.token).header("if-match", tag).json(definition)
    }

    fn remove(&self, key: &str) -> Call {
        self.app.delete(&format!("/flags/{key}")).bearer(&self.root.token)
    }

    async fn get(&self, who: &Person, target: &str) -> Value {
        let reply = self.app.get(target).bearer(&who.token).send().await;
        assert_outcome(&reply, 200, "", target);
        reply.json()
    }

    async fn evaluate(&self, who: &Person, body: &Value) -> Vec<Value> {
        let call = self.app.post("/flags/evaluations").bearer(&who.token).json(body);
        let reply = call.send().await;
        assert_outcome(&reply, 200, "", &body.to_string());
        reply.json()["items"].as_array().expect("a list").clone()
    }
}

/// All of a flag but its key.
fn definition(enabled: bool, rollout: u32, allow: &[&str], prerequisites: &[&str]) -> Value {
    json!({
        "description": "The new one", "enabled": enabled, "rollout_basis_points": rollout,
        "allow": allow, "prerequisites": prerequisites,
    })
}

/// The same with its key.
fn named(key: &str, mut definition: Value) -> Value {
    definition["key"] = json!(key);
    definition
}

#[tokio::test]
async fn a_flag_is_off_until_somebody_decides() {
    let scene = Scene::start().await;
    let made = scene.make(json!({ "key": "checkout" })).await;
    assert_eq!(made.header("location"), "/flags/checkout");
    assert_eq!(made.header("etag"), "\"1\"");
    let flag = made.json();
    let members = flag.as_object().expect("an object");
    let expected = json!({
        "key": "checkout", "description": "", "enabled": false, "rollout_basis_points": 0,
        "allow": [], "prerequisites": [], "version": 1, "created_at": flag["created_at"],
        "updated_at": flag["created_at"],
    });
    assert_eq!(members, expected.as_object().expect("an object"));
    let shown = scene.app.get("/flags/checkout").bearer(&scene.root.token).send().await;
    assert_eq!((shown.json(), shown.header("etag")), (flag, "\"1\""));
    let off = scene.get(&scene.ada, "/flags/checkout/evaluation").await;
    let expected =
        json!({ "key": "checkout", "on": false, "reason": "disabled", "prerequisite": null });
    assert_eq!(off, expected);
}

#[tokio::test]
async fn what_is_no_flag_is_refused_with_every_problem() {
    let scene = Scene::start().await;
    let longest = "k".repeat(64);
    for good in ["a", "a1", "new-search.v2_x", "a..b", longest.as_str()] {
        scene.make(json!({ "key": good })).await;
    }
    let too_long = "k".repeat(65);
    let bad =
        ["", "A", "1a", "a.", "-a", "a/b", "a b", "é", "evaluations", "a\n", too_long.as_str()];
    for bad in bad {
        let reply = scene.create(&json!({ "key": bad })).send().await;
        assert_outcome(&reply, 422, "VALIDATION_FAILED", bad);
    }
    let twice = [UNKNOWN_ID, UNKNOWN_ID];
    let many: Vec<_> = (0..11).map(|at| format!("f{at}")).collect();
    let body = json!({
        "key": 1, "description": "x".repeat(501), "enabled": null, "rollout_basis_points": 10_001,
        "allow": twice, "prerequisites": many, "version": 7,
    });
    let reply = scene.create(&body).send().await;
    assert_outcome(&reply, 422, "VALIDATION_FAILED", "seven problems");
    assert_eq!(reply.fields().len(), 7, "{:?}", reply.fields());
    let half = scene.replace("a", "*", &json!({ "enabled": true })).send().await;
    assert_outcome(&half, 422, "VALIDATION_FAILED", "half a flag");
    assert_eq!(half.fields().len(), 4, "what is not said could be meant to stay");
}

#[tokio::test]
async fn the_largest_flag_and_the_longest_list_are_taken() {
    let scene = Scene::start().await;
    let id = |number: u32| format!("01890000-0000-7000-8000-{number:012x}");
    let allow: Vec<_> = (0..1000).map(id).collect();
    let allow: Vec<_> = allow.iter().map(String::as_str).collect();
    let mut flag = named("checkout", definition(true, 0, &allow, &[]));
    flag["description"] = json!("\u{1F980}".repeat(500));
    // As a client would send it that escapes all it can, with room for people to read.
    let text = serde_json::to_string_pretty(&flag).expect("JSON");
    let text = text.replace('\u{1F980}', "\\ud83e\\udd80");
    let call = scene.app.post("/flags").bearer(&scene.root.token);
    let made = call.body("application/json", text).send().await;
    assert_outcome(&made, 201, "", "the largest flag");
    assert_eq!(made.json()["allow"], flag["allow"]);
    let keys: Vec<_> = (0..100).map(|at| format!("{}{at:02}", "k".repeat(62))).collect();
    assert_eq!(scene.evaluate(&scene.ada, &json!({ "keys": keys })).await.len(), 100);
    let more = json!({ "keys": (0..101).map(|at| format!("k{at}")).collect::<Vec<_>>() });
    let call = scene.app.post("/flags/evaluations").bearer(&scene.ada.token).json(&more);
    assert_outcome(&call.send().await, 422, "VALIDATION_FAILED", "one key more");
}

#[tokio::test]
async fn only_administrators_see_who_is_in_an_allow_list() {
    let scene = Scene::start().await;
    let (root, ada) = (&scene.root, &scene.ada);
    scene.make(named("checkout", definition(true, 0, &[&ada.id], &[]))).await;
    for target in ["/flags/checkout", "/flags"] {
        let of = async |who: &Person| {
            let shown = scene.get(who, target).await;
            if target == "/flags" { shown["items"][0].clone() } else { shown }
        };
        let (whole, mut less) = (of(root).await, of(ada).await);
        assert_eq!(whole["allow"], json!([ada.id]));
        assert_eq!(less["allow"], Value::Null, "{target}: not even the own id");
        less["allow"] = whole["allow"].clone();
        assert_eq!(less, whole, "{target}: the rest is for everybody");
    }
    let changes = scene.app.get("/flags/checkout/changes").bearer(&ada.token).send().await;
    assert_outcome(&changes, 403, "FORBIDDEN", "who changed it");
}

#[tokio::test]
async fn each_flag_is_on_for_a_reason() {
    let scene = Scene::start().await;
    let ada = scene.ada.id.as_str();
    scene.make(named("all", definition(true, 10_000, &[], &[]))).await;
    scene.make(named("none", definition(true, 0, &[], &[]))).await;
    scene.make(named("off", definition(false, 10_000, &[ada], &[]))).await;
    scene.make(named("some", definition(true, 0, &[ada], &["all"]))).await;
    scene.make(named("upper", definition(true, 10_000, &[ada], &["all", "none"]))).await;
    let expected = [
        json!({ "key": "all", "on": true, "reason": "rollout", "prerequisite": null }),
        json!({ "key": "none", "on": false, "reason": "rollout", "prerequisite": null }),
        json!({ "key": "off", "on": false, "reason": "disabled", "prerequisite": null }),
        json!({ "key": "some", "on": true, "reason": "allowed", "prerequisite": null }),
        json!({ "key": "upper", "on": false, "reason": "prerequisite", "prerequisite": "none" }),
    ];
    assert_eq!(scene.evaluate(&scene.ada, &json!({})).await, expected);
    for one in &expected {
        let target = format!("/flags/{}/evaluation", text(&one["key"]));
        assert_eq!(scene.get(&scene.ada, &target).await, *one);
    }
    let listed = scene.evaluate(&scene.ada, &json!({ "keys": ["what", "all"] })).await;
    let unknown = json!({ "key": "what", "on": false, "reason": "unknown", "prerequisite": null });
    assert_eq!(listed, [expected[0].clone(), unknown], "an unknown key spoils nothing");
}

#[tokio::test]
async fn administrators_ask_for_anybody_and_others_for_themselves() {
    let scene = Scene::start().await;
    let (root, ada) = (&scene.root, &scene.ada);
    scene.make(named("some", definition(true, 0, &[&ada.id], &[]))).await;
    for (who, subject, expected) in [
        (ada, &ada.id, Some(true)),
        (ada, &root.id, None),
        (root, &ada.id, Some(true)),
        (root, &root.id, Some(false)),
        (root, &UNKNOWN_ID.to_owned(), Some(false)),
    ] {
        let target = format!("/flags/some/evaluation?subject={subject}");
        let one = scene.app.get(&target).bearer(&who.token).send().await;
        let body = json!({ "subject": subject });
        let all = scene.app.post("/flags/evaluations").bearer(&who.token).json(&body);
        let all = all.send().await;
        if let Some(on) = expected {
            assert_eq!(one.json()["on"], on, "{subject} for {}", who.email);
            assert_eq!(all.json()["items"][0], one.json());
        } else {
            assert_outcome(&one, 403, "FORBIDDEN", "one flag for somebody else");
            assert_outcome(&all, 403, "FORBIDDEN", "all flags for somebody else");
        }
    }
}

#[tokio::test]
async fn a_rollout_grows_and_takes_it_from_nobody() {
    let scene = Scene::start().await;
    let mut tag = scene.make(json!({ "key": "checkout" })).await.header("etag").to_owned();
    let mut before = false;
    let mut turned = 0;
    for points in (0..=10_000).step_by(1250) {
        let reply = scene.replace("checkout", &tag, &definition(true, points, &[], &[]));
        let reply = reply.send().await;
        assert_outcome(&reply, 200, "", "a larger rollout");
        reply.header("etag").clone_into(&mut tag);
        let on = scene.get(&scene.ada, "/flags/checkout/evaluation").await["on"] == true;
        assert!(on || !before, "{points} took it away");
        turned += u32::from(on && !before);
        before = on;
    }
    assert_eq!((before, turned), (true, 1));
}

#[tokio::test]
async fn the_slower_of_two_administrators_is_told() {
    let scene = Scene::start().await;
    let seen = scene.make(json!({ "key": "checkout" })).await.header("etag").to_owned();
    let on = definition(true, 10_000, &[], &[]);
    let first = scene.replace("checkout", &seen, &on).send().await;
    assert_outcome(&first, 200, "", "the first");
    assert_ne!(first.header("etag"), seen);
    let off = definition(false, 0, &[], &[]);
    let late = scene.replace("checkout", &seen, &off).send().await;
    assert_outcome(&late, 412, "PRECONDITION_FAILED", "the second");
    let again = scene.replace("checkout", first.header("etag"), &on).send().await;
    assert_eq!(outcome(&again), (200, String::new()));
    assert_eq!(again.header("etag"), first.header("etag"), "the same again is no change");
    let late = scene.remove("checkout").header("if-match", &seen).send().await;
    assert_outcome(&late, 412, "PRECONDITION_FAILED", "a removal of what was seen");

    // A flag of the same key is another one.
    assert_outcome(&scene.remove("checkout").send().await, 204, "", "removed");
    let anew = scene.make(json!({ "key": "checkout" })).await;
    assert_ne!(anew.header("etag"), seen);
    let late = scene.replace("checkout", &seen, &on).send().await;
    assert_outcome(&late, 412, "PRECONDITION_FAILED", "the tag of the removed one");
}

#[tokio::test]
async fn every_change_is_written_down_and_outlives_flag_and_administrator() {
    let scene = Scene::start().await;
    let other = Person::join_as_admin(&scene.app, "other").await;
    let made = scene.make(named("checkout", definition(true, 0, &[], &[]))).await;
    scene.make(json!({ "key": "another" })).await;
    scene.app.advance(Duration::from_mins(1));
    let wanted = definition(true, 500, &[&scene.ada.id], &[]);
    let put = scene.app.call("PUT".parse().expect("a method"), "/flags/checkout");
    let put = put.bearer(&other.token).header("if-match", made.header("etag")).json(&wanted);
    assert_outcome(&put.send().await, 200, "", "another administrator changes it");
    let gone = scene.app.delete(&other.path()).bearer(&other.token).send().await;
    assert_outcome(&gone, 204, "", "and leaves");
    assert_outcome(&scene.remove("checkout").send().await, 204, "", "the flag is removed");

    let listed = scene.get(&scene.root, "/flags/checkout/changes").await;
    let mut changes = listed["items"].as_array().expect("a list").clone();
    for change in &mut changes {
        assert!(text(&change["at"]).ends_with('Z'));
        change.as_object_mut().expect("an object").remove("at");
    }
    let expected = [
        json!({
            "version": 4, "kind": "deleted", "actor": scene.root.id,
            "before": wanted, "after": {},
        }),
        json!({
            "version": 3, "kind": "updated", "actor": other.id,
            "before": { "rollout_basis_points": 0, "allow": [] },
            "after": { "rollout_basis_points": 500, "allow": [scene.ada.id] },
        }),
        json!({
            "version": 1, "kind": "created", "actor": scene.root.id,
            "before": {}, "after": definition(true, 0, &[], &[]),
        }),
    ];
    assert_eq!(changes, expected);

    let (mut met, mut target) = (Vec::new(), "/flags/checkout/changes?limit=1".to_owned());
    loop {
        let page = scene.get(&scene.root, &target).await;
        met.extend(page["items"].as_array().expect("a list").clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        target = format!("/flags/checkout/changes?limit=1&cursor={cursor}");
    }
    assert_eq!(json!(met), listed["items"], "in pages of one");
    let none = scene.get(&scene.root, "/flags/never/changes").await;
    assert_eq!(none, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn there_are_a_thousand_flags_at_most() {
    let scene = Scene::start().await;
    scene.make(json!({ "key": "first" })).await;
    scene.app.neighbour().run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 997) \
         INSERT INTO flags (key, description, enabled, rollout_basis_points, allow, \
         prerequisites, version, created_at, updated_at) \
         SELECT 'f' || i, description, enabled, rollout_basis_points, allow, prerequisites, \
         version, created_at, updated_at FROM flags, n",
    );
    // Each in one transaction with its answer, which a lap that is lost must not end.
    let create = |at: u32| {
        let name = format!("last{at}");
        scene.create(&json!({ "key": name })).header("idempotency-key", &name).send()
    };
    let at_once: Vec<_> = (0..6).map(|at| tokio::spawn(create(at))).collect();
    let mut made = 0;
    for reply in at_once {
        match outcome(&reply.await.expect("no panic")) {
            (201, _) => made += 1,
            refused => assert_eq!(refused, (409, "TOO_MANY_FLAGS".to_owned())),
        }
    }
    assert_eq!(made, 2);
    assert_eq!(scene.app.neighbour().number("SELECT count(*) FROM flags"), 1000);
    assert_eq!(scene.evaluate(&scene.ada, &json!({})).await.len(), 1000);
    assert_outcome(&scene.remove("f1").send().await, 204, "", "makes room");
    scene.make(json!({ "key": "after" })).await;
}

#[tokio::test]
async fn a_machine_asks_with_a_key_for_the_people_it_serves() {
    let scene = Scene::start().await;
    scene.make(named("some", definition(true, 0, &[&scene.ada.id], &[]))).await;
    let wanted = json!({ "name": "shop", "scopes": ["flags:read"] });
    let made = scene.app.post("/keys").bearer(&scene.root.token).json(&wanted).send().await;
    let token = text(&made.json()["token"]);
    let target = format!("/flags/some/evaluation?subject={}", scene.ada.id);
    let asked = scene.app.get(&target).bearer(&token).send().await;
    assert_outcome(&asked, 200, "", "for somebody else");
    assert_eq!(asked.json()["on"], true);
    let removed = scene.app.delete("/flags/some").bearer(&token).send().await;
    assert_outcome(&removed, 403, "FORBIDDEN", "it only reads");
}
