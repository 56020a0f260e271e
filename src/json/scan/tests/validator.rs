//! Tests of the validator.

use super::*;
use crate::json::scan::masks::{Masks, Positions};
use crate::json::scan::vector::BLOCK;
use crate::rng::scale;

/// Offsets at the start of a block, and around its end.
const OFFSETS: [usize; 10] = [0, 1, 31, 58, 59, 60, 61, 62, 63, 64];

#[test]
fn accepts_and_rejects_the_json_grammar() {
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
    let rejected = [
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
    for spaces in OFFSETS.map(|offset| " ".repeat(offset)) {
        for text in accepted {
            assert!(is_valid(format!("{spaces}{text}").as_bytes()), "{text:?}");
        }
        for text in rejected {
            assert!(!is_valid(format!("{spaces}{text}").as_bytes()), "{text:?}");
        }
    }
}

#[test]
fn truncated_texts_are_judged_like_serde_json() {
    for seed in SEEDS.map(str::as_bytes) {
        for offset in (0..64).step_by(scale(5, 1)) {
            let text = [&vec![b' '; offset], seed].concat();
            for end in offset..=text.len() {
                is_valid(&text[..end]);
            }
        }
        for start in 0..seed.len() {
            is_valid(&seed[start..]);
        }
    }
}

#[test]
fn mutated_texts_are_judged_like_serde_json() {
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let rounds = scale(4_000, 10_000);
    let mut accepted = 0;
    for round in 0..rounds {
        let mut bytes = [vec![b' '; rng.below(64)], generate(&mut rng, 4).into_bytes()].concat();
        assert!(is_valid(&bytes));
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
        accepted += usize::from(is_valid(&bytes));
    }
    assert!((rounds / 20..rounds * 19 / 20).contains(&accepted), "{accepted} mutated texts are JSON");
}

#[test]
fn chunk_boundaries_do_not_change_the_result() {
    let mut rng = Rng(4711);
    for round in 0..scale(2_000, 4_000) {
        let mut bytes = generate(&mut rng, 5).into_bytes();
        if round % 2 == 0 {
            let at = rng.below(bytes.len());
            bytes[at] = rng.pick(LIKELY);
        }
        // Chunks are processed once they complete a batch, of a kilobyte.
        bytes.splice(0..0, std::iter::repeat_n(b' ', 700 * (round % 4)));
        let mut ends: Vec<usize> = (0..rng.below(6)).map(|_| rng.below(bytes.len() + 1)).collect();
        ends.sort_unstable();
        for kind in Kind::supported() {
            assert_eq!(kind.validate(&bytes, &ends), kind.validate(&bytes, &[]), "{bytes:?} {ends:?}");
        }
    }
}

/// Four bytes, each from the limits of the ranges that UTF-8 distinguishes, at all offsets close to the end of a block.
#[test]
fn accepts_utf8_and_nothing_else() {
    let bytes = [
        0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4,
        0xf5,
    ];
    let step = scale(5, 1);
    let mut accepted = 0;
    for round in (0..18_usize.pow(4)).step_by(step) {
        let four = [1, 18, 324, 5_832].map(|power| bytes[round / power % 18]);
        let before = if round % 3 == 0 { 0 } else { 56 + round % 8 };
        let text = [&b"\""[..], &vec![b'x'; before], &four, &vec![b'y'; round % 4], b"\""].concat();
        let is_utf8 = std::str::from_utf8(&text).is_ok();
        accepted += usize::from(is_utf8);
        for kind in Kind::supported() {
            assert_eq!(kind.validate(&text, &[]).is_ok(), is_utf8, "{text:02x?}");
        }
    }
    assert!(accepted > 500 / step, "{accepted}");
}

#[test]
fn accepts_characters_of_all_ranges_at_all_offsets() {
    let limits = ['\u{7ff}', '\u{800}', '\u{ffff}', '\u{10000}', char::MAX];
    for character in ('\0'..=char::MAX).step_by(scale(61 * 3, 61)).chain('\0'..'\u{100}').chain(limits) {
        let before = "x".repeat(character as usize % 64);
        let text = format!("\"{before}{character}\"");
        let is_allowed = character >= ' ' && !['"', '\\'].contains(&character);
        assert_eq!(is_valid(text.as_bytes()), is_allowed, "{text:?}");
    }
}

#[test]
fn any_byte_is_judged_like_serde_json_at_any_offset() {
    let offsets = (0..70).filter(|offset| offset % 64 < 2 || offset % scale(7, 1) == 0);
    let texts = offsets.flat_map(|before| [(before, 0), (before, 33)]);
    for (before, after) in texts {
        let [spaces, letters, digits] = [" ", "x", "2"].map(|filler| filler.repeat(before));
        let [more_spaces, more_letters, more_digits] = [" ", "y", "3"].map(|filler| filler.repeat(after));
        for special in (0..=0x7f).map(char::from).chain(['é', '客', '😀']) {
            is_valid(format!("\"{letters}{special}{more_letters}\"").as_bytes());
            is_valid(format!("\"{letters}\\{special}{more_letters}\"").as_bytes());
            is_valid(format!("[{spaces}{special}{more_spaces}1]").as_bytes());
            is_valid(format!("[1{digits}{special}{more_digits}]").as_bytes());
        }
    }
}

#[test]
fn closing_brackets_must_match_at_any_depth() {
    let mut rng = Rng(77);
    for depth in [1, 3, 4, 5, 62, 63, 64, 65, 66, 127, 128, 129, 1_000, scale(20_000, 100_000)] {
        let objects: Vec<bool> = (0..depth).map(|_| rng.below(2) == 0).collect();
        let mut text: String = objects.iter().map(|object| if *object { "{\"\":" } else { "[" }).collect();
        text.push('1');
        text.extend(objects.iter().rev().map(|object| if *object { '}' } else { ']' }));
        assert!(is_valid(text.as_bytes()));
        assert!(!is_valid(format!("{text}]").as_bytes()));
        for wrong in [0, depth / 2, depth - 1].map(|level| text.len() - 1 - level) {
            let swapped = if &text[wrong..=wrong] == "}" { "]" } else { "}" };
            let mut mismatched = text.clone();
            mismatched.replace_range(wrong..=wrong, swapped);
            assert!(!is_valid(mismatched.as_bytes()));
        }
    }
}

#[test]
fn commas_outside_of_containers_are_rejected_in_every_block() {
    for text in [",", "1,", "1,2", "[1],", "[1],[2]", "{},", "\"\",", "[[]] ,"] {
        for indent in (0..17 * BLOCK).filter(|indent| OFFSETS.contains(&(indent % BLOCK))) {
            for gap in [0, BLOCK, 16 * BLOCK] {
                let (value, rest) = text.split_at(text.find(',').unwrap_or(0));
                let text = format!("{:indent$}{value}{:gap$}{rest}", "", "");
                assert!(!is_valid(text.as_bytes()));
                let at = indent + value.len() + gap;
                assert_eq!(Kind::supported()[0].validate(text.as_bytes(), &[]), Err(Fault::Malformed { at }));
            }
        }
    }
}

/// The position of an error does not depend on where blocks and batches end, nor on where chunks do.
#[test]
fn errors_have_the_same_position_at_every_offset() {
    let texts: [(&[u8], usize); 21] = [
        (br#"{"a":\u12"#, 5),
        (br#"{"a":\n}"#, 5),
        (br#"[1\u12]"#, 2),
        (br#"[-1.5\"]"#, 5),
        (br#"[nul\x]"#, 1),
        (br#"["\x"]"#, 3),
        (br#"["a\u12"]"#, 4),
        (b"[12\xff3]", 3),
        (b"[12\xc3\xa4]", 3),
        (b"[tr\xc3\xa4]", 1),
        (b"[1\0]", 2),
        (b"[0123456789012345678x9]", 2),
        (b"[1.5e+x]", 6),
        (b"\\", 0),
        (b"[12,x]", 4),
        (b"[12,1.]", 6),
        (b"[12,1.\xff]", 6),
        (br#"[12,"\x"]"#, 6),
        (b"[12,\"\xff\"]", 5),
        (b"[true,]", 6),
        (b"[12}", 3),
    ];
    for (text, at) in texts {
        for kind in Kind::supported() {
            let indents = (0..17 * BLOCK).filter(|indent| indent % BLOCK > BLOCK - 16 || indent % BLOCK < 2);
            for indent in indents {
                let text = [&vec![b' '; indent], text, &[b' '; 2 * BLOCK]].concat();
                let result = kind.validate(&text, &[indent + at, indent + at + 1]);
                assert_eq!(
                    result,
                    Err(Fault::Malformed { at: indent + at }),
                    "{} after {indent}",
                    text.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn records_large_containers_of_the_outer_levels() {
    let mut rng = Rng(99);
    let rounds = scale(1_000, 2_000);
    let mut recorded = 0;
    for _ in 0..rounds {
        let text = generate(&mut rng, 6);
        let expected = large_extents(&text);
        recorded += expected.len();
        for kind in Kind::supported() {
            assert_eq!(kind.validate(text.as_bytes(), &[]), Ok(expected.clone()), "{text}");
        }
    }
    assert!(recorded > rounds / 4, "{recorded}");
}

/// The containers of at least 128 bytes within one to three others.
fn large_extents(text: &str) -> Vec<Extent> {
    let mut open = Vec::new();
    let mut extents = Vec::new();
    let mut in_string = false;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if std::mem::take(&mut is_escaped) => {}
            b'"' => in_string = !in_string,
            b'\\' => is_escaped = true,
            b'{' | b'[' if !in_string => open.push(at),
            b'}' | b']' if !in_string => {
                if let (Some(start), 1..4) = (open.pop(), open.len())
                    && at - start >= 128
                {
                    extents.push(Extent { start, end: at + 1 });
                }
            }
            _ => {}
        }
    }
    extents.sort_unstable_by_key(|extent| extent.start);
    extents
}

/// The rows of the drawing of a text, by name.
fn draw(text: &str) -> Vec<(&'static str, String)> {
    let mut block = [b' '; BLOCK];
    block[..text.len()].copy_from_slice(text.as_bytes());
    let mut masks = Masks::new();
    let mut positions = Positions::new();
    Validator::new().check_batch::<[Swar; 8]>((), &block, &[block], &mut masks, &mut positions);
    let value = masks.quote[0] & masks.in_string[0] | masks.open[0] | masks.scalar_start[0];
    let rows = [
        ("quote", masks.quote[0]),
        ("in_string", masks.in_string[0]),
        ("whitespace", masks.whitespace[0]),
        ("open", masks.open[0]),
        ("close", masks.close[0]),
        ("comma", masks.comma[0]),
        ("colon", masks.colon[0]),
        ("scalar_start", masks.scalar_start[0]),
        ("value", value),
        ("expected", first_bytes_of_expected_values(&masks)),
        ("array_only", masks.array_only[0]),
        ("in_object", masks.in_object[0]),
        ("error", masks.error[0]),
    ];
    let row = |mask: u64| (0..text.len()).map(|bit| if mask >> bit & 1 == 1 { '1' } else { '.' }).collect();
    rows.map(|(name, mask)| (name, row(mask))).to_vec()
}

/// The first byte, and the first one after each `{`, `[`, `,` and `:`, without counting whitespace.
fn first_bytes_of_expected_values(masks: &Masks) -> u64 {
    let mut is_expected = true;
    (0..BLOCK).fold(0, |expected, bit| {
        let contains = |mask: u64| mask >> bit & 1 == 1;
        let is_first = is_expected && !contains(masks.whitespace[0]);
        is_expected &= !is_first;
        is_expected |= contains(masks.open[0] | masks.comma[0] | masks.colon[0]);
        expected | u64::from(is_first) << bit
    })
}

/// Compares the drawings in the documentation of the validator with the masks of their texts.
#[test]
fn drawings_show_the_masks_of_their_texts() {
    let lines = include_str!("../validator.rs").lines().filter_map(|line| line.strip_prefix("//! "));
    let mut rows = Vec::new();
    let mut compared = 0;
    for (name, row) in lines.filter_map(|line| line.split_at_checked(14)) {
        match name.trim_end() {
            "text" => rows = draw(row),
            name => {
                let Some((_, actual)) = rows.iter().find(|(actual, _)| *actual == name) else { continue };
                assert_eq!(row.trim_end(), actual, "{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 18);
}
