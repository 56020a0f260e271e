//! Comments, names and prose use the words of the field, and the names of tests are short.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "support/words.rs"]
mod words;

use words::banned_in;

/// The files and folders that are searched for banned phrases, and their kinds of files.
const SEARCHED: &[&str] = &[
    "src",
    "tests",
    "benches",
    "examples",
    "fuzz/run.sh",
    "fuzz/src",
    "fuzz/targets",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
];
const EXTENSIONS: &[&str] =
    &["rs", "c", "h", "hpp", "cpp", "sh", "py", "rb", "go", "java", "js", "mjs", "cjs", "ts", "mts", "md"];

/// A file, a part of the lines that may contain a banned phrase, and the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("tests/support/words.rs", "", "the list of banned phrases"),
    ("tests/vocabulary.rs", "", "examples of banned phrases"),
    ("CONTRIBUTING.md", "Say response, not answer", "names what to avoid"),
    ("benches/parse.rs", "Called twice, no answer", "a note that a user wrote, in a payload"),
    ("benches/payloads.c", "Called twice, no answer", "a note that a user wrote, in a payload"),
];

const MAX_TEST_NAME: usize = 60;

#[test]
fn the_project_uses_the_words_of_the_field() {
    let mut faults = Vec::new();
    let mut unused: BTreeSet<_> = EXCEPTIONS.iter().collect();
    for file in SEARCHED.iter().flat_map(|path| files(path, EXTENSIONS)) {
        let text = fs::read_to_string(&file).expect("a readable file");
        let name = relative(&file);
        for (number, line) in (1..).zip(text.lines()) {
            let Some(phrase) = banned_in(line) else { continue };
            match EXCEPTIONS.iter().find(|(file, part, _)| *file == name && line.contains(part)) {
                Some(exception) => drop(unused.remove(exception)),
                None => faults.push(format!("{name}:{number}: \"{phrase}\" in: {}", line.trim())),
            }
        }
    }
    faults.extend(unused.iter().map(|(file, part, _)| format!("{file}: needs no exception for \"{part}\"")));
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

/// A file, or the files below a folder with one of these extensions, sorted. Packages of npm are not the project's.
fn files(path: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(path)];
    while let Some(path) = paths.pop() {
        if path.is_dir() && !path.ends_with("node_modules") {
            let entries = fs::read_dir(path).expect("a readable folder");
            paths.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|found| extensions.iter().any(|wanted| *wanted == found)) {
            found.push(path);
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
