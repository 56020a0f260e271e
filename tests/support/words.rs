//! Words that the project does not use, because the field has others: "response" for "answer", "retried" for "tried
//! again".

/// In lower case. A phrase is its words in this order, however they are joined.
pub const BANNED: &[&str] = &[
    "answer",
    "answered",
    "answers",
    "blot",
    "farewell",
    "goodbye",
    "lies",
    "look at",
    "look into",
    "looks at",
    "looks into",
    "mend",
    "mended",
    "mends",
    "nobody",
    "of no use",
    "of use",
    "portion",
    "portions",
    "says",
    "so many",
    "so much",
    "somebody",
    "stands",
    "tells",
    "time out",
    "told",
    "tried again",
    "tries",
    "try again",
    "whoever",
];

/// The banned phrase in a line, if there is one. Words are letters and digits; `snake_case` and `CamelCase` are several.
pub fn banned_in(line: &str) -> Option<&'static str> {
    let mut words = String::from(" ");
    let mut was_lower = false;
    for c in line.chars() {
        if was_lower && c.is_uppercase() || !c.is_alphanumeric() && !words.ends_with(' ') {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.push(' ');
    BANNED.iter().copied().find(|phrase| words.contains(&format!(" {phrase} ")))
}
