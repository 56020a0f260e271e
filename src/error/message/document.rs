//! Messages about text that is not an execution.

use std::fmt::{Formatter, Result};

/// The text is empty.
pub const EMPTY: &str = "it is empty";
/// The text ends within a value. The type of the value follows.
pub const ENDS_WITHIN: &str = "it ends within";
/// The text is malformed, and finding out why would take too much memory.
pub const UNEXPECTED: &str = "unexpected character or end";
/// What a body may end in the middle of.
pub const JSON: &str = "JSON";
/// There was not enough memory to parse a text.
pub const OUT_OF_MEMORY: &str = "not enough memory";
/// There was not enough memory to receive or parse a response.
pub const RESPONSE_DOES_NOT_FIT: &str = "memory is used up: the response does not fit";

/// The bytes are not UTF-8.
pub fn not_utf8(f: &mut Formatter<'_>, offset: usize) -> Result {
    write!(f, "not UTF-8 at byte {offset}")
}

/// The text is not JSON.
pub fn malformed(f: &mut Formatter<'_>, reason: &str, line: usize, column: usize) -> Result {
    write!(f, "not JSON: {reason} at line {line} column {column}")
}

/// The text is JSON, but not an object.
pub fn not_an_object(f: &mut Formatter<'_>, offset: usize) -> Result {
    write!(f, "not a JSON object at byte {offset}")
}

/// The object has no `status`, or, at `offset`, one that is not a string.
pub fn no_status(f: &mut Formatter<'_>, offset: Option<usize>) -> Result {
    match offset {
        Some(offset) => write!(f, "`status` is not a string at byte {offset}"),
        None => f.write_str("the object has no `status`"),
    }
}

/// The nodes would take too much memory.
pub fn too_many_nodes(f: &mut Formatter<'_>, limit: u64, bytes_per_node: usize) -> Result {
    write!(f, "more nodes than fit into {limit} bytes of memory, at {bytes_per_node} each")
}
