//! Messages about established connections.

use std::io;

use super::Phase;

/// The last line of a chunked body, or bytes that Content-Length announced, are missing.
pub const CLOSED_BEFORE_END: &str = "it closed while receiving the response";

/// What a body may end in the middle of.
pub const GZIP_STREAM: &str = "gzip stream";

/// A body that claims to be gzip.
pub const INVALID_GZIP: &str = "its body is not valid gzip";

/// A chunked body in which a chunk has no valid size.
pub const INVALID_FRAMING: &str = "the framing of its body is invalid";

/// An internal error: a connection failed without recording why.
pub const NO_REASON: &str = "a connection failed without a reason";

/// The peer ended the stream in this phase.
pub fn closed(phase: Phase) -> String {
    format!("it closed {phase}")
}

/// What was requested. It follows the status of the response.
pub fn request(peer: &str, execution_id: &str) -> String {
    format!("from {peer} for execution {execution_id}")
}

pub const NOT_HTTP_1_1: &str = "it does not speak HTTP/1.1";
const BAD_STATUS: &str = "its status line is malformed";
const BAD_HEADER: &str = "its header is malformed";
const BAD_LENGTH: &str = "the length of its body is malformed or ambiguous";
const MALFORMED: &str = "it violates HTTP/1.1";

/// Explains why a response cannot be parsed, given the description by ureq, which is not for users.
pub fn explain_protocol_error(description: &str) -> &'static str {
    match description.strip_prefix("http parse fail: ") {
        Some("invalid HTTP version" | "invalid token") => NOT_HTTP_1_1,
        Some("invalid header name" | "invalid header value" | "invalid new line") => BAD_HEADER,
        Some(status) if status.contains("status") => BAD_STATUS,
        Some(_) => NOT_HTTP_1_1,
        None if description.starts_with("chunk ") => INVALID_FRAMING,
        None if description.contains("content-length") => BAD_LENGTH,
        None if description.contains("header") => BAD_HEADER,
        None => MALFORMED,
    }
}

/// `HTTP 502 Bad Gateway`; without a phrase if the status has none.
pub fn status_line(status: u16) -> String {
    match reason_phrase(status) {
        "" => format!("HTTP {status}"),
        phrase => format!("HTTP {status} {phrase}"),
    }
}

/// The reason phrases of the IANA registry of HTTP status codes.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Describes an I/O error in words that do not depend on the locale of the host.
pub fn describe_io_error(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::ConnectionReset, _) => "connection reset by the other side".into(),
        (io::ErrorKind::NotFound, _) => "no such file".into(),
        (io::ErrorKind::BrokenPipe, _) => "connection closed by the other side".into(),
        (kind @ (io::ErrorKind::Other | io::ErrorKind::InvalidInput), Some(number)) => {
            format!("{kind} (errno {number})")
        }
        (kind, Some(number)) if kind.to_string().contains("uncategorized") => {
            format!("system error {number}")
        }
        (kind, _) => kind.to_string(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn registered_statuses_have_a_phrase() {
        let with_phrase = (100..600).filter(|status| status_line(*status) != format!("HTTP {status}"));
        assert_eq!(with_phrase.clone().count(), 62);
        with_phrase.for_each(|status| {
            assert!(status_line(status).starts_with(&format!("HTTP {status} ")));
        });
        for (status, line) in [
            (200, "HTTP 200 OK"),
            (404, "HTTP 404 Not Found"),
            (418, "HTTP 418 I'm a teapot"),
            (599, "HTTP 599"),
        ] {
            assert_eq!(status_line(status), line);
        }
    }

    #[test]
    fn protocol_errors_are_explained() {
        // What ureq-proto and httparse report about responses.
        let cases = [
            ("http parse fail: invalid HTTP version", NOT_HTTP_1_1),
            ("http parse fail: invalid token", NOT_HTTP_1_1),
            ("http parse fail: invalid new line", BAD_HEADER),
            ("http parse fail: invalid header name", BAD_HEADER),
            ("http parse fail: invalid header value", BAD_HEADER),
            ("http parse fail: invalid response status", BAD_STATUS),
            ("http parse fail: invalid status code: 000", BAD_STATUS),
            ("http parse fail: missing version", NOT_HTTP_1_1),
            ("http parse resulted in too many headers", BAD_HEADER),
            ("bad header: Name(\"x\")", BAD_HEADER),
            ("conflicting content-length headers", BAD_LENGTH),
            ("content-length header not a number", BAD_LENGTH),
            ("both transfer-encoding and content-length headers", BAD_LENGTH),
            ("chunk length is not ascii", INVALID_FRAMING),
            ("chunk length cannot be read as a number", INVALID_FRAMING),
            ("chunk expected crlf as next character", INVALID_FRAMING),
            ("received headers with 100-continue response", BAD_HEADER),
            ("location header is malformed: {}", BAD_HEADER),
            ("missing a location header", BAD_HEADER),
            ("unsupported http version", MALFORMED),
            ("Unforeseen([1])", MALFORMED),
        ];
        for (description, reason) in cases {
            assert_eq!(explain_protocol_error(description), reason, "{description}");
            let (peer, reason) = ("127.0.0.1:40000".into(), reason.into());
            crate::error::message::assert_readable(ErrorKind::Transport { peer, reason, lost: false });
        }
        for number in 1..=200 {
            let reason = describe_io_error(&io::Error::from_raw_os_error(number));
            let peer = "127.0.0.1:40000".into();
            crate::error::message::assert_readable(ErrorKind::Transport { peer, reason, lost: true });
        }
    }

    #[test]
    fn io_errors_are_described_in_common_words() {
        let cases = [
            (libc::ECONNRESET, "connection reset by the other side"),
            (libc::EPIPE, "connection closed by the other side"),
            (libc::ECONNREFUSED, "connection refused"),
            (libc::EINVAL, "invalid input parameter (errno 22)"),
            (libc::EPROTO, "system error 71"),
        ];
        for (number, expected) in cases {
            assert_eq!(describe_io_error(&io::Error::from_raw_os_error(number)), expected);
        }
        assert_eq!(describe_io_error(&io::ErrorKind::UnexpectedEof.into()), "unexpected end of file");
    }
}
