//! Removes the secrets of a client from text that a server sent.
//!
//! A text is searched twice for each secret: as it is, and with its JSON escapes decoded from the start. Both searches
//! are those of Knuth, Morris and Pratt, so their time is proportional to the text, whatever it and the secrets are. What
//! they find is marked, one byte for each byte of the text. So secrets may overlap, and of those no part is left.

use zeroize::Zeroize;

use crate::alloc::{try_copy, try_push, try_with_capacity, try_zeroed};
use crate::json::{Escape, decode_escape};
use crate::secret::Secret;

/// Replaces a secret that a server echoed.
const REDACTED: &[u8] = b"***";

/// A shorter part of a secret reveals nothing, and is not redacted at the end of a truncated text.
const MIN_REDACTED_PREFIX: usize = 4;

/// The maximum number of bytes in which one byte of a secret can be echoed: an escape such as `\u0041`.
const MAX_ESCAPE: usize = 6;

/// The maximum length of a quote in a message, in characters.
const MAX_QUOTE: usize = 100;

/// The maximum length of the text that is redacted before it is quoted, in bytes. Exceeds that of the quote, because an
/// echoed secret may be longer.
const MAX_QUOTED_TEXT: usize = 64 << 10;

/// Whether a text might contain a secret. Takes less time than redacting it; most texts are too short, or do not even have
/// the first two bytes of the secret.
pub fn can_contain(text: &[u8], secret: &Secret) -> bool {
    let secret = secret.bytes();
    if secret.is_empty() || text.len() < secret.len() {
        return false;
    }
    // Do not stop at the first match, so that the compiler can compare many bytes at a time.
    let has_byte = |wanted: u8| text.iter().fold(false, |found, byte| found | (*byte == wanted));
    has_byte(b'\\')
        || match secret {
            [first, second, ..] => {
                let pairs = text.iter().zip(&text[1..]);
                pairs.fold(false, |found, (one, next)| found | ((one == first) & (next == second)))
            }
            _ => has_byte(secret[0]),
        }
}

/// Redacts the secrets of one call.
#[derive(Debug)]
pub struct Redactor {
    secrets: Vec<Secret>,
}

impl Redactor {
    /// Redacts these secrets.
    pub fn new(secrets: Vec<Secret>) -> Redactor {
        Redactor { secrets }
    }

    /// The maximum number of bytes in which a server can echo one of the secrets.
    pub fn max_echo_length(&self) -> usize {
        let lengths = self.secrets.iter().map(|secret| secret.bytes().len());
        MAX_ESCAPE * lengths.max().unwrap_or(0)
    }

    /// Replaces each secret in `text` with `***`, with or without the escapes of JSON strings, and several that overlap
    /// with one `***`. Returns `None` if there is not enough memory.
    pub fn redact(&self, text: Vec<u8>) -> Option<Vec<u8>> {
        self.replace(text, false)
    }

    /// Does the same for a text that may be truncated within a secret: redacts the start of a secret at its end, too.
    /// Returns an empty text if there is not enough memory.
    pub fn redact_truncated(&self, text: Vec<u8>) -> Vec<u8> {
        self.replace(text, true).unwrap_or_default()
    }

    /// The start of a text from a server, redacted and on one line, to be quoted in a message.
    pub fn quote(&self, text: &str) -> String {
        let start = try_copy(&text.as_bytes()[..text.len().min(MAX_QUOTED_TEXT)]).unwrap_or_default();
        let redacted = self.redact_truncated(start);
        String::from_utf8_lossy(&redacted)
            .chars()
            .take(MAX_QUOTE)
            .map(|letter| if letter.is_control() { '?' } else { letter })
            .collect()
    }

    fn replace(&self, mut text: Vec<u8>, is_truncated: bool) -> Option<Vec<u8>> {
        let redacted = match self.find(&text, is_truncated) {
            Some(marks) if marks.0.is_empty() => return Some(text),
            Some(marks) => marks.replace(&text),
            None => None,
        };
        text.as_mut_slice().zeroize();
        redacted
    }

