//! Failures of an exchange, in terms of the connection and of ureq.

use super::head_filter::{MAX_FIELDS, MAX_HEADER};
use super::socket::Fault;
use crate::context::Interruption;
use crate::error::ErrorKind;
use crate::error::message::wire::describe_io_error;
use crate::sys::exhausted_resource;

/// The header of a response exceeds a limit.
pub const HEADER_TOO_LARGE: ErrorKind = ErrorKind::HeaderTooLarge { bytes: MAX_HEADER, fields: MAX_FIELDS };

/// A failure of the connection, without the peer and the limits, which the connection does not know.
#[derive(Debug)]
pub enum Failure {
    /// The deadline passed, or the token was cancelled.
    Interrupted(Interruption),
    /// The connection was lost, for this reason.
    Lost(String),
    /// There is no trusted TLS session, or the server refused this client within it. A retry cannot help.
    Refused(String),
    /// The framing of the body is invalid.
    InvalidFraming,
    /// Any other failure.
    Other(ErrorKind),
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Failure {
        Failure::Other(kind)
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Failure {
        Failure::Interrupted(interruption)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => Failure::Interrupted(interruption),
            Fault::Lost(error) => match exhausted_resource(&error) {
                Some(resource) => Failure::Other(ErrorKind::Resource(resource.to_string())),
                None => Failure::Lost(describe_io_error(&error)),
            },
        }
    }
}

/// What ureq reports when an exchange fails.
#[derive(Debug, PartialEq)]
pub enum UreqError {
    /// The connection failed; the exchange has the reason.
    Connection,
    /// The stream ended within the response.
    Ended,
    /// The header of the response exceeds a limit.
    HeaderTooLarge,
    /// The response is not HTTP, for this reason.
    Protocol(String),
    /// The framing of the body makes no progress.
    Stalled,
    /// Anything else: a defect in this library.
    Other(String),
}
