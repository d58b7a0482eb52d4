//! Request ids and the W3C trace context (<https://www.w3.org/TR/trace-context-2/>).

use std::fmt;

use crate::{hex::hex, trace_state::TraceState};

/// Identifies one request in logs and problem documents.
///
/// Accepted from a caller only as 1–128 characters of `[A-Za-z0-9._-]`, so that it can be written
/// into a log line or a header unescaped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Inline);

/// Ids we generate fit in place; a caller's longer one is boxed.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Inline {
    Short([u8; 36], u8),
    Long(Box<str>),
}

impl RequestId {
    /// The longest id taken from a caller.
    pub const LENGTH_MAX: usize = 128;

    /// Takes a caller's id if it is well formed.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = !text.is_empty()
            && text.len() <= Self::LENGTH_MAX
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        well_formed.then(|| Self::store(text))
    }

    /// An id made from a UUID.
    pub fn from_uuid(id: uuid::Uuid) -> Self {
        let mut buffer = [0; 36];
        id.as_hyphenated().encode_lower(&mut buffer);
        Self(Inline::Short(buffer, 36))
    }

    fn store(text: &str) -> Self {
        let mut buffer = [0; 36];
        match buffer.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Self(Inline::Short(buffer, text.len() as u8))
            }
            None => Self(Inline::Long(text.into())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as ASCII, which costs no check.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Inline::Short(buffer, length) => &buffer[..usize::from(*length)],
            Inline::Long(text) => text.as_bytes(),
        }
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// 16 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes, not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

macro_rules! hex_text {
    ($type:ident, $bytes:literal) => {
        impl $type {
            /// The lower-case hex form, as ASCII.
            pub fn to_ascii(self) -> [u8; $bytes * 2] {
                let mut text = [0; $bytes * 2];
                text.copy_from_slice(hex(self.0).as_flattened());
                text
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.to_ascii()).unwrap_or_default())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

hex_text!(TraceId, 16);
hex_text!(SpanId, 8);

/// The position of a request in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Shared by every service the trace passes through.
    pub trace_id: TraceId,
    /// This service's span.
    pub span_id: SpanId,
    /// The caller's span, when the trace came from outside.
    pub parent_id: Option<SpanId>,
    /// Whether the caller (or this service) keeps the trace.
    pub sampled: bool,
    /// Whether the trace id was drawn at random, so that a part of it may decide about sampling.
    pub random: bool,
    /// What other systems keep beside the trace, to be passed on with it. Never logged: it may hold
    /// anything.
    pub state: Option<TraceState>,
}

/// The flags of level 2; others are for later versions, and not passed on.
mod flag {
    pub(super) const SAMPLED: u8 = 1;
    pub(super) const RANDOM: u8 = 2;
}

/// A `traceparent` that the specification says to ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceparent;

impl TraceContext {
    /// Continues the trace a caller names in `traceparent`, in a new span.
    ///
    /// Follows section 3.2 of the specification: version `ff`, upper-case hex, all-zero ids and a
    /// version-00 value of any other length than 55 are invalid; a higher version may be longer
    /// when a dash follows.
    pub fn continued(traceparent: &str, span_id: SpanId) -> Result<Self, InvalidTraceparent> {
        let text = traceparent.as_bytes();
        let longer = text.len() > 55;
        if text.len() < 55 || text[2] != b'-' || text[35] != b'-' || text[52] != b'-' {
            return Err(InvalidTraceparent);
        }
        let [version] = unhex(&text[..2])?;
        let trace_id: [u8; 16] = unhex(&text[3..35])?;
        let parent_id: [u8; 8] = unhex(&text[36..52])?;
        let [flags] = unhex(&text[53..55])?;
        let too_long = longer && (version == 0 || text[55] != b'-');
        if version == 0xff || too_long || trace_id == [0; 16] || parent_id == [0; 8] {
            return Err(InvalidTraceparent);
        }
        Ok(Self {
            trace_id: TraceId(trace_id),
            span_id,
            parent_id: Some(SpanId(parent_id)),
            sampled: flags & flag::SAMPLED != 0,
            random: flags & flag::RANDOM != 0,
            state: None,
        })
    }

    /// The 55 characters that name this span to the next service, or to the caller.
    pub fn traceparent(&self) -> [u8; 55] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        out[3..35].copy_from_slice(&self.trace_id.to_ascii());
        out[36..52].copy_from_slice(&self.span_id.to_ascii());
        let sampled = if self.sampled { flag::SAMPLED } else { 0 };
        let random = if self.random { flag::RANDOM } else { 0 };
        out[54] += sampled | random;
        out
    }
}

fn unhex<const N: usize>(text: &[u8]) -> Result<[u8; N], InvalidTraceparent> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(InvalidTraceparent),
    };
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn continued(text: &str) -> Option<String> {
        let context = TraceContext::continued(text, SpanId([7; 8])).ok()?;
        Some(String::from_utf8_lossy(&context.traceparent()).into_owned())
    }

    #[test]
    fn a_valid_trace_is_continued_in_a_span_of_our_own() {
        assert_eq!(
            continued(VALID).as_deref(),
            Some("00-0af7651916cd43dd8448eb211c80319c-0707070707070707-01")
        );
        // A later version may say more after the fields we know.
        let later = format!("cc{}-what-comes-later", &VALID[2..]);
        assert!(continued(&later).is_some());
    }

    #[test]
    fn what_the_specification_calls_invalid_is_ignored() {
        let zero_trace = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        let zero_parent = "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01".to_owned();
        let upper = VALID.to_uppercase();
        let version_ff = format!("ff{}", &VALID[2..]);
        let longer_00 = format!("{VALID}-extra");
        let glued = format!("cc{}extra", &VALID[2..]);
        for text in [zero_trace, zero_parent, upper, version_ff, longer_00, glued, String::new()] {
            assert_eq!(continued(&text), None, "{text}");
        }
    }

    #[test]
    fn a_request_id_is_taken_only_when_it_is_harmless() {
        for good in ["a", "req-1_2.3", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(good).expect("well formed").as_str(), good);
        }
        for bad in ["", "a b", "a\"b", "a\nb", "é", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }
}