    /// Marks the secrets in a text. Returns `None` if there is not enough memory.
    fn find(&self, text: &[u8], is_truncated: bool) -> Option<Marks> {
        let mut marks = Marks(Vec::new());
        let has_escapes = text.contains(&b'\\');
        let is_possible =
            |secret: &&Secret| can_contain(text, secret) || (is_truncated && !secret.bytes().is_empty());
        for secret in self.secrets.iter().filter(is_possible) {
            let pattern = Pattern::new(secret.bytes())?;
            pattern.find(text, is_truncated, &mut marks)?;
            if has_escapes {
                pattern.find_escaped(text, is_truncated, &mut marks)?;
            }
        }
        Some(marks)
    }
}

/// Bytes as text, without copying them if they are UTF-8.
pub fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What is to be redacted in a text: a mark for each byte, or none if there is nothing.
struct Marks(Vec<Mark>);

/// A value of a byte, so that marks are allocated as zeros.
type Mark = u8;

/// The first byte of a secret. It is `INNER` instead if it is also within another one.
const FIRST: Mark = 1;

/// Any other byte of a secret.
const INNER: Mark = 2;

impl Marks {
    /// Marks the bytes from `start` to `end` of a text of this length. Those before `marked` are marked already, and so is
    /// the byte before it, if it is greater than `start`.
    fn add(&mut self, start: usize, end: usize, marked: usize, length: usize) -> Option<()> {
        if self.0.is_empty() {
            self.0 = try_zeroed(length)?;
        }
        if let Some(first) = self.0.get_mut(start) {
            *first = FIRST.max(*first);
        }
        self.0.get_mut(marked.max(start + 1)..end)?.fill(INNER);
        Some(())
    }

    /// The text with `***` in place of what is marked.
    fn replace(&self, text: &[u8]) -> Option<Vec<u8>> {
        let count = |wanted: Mark| self.0.iter().filter(|mark| **mark == wanted).count();
        // Reserved in one step, because a reallocation might leave a copy behind.
        let mut redacted = try_with_capacity(count(0) + REDACTED.len() * count(FIRST))?;
        let mut rest = text;
        for run in self.0.chunk_by(|mark, next| (*mark == 0) == (*next == 0)) {
            let (bytes, after) = rest.split_at_checked(run.len())?;
            match run.iter().filter(|mark| **mark == FIRST).count() {
                0 => redacted.extend_from_slice(bytes),
                secrets => (0..secrets).for_each(|_| redacted.extend_from_slice(REDACTED)),
            }
            rest = after;
        }
        Some(redacted)
    }
}

/// A secret to search for.
struct Pattern<'s> {
    secret: &'s [u8],
    /// For each byte, the length of the longest proper prefix of the secret that ends there, too.
    borders: Vec<u32>,
}

