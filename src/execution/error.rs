//! Why a body is not an execution.

use std::fmt;

use serde_json::value::RawValue;

use super::NODE_MEMORY;
use crate::error::ErrorKind;
use crate::error::message::document;
use crate::json::scan::{Brackets, Fault};

/// Why a body is not an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseErrorKind {
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// Offset of the first invalid byte.
        offset: usize,
    },
    /// The text is not JSON.
    Malformed {
        /// What is wrong.
        reason: String,
        /// Line of the text, from 1.
        line: usize,
        /// Byte of the line, from 1; 0 if the line is empty.
        column: usize,
    },
    /// The text is JSON, but not an object.
    NotAnObject {
        /// Offset of the value.
        offset: usize,
    },
    /// The object has no `status`, or one that is not a string.
    NoStatus {
        /// Offset of the `status` that is not a string.
        offset: Option<usize>,
    },
    /// The nodes would take too much memory.
    TooManyNodes {
        /// The limit, in bytes.
        limit: u64,
    },
    /// There was not enough memory.
    OutOfMemory,
}

/// A body that is not an execution.
#[derive(Debug)]
pub struct ParseError {
    /// What is wrong with it.
    pub kind: ParseErrorKind,
    /// Whether it is the start of an object, and ends too early.
    pub is_cut_off: bool,
    /// The bytes.
    pub body: Vec<u8>,
}

impl ParseError {
    /// The error of a response with this body, and the body. One that is cut off may be whole the next time.
    pub fn of_response(self) -> (ErrorKind, Vec<u8>) {
        let kind =
            if self.is_cut_off { ErrorKind::CutOff { within: document::JSON } } else { self.kind.into() };
        (kind, self.body)
    }
}

impl ParseErrorKind {
    /// Describes what the validator found, and whether the body is the start of an object.
    pub(super) fn of_fault(fault: Fault, body: &[u8]) -> (ParseErrorKind, bool) {
        let Fault::Malformed { at } = fault else { return (ParseErrorKind::OutOfMemory, false) };
        let is_object = body.trim_ascii_start().starts_with(b"{");
        match std::str::from_utf8(body) {
            Ok(text) => {
                let has_ended = ends_within_token(text, at);
                let (kind, is_eof) = ParseErrorKind::explain(text, at)
                    .unwrap_or_else(|| (ParseErrorKind::locate(text, at), false));
                (kind, is_object && (is_eof || has_ended))
            }
            Err(error) => {
                let offset = error.valid_up_to();
                // The last character may be cut off, in a string. Elsewhere, its first byte is wrong.
                let is_cut_off = error.error_len().is_none() && at > offset;
                (ParseErrorKind::NotUtf8 { offset }, is_object && is_cut_off)
            }
        }
    }

    /// Lets serde_json explain what is wrong at `at`, and whether that is the end, as far as it can tell.
    /// Returns `None` if that would take much memory.
    fn explain(body: &str, at: usize) -> Option<(ParseErrorKind, bool)> {
        if max_depth(body.as_bytes().get(..at)?) > MAX_EXPLAINED_DEPTH {
            return None;
        }
        let error = serde_json::from_str::<&RawValue>(body).err()?;
        let message = error.to_string();
        let reason = message.split_once(" at line ").map_or(&*message, |(reason, _)| reason);
        let reason = match body.trim_ascii() {
            "" => document::EMPTY.to_owned(),
            _ => reason.replace("EOF while parsing", document::ENDS_WITHIN),
        };
        let kind = ParseErrorKind::Malformed { reason, line: error.line(), column: error.column() };
        Some((kind, error.is_eof()))
    }

    /// Only the position, without a description.
    pub(super) fn locate(body: &str, at: usize) -> ParseErrorKind {
        let read = body.as_bytes().get(..at).unwrap_or_default();
        let line_start = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |line_break| line_break + 1);
        ParseErrorKind::Malformed {
            reason: document::UNEXPECTED.to_owned(),
            line: read.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_start + 1,
        }
    }
}

/// Whether a text that is wrong at `at` ends there, or within the literal or the escape that starts there.
fn ends_within_token(text: &str, at: usize) -> bool {
    let Some((before, rest)) = text.split_at_checked(at) else { return false };
    match rest.strip_prefix('u') {
        Some(digits) => {
            before.ends_with('\\')
                && digits.len() < 4
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        }
        None => ["true", "false", "null"].iter().any(|literal| literal.starts_with(rest)),
    }
}

/// serde_json allocates a byte for each open bracket, infallibly, and up to three while its vector grows.
const MAX_EXPLAINED_DEPTH: usize = 4 << 10;

/// The largest number of brackets that are open at once in the start of a document.
fn max_depth(text: &[u8]) -> usize {
    let (mut depth, mut max) = (0usize, 0);
    for (_, opens) in Brackets::new(text) {
        depth = if opens { depth + 1 } else { depth.saturating_sub(1) };
        max = max.max(depth);
    }
    max
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseErrorKind::NotUtf8 { offset } => document::not_utf8(f, *offset),
            ParseErrorKind::Malformed { reason, line, column } => {
                document::malformed(f, reason, *line, *column)
            }
            ParseErrorKind::NotAnObject { offset } => document::not_an_object(f, *offset),
            ParseErrorKind::NoStatus { offset } => document::no_status(f, *offset),
            ParseErrorKind::TooManyNodes { limit } => document::too_many_nodes(f, *limit, NODE_MEMORY),
            ParseErrorKind::OutOfMemory => f.write_str(document::OUT_OF_MEMORY),
        }
    }
}

impl std::error::Error for ParseErrorKind {}

impl From<ParseErrorKind> for ErrorKind {
    fn from(kind: ParseErrorKind) -> ErrorKind {
        match kind {
            ParseErrorKind::OutOfMemory => ErrorKind::Resource(document::RESPONSE_DOES_NOT_FIT.into()),
            ParseErrorKind::TooManyNodes { limit } => {
                ErrorKind::TooManyNodes { limit, bytes_per_node: NODE_MEMORY }
            }
            other => ErrorKind::InvalidResponse(other.to_string()),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for ParseErrorKind {
    fn from(error: ParseError) -> ParseErrorKind {
        error.kind
    }
}
