//! Tokens of sessions and keys, as anybody may send them.

use mainstay::tokens::TokenHash;
use mainstay_core::Secret;

/// What is accepted is `mst_` and 49 letters and digits, and is no longer accepted when any one
/// character of it is another.
pub fn token(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(hash) = hash_of(text) else { return };
    let digits = text.strip_prefix("mst_").expect("the prefix");
    assert!(digits.len() == 49 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    assert_eq!(hash_of(text), Some(hash));
    assert_eq!(TokenHash::from_stored(hash.as_bytes()), Some(hash));
    for at in 0..text.len() {
        let mut other = text.to_owned();
        other.replace_range(at..=at, if &text[at..=at] == "0" { "1" } else { "0" });
        assert!(hash_of(&other).is_none(), "changed at {at}");
    }
    for longer in [format!("{text}0"), format!(" {text}"), format!("{text}\n")] {
        assert!(hash_of(&longer).is_none(), "{} bytes", longer.len());
    }
}

fn hash_of(text: &str) -> Option<TokenHash> {
    TokenHash::of(&Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use mainstay::tokens::Token;

    use super::*;

    #[test]
    fn new_tokens_and_a_kept_one_are_accepted() {
        for _ in 0..100 {
            let new = Token::generate();
            assert_eq!(hash_of(new.reveal()), Some(new.hash()));
            token(new.reveal().as_bytes());
        }
        assert!(hash_of(include_str!("../corpus/token/zeros")).is_some());
    }
}
