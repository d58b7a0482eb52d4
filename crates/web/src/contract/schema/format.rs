//! The string formats: each is checked by hand here and, where the standard leaves room, published
//! with a `pattern` that says the same.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A `format` of strings that is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Email,
    Uuid,
    DateTime,
    Date,
    Uri,
    Ipv4,
    Ipv6,
    /// Either of the two; published as `anyOf`, because JSON Schema has no name for it.
    Ip,
}

/// A dot-separated local part and a host name of two labels or more, all ASCII: what the HTML
/// standard takes in `<input type=email>`, less doubled dots, and less hosts without a dot.
pub(super) const EMAIL_PATTERN: &str = concat!(
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?",
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$"
);

/// RFC 5321 section 4.5.3.1.3 allows a path of 256 octets, two of which are angle brackets.
pub(super) const EMAIL_LENGTH_MAX: u64 = 254;

/// RFC 5321 section 4.5.3.1.1. Part of what `format: email` means, so not in the pattern.
const EMAIL_LOCAL_LENGTH_MAX: usize = 64;

/// RFC 3339 in capitals, to the nanosecond, without leap seconds and before the year 9999, whose
/// last days no instant in UTC can name at every offset.
pub(super) const DATE_TIME_PATTERN: &str = concat!(
    "^(?:[0-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])",
    "-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])",
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?",
    "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
);

impl Format {
    /// The format JSON Schema calls by this name; `None` for one that is not enforced.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "email" => Self::Email,
            "uuid" => Self::Uuid,
            "date-time" => Self::DateTime,
            "date" => Self::Date,
            "uri" => Self::Uri,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            _ => return None,
        })
    }

    /// The pattern that is published beside the format.
    pub(super) const fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Email => Some(EMAIL_PATTERN),
            Self::DateTime => Some(DATE_TIME_PATTERN),
            _ => None,
        }
    }

    /// The code and the message of a text that is not in the format.
    pub(crate) const fn problem(self) -> (&'static str, &'static str) {
        match self {
            Self::Email => ("not_an_email", "must be an e-mail address such as name@example.com"),
            Self::Uuid => ("not_a_uuid", "must be a UUID in its hyphenated form"),
            Self::DateTime => {
                ("not_a_timestamp", "must be an RFC 3339 time such as 2025-01-31T12:00:00Z")
            }
            Self::Date => ("not_a_date", "must be a date such as 2025-01-31"),
            Self::Uri => ("not_a_url", "must be an absolute URL such as https://example.com/"),
            Self::Ipv4 => ("not_an_ip", "must be an IPv4 address"),
            Self::Ipv6 => ("not_an_ip", "must be an IPv6 address"),
            Self::Ip => ("not_an_ip", "must be an IPv4 or IPv6 address"),
        }
    }

    /// Whether a text is in the format.
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Email => is_email(text),
            Self::Uuid => is_uuid(text.as_bytes()),
            Self::DateTime => is_date_time(text.as_bytes()),
            Self::Date => is_date(text.as_bytes()),
            Self::Uri => is_uri(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Ip => Self::Ipv4.accepts(text) || Self::Ipv6.accepts(text),
        }
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    local.len() <= EMAIL_LOCAL_LENGTH_MAX
        && local.split('.').all(is_atom)
        && host.contains('.')
        && host.split('.').all(is_label)
}

fn is_atom(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_uuid(text: &[u8]) -> bool {
    // Of this length no other form is taken.
    text.len() == uuid::fmt::Hyphenated::LENGTH && uuid::Uuid::try_parse_ascii(text).is_ok()
}

/// Reads exactly `text`'s bytes as a decimal number; `None` if one is not a digit.
fn decimal(text: &[u8]) -> Option<u32> {
    text.iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn is_date(text: &[u8]) -> bool {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return false;
    }
    let parts = (decimal(&text[..4]), decimal(&text[5..7]), decimal(&text[8..]));
    let (Some(year), Some(month), Some(day)) = parts else { return false };
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_date_time(text: &[u8]) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else { return false };
    let Some((b'T', rest)) = rest.split_first() else { return false };
    let Some((time, rest)) = rest.split_at_checked(8) else { return false };
    let offset = match rest.split_first() {
        Some((b'.', fraction)) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
        _ => rest,
    };
    is_date(date) && !date.starts_with(b"9999") && is_time(time) && is_offset(offset)
}

fn is_time(text: &[u8]) -> bool {
    let seconds = decimal(&text[6..]).is_some_and(|seconds| seconds < 60);
    text[5] == b':' && seconds && is_hours_and_minutes(&text[..5])
}

fn is_offset(text: &[u8]) -> bool {
    match text {
        b"Z" => true,
        [b'+' | b'-', time @ ..] => is_hours_and_minutes(time),
        _ => false,
    }
}

fn is_hours_and_minutes(text: &[u8]) -> bool {
    text.len() == 5
        && text[2] == b':'
        && decimal(&text[..2]).is_some_and(|hours| hours < 24)
        && decimal(&text[3..]).is_some_and(|minutes| minutes < 60)
}

/// RFC 3986 section 3: `scheme ":" hier-part [ "?" query ] [ "#" fragment ]`.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_is_good = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hierarchy_is_good = match hierarchy.strip_prefix("//") {
        None => is_encoded(hierarchy, b":@/"),
        Some(rest) => {
            let path_start = rest.find('/').unwrap_or(rest.len());
            is_authority(&rest[..path_start]) && is_encoded(&rest[path_start..], b":@/")
        }
    };
    scheme_is_good
        && hierarchy_is_good
        && is_encoded(query, b":@/?")
        && is_encoded(fragment, b":@/?")
}

