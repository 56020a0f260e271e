//! Tests of the searches in valid text.

use super::*;
use crate::json::scan::arch::Native;
use crate::json::scan::search::{Scanner, find};
use crate::json::scan::vector::SearchVector;
use crate::json::scan::{Brackets, scalar_end};
use crate::rng::scale;

#[test]
fn finds_the_first_byte_of_a_class() {
    fn finds<V: SearchVector>(lengths: &[usize]) {
        let class = |contains: fn(u8) -> bool, mask: fn(V) -> u64, other: u8| (contains, mask, other);
        let classes = [
            class(|byte| byte == b'"' || byte == b'\\', V::quotes, b'x'),
            class(|byte| b"\"{}[]".contains(&byte), V::structural, b'x'),
            class(|byte| !b" \t\n\r".contains(&byte), V::non_whitespace, b' '),
            class(|byte| !byte.is_ascii_digit(), V::non_digits, b'7'),
        ];
        for (contains, mask, other) in classes {
            for (byte, length) in (0..=255).flat_map(|byte| lengths.iter().map(move |length| (byte, *length)))
            {
                let mut text = vec![other; length];
                for position in 0..length {
                    text[position] = byte;
                    let expected = if contains(byte) { position } else { length };
                    assert_eq!(find(&text, 0, mask), expected, "{byte} at {position}");
                    assert_eq!(find(&text, position + 1, mask), length);
                    text[position] = other;
                }
            }
        }
    }
    let lengths: Vec<usize> = (1..40).filter(|length| [0, 1, 7].contains(&(length % scale(8, 1)))).collect();
    finds::<Native>(&lengths);
    finds::<Swar>(&lengths);
}

#[test]
fn copies_strings_up_to_the_first_escape() {
    fn copies<V: SearchVector>() {
        for (length, capacity) in
            (0..50).flat_map(|length| [0, 8, 16, 49, 100].map(|capacity| (length, capacity)))
        {
            for end in ["\"", "\\n\""] {
                let after = length % 40;
                let text = format!("\"{}{end}{}", "x".repeat(length), "\"".repeat(after));
                let mut buffer = vec![b'-'; capacity];
                let copied = Scanner::<V>::new(text.as_bytes()).copy_verbatim(1, &mut buffer);
                assert!(copied <= length);
                assert_eq!(&buffer[..copied], "x".repeat(copied).as_bytes());
                let available = capacity.min(length + end.len() + after);
                assert!(copied == length || length + V::WIDTH > available, "{text}");
            }
        }
    }
    copies::<Native>();
    copies::<Swar>();
}

#[test]
fn finds_the_ends_of_all_values() {
    fn ends<V: SearchVector>(text: &str) {
        let scanner = Scanner::<V>::new(text.as_bytes());
        // The shortest JSON text that begins here: no container or string is a prefix of another one.
        let end = |at: usize| {
            (at + 1..=text.len())
                .find(|end| serde_json::from_slice::<&RawValue>(&text.as_bytes()[at..*end]).is_ok())
        };
        let mut at = 0;
        while let Some(bracket) = scanner.next_bracket(at) {
            if text[bracket..].starts_with(['{', '[']) {
                assert_eq!(Some(scanner.container_end(bracket)), end(bracket), "{text:?} from {bracket}");
            }
            at = bracket + 1;
        }
        let quotes = text.find('"').into_iter().chain(text.find(":\"").map(|colon| colon + 1));
        for quote in quotes {
            let (closing, escaped) = scanner.string_end(quote + 1);
            assert_eq!(Some(closing + 1), end(quote), "{text:?} from {quote}");
            assert_eq!(escaped, text[quote..closing].contains('\\'));
        }
    }
    let mut rng = Rng(3);
    let generated = (0..scale(60, 300)).map(|_| generate(&mut rng, 3));
    for text in SEEDS.map(str::to_owned).into_iter().chain(generated) {
        ends::<Native>(&text);
        ends::<Swar>(&text);
    }
    for scalar in SCALARS {
        for after in ["", ",", "}", "]", " ", "\n"] {
            assert_eq!(scalar_end(format!("{scalar}{after}").as_bytes(), 0), scalar.len());
        }
    }
}

#[test]
fn iterates_over_the_brackets_of_texts_of_any_length() {
    let mut rng = Rng(5);
    let mut text = String::from("[");
    for round in 0..scale(200, 400) {
        let scanner = Scanner::<Swar>::new(text.as_bytes());
        let mut at = 0;
        let next = std::iter::from_fn(|| {
            let bracket = scanner.next_bracket(at)?;
            at = bracket + 1;
            Some((bracket, text[bracket..].starts_with(['{', '['])))
        });
        let expected: Vec<_> = next.collect();
        assert!(Brackets::new(text.as_bytes()).eq(expected.iter().copied()), "{text:?}");
        for kind in Kind::supported() {
            assert!(kind.brackets(text.as_bytes()).eq(expected.iter().copied()), "{kind:?}: {text:?}");
        }
        // Moves the escapes to other offsets in their blocks.
        text.push_str(["", " ", "\"\\\\[\"", "\"{\\\"\""][round % 4]);
        text.push(',');
        text.push_str(&generate(&mut rng, 2));
    }
    assert!(text.len() > scale(5_000, 10_000), "{}", text.len());
}
