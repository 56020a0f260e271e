//! A line of the log, made in a buffer of fixed size.

use std::ffi::CStr;
use std::fmt;

/// The maximum length of a line in bytes, without its NUL.
const MAX_LINE: usize = 1023;

/// Ends a line that was truncated.
const ELLIPSIS: &str = "...";

/// One line of UTF-8, NUL-terminated. Text beyond the maximum is dropped.
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

    /// Replaces characters that control what shows the line by `?`. Done once for a whole line, because it is faster.
    pub fn replace_controls(&mut self) {
        let is_control_free = |byte: &u8| matches!(byte, b' '..=b'~');
        let (chunks, rest) = self.text().as_chunks::<16>();
        let is_printable =
            |chunk: &[u8; 16]| chunk.iter().fold(true, |all, byte| all & is_control_free(byte));
        if chunks.iter().all(is_printable) && rest.iter().all(is_control_free) {
            return;
        }
        let mut replaced = Line::default();
        for character in std::str::from_utf8(self.text()).unwrap_or_default().chars() {
            let character = if is_control(character) { '?' } else { character };
            replaced.push(character.encode_utf8(&mut [0; 4]));
        }
        *self = replaced;
    }

    fn push(&mut self, text: &str) {
        self.bytes[self.length..][..text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_truncated {
            return Ok(());
        }
        let capacity = MAX_LINE - ELLIPSIS.len() - self.length;
        if text.len() <= capacity {
            self.push(text);
            return Ok(());
        }
        let end = (0..=capacity).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        self.push(&text[..end]);
        self.push(ELLIPSIS);
        self.is_truncated = true;
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
        line.replace_controls();
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