impl<'s> Pattern<'s> {
    /// Returns `None` if there is not enough memory.
    fn new(secret: &'s [u8]) -> Option<Pattern<'s>> {
        let mut pattern = Pattern { secret, borders: try_with_capacity(secret.len())? };
        let mut length = 0;
        for (at, byte) in secret.iter().enumerate() {
            if at > 0 {
                length = pattern.advance(length, *byte);
            }
            try_push(&mut pattern.borders, length as u32)?;
        }
        Some(pattern)
    }

    /// The length of the longest prefix of the secret at the end of a text, after another byte.
    fn advance(&self, mut length: usize, byte: u8) -> usize {
        loop {
            if self.secret.get(length) == Some(&byte) {
                return length + 1;
            }
            match length.checked_sub(1).and_then(|last| self.borders.get(last)) {
                Some(border) => length = *border as usize,
                None => return 0,
            }
        }
    }

    /// Marks the secret in a text, without regard to escapes. Returns `None` if there is not enough memory.
    fn find(&self, text: &[u8], is_truncated: bool, marks: &mut Marks) -> Option<()> {
        let (mut length, mut marked) = (0, 0);
        for (at, byte) in text.iter().enumerate() {
            length = self.advance(length, *byte);
            if length == self.secret.len() {
                let end = at + 1;
                marks.add(end - length, end, marked, text.len())?;
                marked = end;
            }
        }
        if is_truncated && (MIN_REDACTED_PREFIX..self.secret.len()).contains(&length) {
            marks.add(text.len() - length, text.len(), marked, text.len())?;
        }
        Some(())
    }

    /// Marks the secret in a text, each character with or without an escape.
    fn find_escaped(&self, text: &[u8], is_truncated: bool, marks: &mut Marks) -> Option<()> {
        let mut search = EscapedSearch {
            pattern: self,
            length: 0,
            starts: try_with_capacity(self.secret.len())?,
            next: 0,
            marked: 0,
            marks,
            text,
        };
        search.starts.resize(self.secret.len(), 0);
        // Where the prefix at the end of the text starts, if the text may end within an escape.
        let mut cut_off: Option<Option<usize>> = None;
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let next = text.get(at + 1).copied();
            let escape = if *byte == b'\\' { decode_escape(&text[at..]) } else { None };
            // Secrets have no control characters, so a backslash before anything else is literal.
            match escape.filter(|_| matches!(next, None | Some(b'u' | b'"' | b'\\' | b'/'))) {
                Some((Escape::Char(character), length)) => {
                    cut_off = None;
                    search.advance(character.encode_utf8(&mut [0; 4]).as_bytes(), at, at + length)?;
                    at += length;
                }
                // The first half of a pair, the second half of which may be cut off.
                Some((Escape::LoneSurrogate(0xd800..=0xdbff), length)) => {
                    cut_off.get_or_insert_with(|| search.prefix_start());
                    search.length = 0;
                    at += length;
                }
                Some((Escape::LoneSurrogate(_), length)) => {
                    cut_off = None;
                    search.length = 0;
                    at += length;
                }
                Some((Escape::Incomplete, _)) => {
                    cut_off.get_or_insert_with(|| search.prefix_start());
                    for (offset, byte) in text[at..].iter().enumerate() {
                        search.advance(&[*byte], at + offset, at + offset + 1)?;
                    }
                    at = text.len();
                }
                None => {
                    cut_off = None;
                    search.advance(&[*byte], at, at + 1)?;
                    at += 1;
                }
            }
        }
        let starts = [search.prefix_start(), cut_off.flatten()];
        if let Some(start) = starts.into_iter().flatten().min().filter(|_| is_truncated) {
            search.marks.add(start, text.len(), start, text.len())?;
        }
        Some(())
    }
}

/// The search for a secret in a text with escapes.
struct EscapedSearch<'a> {
    pattern: &'a Pattern<'a>,
    /// The length of the longest prefix of the secret that ends here.
    length: usize,
    /// Where the last decoded bytes start in the text: as many as the secret has, in a ring.
    starts: Vec<u32>,
    /// The place of the next one.
    next: usize,
    /// The end of the last secret that was found.
    marked: usize,
    marks: &'a mut Marks,
    text: &'a [u8],
}

