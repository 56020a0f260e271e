//! include/refold.h is the header that the build generates. It declares what the shared library exports, documents all of
//! it, and compiles everywhere. After a change of the interface, update it with:
//!
//!     REFOLD_UPDATE_HEADER=1 cargo test --test header

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

use refold::error::code_name;
use refold::json::JsonType;
use refold::log::Level;
use refold::state::State;
use refold::timing::Timing;

#[path = "support/words.rs"]
mod words;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
const GENERATED: &str = include_str!(concat!(env!("OUT_DIR"), "/refold.h"));
const CPP_HEADER: &str = include_str!("../include/refold.hpp");

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

#[test]
fn committed_header_is_the_generated_one() -> io::Result<()> {
    let committed = Path::new(PROJECT).join("include/refold.h");
    if env::var_os("REFOLD_UPDATE_HEADER").is_some() {
        fs::create_dir_all(Path::new(PROJECT).join("include"))?;
        fs::write(&committed, GENERATED)?;
    }
    let text = fs::read_to_string(&committed)?;
    let difference =
        text.lines().zip(GENERATED.lines()).find(|(committed, generated)| committed != generated);
    assert!(
        text == GENERATED,
        "include/refold.h is not what the build generates; first difference: {difference:?}\n\
         update it: REFOLD_UPDATE_HEADER=1 cargo test --test header"
    );
    Ok(())
}

#[test]
fn exported_symbols_are_the_declared_functions() -> io::Result<()> {
    let listing = run("nm", ["-D", "--defined-only", "--format=posix"].map(OsStr::new), &library()?)?;
    let exported = listing.lines().filter_map(|line| line.split([' ', '@']).next()).collect::<BTreeSet<_>>();
    let declared = declared_functions(GENERATED);
    let declared = declared.iter().map(String::as_str).collect::<BTreeSet<_>>();
    assert!(!declared.is_empty(), "the header declares no function");
    let only_declared = declared.difference(&exported).collect::<Vec<_>>();
    let only_exported = exported.difference(&declared).collect::<Vec<_>>();
    assert!(only_declared.is_empty(), "declared, but not exported: {only_declared:?}");
    assert!(only_exported.is_empty(), "exported, but not declared: {only_exported:?}");
    assert!(declared.iter().all(|name| name.starts_with("refold_")), "a name lacks its prefix: {declared:?}");
    Ok(())
}

#[test]
fn everything_public_is_documented() {
    let items = items(GENERATED);
    let functions = declared_functions(GENERATED);
    assert!(functions.iter().all(|name| items.iter().any(|item| item.line.contains(&format!("{name}(")))));
    for kind in ["typedef struct", "typedef enum", "typedef int32_t", "typedef bool", "#define", "REFOLD_OK"]
    {
        assert!(items.iter().any(|item| item.line.starts_with(kind)), "no {kind} among the items");
    }
    let bare = items.iter().filter(|item| !item.is_documented).map(|item| item.line).collect::<Vec<_>>();
    assert!(bare.is_empty(), "not documented in the header: {bare:#?}");
}

#[test]
fn documentation_has_no_rust_words() {
    let foreign =
        ["Rust", "Safety", "panic", "panics", "unsafe", "crate", "Arc", "Box", "Vec", "Option", "Err"];
    for (number, line) in GENERATED.lines().enumerate() {
        let mut words = line.split(|character: char| !character.is_alphanumeric() && character != '_');
        assert!(words.all(|word| !foreign.contains(&word)), "line {}: {line}", number + 1);
        assert!(line.chars().count() <= 110, "line {} is too long: {line}", number + 1);
    }
}

#[test]
fn documentation_uses_standard_terms() {
    for (name, header) in [("refold.h", GENERATED), ("refold.hpp", CPP_HEADER)] {
        for (number, line) in header.lines().enumerate() {
            let banned = words::banned_in(line);
            assert!(banned.is_none(), "{name}, line {}: {banned:?} in: {line}", number + 1);
        }
    }
}

