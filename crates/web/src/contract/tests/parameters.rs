//! Query, path and header parameters.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Search {
    #[schemars(length(max = 5))]
    q: Option<String>,
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    exact: Option<bool>,
    ratio: Option<f64>,
    #[serde(default)]
    id: Vec<u8>,
    #[serde(default)]
    tag: Option<Vec<String>>,
}

fn search(query: &str) -> Result<Search, Vec<String>> {
    let contract = Contract::of::<Search>().expect("enforceable");
    contract.read_query(query).map_err(|problems| {
        assert!(problems.iter().all(|problem| problem.location == Location::Query));
        brief(&problems)
    })
}

#[test]
fn a_query_becomes_the_type() {
    let expected = Search {
        q: Some("a b&é".to_owned()),
        limit: Some(10),
        exact: Some(true),
        ratio: Some(0.5),
        id: vec![1, 2],
        tag: Some(vec!["7".to_owned()]),
    };
    let query = "q=a+b%26%C3%A9&limit=10&exact=true&ratio=0.5&id=1&id=2&tag=7&";
    assert_eq!(search(query), Ok(expected));
    assert!(search("").is_ok());
}

#[test]
fn a_text_is_read_strictly_as_the_type_it_should_be() {
    for text in ["x", "", "+1", "01", "%201", "1%20", "0x1", "1.5", "true", "null", "-", "[1]"] {
        assert_eq!(search(&format!("limit={text}")), Err(vec!["/limit wrong_type".to_owned()]));
    }
    for text in ["TRUE", "1", "yes", ""] {
        assert_eq!(search(&format!("exact={text}")), Err(vec!["/exact wrong_type".to_owned()]));
    }
    assert_eq!(search("q=1").map(|search| search.q), Ok(Some("1".to_owned())));
}

#[test]
fn what_is_wrong_with_a_query_is_told_at_once() {
    let table: &[(&str, &[&str])] = &[
        ("limit=0&q=abcdef", &["/limit too_small", "/q too_long"]),
        ("limit=1&limit=2&limit=3", &["/limit duplicate_field"]),
        ("page=1&size=2", &[" unknown_field"]),
        ("page=1&page=2", &[" duplicate_field", " unknown_field"]),
        ("q=%zz", &["/q bad_encoding"]),
        ("q=%", &["/q bad_encoding"]),
        ("q=%ff", &["/q bad_encoding"]),
        ("%ff=1", &[" bad_encoding"]),
        ("id=1&id=x", &["/id/1 wrong_type"]),
        ("limit", &["/limit wrong_type"]),
        ("q=%00", &["/q bad_character"]),
    ];
    for (query, problems) in table {
        let problems: Vec<_> = problems.iter().map(|&problem| problem.to_owned()).collect();
        assert_eq!(search(query), Err(problems), "{query}");
    }
}

#[test]
fn a_request_has_a_bounded_number_of_parameters() {
    let good = "id=1&".repeat(PARAMETERS_MAX);
    assert!(search(&good).is_ok());
    assert_eq!(search(&(good + "id=1")), Err(vec![" too_many".to_owned()]));
}

#[test]
fn parameters_without_fixed_names_make_a_map() {
    let contract = contract(serde_json::json!({
        "type": "object", "additionalProperties": { "type": "integer", "maximum": 9 }
    }));
    let value: Value = contract.read_query("a=1&b=2").expect("good");
    assert_eq!(value, serde_json::json!({ "a": 1, "b": 2 }));
    let problems = contract.read_query::<Value>("a=1&b=10&c=x").expect_err("two are wrong");
    assert_eq!(brief(&problems), [" too_large", " wrong_type"]);
}

#[test]
fn a_path_is_decoded_without_turning_plus_into_space() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Place {
        key: String,
        number: u8,
    }
    let contract = Contract::of::<Place>().expect("enforceable");
    let place: Place = contract.read_path([("key", "a+b%2Fc"), ("number", "7")]).expect("good");
    assert_eq!((&*place.key, place.number), ("a+b/c", 7));
    let refused = contract.read_path::<Place>([("key", "%"), ("number", "300")]);
    let problems = refused.expect_err("both are wrong");
    assert_eq!(brief(&problems), ["/key bad_encoding", "/number too_large"]);
    assert!(problems.iter().all(|problem| problem.location == Location::Path));
}

#[test]
fn of_the_headers_only_the_known_ones_are_looked_at() {
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Headers {
        if_match: Option<String>,
        x_depth: Option<u8>,
    }
    let contract = Contract::of::<Headers>().expect("enforceable");
    let sent: [(&str, &[u8]); 3] = [("If-Match", b"\"1\""), ("accept", b"\xff"), ("x-depth", b"2")];
    let headers: Headers = contract.read_headers(sent).expect("good");
    assert_eq!((headers.if_match.as_deref(), headers.x_depth), (Some("\"1\""), Some(2)));
    let bad: [(&str, &[u8]); 2] = [("if-match", b"\xff"), ("x-depth", b"a")];
    let problems = contract.read_headers::<Headers>(bad).expect_err("both are wrong");
    assert_eq!(brief(&problems), ["/if-match bad_encoding", "/x-depth wrong_type"]);
}