/// `[ userinfo "@" ] host [ ":" port ]`
fn is_authority(text: &str) -> bool {
    let (user, place) = text.split_once('@').unwrap_or(("", text));
    let (host_is_good, port) = if let Some(rest) = place.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        (is_ip_literal(address), port)
    } else {
        let port_start = place.find(':').unwrap_or(place.len());
        (is_encoded(&place[..port_start], b""), &place[port_start..])
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_encoded(user, b":") && host_is_good && port_is_good
}

/// `IPv6address / "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`
fn is_ip_literal(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')) {
        Some((version, address)) => {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && !address.contains('%')
                && is_encoded(address, b":")
        }
        None => Format::Ipv6.accepts(text),
    }
}

/// Only unreserved characters, sub-delimiters, `also`, and percent-encoded bytes.
fn is_encoded(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => {
                byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(&byte)
                    || also.contains(&byte)
            }
        };
        if !good {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[track_caller]
    fn check(format: Format, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(format.accepts(text), "{format:?} {text}");
        }
        for text in bad {
            assert!(!format.accepts(text), "{format:?} {text}");
        }
    }

    #[test]
    fn an_email_has_a_dotted_host_and_a_plain_local_part() {
        let good = ["a@b.co", "first.last+tag@sub.example.com", "x@xn--80ak6aa92e.com"];
        let bad = [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a..b@c.de",
            ".a@c.de",
            "a@-b.co",
            "a@b..co",
            "a b@c.de",
            "a@b.co\n",
            "é@c.de",
            "a@b@c.de",
            &("a".repeat(65) + "@b.co"),
        ];
        check(Format::Email, &good, &bad);
    }

    #[test]
    fn a_uuid_is_hyphenated() {
        let good = ["018f3f4e-7c1a-7def-8000-0123456789AB"];
        let bad = [
            "",
            "018f3f4e7c1a7def80000123456789ab",
            "{018f3f4e-7c1a-7def-8000-0123456789ab}",
            "018f3f4e-7c1a-7def-8000-0123456789ag",
        ];
        check(Format::Uuid, &good, &bad);
    }

    #[test]
    fn times_and_dates_exist_in_the_calendar() {
        let good = ["2024-02-29T23:59:59Z", "2025-01-01T00:00:00.123456789+23:59"];
        let bad = [
            "2023-02-29T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01 00:00:00Z",
            "2025-01-01t00:00:00z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00.Z",
            "9999-01-01T00:00:00Z",
            "2025-01-01T00:00:00+24:00",
        ];
        check(Format::DateTime, &good, &bad);
        let bad = ["1900-02-29", "2025-13-01", "2025-1-1", "2025-01-00", "２025-01-01"];
        check(Format::Date, &["2000-02-29", "0000-01-01"], &bad);
    }

    #[test]
    fn a_url_is_absolute_and_encoded() {
        let good = [
            "https://example.com",
            "http://u:p@h:80/a%20b?q#f",
            "urn:a:b",
            "x://[::1]:1/",
            "x:",
            "x://",
            "mailto:a@b.co",
            "http://[v1.a:b]/",
        ];
        let bad = [
            "",
            "example.com",
            "//example.com",
            "https://a b",
            "https://[::1",
            "1x:a",
            "https://h:8o/",
            "https://h/%2",
            "https://h/é",
            "a:#b#c",
            "http://[::g]/",
        ];
        check(Format::Uri, &good, &bad);
    }

    #[test]
    fn an_address_is_of_either_version() {
        let bad = ["", "256.0.0.1", "127.0.0", ":::", "::1%eth0"];
        check(Format::Ip, &["127.0.0.1", "::1"], &bad);
    }

    proptest! {
        #[test]
        fn a_published_pattern_and_its_check_agree(
            email in prop_oneof![
                "[a.!-]{1,5}@[a.-]{1,5}",
                ".{0,5}@.{0,5}",
                "[a-c]{1,3}(\\.[a-c]{1,3}){0,2}@[a-c-]{1,3}\\.[a-c]{2}",
            ],
            time in concat!(
                "(2024|2023|9999|9998)-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
                "(\\.[0-9]{0,10})?(Z|z|\\+[0-2][0-9]:[0-6][0-9])",
            ),
        ) {
            let email_pattern = Regex::new(EMAIL_PATTERN).unwrap();
            prop_assert_eq!(email_pattern.is_match(&email), is_email(&email));
            let time_pattern = Regex::new(DATE_TIME_PATTERN).unwrap();
            let matched = time_pattern.is_match(&time) && is_date(&time.as_bytes()[..10]);
            prop_assert_eq!(matched, is_date_time(time.as_bytes()));
        }
    }
}
