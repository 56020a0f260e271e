//! The validator against serde_json, with every kind of vectors; and the helpers against the validator.

use super::block::{Block, portable::Words};
use super::portable::Word;
use super::validator::{Extent, Validator};
use super::{Brackets, Fault, Lanes, Native, Scanner, brackets, find, scalar_end};
use crate::rng::Rng;
use serde_json::value::RawValue;

/// A validator's look with one kind of vectors.
type Look = fn(&mut Validator, &[u8], bool);

/// All kinds that this machine has.
fn kinds() -> Vec<Look> {
    let mut kinds: Vec<Look> =
        vec![super::look, |validator, text, is_whole| validator.look::<Words>((), text, is_whole)];
    #[cfg(target_arch = "x86_64")]
    kinds.push(|validator, text, is_whole| validator.look::<super::block::sse2::Sse2>((), text, is_whole));
    #[cfg(target_arch = "aarch64")]
    kinds.push(|validator, text, is_whole| validator.look::<super::block::neon::Neon>((), text, is_whole));
    kinds
}

/// What a validator says of a text that comes in portions that end at `ends`.
fn validated(look: Look, text: &[u8], ends: &[usize]) -> Result<Vec<Extent>, Fault> {
    let mut validator = Validator::new();
    for end in ends {
        look(&mut validator, &text[..*end], false);
    }
    look(&mut validator, text, true);
    validator.conclude(text.len())
}

/// All kinds of vectors and serde_json agree on whether this is JSON; and the former on where it is not.
fn judge(text: &[u8]) -> bool {
    let accepted = serde_json::from_slice::<&RawValue>(text).is_ok();
    let results: Vec<_> = kinds().into_iter().map(|look| validated(look, text, &[])).collect();
    for result in &results {
        assert_eq!(result.is_ok(), accepted, "{:?}: {result:?}", String::from_utf8_lossy(text));
        assert_eq!(result, &results[0], "{:?}", String::from_utf8_lossy(text));
    }
    accepted
}

impl Rng {
    /// A value within `depth` others at most, with white space in some places.
    fn value(&mut self, text: &mut String, depth: usize) {
        let kind = if depth == 0 { 2 + self.below(4) } else { self.below(6) };
        match kind {
            0 | 1 => {
                let brackets = if kind == 0 { ['{', '}'] } else { ['[', ']'] };
                text.push(brackets[0]);
                for index in 0..self.below(6) {
                    text.push_str(if index > 0 { "," } else { "" });
                    text.push_str(self.pick(&SPACES));
                    if kind == 0 {
                        self.string(text);
                        text.push_str(self.pick(&SPACES));
                        text.push(':');
                        text.push_str(self.pick(&SPACES));
                    }
                    self.value(text, depth - 1);
                    text.push_str(self.pick(&SPACES));
                }
                text.push(brackets[1]);
            }
            2 | 3 => self.string(text),
            _ => text.push_str(self.pick(&SCALARS)),
        }
    }

    fn string(&mut self, text: &mut String) {
        text.push('"');
        for _ in 0..self.below(5) {
            text.push_str(self.pick(&PIECES));
        }
        text.push('"');
    }
}

const SPACES: [&str; 8] = ["", "", "", "", " ", "\n    ", "\r\n\t", "                                    "];
const SCALARS: [&str; 12] = [
    "0",
    "-0",
    "10",
    "-1.5e+10",
    "0.25E-3",
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
    "3.14159265358979323846",
    "1e400",
    "true",
    "false",
    "null",
    "-0.0",
];
const PIECES: [&str; 14] = [
    "a",
    "key",
    "plain text that is longer than two vectors of sixteen bytes, and some more of it to fill a block",
    "ü",
    "客",
    "😀",
    "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
    "\\\"",
    "\\\\",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\n",
    "{[,:]}",
    "0",
];

/// Bytes that mean something, to make texts wrong with.
const LIKELY: &[u8] =
    b"\"\\{}[]:,0123456789.eE+-truefalsn \t\n\r\0\x1f/u\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xf5\xff";

/// Texts with one of everything, from which others are made.
const SEEDS: [&str; 7] = [
    r#"{"name":"Grüße \ud83d\ude00 \"x\"","n":[-0,1.5e+10,0.25E-3,12345678901234567890],"t":true,"f":false,"z":null}"#,
    "[\n    {\n        \"a\" : [ ] ,\r\n\t\"b\" : { } },\n    \"\\u00e9\\n\\/\"\n]\n",
    r#"[[[[{"a":[{"b":[[]]}]}]]],[],{},""]"#,
    r#""顧客 顧客 顧客 \\ \" \t plain text that is longer than two vectors of sixteen bytes""#,
    "-123.456e-78",
    " true ",
    r#"{"":{"":{"":""}},"":1,"a":"[{\"]}"}"#,
];

