//! The layers of `src/`: dependencies point down, folders do not depend on each other in circles, and some names belong
//! to one place. Dependencies are the `use` lines and the `crate::` paths of formatted code, outside of test modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, iter};

/// The parts of `src/` from the bottom up, and what each may use besides itself.
const MAY_USE: &[(&str, &str)] = &[
    // The ground: nothing here knows HTTP, JSON or C.
    ("alloc", ""),
    ("sys", "alloc"),
    ("timing", ""),
    ("error", "alloc sys timing"),
    ("state", "error"),
    ("secret", "error alloc"),
    ("cancel", "error alloc sys"),
    ("log", "error sys timing"),
    ("context", "error sys cancel log"),
    // The document.
    ("json", "error alloc sys"),
    ("execution", "error alloc state json"),
    ("redact", "error alloc secret json"),
    // The wire.
    ("http", "error alloc sys secret cancel timing log context json redact"),
    // The story.
    ("options", "error alloc sys secret log context http"),
    ("retry", "error alloc sys context state http"),
    ("envelope", "error alloc secret state json execution redact http::response"),
    (
        "client",
        "error alloc sys secret cancel timing log context state json execution http redact options retry envelope",
    ),
    ("queue", "error alloc sys cancel state http::url client"),
    // C.
    ("ffi", "error alloc sys cancel timing log state json execution options client queue"),
];

#[test]
fn dependencies_point_down() {
    let mut faults = BTreeSet::new();
    for (module, Source { path, uses, .. }) in sources() {
        let part = part_of(&module);
        let allowed = MAY_USE.iter().find(|(name, _)| *name == part).map_or("", |(_, allowed)| allowed);
        let is_allowed = |used: &str| {
            let is_within = |name| used == name || used.starts_with(&format!("{name}::"));
            part_of(used) == part || allowed.split(' ').any(is_within)
        };
        faults.extend(uses.iter().filter(|used| !is_allowed(used)).map(|used| format!("{path} uses {used}")));
    }
    assert_none(faults);
}

#[test]
fn no_circle_of_dependencies_spans_folders() {
    let sources = sources();
    let mut faults = BTreeSet::new();
    for (module, source) in &sources {
        for used in source.uses.iter().filter(|used| sources[*used].folder() != source.folder()) {
            let (mut reached, mut open) = (BTreeSet::from([used]), vec![used]);
            while let Some(next) = open.pop() {
                open.extend(sources[next].uses.iter().filter(|module| reached.insert(module)));
            }
            if reached.contains(module) {
                faults.insert(format!("{} uses {used}, which leads back to it", source.path));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn only_one_file_names_ureq() {
    assert_none(files_with("ureq::", |path| path != "src/http/ureq.rs"));
}

/// C's callers and the global allocator cannot be passed any state; everything else can.
#[test]
fn only_the_c_interface_and_the_allocator_have_thread_locals() {
    let is_allowed = |path: &str| path.starts_with("src/ffi/") || path == "src/alloc/wiping.rs";
    assert_none(files_with("thread_local!", |path| !is_allowed(path)));
}

fn files_with(text: &str, is_wrong: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let sources = sources().into_values().filter(|source| source.code.contains(text));
    sources.map(|source| source.path).filter(|path| is_wrong(path)).collect()
}

fn assert_none(faults: BTreeSet<String>) {
    assert!(faults.is_empty(), "\n{}", faults.into_iter().collect::<Vec<_>>().join("\n"));
}

struct Source {
    /// From the folder of the project on.
    path: String,
    /// Without comments and test modules.
    code: String,
    /// Modules that are files, such as `http::url`.
    uses: BTreeSet<String>,
}

impl Source {
    fn folder(&self) -> Option<&Path> {
        Path::new(&self.path).parent()
    }
}

/// The files of `src/` but `lib.rs`, by their modules.
fn sources() -> BTreeMap<String, Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("in the project").to_str().expect("UTF-8").to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") && name != "src/lib.rs" {
                let module = name["src/".len()..].trim_end_matches(".rs").trim_end_matches("/mod");
                let text = fs::read_to_string(&path).expect("a readable file");
                // Tests come last in a file.
                let (text, tests) = text.split_once("\nmod tests {\n").unwrap_or((&text, ""));
                assert!(tests.find("\n}\n").is_none_or(|end| end + 3 == tests.len()), "{name}");
                let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
                let code = code.collect::<Vec<_>>().join("\n");
                sources.insert(module.replace('/', "::"), Source { path: name, code, uses: BTreeSet::new() });
            }
        }
    }
    let modules: BTreeSet<String> = sources.keys().cloned().collect();
    for (module, source) in &mut sources {
        let used = uses(module, &source.code).into_iter().filter_map(|path| {
            let prefixes = iter::successors(Some(&*path), |path| Some(path.rsplit_once("::")?.0));
            prefixes.into_iter().find(|path| modules.contains(*path)).map(str::to_owned)
        });
        source.uses = used.filter(|used| used != module).collect();
    }
    sources
}

/// The paths that a module uses, from the root of the crate on, to items or to modules.
fn uses(module: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        expand("", &code[at + "crate::".len()..], &mut found);
    }
    for (at, _) in code.match_indices("use super::") {
        // Each level of indentation is a module within the file.
        let line = &code[code[..at].rfind('\n').map_or(0, |end| end + 1)..at];
        let levels = line.len() - line.trim_start().len();
        let path = &code[at + "use ".len()..];
        let supers = (0..).take_while(|n| path[n * "super::".len()..].starts_with("super::")).count();
        let base =
            (levels / 4..supers).fold(module, |base, _| base.rsplit_once("::").map_or("", |(base, _)| base));
        expand(base, &path[supers * "super::".len()..], &mut found);
    }
    // Modules below this one are named without a prefix.
    let below = code.match_indices("mod ").filter_map(|(at, word)| code[at + word.len()..].split_once(';'));
    found.extend(
        below.filter(|(name, _)| code.contains(&format!("{name}::"))).map(|(name, _)| join(module, name)),
    );
    found
}

/// What a path such as `a::{b, c::{d, e}}` consists of, whatever follows it.
fn expand(base: &str, path: &str, found: &mut Vec<String>) {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(path.len());
    let base = join(base, path[..end].trim_end_matches("::"));
    let Some(list) = path[end..].strip_prefix('{') else {
        return found.push(base);
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in list.char_indices() {
        if depth == 0 && matches!(c, ',' | '}') {
            expand(&base, list[begin..at].trim(), found);
            begin = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            _ => {}
        }
    }
}

fn join(base: &str, name: &str) -> String {
    let path = [base, name].into_iter().filter(|part| !part.is_empty() && *part != "self");
    path.collect::<Vec<_>>().join("::")
}

fn part_of(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

#[test]
fn uses_are_found_in_all_their_forms() {
    let code = "use crate::a::{self, b::{C, d}, E};\npub(crate) use super::f::G;\nmod inner {\n    \
        use super::H;\n    use super::super::i;\n}\nmod url;\nuse url::X;\nfn j() -> crate::k::L { url::m() }\n";
    let mut found = uses("http::tls", code);
    found.sort();
    let wanted = ["a", "a::E", "a::b::C", "a::b::d", "http::f::G", "http::i", "http::tls::H"];
    assert_eq!(found, [&wanted[..], &["http::tls::url", "k::L"]].concat());
}
