//! What others keep beside a trace: `tracestate` (<https://www.w3.org/TR/trace-context/>, 3.3).

use std::fmt;

/// Entries for the systems a trace passes through, most recent first; passed on as they came.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceState(Box<str>);

/// Section 3.3.1.1.
const MEMBERS_MAX: usize = 32;

/// What has to be passed on at least (section 3.3.1.5), and what is passed on at most.
const CHARACTERS_MAX: usize = 512;

/// When there is more than that, longer entries than this one go first (section 3.3.1.5).
const LARGE: usize = 128;

/// No honest sender has more; a longer one is not worth reading.
const READ_MAX: usize = 8192;

impl TraceState {
    /// Takes the values of every `tracestate` header, in their order. `None` when there is no
    /// entry, or anything is invalid, which invalidates the whole.
    pub fn parse<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let mut members: Vec<(&str, &str)> = Vec::new();
        let mut read = 0;
        for header in headers {
            read += header.len();
            if read > READ_MAX {
                return None;
            }
            // An empty entry is allowed, and says nothing.
            let texts = header.split(',').map(|text| text.trim_matches([' ', '\t']));
            for text in texts.filter(|text| !text.is_empty()) {
                let (key, value) = text.split_once('=')?;
                let repeated = members.iter().any(|(other, _)| *other == key);
                if repeated || members.len() == MEMBERS_MAX || !is_key(key) || !is_value(value) {
                    return None;
                }
                members.push((key, text));
            }
        }
        let members = shortened(members);
        (!members.is_empty()).then(|| Self(members.join(",").into()))
    }

    /// The value of one header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whole entries within the limit: the large ones go first, then the oldest.
fn shortened<'h>(members: Vec<(&'h str, &'h str)>) -> Vec<&'h str> {
    let mut members: Vec<&str> = members.into_iter().map(|(_, text)| text).collect();
    let fits = |members: &[&str]| {
        let commas = members.len().saturating_sub(1);
        members.iter().map(|text| text.len()).sum::<usize>() + commas <= CHARACTERS_MAX
    };
    while !fits(&members) {
        match members.iter().rposition(|text| text.len() > LARGE) {
            Some(large) => drop(members.remove(large)),
            None => drop(members.pop()),
        }
    }
    members
}

/// `simple-key` or `tenant-id@system-id` (section 3.3.1.3.1).
fn is_key(key: &str) -> bool {
    let part = |text: &str, first: fn(&u8) -> bool, longest: usize| {
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/".contains(b);
        let bytes = text.as_bytes();
        bytes.first().is_some_and(first) && bytes.len() <= longest && bytes.iter().all(inner)
    };
    match key.split_once('@') {
        None => part(key, u8::is_ascii_lowercase, 256),
        Some((tenant, system)) => {
            let first = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part(tenant, first, 241) && part(system, u8::is_ascii_lowercase, 14)
        }
    }
}

/// 1 to 256 printable characters, none of them a comma or an equals sign (section 3.3.1.3.2).
fn is_value(value: &str) -> bool {
    let printable = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(printable)
}

impl fmt::Debug for TraceState {
    /// What it holds is somebody else's, and may be anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceState({} characters)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(header: &str) -> Option<String> {
        TraceState::parse([header]).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn what_is_passed_on_has_at_most_512_characters_in_whole_entries() {
        let large = format!("large={}", "x".repeat(200));
        let small: Vec<_> = (0..20).map(|n| format!("k{n:02}={}", "y".repeat(15))).collect();
        // 20 entries of 19 characters fit, and not beside the large one.
        let kept_small = kept(&format!("{large},{}", small.join(","))).expect("entries");
        assert_eq!(kept_small, small.join(","));
        let many: Vec<_> = (0..32).map(|n| format!("k{n:02}={}", "y".repeat(20))).collect();
        let kept_many = kept(&many.join(",")).expect("entries");
        assert!(kept_many.len() <= 512 && kept_many.len() > 480, "{}", kept_many.len());
        assert!(many.join(",").starts_with(&kept_many), "the oldest go");
    }

    #[test]
    fn a_state_that_is_too_long_to_be_honest_is_not_read() {
        assert_eq!(kept(&",".repeat(READ_MAX + 1)), None);
        assert_eq!(kept(&format!("a=1{}", ",".repeat(READ_MAX - 3))).as_deref(), Some("a=1"));
    }

    #[test]
    fn a_state_does_not_print_what_others_wrote() {
        let state = TraceState::parse(["secret=hunter2"]).expect("well formed");
        assert_eq!(format!("{state:?}"), "TraceState(14 characters)");
    }
}
