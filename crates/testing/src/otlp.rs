//! What a collector reads of OTLP: spans, by the field numbers of the specification alone.
//!
//! It knows nothing of the code that wrote them, so that both would have to be wrong in the same
//! way for a mistake to pass.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

/// A span as a collector sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedSpan {
    /// Hexadecimal.
    pub trace_id: String,
    /// Hexadecimal.
    pub span_id: String,
    /// Hexadecimal; empty without a parent.
    pub parent_id: String,
    /// The eight bits of `traceparent`, and what is known about the parent.
    pub flags: u32,
    /// What it is called.
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since 1970, of its beginning and its end.
    pub time: (u64, u64),
    /// Its attributes.
    pub attributes: BTreeMap<String, Value>,
    /// Whether its status is an error.
    pub failed: bool,
    /// The attributes of who sent it.
    pub resource: BTreeMap<String, Value>,
}

/// Every span of an `ExportTraceServiceRequest`. Panics on what is none.
pub(crate) fn spans(message: &[u8]) -> Vec<ExportedSpan> {
    let mut spans = Vec::new();
    for resource_spans in Fields::of(message).all(1) {
        let resource = Fields::of(resource_spans.bytes());
        let attributes = resource.all(1).flat_map(|resource| attributes(resource.bytes(), 1));
        let attributes: BTreeMap<_, _> = attributes.collect();
        for scope in resource.all(2) {
            for message in Fields::of(scope.bytes()).all(2) {
                spans.push(span(message.bytes(), &attributes));
            }
        }
    }
    spans
}

fn span(message: &[u8], resource: &BTreeMap<String, Value>) -> ExportedSpan {
    let fields = Fields::of(message);
    let bytes = |number| fields.all(number).last().map_or(&[][..], Field::bytes);
    let number = |number| fields.all(number).last().map_or(0, Field::number);
    let status = Fields::of(bytes(15));
    let (trace_id, span_id) = (hex(bytes(1)), hex(bytes(2)));
    assert_eq!((trace_id.len(), span_id.len()), (32, 16), "ids have 16 and 8 bytes");
    ExportedSpan {
        trace_id,
        span_id,
        parent_id: hex(bytes(4)),
        flags: number(16) as u32,
        name: text(bytes(5)),
        kind: number(6),
        time: (number(7), number(8)),
        attributes: attributes(message, 9).collect(),
        failed: status.all(3).last().is_some_and(|code| code.number() == 2),
        resource: resource.clone(),
    }
}

/// The `KeyValue`s in a field of a message.
fn attributes(message: &[u8], field: u64) -> impl Iterator<Item = (String, Value)> {
    let pairs: Vec<_> = Fields::of(message).all(field).map(|pair| pair.bytes().to_vec()).collect();
    pairs.into_iter().map(|pair| {
        let fields = Fields::of(&pair);
        let bytes = |number| fields.all(number).last().map_or(&[][..], Field::bytes);
        (text(bytes(1)), value(bytes(2)))
    })
}

/// An `AnyValue`.
fn value(message: &[u8]) -> Value {
    match Fields::of(message).0.last() {
        Some((1, field)) => text(field.bytes()).into(),
        Some((2, field)) => (field.number() == 1).into(),
        Some((3, field)) => (field.number() as i64).into(),
        Some((4, field)) => f64::from_bits(field.number()).into(),
        other => panic!("an attribute has a value, not {other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("strings are UTF-8")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The fields of a message, in the order in which they came.
struct Fields<'m>(Vec<(u64, Field<'m>)>);

#[derive(Clone, Copy, Debug)]
enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

impl<'m> Fields<'m> {
    fn of(mut message: &'m [u8]) -> Self {
        let mut fields = Vec::new();
        while !message.is_empty() {
            let key = varint(&mut message);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut message)),
                1 => Field::Number(little_endian(take(&mut message, 8))),
                2 => {
                    let length = varint(&mut message) as usize;
                    Field::Bytes(take(&mut message, length))
                }
                5 => Field::Number(little_endian(take(&mut message, 4))),
                wire => panic!("protobuf has no wire type {wire} here"),
            };
            fields.push((key >> 3, field));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &Field<'m>> {
        self.0.iter().filter(move |(of, _)| *of == number).map(|(_, field)| field)
    }
}

impl<'m> Field<'m> {
    fn bytes(&self) -> &'m [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => panic!("a number where bytes belong"),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Bytes(_) => panic!("bytes where a number belongs"),
        }
    }
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number of more than 64 bits")
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn take<'m>(message: &mut &'m [u8], length: usize) -> &'m [u8] {
    let (taken, rest) = message.split_at_checked(length).expect("a whole message");
    *message = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by protoc's Python runtime from OpenTelemetry's `.proto` files.
    const MESSAGE: &str = "\
        0aaf010a180a160a0c736572766963652e6e616d6512060a0473686f701292010a030a0178128a01\
        0a100102030405060708090a0b0c0d0e0f1012081112131415161718220821222324252627282a0f\
        474554202f75736572732f7b69647d30023901002a36fe9c97174102002a36fe9c97174a080a0161\
        12030a01624a100a016e120b18f9ffffffffffffffff014a070a0174120210014a0e0a0172120921\
        000000000000e03f7a021802850101030000";

    #[test]
    fn a_message_of_another_implementation_is_read() {
        let digits = MESSAGE.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
        let message: Vec<u8> = digits.map(|pair| byte(pair).expect("hex")).collect();
        let text = |text: &str| Value::from(text);
        let expected = ExportedSpan {
            trace_id: "0102030405060708090a0b0c0d0e0f10".to_owned(),
            span_id: "1112131415161718".to_owned(),
            parent_id: "2122232425262728".to_owned(),
            flags: 0x301,
            name: "GET /users/{id}".to_owned(),
            kind: 2,
            time: (1_700_000_000_000_000_001, 1_700_000_000_000_000_002),
            attributes: [
                ("a".to_owned(), text("b")),
                ("n".to_owned(), Value::from(-7)),
                ("t".to_owned(), Value::from(true)),
                ("r".to_owned(), Value::from(0.5)),
            ]
            .into(),
            failed: true,
            resource: [("service.name".to_owned(), text("shop"))].into(),
        };
        assert_eq!(spans(&message), [expected]);
    }
}
