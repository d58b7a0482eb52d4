//! Types as a service writes them: the schema comes from the derive, the value goes to the derive.

use std::collections::BTreeMap;

use mainstay_core::{Pii, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::*;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Address {
    #[schemars(length(min = 1, max = 100))]
    street: String,
    #[schemars(regex(pattern = "^[0-9]{5}$"))]
    zip: String,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Plan {
    Free,
    Paid,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Contact {
    Phone { digits: String },
    Mail(Mail),
    None,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Mail {
    #[schemars(email)]
    to: Pii<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Shape {
    Circle { radius: u8 },
    Square { side: u8 },
    Point,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Key {
    Number(u8),
    Name(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tree {
    value: i64,
    #[serde(default)]
    children: Vec<Tree>,
    next: Option<Box<Tree>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Everything {
    #[schemars(email)]
    email: Pii<String>,
    #[schemars(length(min = 1, max = 100))]
    full_name: Pii<String>,
    #[schemars(range(min = 1))]
    age: Option<u32>,
    plan: Option<Plan>,
    address: Option<Address>,
    #[serde(default)]
    #[schemars(length(max = 2), inner(length(min = 1)))]
    tags: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, Address>,
    contact: Option<Contact>,
    shape: Option<Shape>,
    key: Option<Key>,
    #[schemars(with = "Option<Uuid>")]
    id: Option<Uuid>,
    #[schemars(with = "Option<jiff::Timestamp>")]
    since: Option<Timestamp>,
    tree: Option<Tree>,
    point: Option<(u8, String)>,
    ip: Option<std::net::IpAddr>,
}

#[track_caller]
fn refused(body: &str) -> Vec<String> {
    let contract = Contract::of::<Everything>().expect("enforceable");
    match contract.read_body::<Everything>(body.as_bytes()) {
        Err(BodyProblem::Invalid(problems)) => brief(&problems),
        other => panic!("{other:?}"),
    }
}

/// A body with the required members and `more`.
fn with(more: &str) -> String {
    format!(r#"{{"email":"a@b.co","fullName":"A",{more}}}"#)
}

#[test]
fn a_good_body_becomes_the_type() {
    let contract = Contract::of::<Everything>().expect("enforceable");
    let body = with(
        r#""age":36.0,"plan":"paid","address":{"street":"s","zip":"12345"},"tags":["x"],
        "labels":{"home":{"street":"s","zip":"12345"}},"contact":{"kind":"mail","to":"c@d.ef"},
        "shape":{"circle":{"radius":3}},"key":"k","id":"018f3f4e-7c1a-7def-8000-0123456789ab",
        "since":"2025-01-31T12:00:00Z","tree":{"value":1,"children":[{"value":2}]},
        "point":[1,"p"],"ip":"::1""#,
    );
    let value: Everything = contract.read_body(body.as_bytes()).expect("a good body");
    assert_eq!(value.email.reveal(), "a@b.co");
    assert_eq!(value.full_name.reveal(), "A");
    assert_eq!((value.age, value.plan, value.tags.len()), (Some(36), Some(Plan::Paid), 1));
    assert_eq!(
        value.address.map(|address| address.street + &address.zip).as_deref(),
        Some("s12345")
    );
    assert_eq!(value.labels.len(), 1);
    assert!(matches!(value.contact, Some(Contact::Mail(mail)) if mail.to.reveal() == "c@d.ef"));
    assert!(matches!(value.shape, Some(Shape::Circle { radius: 3 })));
    assert!(matches!(value.key, Some(Key::Name(name)) if name == "k"));
    assert!(value.id.is_some() && value.since.is_some() && value.ip.is_some());
    let tree = value.tree.expect("a tree");
    assert_eq!((tree.value, tree.children.len(), tree.next.is_none()), (1, 1, true));
    assert_eq!(value.point, Some((1, "p".to_owned())));
}

#[test]
fn each_form_of_an_enum_is_read() {
    let contract = Contract::of::<Everything>().expect("enforceable");
    let read = |more: &str| -> Everything {
        contract.read_body(with(more).as_bytes()).expect("a good body")
    };
    let phone = read(r#""contact":{"kind":"phone","digits":"1"}"#).contact;
    assert!(matches!(phone, Some(Contact::Phone { digits }) if digits == "1"));
    assert!(matches!(read(r#""contact":{"kind":"none"}"#).contact, Some(Contact::None)));
    assert!(matches!(
        read(r#""shape":{"square":{"side":2}}"#).shape,
        Some(Shape::Square { side: 2 })
    ));
    assert!(matches!(read(r#""shape":"point""#).shape, Some(Shape::Point)));
    assert!(matches!(read(r#""key":7"#).key, Some(Key::Number(7))));
    assert_eq!(read(r#""plan":"free""#).plan, Some(Plan::Free));
}

#[test]
fn null_is_taken_where_the_type_is_optional() {
    let contract = Contract::of::<Everything>().expect("enforceable");
    let body =
        with(r#""age":null,"address":null,"contact":null,"tree":null,"ip":null,"since":null"#);
    assert!(contract.read_body::<Everything>(body.as_bytes()).is_ok());
}

#[test]
fn every_problem_is_reported_at_once_in_wire_names() {
    let problems = refused(
        r#"{"email":"nobody","age":0,"zzz":1,"tags":["","b","c"],"plan":"gold",
            "address":{"street":"","zip":"x","more":1}}"#,
    );
    let mut expected = [
        " unknown_field",
        "/address unknown_field",
        "/address/street too_short",
        "/address/zip bad_pattern",
        "/age too_small",
        "/email not_an_email",
        "/fullName required",
        "/plan not_allowed",
        "/tags too_many",
        "/tags/0 too_short",
    ];
    let mut found = problems;
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn tagged_variants_are_chosen_by_their_tag() {
    let table = [
        (r#""contact":{"kind":"mail","to":"x"}"#, "/contact/to not_an_email"),
        (r#""contact":{"kind":"phone"}"#, "/contact/digits required"),
        (r#""contact":{"kind":"none","digits":"1"}"#, "/contact unknown_field"),
        (r#""contact":{"kind":"fax"}"#, "/contact/kind not_allowed"),
        (r#""contact":{"kind":1}"#, "/contact/kind wrong_type"),
        (r#""contact":{}"#, "/contact/kind required"),
        (r#""contact":"mail""#, "/contact wrong_type"),
        (r#""shape":{"circle":{"radius":300}}"#, "/shape/circle/radius too_large"),
        (r#""shape":"circle""#, "/shape not_allowed"),
        (r#""shape":{"oval":{}}"#, "/shape no_match"),
        (r#""key":300"#, "/key too_large"),
        (r#""key":[]"#, "/key wrong_type"),
    ];
    for (more, problem) in table {
        assert_eq!(refused(&with(more)), [problem], "{more}");
    }
}

#[test]
fn problems_deep_in_recursive_types_and_maps_are_found() {
    let deep = r#""tree":{"value":1,"next":{"value":2,"children":[{"value":"x"}]}}"#;
    assert_eq!(refused(&with(deep)), ["/tree/next/children/0/value wrong_type"]);
    let map = r#""labels":{"secret name":{"street":"s","zip":"1"}}"#;
    assert_eq!(refused(&with(map)), ["/labels bad_pattern"]);
    assert_eq!(refused(&with(r#""point":[300]"#)), ["/point too_few", "/point/0 too_large"]);
}

#[test]
fn the_extremes_of_a_format_can_be_read_as_its_type() {
    fn read<T: JsonSchema + serde::de::DeserializeOwned>(text: &str) {
        let contract = Contract::of::<T>().expect("enforceable");
        let body = Value::from(text).to_string();
        assert!(contract.read_body::<T>(body.as_bytes()).is_ok(), "{text}");
    }
    for text in [
        "0000-01-01T00:00:00+23:59",
        "9998-12-31T23:59:59.999999999-23:59",
        "2024-02-29T00:00:00.1Z",
        "2024-02-29T00:00:00-00:00",
    ] {
        read::<jiff::Timestamp>(text);
    }
    read::<jiff::civil::Date>("0000-01-01");
    read::<jiff::civil::Date>("9999-12-31");
    read::<Uuid>("FFFFFFFF-ffff-FFFF-ffff-000000000000");
    read::<std::net::IpAddr>("::ffff:1.2.3.4");
}

#[test]
fn a_type_that_leaves_its_input_open_is_refused_with_advice() {
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Open {
        name: String,
    }
    let message = Contract::of::<Open>().expect_err("open").to_string();
    assert!(message.contains("#[serde(deny_unknown_fields)]"), "{message}");
}

#[test]
fn definitions_may_live_in_an_openapi_document() {
    let mut generator = SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let schema = generator.subschema_for::<Everything>();
    let mut definitions = generator.take_definitions(true);
    for definition in definitions.values_mut() {
        let mut published = Schema::try_from(definition.take()).expect("a schema");
        publish(&mut published);
        *definition = published.to_value();
    }
    let contract = Contract::compile(&schema, &definitions).expect("enforceable");
    assert!(contract.read_body::<Everything>(with(r#""age":1"#).as_bytes()).is_ok());
}

#[test]
fn what_only_the_type_refuses_is_one_problem_without_its_message() {
    #[derive(Debug, JsonSchema)]
    #[schemars(transparent)]
    struct Even(u8);

    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let value = u8::deserialize(deserializer)?;
            if value % 2 == 0 { Ok(Self(value)) } else { Err(serde::de::Error::custom(value)) }
        }
    }

    let contract = Contract::of::<Even>().expect("enforceable");
    assert_eq!(contract.read_body::<Even>(b"176").expect("even").0, 176);
    let refused = contract.read_body::<Even>(b"177").expect_err("odd");
    let expected = FieldProblem::body("", "invalid", "is not valid");
    assert_eq!(refused, BodyProblem::Invalid(vec![expected]));
}
