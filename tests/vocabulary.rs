//! Comments and names use the words of the field, and the names of tests are short.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "support/words.rs"]
mod words;

use words::banned_in;

const MAX_TEST_NAME: usize = 60;

#[test]
fn the_source_uses_the_words_of_the_field() {
    let mut faults = Vec::new();
    for file in files("src", &["rs"]) {
        let text = fs::read_to_string(&file).expect("a readable file");
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(phrase) = banned_in(line) {
                faults.push(format!("{}:{number}: \"{phrase}\" in: {}", relative(&file), line.trim()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn test_names_are_short() {
    let mut faults = Vec::new();
    for file in [files("src", &["rs"]), files("tests", &["rs", "c", "cpp"])].concat() {
        let text = fs::read_to_string(&file).expect("a readable file");
        let names = if file.extension().is_some_and(|extension| extension == "rs") {
            text.split("#[test]\n").skip(1).filter_map(|test| between(test, "fn ", '(')).collect::<Vec<_>>()
        } else {
            text.split("\nTEST").skip(1).filter_map(|test| between(test, "(", ')')).collect()
        };
        let long = names.into_iter().filter(|name| name.len() > MAX_TEST_NAME);
        faults.extend(long.map(|name| format!("{}: {} characters: {name}", relative(&file), name.len())));
    }
    assert_none(&faults);
}

#[test]
fn banned_phrases_are_found_as_whole_words() {
    for (line, phrase) in [
        ("// The answer's end", Some("answer")),
        ("the Answer to a request", Some("answer")),
        ("struct AnswerBody", Some("answer")),
        ("const ANSWER_SIZE", Some("answer")),
        ("fn is_tried_again()", Some("tried")),
        ("a Time-out", Some("time out")),
        ("it takes so much memory", Some("so much")),
        ("const LONGEST_PAUSE: u32 = 10;", Some("longest_")),
        ("// Almost, utmost", None),
        ("fn amend_portable()", None),
        ("struct Response", None),
        ("it is timed outside", None),
        ("answerable, mending, retries, retried, outlook into", None),
        ("the most_recent one of the longest", None),
    ] {
        assert_eq!(banned_in(line), phrase, "{line}");
    }
}

/// The files below a folder with one of these extensions, sorted.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| extensions.iter().any(|wanted| *wanted == found)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn between<'a>(text: &'a str, begin: &str, end: char) -> Option<&'a str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("a file of the project").display().to_string()
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} places:\n{}", faults.len(), faults.join("\n"));
}
