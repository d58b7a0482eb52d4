//! Tokens of sessions and keys, as anybody may send them.

use mainstay::tokens::{Token, TokenHash};
use mainstay_core::Secret;

/// What is accepted is `mst_` and 49 letters and digits, is rendered back as it came, and is no
/// longer accepted when any one character of it is another.
pub fn token(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Some(token) = parsed(text) else { return };
    assert_eq!(token.reveal(), text);
    assert_eq!(token.into_secret().reveal(), text);
    let digits = text.strip_prefix("mst_").expect("the prefix");
    assert!(digits.len() == 49 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()));

    let again = [parsed(text), parsed(text)].map(|token| token.expect("the same text").hash());
    assert_eq!(again[0], again[1]);
    assert_eq!(TokenHash::from_stored(again[0].as_bytes()), Some(again[1]));
    for at in 0..text.len() {
        let mut other = text.to_owned();
        other.replace_range(at..=at, if &text[at..=at] == "0" { "1" } else { "0" });
        assert!(parsed(&other).is_none(), "changed at {at}");
    }
    for longer in [format!("{text}0"), format!(" {text}"), format!("{text}\n")] {
        assert!(parsed(&longer).is_none(), "{} bytes", longer.len());
    }
}

fn parsed(text: &str) -> Option<Token> {
    Token::parse(&Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tokens_and_a_kept_one_are_accepted() {
        for _ in 0..100 {
            token(Token::generate().reveal().as_bytes());
        }
        assert!(parsed(include_str!("../corpus/token/zeros")).is_some());
    }
}
