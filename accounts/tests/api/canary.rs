//! A text that is planted in every input, and looked for in everything that comes out.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Planted in every input, each time with a number of its own behind it. No part of the service, of
/// HTTP or of a hash looks like one of them.
pub(crate) const CANARY: &str = "zqcanaryqz";
/// The same where a number is wanted.
pub(crate) const NUMBER: &str = "7359183642";

/// Every spelling in which a canary could come out, with the name of the encoding.
pub(crate) fn spellings() -> Vec<(&'static str, String)> {
    let mut spellings = Vec::new();
    for canary in [CANARY, NUMBER] {
        let each = |form: fn(u8) -> String| canary.bytes().map(form).collect::<String>();
        spellings.push(("itself", canary.to_owned()));
        spellings.push(("percent-encoding", each(|byte| format!("%{byte:02x}"))));
        spellings.push(("percent-encoding twice", each(|byte| format!("%25{byte:02x}"))));
        spellings.push(("JSON escapes", each(|byte| format!("\\u{byte:04x}"))));
        spellings.push(("hexadecimal", each(|byte| format!("{byte:02x}"))));
        spellings.push(("HTML entities", each(|byte| format!("&#{byte};"))));
        spellings.push(("HTML entities", each(|byte| format!("&#x{byte:02x};"))));
        let decimal: Vec<_> = canary.bytes().map(|byte| byte.to_string()).collect();
        spellings.push(("a list of bytes", decimal.join(", ")));
        spellings.push(("a list of bytes", decimal.join(",")));
        // Base64 of three bytes does not depend on what is around them; where they begin does.
        for skip in 0..3 {
            let whole = &canary[skip..skip + (canary.len() - skip) / 3 * 3];
            spellings.push(("base64", STANDARD.encode(whole)));
        }
    }
    spellings
}

/// Where a text holds a canary, and as what.
fn find<'s>(haystack: &str, spellings: &'s [(&str, String)]) -> Option<(usize, &'s str)> {
    let lower = haystack.to_ascii_lowercase();
    spellings.iter().find_map(|(name, spelling)| {
        let at = haystack.find(spelling.as_str()).or_else(|| lower.find(spelling.as_str()))?;
        Some((at, *name))
    })
}

/// Asserts that a text holds no canary in any spelling.
pub(crate) fn check(what: &str, haystack: &str, spellings: &[(&str, String)]) {
    if let Some((at, encoding)) = find(haystack, spellings) {
        let bytes = &haystack.as_bytes()[at.saturating_sub(200)..];
        let around = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        panic!("{what} holds a canary, by {encoding}: …{around}…");
    }
}

/// The text with a number of its own behind each canary, so that a leak tells which input leaked.
pub(crate) fn unique(text: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1000);
    let mut parts = text.split(CANARY);
    let mut unique = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        unique += &[CANARY, &number.to_string(), part].concat();
    }
    unique
}

#[test]
fn a_canary_is_found_however_it_is_written() {
    let spellings = spellings();
    for canary in [CANARY, NUMBER] {
        let each = |form: fn(u8) -> String| canary.bytes().map(form).collect::<String>();
        let mut written = vec![
            canary.to_uppercase(),
            each(|byte| format!("%{byte:02X}")),
            each(|byte| format!("%25{byte:02X}")),
            each(|byte| format!("\\u{byte:04X}")),
            each(|byte| format!("{byte:02X}")),
            each(|byte| format!("&#{byte};")),
            each(|byte| format!("&#x{byte:X};")),
            format!("{:?}", canary.as_bytes()),
        ];
        for around in ["", "x", "xy"] {
            written.push(STANDARD.encode(format!("{around}{canary}{around}")));
        }
        for text in written {
            assert!(find(&format!("before {text} behind"), &spellings).is_some(), "{text}");
        }
    }
    assert!(find("nothing of the kind", &spellings).is_none());
}