impl EscapedSearch<'_> {
    /// Adds the bytes of a character, or a single byte, which the text has from `start` to `end`.
    fn advance(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<()> {
        for byte in bytes {
            *self.starts.get_mut(self.next)? = start as u32;
            self.next = if self.next + 1 == self.starts.len() { 0 } else { self.next + 1 };
            self.length = self.pattern.advance(self.length, *byte);
            if self.length == self.pattern.secret.len() {
                self.mark(self.start(), end)?;
            }
        }
        Some(())
    }

    fn mark(&mut self, start: usize, end: usize) -> Option<()> {
        self.marks.add(start, end, self.marked, self.text.len())?;
        self.marked = end;
        Some(())
    }

    /// Where the current prefix starts.
    fn start(&self) -> usize {
        let place = (self.next + self.starts.len() - self.length) % self.starts.len();
        self.starts.get(place).map_or(0, |start| *start as usize)
    }

    /// The same, if the prefix must be redacted at the end of a truncated text.
    fn prefix_start(&self) -> Option<usize> {
        (MIN_REDACTED_PREFIX..self.pattern.secret.len()).contains(&self.length).then(|| self.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_however_they_are_escaped() {
        let redactor = Redactor::new(vec![
            Secret::new("pk_1/2\"3\\ü😀".as_bytes()),
            Secret::new(b"token"),
            Secret::new(b""),
        ]);
        let cases = [
            ("no secret", "no secret"),
            ("pk_1/2\"3\\ü😀", "***"),
            (r#"{"key": "pk_1/2\"3\\ü😀"}"#, r#"{"key": "***"}"#),
            (r#"<pk_1\/2\"3\\\u00fc\ud83d\uDE00>"#, "<***>"),
            (r#"\u0070k_1/2\u00223\u005cü😀"#, "***"),
            (r#"\u0070k_1/2\u00223\u005cü\ud83d"#, r#"\u0070k_1/2\u00223\u005cü\ud83d"#),
            (r#"\u0070k_1/2\u00223\u005cü\ud83d\u0041"#, r#"\u0070k_1/2\u00223\u005cü\ud83d\u0041"#),
            ("tokentoken token", "****** ***"),
            (r"tok\u0065", r"tok\u0065"),
            (r"to\u006", r"to\u006"),
            ("toke", "toke"),
            (r"\", r"\"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(
                redactor.redact(text.into()).map(String::from_utf8),
                Some(Ok(expected.to_string())),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_that_cannot_contain_a_secret_are_recognized() {
        for (secret, text, expected) in [
            ("", "text", false),
            ("t", "text", true),
            ("x", "text", true),
            ("y", "text", false),
            ("te", "text", true),
            ("xt", "text", true),
            ("et", "text", false),
            ("ext", "text", true),
            ("text", "text", true),
            ("texts", "text", false),
            ("ab", r"\u0061b", true),
            ("ab", "", false),
        ] {
            assert_eq!(
                can_contain(text.as_bytes(), &Secret::new(secret.as_bytes())),
                expected,
                "{secret} {text}"
            );
        }
    }

    #[test]
    fn truncated_secrets_are_redacted() {
        let redactor = Redactor::new(vec![
            Secret::new(b""),
            Secret::new(b"pk_live_1"),
            Secret::new(b"word"),
            Secret::new("\"quoted\"😀".as_bytes()),
        ]);
        for (text, expected) in [
            ("key pk_live_", "key ***"),
            ("key pk_l", "key ***"),
            ("key pk_", "key pk_"),
            ("pk_live pk", "pk_live pk"),
            ("wor", "wor"),
            (r#"<\"quot"#, "<***"),
            (r#"<\u0022quoted\"#, "<***"),
            (r#"<\u0022quo\u00"#, "<***"),
            (r#"<\"quoted\"\ud83d\ud"#, "<***"),
            (r#"<\"quoted\"\u00"#, "<***"),
            (r#"<\"quoted\"\ud83d\ud83d"#, "<***"),
            (r#"<\"quoted\"\ud83d\u00e9"#, r#"<\"quoted\"\ud83d\u00e9"#),
            (r#"<\"quoted\"\ude00"#, r#"<\"quoted\"\ude00"#),
            (r#"<\"quo\ude00\"quot"#, r#"<\"quo\ude00***"#),
            (r#"<\"quoted>"#, r#"<\"quoted>"#),
            ("", ""),
        ] {
            assert_eq!(
                String::from_utf8(redactor.redact_truncated(text.into())),
                Ok(expected.to_string()),
                "{text}"
            );
        }
    }

    #[test]
    fn no_part_of_overlapping_secrets_is_left() {
        for (secrets, text, expected) in [
            (&["key", "left-key-right"][..], "<left-key-right> <key>", "<***> <***>"),
            (&["left-key-right", "key"], "<left-key-right> <key>", "<***> <***>"),
            (&["abc", "cde"], "abcde abc cde", "*** *** ***"),
            (&["abc", "cde", "bcd"], "abcdef", "***f"),
            (&["abc", "def", "cd"], "abcdef", "***"),
            (&["abc", "def"], "abcdef", "******"),
            (&["aa"], "aaaaa", "***"),
            (&["abab"], "xababab", "x***"),
            (&["a\"b", "b\u{fc}"], r#"<a\"b\u00fc>"#, "<***>"),
            (&[r"\u0061bc", "cd"], r"\u0061bcd", "***"),
            (&["a"], "banana", "b***n***n***"),
        ] {
            let redactor =
                Redactor::new(secrets.iter().map(|secret| Secret::new(secret.as_bytes())).collect());
            let redacted = redactor.redact(text.into()).map(String::from_utf8);
            assert_eq!(redacted, Some(Ok(expected.to_string())), "{secrets:?} {text}");
        }
        let redactor = Redactor::new(vec![Secret::new(b"secret-one"), Secret::new(b"one-two")]);
        assert_eq!(redactor.redact_truncated(b"a secret-one-t".into()), b"a ***");
        assert_eq!(redactor.redact_truncated(b"a secret-one-".into()), b"a ***");
        assert_eq!(redactor.redact_truncated(b"a secret-one".into()), b"a ***");
        assert_eq!(redactor.redact_truncated(b"a secr".into()), b"a ***");
    }

    /// Marks each occurrence byte by byte, as it is and unescaped.
    fn mark_slowly(text: &[u8], secret: &[u8]) -> Vec<bool> {
        // Where each byte starts and ends.
        let raw: Vec<(u8, usize, usize)> =
            text.iter().zip(0..).map(|(byte, at)| (*byte, at, at + 1)).collect();
        let (mut unescaped, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let rest = &text[at..];
            let (byte, length) = match rest {
                [b'\\', b'u', b'0', b'0', b'6', b'1', ..] => (b'a', 6),
                [b'\\', quoted @ (b'\\' | b'"'), ..] => (*quoted, 2),
                _ => (rest[0], 1),
            };
            unescaped.push((byte, at, at + length));
            at += length;
        }
        let mut marks = vec![false; text.len()];
        for window in raw.windows(secret.len()).chain(unescaped.windows(secret.len())) {
            if window.iter().map(|(byte, ..)| byte).eq(secret) {
                marks[window[0].1..window[window.len() - 1].2].fill(true);
            }
        }
        marks
    }

    #[test]
    fn searches_find_what_a_slow_one_finds() {
        let mut rng = crate::rng::Rng(36);
        let parts: [&[u8]; 8] = [b"a", b"a", b"b", b"\\", b"\"", br"\u0061", br#"\""#, br"\\"];
        let mut found = 0;
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..rng.below(12)).flat_map(|_| rng.pick(&parts).to_vec()).collect();
            let secrets: Vec<Vec<u8>> = (0..1 + rng.below(3))
                .map(|_| (0..1 + rng.below(4)).map(|_| rng.pick(b"aab\\\"")).collect())
                .collect();
            let redactor = Redactor::new(secrets.iter().map(|secret| Secret::new(secret)).collect());
            let marks = redactor.find(&text, false).map(|marks| marks.0).unwrap_or_default();
            let mut expected = vec![false; text.len()];
            for secret in &secrets {
                expected.iter_mut().zip(mark_slowly(&text, secret)).for_each(|(all, mark)| *all |= mark);
            }
            let marked = (0..text.len()).map(|at| marks.get(at).is_some_and(|mark| *mark != 0));
            assert!(marked.eq(expected), "{secrets:?} {}", String::from_utf8_lossy(&text));
            found += usize::from(!marks.is_empty());
        }
        assert!(found > 5000, "{found}");
    }

    /// A quadratic search takes minutes.
    #[test]
    fn time_is_proportional_to_the_text() {
        let text = |part: &str| part.repeat((128 << 10) / part.len()).into_bytes();
        let mut almost = vec![b'a'; 4000];
        almost.push(b'b');
        almost.extend_from_slice(&[b'a'; 4000]);
        let secrets =
            [vec![b'a'; 600], vec![b'a'; 8192], almost, b"aaaaaaab".repeat(1000), vec![b'\\'; 8192]];
        let begin = std::time::Instant::now();
        for part in ["a", r"\u0061", r"a\u0061", r"\", r"\ud83d", "aaaaaaab", r#"\"a"#] {
            let redactor = Redactor::new(secrets.iter().map(|secret| Secret::new(secret)).collect());
            assert!(redactor.redact_truncated(text(part)).len() <= 128 << 10);
        }
        assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    }
}
