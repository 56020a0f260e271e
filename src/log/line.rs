//! A line of the log, made in a buffer of fixed size.

use std::ffi::CStr;
use std::fmt;

/// The maximum length of a line in bytes, without its NUL.
const MAX_LINE: usize = 1023;

/// Ends a line that was truncated.
const ELLIPSIS: &str = "...";

/// One line of UTF-8. Characters that control what shows it are replaced by `?`. Text beyond the maximum is dropped.
pub struct Line {
    bytes: [u8; MAX_LINE + 1],
    length: usize,
    is_truncated: bool,
}

impl Default for Line {
    fn default() -> Line {
        Line { bytes: [0; MAX_LINE + 1], length: 0, is_truncated: false }
    }
}

impl Line {
    /// The line.
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The line, for C.
    pub fn as_c_str(&self) -> &CStr {
        // Always has a NUL, because the last byte is never written.
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    fn has_capacity(&self, text: &str) -> bool {
        self.length + text.len() + ELLIPSIS.len() <= MAX_LINE
    }

    fn push(&mut self, text: &str) {
        if self.is_truncated {
            return;
        }
        self.is_truncated = !self.has_capacity(text);
        let text = if self.is_truncated { ELLIPSIS } else { text };
        self.bytes[self.length..][..text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_printable = text.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
        if is_printable && self.has_capacity(text) {
            self.push(text);
            return Ok(());
        }
        for character in text.chars() {
            let character = if is_control(character) { '?' } else { character };
            self.push(character.encode_utf8(&mut [0; 4]));
        }
        Ok(())
    }
}

/// Whether a character controls what shows the line: a control character, a separator of lines or paragraphs, or one that
/// changes the direction of text.
fn is_control(character: char) -> bool {
    let is_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn line(text: &str) -> String {
        let mut line = Line::default();
        line.write_str(text).unwrap();
        assert_eq!(line.text(), line.as_c_str().to_bytes());
        line.as_c_str().to_str().unwrap().into()
    }

    #[test]
    fn control_characters_are_replaced() {
        for (text, expected) in [
            ("", ""),
            ("a b", "a b"),
            ("a\r\nb\tc\0d\x1b[0m", "a??b?c?d?[0m"),
            ("\u{7f}\u{80}\u{9f}\u{2028}\u{2029}", "?????"),
            ("\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}", "???????"),
            ("\u{200d}\u{2029}\u{202f}\u{2065}\u{206a}", "\u{200d}?\u{202f}\u{2065}\u{206a}"),
            ("Grüße \u{1f600}", "Grüße \u{1f600}"),
        ] {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn long_lines_are_truncated_between_characters() {
        for letter in ["a", "ü", "\u{20ac}", "\u{1f600}"] {
            for padding in 0..8 {
                let text = "x".repeat(padding) + &letter.repeat(2000);
                let line = line(&text);
                let start = line.strip_suffix("...").unwrap();
                assert!(text.starts_with(start));
                assert!((MAX_LINE - 3..=MAX_LINE).contains(&line.len()), "{}", line.len());
            }
        }
        let longest = "a".repeat(MAX_LINE - 3);
        assert_eq!(line(&longest), longest);
    }
}
