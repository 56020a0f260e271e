//! What a client may receive instead of an execution.

use std::io::{self, Write};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

use crate::api::{Envelope, ROUTE, RequestIdIn, reason};
use crate::catalog::{Call, Entry};
use crate::executions::{documented, documented_text};
use crate::oddities::HOSTILE;
use crate::reply::{Reply, ScriptedBody};

pub const FAULTS: &[Entry] = &[
    // Rate limits and temporary failures.
    Entry { id: "rate-limited", about: "429, Retry-After: 1", respond: |_| Some(rate_limited("1")) },
    Entry {
        id: "rate-limited-date",
        about: "429, Retry-After with an HTTP date 2 seconds from now",
        respond: |_| {
            let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
            Some(rate_limited(&date))
        },
    },
    Entry {
        id: "rate-limited-once[-<name>]",
        about: "429 with Retry-After: 1, then the documented example, and so on",
        respond: |call| match call.sandbox.earlier_visits(call.id) % 2 {
            0 => Some(rate_limited("1")),
            _ => Some(documented()),
        },
    },
    Entry {
        id: "rate-limited-<seconds>",
        about: "429, Retry-After: <seconds>",
        respond: |call| Some(rate_limited(&number::<u32>(call, 0..=u32::MAX)?.to_string())),
    },
    Entry {
        id: "flaky[-<name>]",
        about: "503 twice, then the documented example, and so on",
        respond: |call| match call.sandbox.earlier_visits(call.id) % 3 {
            0 | 1 => Some(error(503).reply()),
            _ => Some(documented()),
        },
    },
    // The error envelope and its variants, for any status of 400 to 599.
    Entry {
        id: "error-<status>",
        about: "the error envelope with a status of 400 to 599, request_id in body and header",
        respond: |call| Some(error(status(call)?).reply()),
    },
    Entry {
        id: "error-<status>-header",
        about: "the same, with the request id in x-request-id alone",
        respond: |call| Some(Envelope { request_id_in: RequestIdIn::Header, ..error(status(call)?) }.reply()),
    },
    Entry {
        id: "hostile-message",
        about: "403, a message that controls terminals and reorders lines",
        respond: |_| Some(Envelope::new(403, HOSTILE).reply()),
    },
    Entry {
        id: "error-<status>-bare",
        about: "the same, without a request id",
        respond: |call| {
            Some(Envelope { request_id_in: RequestIdIn::Neither, ..error(status(call)?) }.reply())
        },
    },
    Entry {
        id: "error-<status>-error",
        about: "the same, with error instead of error_code",
        respond: |call| {
            let envelope = error(status(call)?);
            Some(Envelope { error: envelope.error_code, error_code: None, ..envelope }.reply())
        },
    },
    Entry {
        id: "error-<status>-swapped",
        about: "the same, with error_code and http_error_type swapped",
        respond: |call| {
            let envelope = error(status(call)?);
            let (http_error_type, error_code) = (envelope.error_code?, Some(envelope.http_error_type));
            Some(Envelope { http_error_type, error_code, ..envelope }.reply())
        },
    },
    Entry {
        id: "error-<status>-other",
        about: "the same, with 500 as the status_code of the body",
        respond: |call| Some(Envelope { status_code: 500, ..error(status(call)?) }.reply()),
    },
    // Gateways, with responses of their own.
    Entry {
        id: "gateway-<status>",
        about: "an HTML page with a status of 400 to 599, such as gateway-502 and gateway-504",
        respond: |call| Some(gateway_page(status(call)?)),
    },
    Entry {
        id: "empty-<status>",
        about: "an empty body with a status of 400 to 599, such as empty-500",
        respond: |call| Some(Reply::json(status(call)?, "")),
    },
    Entry {
        id: "redirect[-<status>]",
        about: "a redirect to the documented example, 302 or another status of 300 to 399",
        respond: |call| {
            let status = if call.parameter.is_empty() { 302 } else { number(call, 300..=399)? };
            Some(Reply::html(status, "").with_header("location", format!("{ROUTE}6a106ba44480b80424a65289")))
        },
    },
    // The connection.
    Entry {
        id: "slow-<milliseconds>",
        about: "the documented example after 0 to 600000 milliseconds",
        respond: |call| Some(documented().after(milliseconds(call)?)),
    },
    Entry {
        id: "dripping[-<milliseconds>]",
        about: "the documented example, one byte every <milliseconds>, 100 by default",
        respond: |call| {
            let default = Duration::from_millis(100);
            let interval = if call.parameter.is_empty() { default } else { milliseconds(call)? };
            Some(documented().with_body(ScriptedBody::dripping(documented_text().into(), interval)))
        },
    },
    Entry {
        id: "truncated",
        about: "closed in the middle of a body with a Content-Length",
        respond: |_| {
            let body = Bytes::from(documented_text());
            Some(documented().with_body(ScriptedBody::cut(Some(body.len() as u64), body)))
        },
    },
    Entry {
        id: "truncated-chunked",
        about: "closed in the middle of a chunked body",
        respond: |_| Some(documented().with_body(ScriptedBody::cut(None, documented_text().into()))),
    },
    Entry { id: "hang-up", about: "closed without a response", respond: |_| Some(Reply::hang_up()) },
    // Encodings of the body.
    Entry {
        id: "gzip",
        about: "the documented example, gzip-encoded if the client accepts that",
        respond: |call| match call.accepts_gzip {
            true => Some(encoded("gzip", gzip(documented_text()).ok()?)),
            false => Some(documented()),
        },
    },
    Entry {
        id: "gzip-cut",
        about: "half a gzip stream, in a complete body",
        respond: |_| {
            let whole = gzip(documented_text()).ok()?;
            Some(encoded("gzip", whole[..whole.len() / 2].to_vec()))
        },
    },
    Entry {
        id: "unknown-encoding",
        about: "Content-Encoding: br, which was not asked for",
        respond: |_| Some(encoded("br", b"\x8b\x02\x80not to be read\x03".to_vec())),
    },
];

/// The page of a single sign-on.
pub const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n\
    <body><form method=\"post\"><input name=\"user\"><input name=\"password\"></form></body></html>\n";

pub fn rate_limited(retry_after: &str) -> Reply {
    Envelope::new(429, "Too many requests").reply().with_header("retry-after", retry_after)
}

/// A page as load balancers write it.
pub fn gateway_page(status: u16) -> Reply {
    let title = format!("{status} {}", reason(status));
    Reply::html(
        status,
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        ),
    )
}

fn error(status: u16) -> Envelope {
    let message = match status {
        404 => "Execution not found",
        400..=499 => "The request cannot be served",
        _ => "Something went wrong",
    };
    Envelope::new(status, message)
}

fn status(call: &Call) -> Option<u16> {
    number(call, 400..=599)
}

fn milliseconds(call: &Call) -> Option<Duration> {
    number(call, 0..=600_000).map(Duration::from_millis)
}

fn number<N: FromStr + PartialOrd>(call: &Call, range: std::ops::RangeInclusive<N>) -> Option<N> {
    call.parameter.parse().ok().filter(|number| range.contains(number))
}

fn encoded(coding: &str, body: Vec<u8>) -> Reply {
    documented()
        .with_header("content-encoding", coding)
        .with_header("vary", "accept-encoding")
        .with_body(ScriptedBody::whole(body.into()))
}

fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}
