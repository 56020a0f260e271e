//! A cursor over valid JSON, which steps over values without parsing them.

use super::scan::{self, Extent};

/// A position in a text that is valid JSON. In any other text, it only guarantees to stop at the end.
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    /// The offset of the next byte.
    pub(crate) at: usize,
    /// The known extents that the cursor has not passed, ordered by their starts. Their containers are skipped without
    /// scanning.
    extents: &'a [Extent],
    /// The offset of `text` in the text that the extents refer to.
    base: usize,
}

/// The content of a key: the bytes between its quotes.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) extent: Extent,
    pub(crate) has_escapes: bool,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of the text. The extents refer to a text in which this one starts at `base`.
    pub(crate) fn new(text: &'a [u8], extents: &'a [Extent], base: usize) -> Cursor<'a> {
        Cursor { text, at: 0, extents, base }
    }

    /// The whole text.
    #[inline(always)]
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The next byte.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Moves into the container that starts here.
    #[inline(always)]
    pub(crate) fn enter(&mut self) {
        self.at += 1;
    }

    /// Moves from the start of a container or from the end of a value to the next element or key. At the end of the
    /// container, moves past its bracket and returns false.
    #[inline(always)]
    pub(crate) fn advance(&mut self) -> bool {
        self.skip_whitespace();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.skip_whitespace();
        }
        let is_over = matches!(self.peek(), Some(b'}' | b']') | None);
        self.at += usize::from(is_over);
        !is_over
    }

    /// Moves from a key to its value.
    pub(crate) fn read_key(&mut self) -> Key {
        let start = self.at + 1;
        let (end, has_escapes) = scan::string_end(self.text, start);
        self.at = skip_whitespace(self.text, end + 1) + ":".len();
        self.skip_whitespace();
        Key { extent: Extent { start, end }, has_escapes }
    }

    /// Moves past the value that starts here.
    pub(crate) fn skip_value(&mut self) {
        self.at = match self.peek() {
            Some(b'"') => scan::string_end(self.text, self.at + 1).0 + 1,
            Some(b'{' | b'[') => self.container_end(),
            Some(b't' | b'n') => self.at + 4,
            Some(b'f') => self.at + 5,
            _ => scan::scalar_end(self.text, self.at),
        };
    }

    #[inline(always)]
    pub(crate) fn skip_whitespace(&mut self) {
        self.at = skip_whitespace(self.text, self.at);
    }

    /// The end of the container that starts here.
    fn container_end(&mut self) -> usize {
        let start = self.base + self.at;
        self.drop_extents_before(start);
        match self.extents {
            [extent, rest @ ..] if extent.start == start => {
                self.extents = rest;
                extent.end - self.base
            }
            _ => scan::container_end(self.text, self.at),
        }
    }

    /// Drops the extents that start before an offset. Doubles the reach of the search each time, because a skipped
    /// container may contain many extents or none.
    fn drop_extents_before(&mut self, start: usize) {
        let is_passed = |extent: &Extent| extent.start < start;
        let mut reach = 1;
        while self.extents.get(reach - 1).is_some_and(is_passed) {
            reach *= 2;
        }
        let known = reach / 2;
        let unknown = &self.extents[known..(reach - 1).min(self.extents.len())];
        self.extents = &self.extents[known + unknown.partition_point(is_passed)..];
    }
}

/// The offset of the first byte at or after `at` that is not whitespace. Only the check for whitespace is inlined,
/// because most JSON has none.
#[inline(always)]
pub(super) fn skip_whitespace(text: &[u8], at: usize) -> usize {
    if text.get(at).is_some_and(|byte| *byte > b' ') { at } else { skip_whitespace_slow(text, at) }
}

#[inline(never)]
fn skip_whitespace_slow(text: &[u8], at: usize) -> usize {
    scan::skip_whitespace(text, at)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Extent, Key};

    fn at<'a>(cursor: &Cursor, text: &'a str) -> &'a str {
        &text[cursor.at..]
    }

    #[test]
    fn steps_from_member_to_member_at_every_level() {
        let text = r#" { "a" : [ 1 , {"b":true}, [] ],"c\n":"]}" } "#;
        let mut cursor = Cursor::new(text.as_bytes(), &[], 0);
        let content = |Key { extent, .. }: Key| &text[extent.start..extent.end];
        cursor.skip_whitespace();
        cursor.enter();
        assert!(cursor.advance());
        assert_eq!(content(cursor.read_key()), "a");
        cursor.enter();
        assert!(cursor.advance());
        assert_eq!(at(&cursor, text), &text[11..]);
        cursor.skip_value();
        assert!(cursor.advance());
        cursor.enter();
        assert!(cursor.advance());
        assert_eq!(content(cursor.read_key()), "b");
        cursor.skip_value();
        assert!(!cursor.advance());
        assert!(cursor.advance());
        cursor.enter();
        assert!(!cursor.advance());
        assert!(!cursor.advance());
        assert!(cursor.advance());
        let key = cursor.read_key();
        assert_eq!((content(key), key.has_escapes), (r"c\n", true));
        cursor.skip_value();
        assert!(!cursor.advance());
        assert_eq!(at(&cursor, text), " ");
    }

    /// Wrong extents show which of them were used.
    #[test]
    fn known_containers_are_skipped_without_scanning() {
        let text = b"[[1],[[2]],[3],[4]]";
        let extents =
            [1, 2, 5, 6, 7, 8, 11, 12, 13].map(|start| Extent { start: 100 + start, end: 104 + start });
        for first in 0..extents.len() {
            let mut cursor = Cursor::new(text, &extents[first..], 100);
            cursor.enter();
            for (start, end) in [(1, 4), (5, 10), (11, 14), (15, 18)] {
                assert!(cursor.advance());
                assert_eq!(cursor.at, start);
                cursor.skip_value();
                let is_known = extents[first..].iter().any(|extent| extent.start == 100 + start);
                assert_eq!(cursor.at, if is_known { start + 4 } else { end }, "{first}");
                cursor.at = end;
            }
            assert!(!cursor.advance());
        }
    }

    #[test]
    fn a_text_that_is_cut_off_is_left_at_its_end() {
        let text = br#"{"a":[{"b":"c\"d"},1.5e3, true],"e":null}"#;
        for length in 0..text.len() {
            let mut cursor = Cursor::new(&text[..length], &[], 0);
            cursor.enter();
            while cursor.advance() {
                cursor.read_key();
                cursor.skip_value();
            }
        }
    }
}