#[test]
fn accepts_and_refuses_the_grammar() {
    let accepted = [
        "0",
        "-0",
        "10",
        "-1",
        "0.0",
        "1e5",
        "1E+5",
        "1e-05",
        "1.25e2",
        "1e400",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " \t\r\n1 \t\r\n",
        "[1,2]",
        "{\"a\":1,\"a\":2}",
        "\"\u{7f}\"",
        "\"\\ud83d\"",
        "\"\\u0000\"",
        "\"\\uDEAD\\ud83d\\uABCF\"",
        "\"/\\/\\b\\f\\n\\r\\t\\\\\\\"\"",
        "[[],{},\"\",0,null]",
    ];
    let refused = [
        "",
        " ",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1.e5",
        "- 1",
        "1 2",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "truE",
        "nul",
        "fals",
        "truee",
        "nulll",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1]",
        "[\"a\":1]",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u123g\"",
        "\"\\u+123\"",
        "\"\n\"",
        "\"\u{1f}\"",
        "\"\0\"",
        "\0",
        "1\0",
        "[1]]",
        "{}{}",
        "'a'",
        "[1,\u{a0}2]",
        "\u{feff}1",
        "[\u{b}1]",
        "/**/1",
        "\"a\"b",
    ];
    for before in [0, 1, 31, 58, 59, 60, 61, 62, 63, 64] {
        let before = " ".repeat(before);
        for text in accepted {
            assert!(judge(format!("{before}{text}").as_bytes()), "{text:?}");
        }
        for text in refused {
            assert!(!judge(format!("{before}{text}").as_bytes()), "{text:?}");
        }
    }
}

#[test]
fn agrees_with_serde_json_on_texts_cut_anywhere() {
    for seed in SEEDS.map(str::as_bytes) {
        for before in 0..64 {
            let text = [&vec![b' '; before], seed].concat();
            for end in before..=text.len() {
                judge(&text[..end]);
            }
        }
        for start in 0..seed.len() {
            judge(&seed[start..]);
        }
    }
}

#[test]
fn agrees_with_serde_json_on_generated_and_mutated_texts() {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for round in 0..10_000 {
        let mut text = " ".repeat(rng.below(64));
        rng.value(&mut text, 4);
        let mut bytes = text.into_bytes();
        assert!(judge(&bytes));
        if round % 4 == 0 {
            bytes = [&vec![b' '; rng.below(64)], SEEDS[round % SEEDS.len()].as_bytes()].concat();
        }
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(4) {
                0 => bytes[at] = rng.pick(LIKELY),
                1 => bytes.insert(at, rng.pick(LIKELY)),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes[at] ^= 1 << rng.below(8),
            }
        }
        accepted += usize::from(judge(&bytes));
    }
    assert!((500..9_500).contains(&accepted), "{accepted} of the mutated texts are JSON");
}

#[test]
fn says_the_same_however_a_text_comes() {
    let mut rng = Rng(4711);
    for round in 0..4_000 {
        let mut text = String::new();
        rng.value(&mut text, 5);
        let mut bytes = text.into_bytes();
        if round % 2 == 0 {
            let at = rng.below(bytes.len());
            bytes[at] = rng.pick(LIKELY);
        }
        let mut ends: Vec<usize> = (0..rng.below(6)).map(|_| rng.below(bytes.len() + 1)).collect();
        ends.sort_unstable();
        for look in kinds() {
            assert_eq!(validated(look, &bytes, &ends), validated(look, &bytes, &[]), "{bytes:?} {ends:?}");
        }
    }
}

/// Every way to begin, to go on and to end badly, and all that is good, at every place in a block.
#[test]
fn takes_what_is_utf8_and_nothing_else() {
    let bytes = [
        0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4,
        0xf5,
    ];
    let mut accepted = 0;
    for round in 0..18_usize.pow(4) {
        let four = [1, 18, 324, 5_832].map(|power| bytes[round / power % 18]);
        let before = if round % 3 == 0 { 0 } else { 56 + round % 8 };
        let text = [&b"\""[..], &vec![b'x'; before], &four, &vec![b'y'; round % 4], b"\""].concat();
        let is_utf8 = std::str::from_utf8(&text).is_ok();
        accepted += usize::from(is_utf8);
        for look in kinds() {
            assert_eq!(validated(look, &text, &[]).is_ok(), is_utf8, "{text:02x?}");
        }
    }
    assert!(accepted > 500, "{accepted}");
}

