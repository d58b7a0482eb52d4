//! Text for a terminal: colours, and nothing that the terminal would obey.

use std::fmt::Write as _;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Colours,
}

/// Escape sequences of the terminal (ECMA-48, "select graphic rendition").
#[derive(Clone, Copy, Debug)]
pub(super) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    pub(super) fn text(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            _ if self == Self::Plain || text.is_empty() => return text.to_owned(),
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A text from elsewhere, on one line and without what a terminal obeys: control characters, the
/// line breaks of Unicode and the marks that reverse the direction of writing.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                // Writing to a `String` cannot fail.
                let _ = write!(plain, "\\u{:04x}", character as u32);
            }
            other => plain.push(other),
        }
    }
    plain
}

/// The same in at most so many characters, with runs of spaces and line breaks as one space.
pub(super) fn short(text: &str, characters: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = plain(&text);
    if text.chars().count() <= characters {
        return text;
    }
    let kept: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\x1b[2Jb\r\n\u{9b}31mc\u{202e}d\u{2028}e\u{7f}";
        let shown = plain(hostile);
        assert_eq!(shown, "a\\u001b[2Jb\\u000d\\u000a\\u009b31mc\\u202ed\\u2028e\\u007f");
        assert!(!short(hostile, 9).chars().any(char::is_control));
        assert_eq!(plain("täglich — 日本"), "täglich — 日本");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(short("SELECT a\n    FROM b", 80), "SELECT a FROM b");
        assert_eq!(short("SELECT a FROM b", 8), "SELECT …");
    }

    #[test]
    fn colours_are_there_only_where_they_are_wanted() {
        assert_eq!(Paint::Plain.text(Colour::Red, "x"), "x");
        assert_eq!(Paint::Colours.text(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
    }
}
