//! Words that the documentation avoids, because they make a reader look twice where the field has a standard term.

/// Phrases in lower case. One that ends with `_` is the beginning of a constant's name, and matches capitals only.
pub const BANNED: &[&str] = &[
    // response
    "answer",
    "answers",
    // attempt, retry
    "tries",
    "tried",
    // MAX_, MIN_, ..._THRESHOLD
    "longest_",
    "largest_",
    "shortest_",
    "most_",
    "few_",
    // is, reports, returns
    "told",
    "tells",
    // relevant, ignored
    "of use",
    "of no use",
    // the number or the amount itself
    "so many",
    "so much",
    // chunk
    "portion",
    "portions",
    // close_notify, shutdown
    "goodbye",
    "farewell",
    // redact
    "blot",
    "blots",
    "blotted",
    // fix
    "mend",
    "mends",
    "mended",
    // the caller, a thread, no thread
    "whoever",
    "nobody",
    "somebody",
    // timeout
    "time-out",
    "time-outs",
    // read, scan, parse
    "look into",
    "looks into",
    "looked into",
];

/// The first banned phrase in a line, as a whole word, in any letter case.
pub fn banned_in(line: &str) -> Option<&'static str> {
    let lower = line.to_ascii_lowercase();
    BANNED.iter().copied().find(|phrase| {
        lower.match_indices(phrase).any(|(start, _)| {
            let end = start + phrase.len();
            let is_constant = phrase.ends_with('_');
            let begins_word = !lower[..start].ends_with(is_word_character);
            let ends_word = is_constant || !lower[end..].starts_with(is_word_character);
            let fits = !is_constant || !line[start..end].contains(char::is_lowercase);
            begins_word && ends_word && fits
        })
    })
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
