//! Numbers compared exactly, whether they are integers or floats.

use std::{cmp::Ordering, fmt};

use serde_json::Value;

/// A JSON number of 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl From<&serde_json::Number> for Number {
    fn from(number: &serde_json::Number) -> Self {
        if let Some(value) = number.as_u64() {
            Self::Integer(value.into())
        } else if let Some(value) = number.as_i64() {
            Self::Integer(value.into())
        } else {
            Self::Float(number.as_f64().unwrap_or(f64::NAN))
        }
    }
}

impl Number {
    /// Whether it has no fraction: `1e300` has none.
    pub(super) fn is_integer(self) -> bool {
        match self {
            Self::Integer(_) => true,
            Self::Float(value) => value.fract() == 0.0,
        }
    }

    /// Whether the number is a whole multiple of `divisor`, which is positive.
    pub(super) fn is_multiple_of(self, divisor: i64) -> bool {
        match self {
            Self::Integer(value) => value % i128::from(divisor) == 0,
            // The remainder of floats is exact (IEEE 754), if the divisor is.
            Self::Float(value) => value % (divisor as f64) == 0.0,
        }
    }

    pub(super) fn is_less(self, other: Self) -> bool {
        self.compare(other).is_lt()
    }

    pub(super) fn is_greater(self, other: Self) -> bool {
        self.compare(other).is_gt()
    }

    /// The exact order of the two numbers.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(&right),
            (Self::Float(left), Self::Float(right)) => left.total_cmp(&right),
            (Self::Integer(left), Self::Float(right)) => compare_mixed(left, right),
            (Self::Float(left), Self::Integer(right)) => compare_mixed(right, left).reverse(),
        }
    }
}

/// The integer part decides, then the fraction. The cast saturates far outside of 64 bits.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    integer.cmp(&(float.trunc() as i128)).then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => fmt::Debug::fmt(value, f),
        }
    }
}

/// A float as a JSON value: an integer if it has no fraction and 64 bits can hold it. `None` for
/// what JSON cannot say.
pub(super) fn value_of_f64(value: f64) -> Option<Value> {
    // Both bounds are powers of two, so they are exact as floats.
    const I64_MIN: f64 = i64::MIN as f64;
    const U64_END: f64 = 2.0 * (1_u64 << 63) as f64;
    if value.fract() != 0.0 || !(I64_MIN..U64_END).contains(&value) {
        return serde_json::Number::from_f64(value).map(Value::Number);
    }
    Some(if value < 0.0 { (value as i64).into() } else { (value as u64).into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_exactly() {
        let integer = Number::Integer;
        let float = Number::Float;
        let table = [
            (integer(1), float(1.5), Ordering::Less),
            (integer(2), float(1.5), Ordering::Greater),
            (integer(-1), float(-1.5), Ordering::Greater),
            (integer(-2), float(-1.5), Ordering::Less),
            (integer(0), float(-0.5), Ordering::Greater),
            (integer(0), float(0.0), Ordering::Equal),
            (integer(i128::from(u64::MAX)), float(18_446_744_073_709_551_616.0), Ordering::Less),
            (integer(1), float(1e300), Ordering::Less),
            (integer(1), float(-1e300), Ordering::Greater),
        ];
        for (left, right, order) in table {
            assert_eq!(left.compare(right), order, "{left:?} {right:?}");
            assert_eq!(right.compare(left), order.reverse(), "{right:?} {left:?}");
        }
    }

    #[test]
    fn a_float_without_a_fraction_becomes_an_integer() {
        let json = |value| value_of_f64(value).map(|value| value.to_string());
        assert_eq!(json(1.0).as_deref(), Some("1"));
        assert_eq!(json(-3.0).as_deref(), Some("-3"));
        assert_eq!(json(-0.0).as_deref(), Some("0"));
        assert_eq!(json(1e19).as_deref(), Some("10000000000000000000"));
        assert_eq!(json(1.5).as_deref(), Some("1.5"));
        assert_eq!(json(1e20).as_deref(), Some("1e+20"));
        assert_eq!(json(f64::NAN), None);
    }
}
