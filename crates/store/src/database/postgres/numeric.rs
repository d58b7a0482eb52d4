//! PostgreSQL's binary `numeric`, as a whole number or as exact text.

use std::fmt::Write;

use crate::value::Value;

/// Marks in place of a sign, from `src/backend/utils/adt/numeric.c`.
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Decimal digits in each of the wire's digits.
const DIGITS: usize = 4;

/// A number declared without decimals (as `sum(bigint)` is) becomes an integer where it fits; any
/// other becomes text, so that no digit is lost. `None` when the bytes are no number.
pub(super) fn read(raw: &[u8]) -> Option<Value> {
    let mut words = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight) = (usize::from(words.next()?), i64::from(words.next()?.cast_signed()));
    let (sign, decimals) = (words.next()?, usize::from(words.next()?));
    let special = match sign {
        NAN => Some("NaN"),
        INFINITY => Some("Infinity"),
        NEGATIVE_INFINITY => Some("-Infinity"),
        _ => None,
    };
    if let Some(special) = special {
        return Some(Value::Text(special.to_owned()));
    }
    let digits: Vec<u16> = words.collect();
    if digits.len() != count {
        return None;
    }
    let at = |place: i64| usize::try_from(weight - place).ok().and_then(|i| digits.get(i)).copied();
    let mut text = String::new();
    for place in (0..=weight.max(0)).rev() {
        write!(text, "{:04}", at(place).unwrap_or(0)).ok()?;
    }
    let whole = text.trim_start_matches('0');
    let mut text = if whole.is_empty() { "0".to_owned() } else { whole.to_owned() };
    if sign == NEGATIVE {
        text.insert(0, '-');
    }
    if decimals > 0 {
        let mut fraction = String::new();
        for place in 1..=decimals.div_ceil(DIGITS) {
            write!(fraction, "{:04}", at(-(place as i64)).unwrap_or(0)).ok()?;
        }
        text.push('.');
        text.push_str(fraction.get(..decimals)?);
        return Some(Value::Text(text));
    }
    Some(text.parse().map_or(Value::Text(text), Value::Integer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(words: &[u16]) -> Option<String> {
        let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        read(&raw).map(|value| match value {
            Value::Integer(number) => format!("integer {number}"),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn whole_numbers_and_decimals_are_exact() {
        let cases: [(&[u16], &str); 8] = [
            (&[0, 0, 0, 0], "integer 0"),
            (&[2, 1, 0, 0, 12, 34], "integer 120034"),
            (&[1, 1, NEGATIVE, 0, 12], "integer -120000"),
            (&[2, 0, 0, 2, 5, 2500], "5.25"),
            (&[1, 0xFFFF, NEGATIVE, 3, 10], "-0.001"),
            (&[1, 0xFFFE, 0, 6, 1200], "0.000012"),
            (&[0, 0, NAN, 0], "NaN"),
            (&[1, 6, 0, 0, 1], "1000000000000000000000000"),
        ];
        for (words, expected) in cases {
            assert_eq!(number(words).as_deref(), Some(expected), "{words:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_number_are_refused() {
        assert_eq!(number(&[]), None);
        assert_eq!(number(&[2, 0, 0, 0, 1]), None);
    }
}
