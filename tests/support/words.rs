//! Words that the project does not use, because the field has a standard term.

/// Phrases in lower case, grouped by the term to use instead. A phrase matches whole words, however they are joined:
/// `time-out`, `time_out` and `TimeOut` are the same. One that ends with `_` is the beginning of a constant's name.
pub const BANNED: &[&str] = &[
    // response
    "answer",
    "answered",
    "answers",
    // attempt, retry
    "tries",
    "tried",
    "try again",
    // MAX_, MIN_, ..._THRESHOLD
    "longest_",
    "largest_",
    "shortest_",
    "most_",
    "few_",
    // is
    "lies",
    "stands",
    // reports, returns
    "says",
    "tells",
    "told",
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
    "farewell",
    "goodbye",
    // redact
    "blot",
    "blots",
    "blotted",
    // fix
    "mend",
    "mended",
    "mends",
    // the caller, a thread, no thread
    "nobody",
    "somebody",
    "whoever",
    // timeout
    "time out",
    "time outs",
    // read, scan, parse
    "look at",
    "looked at",
    "looks at",
    "look into",
    "looked into",
    "looks into",
];

/// The first banned phrase in a line, in any letter case.
pub fn banned_in(line: &str) -> Option<&'static str> {
    let words = words_of(line);
    BANNED.iter().copied().find(|phrase| match phrase.strip_suffix('_') {
        None => words.contains(&format!(" {phrase} ")),
        Some(_) => {
            let prefix = phrase.to_ascii_uppercase();
            line.match_indices(&prefix).any(|(start, _)| !line[..start].ends_with(is_word_character))
        }
    })
}

/// The words of a line in lower case, with a space before and after each. `snake_case` and `CamelCase` are several words.
fn words_of(line: &str) -> String {
    let mut words = String::from(" ");
    let mut was_lower = false;
    for character in line.chars() {
        if was_lower && character.is_uppercase() || !character.is_alphanumeric() && !words.ends_with(' ') {
            words.push(' ');
        }
        if character.is_alphanumeric() {
            words.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    words.push(' ');
    words
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
