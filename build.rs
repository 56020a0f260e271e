//! Generates the C header into OUT_DIR, and gives the shared library its name.
//!
//! The header is src/ffi/refold.h.in, where a line `@FILE@` stands for the functions in src/ffi/FILE, a line
//! `@FILE TYPE@` for one type in it, both as cbindgen declares them, and `@VERSION@` and its like for the
//! crate's version. The source tree is left alone: include/refold.h is a copy that tests/header.rs compares,
//! and renews when told to.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

const INTERFACE: &str = "src/ffi";
const TEMPLATE: &str = "src/ffi/refold.h.in";
const CONFIGURATION: &str = "cbindgen.toml";

fn main() {
    for input in ["build.rs", CONFIGURATION, INTERFACE] {
        println!("cargo::rerun-if-changed={input}");
    }
    if let Err(error) = write_header().and_then(|()| name_library()) {
        println!("cargo::error=include/refold.h cannot be generated: {error}");
        process::exit(1);
    }
}

fn write_header() -> Result<(), Box<dyn Error>> {
    let configuration = cbindgen::Config::from_file(CONFIGURATION)?;
    let mut header = String::new();
    for line in fs::read_to_string(TEMPLATE)?.lines() {
        match line.strip_prefix('@').and_then(|line| line.strip_suffix('@')) {
            Some(part) => header.push_str(&declarations(&configuration, part)?),
            None => header.push_str(&with_version(line)?),
        }
        header.push('\n');
    }
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("refold.h"), header)?;
    Ok(())
}

/// What cbindgen makes of `FILE`, or of `FILE TYPE`.
fn declarations(configuration: &cbindgen::Config, part: &str) -> Result<String, Box<dyn Error>> {
    let (file, item) = part.split_once(' ').map_or((part, None), |(file, item)| (file, Some(item)));
    let mut builder =
        cbindgen::Builder::new().with_config(configuration.clone()).with_src(Path::new(INTERFACE).join(file));
    if let Some(item) = item {
        builder = builder.include_item(item);
    }
    let bindings = builder.generate().map_err(|error| format!("cbindgen, in {file}: {error}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text)?;
    if text.trim().is_empty() {
        return Err(format!("cbindgen finds nothing to declare for @{part}@").into());
    }
    Ok(with_short_comments(text.trim(), configuration.line_length))
}

/// Puts each comment that fits on one line there.
fn with_short_comments(text: &str, line_length: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut short = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, tail @ ..] = rest {
        let joined = match tail {
            [text, end, ..] if line.trim() == "/**" && end.trim() == "*/" => {
                Some(format!("{line} {} */", text.trim().trim_start_matches("* ")))
            }
            _ => None,
        };
        match joined.filter(|joined| joined.len() <= line_length) {
            Some(joined) => {
                short.push(joined);
                rest = &tail[2..];
            }
            None => {
                short.push((*line).to_owned());
                rest = tail;
            }
        }
    }
    short.join("\n")
}

fn with_version(line: &str) -> Result<String, Box<dyn Error>> {
    let mut line = line.to_owned();
    for number in ["VERSION", "VERSION_MAJOR", "VERSION_MINOR", "VERSION_PATCH"] {
        line = line.replace(&format!("@{number}@"), &env::var(format!("CARGO_PKG_{number}"))?);
    }
    Ok(line)
}

/// The name that a program remembers of the shared library it was linked with; and once loaded, the library
/// stays, as threads of it may still run or end after the last user has closed it.
fn name_library() -> Result<(), Box<dyn Error>> {
    let is_elf = env::var("CARGO_CFG_UNIX").is_ok() && env::var("CARGO_CFG_TARGET_VENDOR")? != "apple";
    if is_elf {
        let major = env::var("CARGO_PKG_VERSION_MAJOR")?;
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,librefold.so.{major}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}