#[test]
fn every_character_at_every_place() {
    for character in
        ('\0'..=char::MAX).step_by(61).chain(['\u{7ff}', '\u{800}', '\u{ffff}', '\u{10000}', char::MAX])
    {
        let before = "x".repeat(character as usize % 64);
        let text = format!("\"{before}{character}\"");
        assert_eq!(judge(text.as_bytes()), character >= ' ' && !['"', '\\'].contains(&character), "{text:?}");
    }
}

#[test]
fn sees_every_byte_at_every_offset_of_a_block() {
    for special in (0..=0x7f).map(char::from).chain(['é', '客', '😀']) {
        for before in 0..70 {
            for after in [0, 33] {
                let (before, after) = ("x".repeat(before), "y".repeat(after));
                judge(format!("\"{before}{special}{after}\"").as_bytes());
                judge(format!("\"{before}\\{special}{after}\"").as_bytes());
                judge(
                    format!("[{}{special}{}1]", " ".repeat(before.len()), " ".repeat(after.len())).as_bytes(),
                );
                judge(
                    format!("[1{}{special}{}]", "2".repeat(before.len()), "3".repeat(after.len())).as_bytes(),
                );
            }
        }
    }
}

#[test]
fn remembers_the_kind_of_every_open_bracket() {
    let mut rng = Rng(77);
    for depth in [1, 3, 4, 5, 62, 63, 64, 65, 66, 127, 128, 129, 1_000, 100_000] {
        let objects: Vec<bool> = (0..depth).map(|_| rng.below(2) == 0).collect();
        let mut text: String = objects.iter().map(|object| if *object { "{\"\":" } else { "[" }).collect();
        text.push('1');
        text.extend(objects.iter().rev().map(|object| if *object { '}' } else { ']' }));
        assert!(judge(text.as_bytes()));
        assert!(!judge(format!("{text}]").as_bytes()));
        for wrong in [0, depth / 2, depth - 1].map(|level| text.len() - 1 - level) {
            let swapped = if &text[wrong..=wrong] == "}" { "]" } else { "}" };
            let mut broken = text.clone();
            broken.replace_range(wrong..=wrong, swapped);
            assert!(!judge(broken.as_bytes()));
        }
    }
}

#[test]
fn tells_where_large_arrays_and_objects_of_the_outer_levels_are() {
    let mut rng = Rng(99);
    let mut told = 0;
    for _ in 0..2_000 {
        let mut text = String::new();
        rng.value(&mut text, 6);
        let mut open = Vec::new();
        let mut expected = Vec::new();
        let mut is_inside = false;
        let mut is_escaped = false;
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if std::mem::take(&mut is_escaped) => {}
                b'"' => is_inside = !is_inside,
                b'\\' => is_escaped = true,
                b'{' | b'[' if !is_inside => open.push(at),
                b'}' | b']' if !is_inside => {
                    if let (Some(start), 1..4) = (open.pop(), open.len())
                        && at - start >= 128
                    {
                        expected.push(Extent { start, end: at + 1 });
                    }
                }
                _ => {}
            }
        }
        expected.sort_unstable_by_key(|extent| extent.start);
        told += expected.len();
        for look in kinds() {
            assert_eq!(validated(look, text.as_bytes(), &[]), Ok(expected.clone()), "{text}");
        }
    }
    assert!(told > 500, "{told}");
}

#[test]
fn blocks_mean_the_same_in_every_kind_of_vector() {
    fn holds<B: Block>(machine: B::Machine, bytes: &[u8; 64]) {
        let block = B::load(machine, bytes);
        let mask = |belongs: &dyn Fn(u8) -> bool| {
            bytes.iter().rev().fold(0u64, |mask, byte| mask << 1 | u64::from(belongs(*byte)))
        };
        for other in 0..=255 {
            assert_eq!(block.equal(other), mask(&|byte| byte == other), "{other}");
            assert_eq!(block.at_most(other), mask(&|byte| byte <= other), "{other}");
        }
        assert_eq!(block.high(), mask(&|byte| byte >= 0x80));
        for bracket in *b"{}" {
            assert_eq!(block.as_curly().equal(bracket), mask(&|byte| byte | 0x20 == bracket));
        }
        let parity = block.equal(bytes[0]);
        let expected =
            (0..64).fold(0, |odd, bit| odd | u64::from((parity << (63 - bit)).count_ones() & 1) << bit);
        assert_eq!(B::parity(machine, parity), expected);
    }
    let mut rng = Rng(5);
    for round in 0..300 {
        let bytes = std::array::from_fn(|index| match round {
            0..4 => (round * 64 + index) as u8,
            _ => rng.below(256) as u8 >> (round % 8),
        });
        holds::<Words>((), &bytes);
        #[cfg(target_arch = "x86_64")]
        {
            use super::block::{avx2, sse2::Sse2};
            holds::<Sse2>((), &bytes);
            if let Some(machine) = avx2::Machine::detect() {
                holds::<avx2::Avx2>(machine, &bytes);
            }
        }
        #[cfg(target_arch = "aarch64")]
        holds::<super::block::neon::Neon>((), &bytes);
    }
}

