//! Every sentence that an error can have, so that their wording is consistent. Other modules select one and supply the
//! details.

pub mod argument;
pub mod certificate;
pub mod connect;
pub mod document;
pub mod wire;

use std::ffi::CStr;
use std::fmt;

use super::{Error, ErrorKind, Phase};
use crate::sys::Resource;

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::QueuedLookup { limit } => {
                let reason = format_args!("this process has {limit} unfinished lookups, the maximum");
                return write!(f, "while waiting to look up the host name: {reason}");
            }
            Phase::Starting => "before it started",
            Phase::Resolving => "while looking up the host name",
            Phase::Connecting => "while connecting",
            Phase::Proxy => "while requesting a tunnel from the proxy",
            Phase::Handshake => "in the TLS handshake",
            Phase::Sending => "while sending the request",
            Phase::Waiting => "while waiting for the response",
            Phase::Receiving => "while receiving the response",
            Phase::Backoff => "in the pause before the next attempt",
            Phase::Polling => "in the pause before the next poll",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::InvalidArgument(message) => f.write_str(message),
            ErrorKind::Cancelled { phase } => write!(f, "the call was cancelled {phase}"),
            ErrorKind::Timeout { limit, phase, peer } => {
                let milliseconds = limit.as_millis();
                write!(
                    f,
                    "no complete response from {peer} within {milliseconds} ms: the timeout expired {phase}"
                )
            }
            ErrorKind::WaitTimeout { limit, last, .. } => {
                write!(f, "the execution had not ended after {} ms: {last}", limit.as_millis())
            }
            ErrorKind::Resolve { host, reason, .. } => write!(f, "could not look up {host}: {reason}"),
            ErrorKind::Connect { peer, reason, .. } => write!(f, "could not connect to {peer}: {reason}"),
            ErrorKind::Proxy { proxy, server, reason, .. } => {
                write!(f, "the proxy {proxy} did not connect to {server}: {reason}")
            }
            ErrorKind::Tls { peer, reason } => write!(f, "no trusted TLS session with {peer}: {reason}"),
            ErrorKind::Transport { peer, reason, lost: true } => {
                write!(f, "lost the connection to {peer}: {reason}")
            }
            ErrorKind::Transport { peer, reason, lost: false } => {
                write!(f, "no usable HTTP response from {peer}: {reason}")
            }
            ErrorKind::CutOff { within } => write!(
                f,
                "the response ends in the middle of its {within}: it was probably cut off before a gateway"
            ),
            ErrorKind::InvalidResponse(reason) => write!(f, "the response is not an execution: {reason}"),
            ErrorKind::TooLarge { limit } => write!(
                f,
                "the response is larger than max_response_bytes ({limit}): \
                 raise it with refold_options_set_max_response_bytes"
            ),
            ErrorKind::HeaderTooLarge { bytes, fields } => {
                write!(
                    f,
                    "the response header is larger than {bytes} bytes, or has more than {fields} fields"
                )
            }
            ErrorKind::TooManyNodes { limit, bytes_per_node } => write!(
                f,
                "the response has more nodes than fit into {limit} bytes of memory, at {bytes_per_node} each: \
                 for calls refold_options_set_max_response_bytes sets the limit"
            ),
            ErrorKind::Internal(message) => write!(f, "internal error of librefold: {message}"),
            ErrorKind::Resource(message) => f.write_str(message),
            ErrorKind::Status => write_status(f, self.status(), self.request()),
        }
    }
}

/// The last poll of a wait that ran out of time had no response.
pub const NO_RESPONSE_YET: &str = "the last poll has had no response yet";

/// The last poll of a wait that ran out of time returned an execution with this status.
pub fn last_status(status: &str) -> String {
    format!("its last status is {status}")
}

/// The body of a response has a Content-Encoding other than gzip.
pub fn unrequested_encoding(encoding: &str) -> String {
    format!("its body is encoded as {encoding}, which was not requested")
}

/// The sentence of an error whose own sentence could not be allocated.
pub const NO_MEMORY_FOR_MESSAGE: &CStr = c"out of memory";

/// A queue, or a submission to it, could not be made.
pub fn no_queue(resource: Option<Resource>) -> String {
    match resource {
        Some(resource) => format!("could not use the queue: {resource}"),
        None => "could not use the queue: the system offers no eventfd and no pipe".into(),
    }
}

/// A panic at this place of the source ended the call.
pub fn panicked(location: Option<&str>) -> String {
    let location = location.unwrap_or("an unknown place");
    format!("a defect at {location} stopped the call; please report it")
}

fn write_status(f: &mut fmt::Formatter<'_>, status: u16, request: Option<&str>) -> fmt::Result {
    f.write_str(&wire::status_line(status))?;
    if let Some(request) = request {
        write!(f, " {request}")?;
    }
    match status {
        300..=303 | 305..=399 => f.write_str(" (redirects are never followed: check the base URL)"),
        _ => Ok(()),
    }
}

/// Checks that a sentence has no trace of a type, and is short enough to be read.
#[cfg(test)]
pub(crate) fn assert_readable(kind: ErrorKind) {
    const MAX_CHARS: usize = 200;
    let sentence = Error::from(kind).to_string();
    let letters: Vec<char> = sentence.chars().collect();
    let is_camel_case = letters.windows(2).any(|pair| pair[0].is_lowercase() && pair[1].is_uppercase());
    assert!(!is_camel_case && !sentence.contains(['{', '[']), "{sentence}");
    assert!(letters.len() <= MAX_CHARS, "{} characters: {sentence}", letters.len());
}
