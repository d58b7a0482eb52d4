//! Tokens: what a signed-in client or a machine sends instead of a password.

use std::fmt;

use mainstay_core::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Says what it is, so that a secret scanner that finds one in a repository knows.
const PREFIX: &str = "mst_";

/// 62 to the power of 43 is just above 2 to the power of 256.
const RANDOM_DIGITS: usize = 43;

/// 62 to the power of 6 is above 2 to the power of 32.
const CHECK_DIGITS: usize = 6;

const LENGTH: usize = PREFIX.len() + RANDOM_DIGITS + CHECK_DIGITS;

/// Letters and digits only: a double click selects the whole token.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `mst_`, 256 random bits in 43 digits of base 62, and the CRC-32 of both in six more; the form
/// that GitHub gave its tokens in 2021.
///
/// The checksum is no defence. It tells a mistyped or cut token from a real one without asking the
/// store, and lets a scanner find real ones without false alarms:
/// `mst_[0-9A-Za-z]{49}`, then the checksum.
#[derive(Clone)]
pub struct Token(Secret<String>);

impl Token {
    /// A new one. Panics when the system has no random numbers.
    pub fn generate() -> Self {
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("the system has random numbers");
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        text.extend(base62::<RANDOM_DIGITS>(&mut random));
        text.extend(checksum(&text));
        Self(Secret::new(text))
    }

    /// Takes a text that has the form of a token.
    pub fn parse(text: &Secret<String>) -> Option<Self> {
        let (body, check) = text.reveal().split_at_checked(LENGTH - CHECK_DIGITS)?;
        let digits = body.strip_prefix(PREFIX)?;
        let is_whole = digits.bytes().all(|digit| digit.is_ascii_alphanumeric())
            && check.chars().eq(checksum(body));
        is_whole.then(|| Self(text.clone()))
    }

    /// What is stored of it. The token is random, so a fast hash without salt is enough.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.reveal()).into())
    }

    /// The same as a secret, for the cookie that carries it.
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }

    /// The text, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The SHA-256 of a token. Two are compared in a time that does not depend on where they differ.
#[derive(Clone, Copy, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes to store and to look up by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as 64 hexadecimal digits, for a key of a cache.
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = vec![0; 2 * self.0.len()];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        // All of them are ASCII.
        String::from_utf8(text).unwrap_or_default()
    }

    /// The hash as it was stored; `None` for bytes that are none.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

fn checksum(text: &str) -> [char; CHECK_DIGITS] {
    base62(&mut crc32fast::hash(text.as_bytes()).to_be_bytes())
}

/// The last `N` digits of a big-endian number, which is divided away in place.
fn base62<const N: usize>(number: &mut [u8]) -> [char; N] {
    let mut digits = ['0'; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in number.iter_mut() {
            let value = remainder << 8 | u32::from(*byte);
            // The remainder is below 62, so the quotient is below 256.
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *digit = char::from(ALPHABET[remainder as usize]);
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Token> {
        Token::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn a_token_is_recognised_and_no_two_are_alike() {
        let (one, other) = (Token::generate(), Token::generate());
        assert_eq!(one.reveal().len(), 53);
        assert_eq!(parsed(one.reveal()).expect("a token").hash(), one.hash());
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn a_token_with_any_one_character_changed_is_refused() {
        let token = Token::generate();
        for at in 0..token.reveal().len() {
            let mut text = token.reveal().to_owned();
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            text.replace_range(at..=at, other);
            assert!(parsed(&text).is_none(), "changed at {at}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_refused() {
        let token = Token::generate();
        let cut = &token.reveal()[..52];
        let longer = format!("{}0", token.reveal());
        let wide = "é".repeat(27);
        for text in ["", "mst_", cut, &longer, &wide] {
            assert!(parsed(text).is_none(), "{} bytes", text.len());
        }
    }

    #[test]
    fn every_number_has_its_digits() {
        let written = |number: u32| String::from_iter(base62::<6>(&mut number.to_be_bytes()));
        assert_eq!(written(0), "000000");
        assert_eq!(written(61), "00000z");
        assert_eq!(written(62), "000010");
        assert_eq!(written(u32::MAX), "4gfFC3");
        let largest = base62::<RANDOM_DIGITS>(&mut [0xff; 32]);
        assert_ne!(largest[0], '0', "all digits are needed");
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::generate();
        assert_eq!(format!("{token:?} {:?}", token.hash()), "Token(..) TokenHash(..)");
    }
}