#[test]
fn classes_mean_the_same_in_every_kind_of_vector() {
    type Class<L> = fn(L) -> u64;
    let native: [Class<Native>; 4] = [Native::quotes, Native::structure, Native::inked, Native::nondigits];
    let portable: [Class<Word>; 4] = [Word::quotes, Word::structure, Word::inked, Word::nondigits];
    let belongs: [fn(u8) -> bool; 4] = [
        |byte| byte == b'"' || byte == b'\\',
        |byte| b"\"{}[]".contains(&byte),
        |byte| !b" \t\n\r".contains(&byte),
        |byte| !byte.is_ascii_digit(),
    ];
    // A byte that does not belong to the class, to fill up with.
    let fill = [b'x', b'x', b' ', b'7'];
    for class in 0..4 {
        for (byte, length) in (0..=255u8).flat_map(|byte| (1..40).map(move |length| (byte, length))) {
            for position in 0..length {
                let mut text = vec![fill[class]; length];
                text[position] = byte;
                let expected = if belongs[class](byte) { position } else { length };
                assert_eq!(find(&text, 0, native[class]), expected, "{byte} in class {class}");
                assert_eq!(find(&text, 0, portable[class]), expected, "{byte} in class {class}");
                assert_eq!(find(&text, position + 1, native[class]), length);
                assert_eq!(find(&text, position + 1, portable[class]), length);
            }
        }
    }
}

#[test]
fn copies_strings_as_far_as_they_are_plain() {
    fn copies<L: Lanes>() {
        for (length, room, behind) in
            (0..50).flat_map(|length| [0, 8, 16, 49, 100].map(|room| (length, room, length % 40)))
        {
            for end in ["\"", "\\n\""] {
                let text = format!("\"{}{end}{}", "x".repeat(length), "\"".repeat(behind));
                let mut place = vec![b'-'; room];
                let copied = Scanner::<L>::new(text.as_bytes()).copy_plain(1, &mut place);
                assert!(copied <= length);
                assert_eq!(&place[..copied], "x".repeat(copied).as_bytes());
                assert!(
                    copied == length || length + L::WIDTH > room.min(length + end.len() + behind),
                    "{text}"
                );
            }
        }
    }
    copies::<Native>();
    copies::<Word>();
}

#[test]
fn finds_ends_in_text_that_is_known_to_be_valid() {
    fn ends<L: Lanes>(text: &str) {
        let scanner = Scanner::<L>::new(text.as_bytes());
        // No other value that begins here ends as JSON.
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
    let generated = (0..300).map(|_| {
        let mut text = String::new();
        rng.value(&mut text, 3);
        text
    });
    for text in SEEDS.map(str::to_owned).into_iter().chain(generated) {
        ends::<Native>(&text);
        ends::<Word>(&text);
    }
    for scalar in SCALARS {
        for behind in ["", ",", "}", "]", " ", "\n"] {
            assert_eq!(scalar_end(format!("{scalar}{behind}").as_bytes(), 0), scalar.len());
        }
    }
}

#[test]
fn finds_brackets_in_texts_of_any_length() {
    let mut kinds: Vec<brackets::Look> =
        vec![super::look_for_brackets, |brackets| brackets.look::<Words>(())];
    #[cfg(target_arch = "x86_64")]
    kinds.push(|brackets| brackets.look::<super::block::sse2::Sse2>(()));
    #[cfg(target_arch = "aarch64")]
    kinds.push(|brackets| brackets.look::<super::block::neon::Neon>(()));
    let mut rng = Rng(5);
    let mut text = String::from("[");
    for round in 0..400 {
        let scanner = Scanner::<Word>::new(text.as_bytes());
        let mut at = 0;
        let next = std::iter::from_fn(|| {
            let bracket = scanner.next_bracket(at)?;
            at = bracket + 1;
            Some((bracket, text[bracket..].starts_with(['{', '['])))
        });
        let expected: Vec<_> = next.collect();
        for look in &kinds {
            assert!(Brackets::found_by(*look, text.as_bytes()).eq(expected.iter().copied()), "{text:?}");
        }
        // Escapes come to stand at all places of a block.
        text.push_str(["", " ", "\"\\\\[\"", "\"{\\\"\""][round % 4]);
        text.push(',');
        rng.value(&mut text, 2);
    }
    assert!(text.len() > 10_000);
}
