//! Generates the C header into OUT_DIR, and sets the SONAME of the shared library.
//!
//! The template of the header is src/ffi/refold.h.in. In it, `@FILE@` is replaced with the functions of src/ffi/FILE,
//! `@FILE TYPE@` with one type of that file, and `@VERSION@` and its parts with the version of the package. The build
//! never writes into the source tree: tests/header.rs compares include/refold.h with the generated header, and updates it
//! on request.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use cbindgen::{ItemType, Style};

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

/// What cbindgen generates for `FILE`, the functions, or for `FILE TYPE`, the type.
fn declarations(configuration: &cbindgen::Config, part: &str) -> Result<String, Box<dyn Error>> {
    let (file, item) = part.split_once(' ').map_or((part, None), |(file, item)| (file, Some(item)));
    let path = Path::new(INTERFACE).join(file);
    let mut configuration = configuration.clone();
    let line_length = configuration.line_length;
    match item {
        Some(item) => {
            // Functions would bring in the other types that they use.
            configuration.export.exclude = function_names(&fs::read_to_string(&path)?);
            configuration.export.include.push(item.to_owned());
        }
        None => {
            configuration.export.item_types = vec![ItemType::Functions];
            // Otherwise the parameters would be written `struct TYPE *` where the type is in the same file.
            configuration.style = Style::Type;
        }
    }
    let bindings = cbindgen::Builder::new().with_config(configuration).with_src(path).generate();
    let bindings = bindings.map_err(|error| format!("cbindgen, in {file}: {error}"))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text)?;
    if text.trim().is_empty() {
        return Err(format!("cbindgen finds nothing to declare for @{part}@").into());
    }
    Ok(with_short_comments(text.trim(), line_length))
}

/// The names of the exported functions in a source file.
fn function_names(source: &str) -> Vec<String> {
    let functions = source.split("extern \"C\" fn ").skip(1);
    functions.filter_map(|function| function.split('(').next()).map(str::to_owned).collect()
}

/// Folds each comment of one line into `/** ... */` if it fits.
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

/// Sets the SONAME, or the install name, that programs record when they are linked. Keeps the library mapped after dlclose(), because its
/// threads may still be running or ending.
fn name_library() -> Result<(), Box<dyn Error>> {
    let major = env::var("CARGO_PKG_VERSION_MAJOR")?;
    if env::var("CARGO_CFG_TARGET_VENDOR")? == "apple" {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/librefold.{major}.dylib");
    } else if env::var("CARGO_CFG_UNIX").is_ok() {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,librefold.so.{major}");
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    Ok(())
}
