//! Passwords that guessers try first: the list of NIST SP 800-63B-4 section 3.1.1.2.
//!
//! The whole password is compared, never a part: words inside a long phrase are fine. What people
//! do to a bad password so that it passes a rule about its length (digits at the end, the same
//! word twice, letters written as digits) leaves it as bad, so it is undone first.

use std::sync::LazyLock;

use mainstay_core::Secret;
use unicode_normalization::UnicodeNormalization as _;

/// Sorted.
static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    include_str!("common.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// Ways across a keyboard, each long enough for the longest walk that anybody types.
const WALKS: [&str; 5] = [
    "1234567890qwertyuiopasdfghjklzxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm1234567890",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// How much may stand around a common password for it still to be that password: a year, an
/// exclamation mark and a few digits more. Taste.
const PADDING_MAX: usize = 8;

/// Shorter context would forbid too much: half of all passwords contain an `al`.
const CONTEXT_LENGTH_MIN: usize = 4;

/// Whether a password is one of the few that guessers try first, or is made of `context` alone:
/// the person's name and address, the name of the service.
///
/// Compares without case, without anything but letters and digits, without repetition and without
/// what stands around; costs some ten microseconds.
pub fn is_common(password: &Secret<String>, context: &[&str]) -> bool {
    let plain = Secret::new(letters_and_digits(password.reveal()));
    // Nothing but spaces and signs, which are one sign repeated or few enough to be tried.
    if plain.reveal().is_empty() {
        return true;
    }
    let context: Vec<String> = context
        .iter()
        .flat_map(|text| std::iter::once(*text).chain(text.split(|c: char| !c.is_alphanumeric())))
        .map(letters_and_digits)
        .filter(|word| word.chars().count() >= CONTEXT_LENGTH_MIN)
        .collect();
    let unmasked = Secret::new(unmasked(password.reveal()));
    [plain.reveal(), unmasked.reveal()].into_iter().any(|text| is_guessed(text, &context))
}

fn is_guessed(text: &str, context: &[String]) -> bool {
    let core = text.trim_matches(|c: char| c.is_numeric());
    let core = if text.len() - core.len() <= PADDING_MAX { core } else { text };
    [text, core].into_iter().any(|text| {
        let unit = repeated_unit(text);
        unit.chars().count() < CONTEXT_LENGTH_MIN
            || is_sequence(text)
            || is_walk(text)
            || COMMON.binary_search(&unit).is_ok()
            || is_made_of(unit, context)
    })
}

/// Lower case, composed, without spaces and signs.
fn letters_and_digits(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
}

/// Letters that are written as digits and signs, as letters.
fn unmasked(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    // Digits at the end are more often a number than letters.
    let end = text.trim_end_matches(|c: char| c.is_numeric() || c == '!').len();
    letters_and_digits(&text[..end].chars().map(letter).collect::<String>())
}

/// The shortest text whose repetition this is; the last time may be cut short.
fn repeated_unit(text: &str) -> &str {
    let mut starts = text.char_indices().map(|(at, _)| at).skip(1);
    let unit = starts.find(|&at| text.as_bytes()[at..] == text.as_bytes()[..text.len() - at]);
    unit.map_or(text, |at| &text[..at])
}

/// Characters that follow each other, up or down: `abcdefgh`, `98765432109`.
fn is_sequence(text: &str) -> bool {
    let step = |from: char, to: char| match (from, to) {
        ('9', '0') => 1,
        ('0', '9') => -1,
        _ => to as i64 - from as i64,
    };
    let mut steps = text.chars().zip(text.chars().skip(1)).map(|(from, to)| step(from, to));
    let first = steps.next().unwrap_or(0);
    first.abs() <= 1 && steps.all(|step| step == first)
}

fn is_walk(text: &str) -> bool {
    let backwards: String = text.chars().rev().collect();
    let on = |walk: &str, text: &str| {
        // A walk that comes to its end begins again.
        format!("{walk}{walk}").contains(text)
    };
    WALKS.iter().any(|walk| on(walk, text) || on(walk, &backwards))
}

/// Whether words of the context, one after the other, are all there is.
///
/// Who chooses the words chooses the password too, so this must not try every way to put them
/// together: it goes through the text once and notes where a word can end.
fn is_made_of(text: &str, context: &[String]) -> bool {
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for at in 0..text.len() {
        if ends[at] {
            let found = context.iter().filter(|word| text[at..].starts_with(word.as_str()));
            found.for_each(|word| ends[at + word.len()] = true);
        }
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(text: &str) -> bool {
        let context = ["ada.lovelace@example.com", "Ada Lovelace", "accounts"];
        is_common(&Secret::new(text.to_owned()), &context)
    }

    #[test]
    fn the_list_is_sorted_so_that_it_can_be_searched() {
        assert!(COMMON.is_sorted() && COMMON.len() >= 4000, "{}", COMMON.len());
        assert!(COMMON.iter().all(|word| *word == letters_and_digits(word)));
    }

    #[test]
    fn a_common_password_is_found_whatever_was_put_around_it() {
        for text in [
            "password",
            "PASSWORD",
            "Password1234567",
            "p@ssw0rd2024!!!",
            "passwordpassword",
            "password password password",
            "iloveyou1234567",
            "qwertyuiop12345",
            "letmeinletmein!",
        ] {
            assert!(common(text), "{text}");
        }
    }

    #[test]
    fn what_has_no_thought_in_it_is_common() {
        for text in [
            "000000000000000",
            "aaaaaaaaaaaaaaa",
            "               ",
            "!!!!!!!!!!!!!!!",
            "abababababababab",
            "abcabcabcabcabc",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmnop",
            "qwertyuiopasdfgh",
            "1qaz2wsx3edc4rfv",
            "mnbvcxzlkjhgfdsa",
            "äääääääääääääää",
        ] {
            assert!(common(text), "{text}");
        }
    }

    #[test]
    fn what_the_person_or_the_service_is_called_is_no_password() {
        for text in [
            "ada.lovelace@example.com",
            "AdaLovelace1815",
            "adalovelaceadalovelace",
            "lovelaceaccounts",
            "accounts-accounts-1",
            "Lovelace Lovelace",
        ] {
            assert!(common(text), "{text}");
        }
    }

    #[test]
    fn a_phrase_is_fine_though_it_contains_common_words() {
        for text in [
            "correct horse battery",
            "correct horse battery staple",
            "a long password",
            "my password is long",
            "another long password",
            "dragons eat purple yoghurt",
            "xkT9-vv2q-LLp0-ws7e",
            "dragonfly 839274659182",
            "Ada Lovelace's favourite engine",
            "пароль из четырёх слов",
        ] {
            assert!(!common(text), "{text}");
        }
    }

    #[test]
    fn words_that_fit_in_countless_ways_take_no_time() {
        let name = (4..=13).map(|length| "a".repeat(length)).collect::<Vec<_>>().join(" ");
        let password = format!("{}b", "a".repeat(127));
        assert!(!is_common(&Secret::new(password), &[&name]));
        let password = format!("{}bbbb{}", "a".repeat(60), "a".repeat(60));
        assert!(is_common(&Secret::new(password), &[&name, "bbbb"]));
    }

    #[test]
    fn a_unit_is_the_shortest_that_repeats() {
        for (text, unit) in
            [("abcabcab", "abc"), ("aaaa", "a"), ("abcd", "abcd"), ("", ""), ("ééé", "é")]
        {
            assert_eq!(repeated_unit(text), unit, "{text}");
        }
    }
}
