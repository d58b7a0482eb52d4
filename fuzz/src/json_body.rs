//! JSON bodies, read by the contract of a type that has a bit of everything.

use std::{collections::BTreeMap, net::IpAddr, sync::LazyLock};

use mainstay_core::Timestamp;
use mainstay_web::contract::{BodyProblem, Contract, FIELD_CODES, Malformed, PROBLEMS_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use uuid::Uuid;

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Order {
    id: Uuid,
    #[schemars(email)]
    email: String,
    #[schemars(length(min = 1, max = 10), regex(pattern = "^[^\u{1}-\u{1f}]+$"))]
    note: Option<String>,
    #[serde(default)]
    #[schemars(length(max = 3), inner(length(min = 1, max = 8)))]
    tags: Vec<String>,
    #[serde(default)]
    lines: Vec<Line>,
    #[serde(default)]
    addresses: BTreeMap<String, Address>,
    payment: Option<Payment>,
    placed_at: Option<Timestamp>,
    from: Option<IpAddr>,
    parts: Option<Part>,
    key: Option<Key>,
    size: Option<(u8, i16, f64)>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[schemars(range(min = 1, max = 1000))]
    count: u32,
    cents: i64,
    #[schemars(range(min = 0, max = 1))]
    discount: Option<f64>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Address {
    #[schemars(length(min = 1, max = 100))]
    street: String,
    #[schemars(regex(pattern = "^[0-9]{5}$"))]
    zip: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Payment {
    Card { digits: String, year: u16 },
    Invoice(Address),
    Cash,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
enum Key {
    Number(u8),
    Name(String),
}

#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    #[serde(default)]
    parts: Vec<Part>,
}

static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::of::<Order>().expect("every rule of it can be enforced"));

/// What the contract accepts, serde accepts as the same; what comes of it is accepted again. What
/// is refused is refused with a reason that a client can be told.
pub fn json_body(input: &[u8]) {
    match CONTRACT.read_body::<Order>(input) {
        Ok(order) => accepted(input, &order),
        Err(BodyProblem::Malformed(malformed)) => is_at_a_place(malformed, input),
        Err(BodyProblem::Invalid(problems)) => {
            assert!((1..=PROBLEMS_MAX).contains(&problems.len()), "{} problems", problems.len());
            for problem in problems {
                let known = FIELD_CODES.iter().any(|(code, _)| *code == problem.code);
                assert!(known, "{problem:?}");
            }
        }
    }
}

fn accepted(input: &[u8], order: &Order) {
    let mut value: Value = serde_json::from_slice(input).expect("a document for serde too");
    whole_numbers(&mut value);
    let by_serde: Order = serde_json::from_value(value).expect("an order for serde too");
    assert_eq!(by_serde, *order);

    if order.placed_at.is_some_and(|instant| !has_a_text(instant)) {
        return;
    }
    let again = serde_json::to_vec(order).expect("an order can be written");
    let again: Order = CONTRACT.read_body(&again).expect("what was accepted is accepted again");
    // serde_json reads a float of many digits to within one unit in the last place.
    assert_eq!(again.without_floats(), order.clone().without_floats());
}

impl Order {
    fn without_floats(mut self) -> Self {
        self.lines.iter_mut().for_each(|line| line.discount = None);
        self.size = self.size.map(|(first, second, _)| (first, second, 0.0));
        self
    }
}

/// An offset can name an instant whose year in UTC is before 0 or after 9998, and the format has no
/// text for those.
fn has_a_text(instant: Timestamp) -> bool {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    (at("0000-01-01T00:00:00Z")..at("9999-01-01T00:00:00Z")).contains(&instant)
}

/// JSON Schema counts `1.0` as an integer, and so does the contract; serde does not.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            // Beyond 64 bits it stays what it is.
            if let Some(whole) = float.and_then(|float| Number::from_i128(float as i128)) {
                *number = whole;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A place inside the input, or just behind it.
fn is_at_a_place(malformed: Malformed, input: &[u8]) {
    let Malformed { line, column, .. } = malformed;
    let lines = input.split(|byte| *byte == b'\n').count();
    assert!(line <= lines && column <= input.len() + 1, "{malformed:?}");
    assert!(!malformed.to_string().is_empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_order_with_everything_is_accepted() {
        let input = include_bytes!("../corpus/json_body/everything");
        let order: Order = CONTRACT.read_body(input).expect("a good order");
        assert!(order.payment.is_some() && order.placed_at.is_some() && order.size.is_some());
    }
}