#[test]
fn version_macros_are_the_version_of_the_package() {
    for (name, value) in [
        ("REFOLD_VERSION_MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("REFOLD_VERSION_MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("REFOLD_VERSION_PATCH", env!("CARGO_PKG_VERSION_PATCH")),
        ("REFOLD_VERSION", concat!('"', env!("CARGO_PKG_VERSION"), '"')),
    ] {
        let definition = format!("#define {name} {value}");
        assert!(GENERATED.lines().any(|line| line == definition), "missing: {definition}");
    }
}

/// The name of a number is its enumerator without the prefix of the type.
#[test]
fn numbers_are_named_after_their_enumerators() {
    let names = enumerators(GENERATED);
    for (name, number) in &names {
        if let Some(state) = name.strip_prefix("REFOLD_STATE_") {
            assert_eq!(State::from_raw(*number).name().to_str(), Ok(state));
        } else if !["REFOLD_EVENT_", "REFOLD_JSON_", "REFOLD_LOG_", "REFOLD_TIMING_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            let code = name.trim_start_matches("REFOLD_").trim_start_matches("ERROR_");
            assert_eq!(code_name(*number).to_str(), Ok(code));
        }
    }
    for (kind, name) in [
        (JsonType::Null as i32, "REFOLD_JSON_NULL"),
        (JsonType::Bool as i32, "REFOLD_JSON_BOOL"),
        (JsonType::Number as i32, "REFOLD_JSON_NUMBER"),
        (JsonType::String as i32, "REFOLD_JSON_STRING"),
        (JsonType::Array as i32, "REFOLD_JSON_ARRAY"),
        (JsonType::Object as i32, "REFOLD_JSON_OBJECT"),
        (Level::Warn as i32, "REFOLD_LOG_WARN"),
        (Level::Info as i32, "REFOLD_LOG_INFO"),
        (Level::Debug as i32, "REFOLD_LOG_DEBUG"),
        (Timing::Total as i32, "REFOLD_TIMING_TOTAL"),
        (Timing::Resolve as i32, "REFOLD_TIMING_RESOLVE"),
        (Timing::Connect as i32, "REFOLD_TIMING_CONNECT"),
        (Timing::Tls as i32, "REFOLD_TIMING_TLS"),
        (Timing::FirstByte as i32, "REFOLD_TIMING_FIRST_BYTE"),
        (Timing::Transfer as i32, "REFOLD_TIMING_TRANSFER"),
    ] {
        assert!(names.contains(&(name, kind)), "{name} is not {kind}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn shared_library_has_a_soname_and_stays_loaded() -> io::Result<()> {
    let dynamic = run("readelf", ["-d", "--wide"].map(OsStr::new), &library()?)?;
    let name = concat!("Library soname: [librefold.so.", env!("CARGO_PKG_VERSION_MAJOR"), "]");
    assert!(dynamic.contains(name), "no {name} in:\n{dynamic}");
    assert!(dynamic.contains("NODELETE"), "dlclose() would unmap it:\n{dynamic}");
    Ok(())
}

#[test]
fn header_compiles_alone_and_twice() -> io::Result<()> {
    let folder = folder_with_header("alone_and_twice")?;
    let source = folder.join("twice.h");
    fs::write(&source, "#include \"refold.h\"\n#include \"refold.h\"\n")?;
    let c = (["gcc", "clang"], "c", ["c99", "c11", "c17"].as_slice());
    let cpp = (["g++", "clang++"], "c++", ["c++11", "c++14", "c++17", "c++20"].as_slice());
    for (compilers, language, standards) in [c, cpp] {
        let installed = compilers.map(is_installed);
        assert!(installed.contains(&true), "no compiler for {language}: install one of {compilers:?}");
        for (compiler, _) in compilers.iter().zip(installed).filter(|(_, installed)| *installed) {
            for standard in standards {
                // Compiled as a source file: compilers treat headers differently.
                let standard = format!("-std={standard}");
                check_syntax(compiler, &["-x", language, &standard], &source, &folder)?;
            }
        }
    }
    Ok(())
}

/// Compiles callers of the interface against the header, where such files exist next to the project.
#[test]
fn header_keeps_the_contract() -> io::Result<()> {
    let folder = folder_with_header("contract")?;
    for name in ["contract.c", "faults.c", "log.c", "queue.c"] {
        let contract = Path::new(PROJECT).join("../shared/contract").join(name);
        match contract.exists() {
            true => check_syntax("cc", &["-std=c11"], &contract, &folder)?,
            false => println!("there is no {}", contract.display()),
        }
    }
    Ok(())
}

// The header as text ----------------------------------------------------------------------------------------

struct Item<'h> {
    line: &'h str,
    is_documented: bool,
}

/// The first line of each declaration, enumerator and macro, and whether a documentation comment precedes it.
fn items(header: &str) -> Vec<Item<'_>> {
    let lines = header.lines().collect::<Vec<_>>();
    let mut items = Vec::new();
    let mut in_comment = false;
    let mut in_parameters = false;
    for (number, line) in lines.iter().map(|line| line.trim()).enumerate() {
        if line.starts_with("/*") || in_comment {
            in_comment = !line.ends_with("*/");
            continue;
        }
        if is_item(line) && !in_parameters {
            items.push(Item { line, is_documented: number > 0 && ends_documentation(&lines[..number]) });
        }
        in_parameters = (in_parameters || line.contains('(')) && !line.contains(')');
    }
    items
}

fn is_item(line: &str) -> bool {
    let is_macro = line.starts_with("#define ") && line != "#define REFOLD_H";
    let is_enumerator = line.starts_with("REFOLD_");
    let is_end = line.starts_with('}');
    is_macro || is_enumerator || line.starts_with("typedef ") || (line.contains("refold_") && !is_end)
}

/// Whether these lines end in a documentation comment.
fn ends_documentation(lines: &[&str]) -> bool {
    let start = lines.iter().rposition(|line| line.trim().starts_with("/*"));
    let ends_above = lines.last().is_some_and(|line| line.trim().ends_with("*/"));
    ends_above && start.is_some_and(|start| lines[start].trim().starts_with("/**"))
}

fn enumerators(header: &str) -> Vec<(&str, i32)> {
    let lines = header.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "));
    lines.filter_map(|(name, number)| Some((name, number.parse().ok()?))).collect()
}

fn declared_functions(header: &str) -> BTreeSet<String> {
    without_comments(header)
        .split(';')
        .filter(|statement| !statement.contains("typedef"))
        .filter_map(|statement| statement.split_once('('))
        .filter_map(|(declarator, _)| declarator.rsplit([' ', '*', '\n']).next())
        .map(str::to_owned)
        .collect()
}

fn without_comments(header: &str) -> String {
    let mut text = String::new();
    let mut rest = header;
    while let Some((code, comment)) = rest.split_once("/*") {
        text.push_str(code);
        rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
    }
    text + rest
}

// The library, and the tools that inspect it ------------------------------------------------------------------

/// The shared library of the same build, which is in the folder of the test program.
fn library() -> io::Result<PathBuf> {
    let library = env::current_exe()?.with_file_name("librefold.so");
    assert!(library.exists(), "there is no {}", library.display());
    Ok(library)
}

fn folder_with_header(name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header").join(name);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("refold.h"), GENERATED)?;
    Ok(folder)
}

fn is_installed(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn check_syntax(compiler: &str, options: &[&str], source: &Path, include: &Path) -> io::Result<()> {
    let arguments = options.iter().chain(&WARNINGS).chain(&["-fsyntax-only", "-I"]).map(OsStr::new);
    run(compiler, arguments.chain([include.as_os_str()]), source).map(drop)
}

/// The output of a tool that is run on a file. A tool that fails makes the test fail.
fn run<'a>(tool: &str, arguments: impl IntoIterator<Item = &'a OsStr>, file: &Path) -> io::Result<String> {
    let mut command = Command::new(tool);
    command.args(arguments).arg(file).env("LC_ALL", "C");
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| io::Error::other(format!("cannot run {tool}: {error}")))?;
    assert!(status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
