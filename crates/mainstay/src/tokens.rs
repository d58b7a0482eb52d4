//! Tokens: what a signed-in client or a machine sends instead of a password.

use std::fmt;

use mainstay_core::{Secret, hex};
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
        let mut random = [0; 8];
        for part in &mut random {
            *part = getrandom::u32().expect("the system has random numbers");
        }
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        text.extend(base62::<RANDOM_DIGITS>(&mut random).map(char::from));
        text.extend(checksum(&text).map(char::from));
        Self(Secret::new(text))
    }

    /// What is stored of it. The token is random, so a fast hash without salt is enough.
    pub fn hash(&self) -> TokenHash {
        TokenHash::whole(self.0.reveal())
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
    /// The hash of a text that has the form of a token. Of any other there is none to look up.
    pub fn of(text: &Secret<String>) -> Option<Self> {
        let text = text.reveal();
        let (body, check) = text.split_at_checked(LENGTH - CHECK_DIGITS)?;
        // Each of them is looked at, which takes fewer instructions than to stop at the first.
        let digits = body.strip_prefix(PREFIX)?.bytes();
        let is_whole = digits.fold(true, |all, digit| all & digit.is_ascii_alphanumeric());
        (is_whole && check.as_bytes() == checksum(body)).then(|| Self::whole(text))
    }

    fn whole(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The bytes to store and to look up by.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as 64 hexadecimal digits, for a key of a cache.
    pub fn to_hex(&self) -> String {
        // All of them are ASCII.
        String::from_utf8(hex(self.0).as_flattened().to_vec()).unwrap_or_default()
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

fn checksum(text: &str) -> [u8; CHECK_DIGITS] {
    base62(&mut [crc32fast::hash(text.as_bytes())])
}

/// The last `N` digits of a number whose most significant part is the first; it is divided away in
/// place.
fn base62<const N: usize>(number: &mut [u32]) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0;
        for part in number.iter_mut() {
            let value = remainder << 32 | u64::from(*part);
            // The remainder is below 62, so the quotient is below 2 to the power of 32.
            *part = (value / 62) as u32;
            remainder = value % 62;
        }
        *digit = ALPHABET[remainder as usize];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Option<TokenHash> {
        TokenHash::of(&Secret::new(text.to_owned()))
    }

    #[test]
    fn a_token_is_recognised_and_no_two_are_alike() {
        let (one, other) = (Token::generate(), Token::generate());
        assert_eq!(one.reveal().len(), 53);
        assert_eq!(hash(one.reveal()), Some(one.hash()));
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn a_token_with_any_one_character_changed_is_refused() {
        let token = Token::generate();
        for at in 0..token.reveal().len() {
            let mut text = token.reveal().to_owned();
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            text.replace_range(at..=at, other);
            assert!(hash(&text).is_none(), "changed at {at}");
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_refused() {
        let token = Token::generate();
        let cut = &token.reveal()[..52];
        let longer = format!("{}0", token.reveal());
        let wide = "é".repeat(27);
        for text in ["", "mst_", cut, &longer, &wide] {
            assert!(hash(text).is_none(), "{} bytes", text.len());
        }
    }

    #[test]
    fn every_number_has_its_digits() {
        let written = |number| String::from_utf8_lossy(&base62::<6>(&mut [number])).into_owned();
        assert_eq!(written(0), "000000");
        assert_eq!(written(61), "00000z");
        assert_eq!(written(62), "000010");
        assert_eq!(written(u32::MAX), "4gfFC3");
        let largest = base62::<RANDOM_DIGITS>(&mut [u32::MAX; 8]);
        assert_ne!(largest[0], b'0', "all digits are needed");
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::generate();
        assert_eq!(format!("{token:?} {:?}", token.hash()), "Token(..) TokenHash(..)");
    }
}
