//! Responses. Receives and decodes the body within limits.

use std::borrow::Cow;
use std::io::Read;
use std::time::{Duration, SystemTime};

use super::engine::{BodyReader, Head};
use super::failure::UreqError;
use super::gzip::{GzipDecoder, GzipError};
use super::retry_after::parse_retry_after;
use crate::alloc::{try_copy_with_nul, wipe_large};
use crate::context::{CallContext, Interruption};
use crate::error::ErrorKind;
use crate::json::scan::JsonBuffer;

/// The maximum size of the body of a response other than 2xx, in bytes: an error envelope is smaller.
const MAX_ENVELOPE: u64 = 1 << 20;

/// The initial capacity for a body, and the minimum by which it grows.
const CHUNK: usize = 64 << 10;

/// Once this many bytes have arrived, Content-Length is trusted and reserved whole; untouched pages cost nothing.
const CONTENT_LENGTH_THRESHOLD: usize = 1 << 20;

/// Up to this many bytes of a body that cannot be decoded are read, so that its connection can be reused.
const MAX_IGNORED: usize = 64 << 10;

/// A response with any status.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The pause that Retry-After requests.
    pub retry_after: Option<Duration>,
    /// The value of x-request-id, NUL-terminated.
    pub request_id: Option<Vec<u8>>,
    /// The body after decompression. If there is a `fault`, the part of it that was received.
    pub body: JsonBuffer,
    /// Why the body is incomplete, if it is.
    pub fault: Option<BodyFault>,
    /// What was requested, if the status is not 2xx.
    pub request: Option<String>,
}

/// Why the body of a response is incomplete.
#[derive(Debug)]
pub enum BodyFault {
    /// It has this Content-Encoding, which was not requested. The text is not redacted.
    Encoded(String),
    /// Any other reason.
    Failed(ErrorKind),
}

/// Why a body was not received completely, without the peer and the limits, which only the caller knows.
#[derive(Debug, PartialEq)]
pub(super) enum BodyError {
    /// It exceeds its limit.
    TooLarge,
    /// There is not enough memory.
    OutOfMemory,
    /// It has an unsupported Content-Encoding.
    Encoded(String),
    /// It is whole by its framing, but its gzip stream is incomplete.
    GzipCutOff,
    /// It is not a gzip stream.
    InvalidGzip,
    /// Its length is unknown, because its framing is invalid.
    InvalidFraming,
    /// The deadline passed, or the token was cancelled.
    Interrupted(Interruption),
    /// ureq failed.
    Ureq(UreqError),
}

impl Response {
    /// Receives the body. `limit` is the maximum size of an execution, in bytes.
    pub(super) fn receive(
        head: &Head,
        body: BodyReader<'_>,
        limit: u64,
        context: &CallContext,
    ) -> (Response, Result<(), BodyError>) {
        let mut response = Response {
            status: head.status(),
            retry_after: head
                .retry_after()
                .and_then(|value| parse_retry_after(&String::from_utf8_lossy(value), SystemTime::now())),
            request_id: head.request_id().filter(|id| !id.is_empty()).and_then(try_copy_with_nul),
            body: JsonBuffer::new(),
            fault: None,
            request: None,
        };
        let end = if response.is_success() {
            response.receive_encoded(head, body, limit, context)
        } else {
            wipe_large(|| response.receive_encoded(head, body, limit.min(MAX_ENVELOPE), context))
        };
        (response, end)
    }

    fn receive_encoded(
        &mut self,
        head: &Head,
        mut source: BodyReader<'_>,
        limit: u64,
        context: &CallContext,
    ) -> Result<(), BodyError> {
        let is_success = self.is_success();
        let whole = &mut self.body;
        let end = match content_coding(head.content_encodings()) {
            _ if !head.has_valid_framing => Err(BodyError::InvalidFraming),
            ContentCoding::Unsupported(encoding) => reject_encoding(&mut source, encoding),
            ContentCoding::Gzip => receive_body(&mut Decoder::gzip(&mut source), None, limit, context, whole),
            // A body whose announced length exceeds the limit is not received, unless it describes an error.
            ContentCoding::Identity if is_success && head.content_length > Some(limit) => {
                Err(BodyError::TooLarge)
            }
            ContentCoding::Identity => {
                let mut body = Decoder::Identity(&mut source);
                receive_body(&mut body, head.content_length, limit, context, whole)
            }
        };
        let is_undecodable = matches!(end, Err(BodyError::InvalidGzip | BodyError::Encoded(_)));
        // Without a length or chunks, the body ends with the connection.
        if is_undecodable && (head.content_length.is_some() || head.is_chunked()) {
            // A body without a valid end is refused for that, whatever was noticed first.
            if let Some(error @ (UreqError::Protocol(_) | UreqError::Stalled)) = ignore_rest(&mut source) {
                return Err(BodyError::Ureq(error));
            }
            if context.check() == Err(Interruption::Cancelled) {
                return Err(BodyError::Interrupted(Interruption::Cancelled));
            }
        }
        end
    }

    /// Whether the status is 2xx, so that the body should be an execution.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[derive(Debug, PartialEq)]
enum ContentCoding {
    Identity,
    Gzip,
    /// The values of all Content-Encoding lines.
    Unsupported(String),
}

/// Decides how a body is decoded, from the values of its Content-Encoding lines. Each is a list, whose empty members are
/// ignored (RFC 9110, 5.6.1), and so is `identity`. gzip has two names (8.4.1.3). More than one coding is refused,
/// because only one was requested.
fn content_coding<'a>(values: impl Iterator<Item = &'a [u8]>) -> ContentCoding {
    let values: Vec<&[u8]> = values.collect();
    let members = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    let is_coding = |member: &&[u8]| !member.is_empty() && !member.eq_ignore_ascii_case(b"identity");
    let mut codings = members.map(<[u8]>::trim_ascii).filter(is_coding);
    match (codings.next(), codings.next()) {
        (None, _) => ContentCoding::Identity,
        (Some(coding), None) if is_gzip(coding) => ContentCoding::Gzip,
        _ => {
            let values: Vec<Cow<str>> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
            ContentCoding::Unsupported(values.join(", "))
        }
    }
}

fn is_gzip(coding: &[u8]) -> bool {
    coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
}

/// An encoded body. Keeps its own failures, to distinguish them from those of the decoder.
trait Source: Read {
    /// Takes the error of the last read, if the source failed.
    fn take_error(&mut self) -> Option<UreqError>;
}

impl Source for BodyReader<'_> {
    fn take_error(&mut self) -> Option<UreqError> {
        BodyReader::take_error(self)
    }
}

impl<S: Source> Source for &mut S {
    fn take_error(&mut self) -> Option<UreqError> {
        (**self).take_error()
    }
}

enum Decoder<S> {
    Identity(S),
    Gzip(Box<GzipDecoder<S>>),
}

impl<S: Source> Decoder<S> {
    fn gzip(source: S) -> Decoder<S> {
        Decoder::Gzip(Box::new(GzipDecoder::new(source)))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let failed = |source: &mut S| BodyError::Ureq(source.take_error().unwrap_or(UreqError::Connection));
        match self {
            Decoder::Identity(source) => source.read(buffer).map_err(|_| failed(source)),
            Decoder::Gzip(decoder) => decoder.read(buffer).map_err(|error| match error {
                GzipError::Source => failed(decoder.source()),
                GzipError::CutOff => BodyError::GzipCutOff,
                GzipError::Invalid => BodyError::InvalidGzip,
            }),
        }
    }
}

/// Rejects a body with an unsupported encoding, unless it is empty: then there is nothing to decode.
fn reject_encoding(source: &mut impl Source, encoding: String) -> Result<(), BodyError> {
    match Decoder::Identity(source).read(&mut [0])? {
        0 => Ok(()),
        _ => Err(BodyError::Encoded(encoding)),
    }
}

/// Reads the rest of a body, if it is short. Returns the error of the source, if it failed.
fn ignore_rest(source: &mut impl Source) -> Option<UreqError> {
    let (mut buffer, mut ignored) = ([0; 4096], 0);
    while ignored < MAX_IGNORED {
        match source.read(&mut buffer) {
            Ok(0) => return None,
            Ok(received) => ignored += received,
            Err(_) => return source.take_error(),
        }
    }
    None
}

/// Receives a whole body into `whole`, whose capacity grows with what arrives, up to the announced size.
fn receive_body(
    body: &mut Decoder<impl Source>,
    announced: Option<u64>,
    limit: u64,
    context: &CallContext,
    whole: &mut JsonBuffer,
) -> Result<(), BodyError> {
    let max = usize::try_from(announced.unwrap_or(limit).min(limit)).unwrap_or(usize::MAX);
    loop {
        let end = reserve(whole, max, announced.is_some()).ok_or(BodyError::OutOfMemory)?;
        // A chunk may decompress to a thousand times its size, so the checks of the connection alone are too rare.
        if matches!(body, Decoder::Gzip(_)) {
            context.check().map_err(BodyError::Interrupted)?;
        }
        match body.read(whole.spare(end))? {
            0 => return Ok(()),
            received if (whole.length() + received) as u64 > limit => {
                whole.advance(max - whole.length());
                return Err(BodyError::TooLarge);
            }
            received => whole.advance(received),
        }
    }
}

/// Returns the offset up to which the next chunk may be read; reserves capacity if there is none left. The chunk is
/// never empty: one byte more than `max` is allowed, which reveals that the body is too large. Returns `None` if there
/// is not enough memory.
fn reserve(whole: &mut JsonBuffer, max: usize, is_announced: bool) -> Option<usize> {
    let filled = whole.length();
    let max = max.saturating_add(1).max(filled + 1);
    if filled == whole.capacity() {
        let doubled = max.min((2 * filled).max(CHUNK));
        let is_trusted = is_announced && filled >= CONTENT_LENGTH_THRESHOLD;
        whole.reserve(if is_trusted { max } else { doubled }).or_else(|| whole.reserve(doubled))?;
    }
    Some(whole.capacity().min(max).min(filled + 2 * CHUNK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Clock;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::{self, Write};
    use std::sync::Arc;

    use crate::cancel::CancelToken;

    /// Fails at its end if there is an error.
    struct TestSource<'a>(&'a [u8], Option<UreqError>);

    impl Read for TestSource<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) if self.1.is_some() => Err(io::ErrorKind::Other.into()),
                other => other,
            }
        }
    }

    impl Source for TestSource<'_> {
        fn take_error(&mut self) -> Option<UreqError> {
            self.0.is_empty().then(|| self.1.take())?
        }
    }

    fn coding(values: &[&str]) -> ContentCoding {
        content_coding(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn one_gzip_coding_is_decoded_under_either_name() {
        for values in [
            &["gzip"][..],
            &["GZip"],
            &["x-gzip"],
            &["X-GZIP"],
            &["gzip", "Identity"],
            &["", "gzip"],
            &["gzip,"],
            &[",gzip"],
            &[" , gzip ,, "],
            &["identity\t,gzip"],
            &["", "gzip ,", ","],
        ] {
            assert_eq!(coding(values), ContentCoding::Gzip, "{values:?}");
        }
        for values in [&[][..], &[""], &["identity"], &["IDENTITY", ""], &[","], &["identity, ,", " "]] {
            assert_eq!(coding(values), ContentCoding::Identity, "{values:?}");
        }
    }

    #[test]
    fn other_and_several_codings_are_refused_as_sent() {
        for values in [
            &["br"][..],
            &["gzip, br"],
            &["gzip,gzip"],
            &["gzip,,x-gzip"],
            &[", br"],
            &["gzip br"],
            &["gzip", "br"],
            &["Gzip", "gzip"],
            &["identity", "br"],
            &["x-gzipped"],
        ] {
            assert_eq!(coding(values), ContentCoding::Unsupported(values.join(", ")), "{values:?}");
        }
        assert_eq!(content_coding([&b"\xff"[..]].into_iter()), ContentCoding::Unsupported("\u{fffd}".into()));
    }

    fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text)?;
        encoder.finish()
    }

    /// The body that was received, and how it ended.
    fn receive(source: TestSource<'_>, limit: u64) -> (Vec<u8>, Result<(), BodyError>) {
        let mut whole = JsonBuffer::new();
        let end = receive_body(&mut Decoder::gzip(source), None, limit, &CallContext::default(), &mut whole);
        (whole.into_bytes(), end)
    }

    #[test]
    fn gzip_failures_differ_from_those_of_the_source() -> io::Result<()> {
        let packed = gzip(b"text")?;
        for length in 0..packed.len() {
            let end = |error| receive(TestSource(&packed[..length], error), 100).1;
            let cut_off = if length == 0 { Ok(()) } else { Err(BodyError::GzipCutOff) };
            assert_eq!(end(None), cut_off, "{length}");
            for error in [|| UreqError::Ended, || UreqError::Protocol("not a chunk".into())] {
                assert_eq!(end(Some(error())), Err(BodyError::Ureq(error())), "{length}");
            }
        }
        let trailing = [&packed[..], b"no further member"].concat();
        for invalid in [&b"this is not gzip"[..], &trailing] {
            assert_eq!(receive(TestSource(invalid, None), 100).1, Err(BodyError::InvalidGzip));
        }
        Ok(())
    }

    #[test]
    fn encoding_of_an_empty_body_is_ignored() {
        let reject = |body| reject_encoding(&mut TestSource(body, None), "br".into());
        assert_eq!(reject(b""), Ok(()));
        assert_eq!(reject(b"a"), Err(BodyError::Encoded("br".into())));
        let lost = reject_encoding(&mut TestSource(b"", Some(UreqError::Ended)), "br".into());
        assert_eq!(lost, Err(BodyError::Ureq(UreqError::Ended)));
    }

    #[test]
    fn only_a_short_rest_is_read() {
        for (length, left) in [(0, 0), (10_000, 0), (MAX_IGNORED, 0), (MAX_IGNORED + 9000, 9000)] {
            let body = vec![0; length];
            let mut source = TestSource(&body, None);
            ignore_rest(&mut source);
            assert_eq!(source.0.len(), left, "{length}");
        }
    }

    #[test]
    fn limit_counts_decompressed_bytes() -> io::Result<()> {
        let text = vec![b' '; 300_000];
        let packed = gzip(&text)?;
        assert_eq!(receive(TestSource(&packed, None), 300_000), (text.clone(), Ok(())));
        let (received, end) = receive(TestSource(&packed, None), 299_999);
        assert_eq!((received.len(), end), (299_999, Err(BodyError::TooLarge)));
        Ok(())
    }

    #[test]
    fn cancellation_is_checked_between_chunks() -> io::Result<()> {
        /// Cancels the call once it is read from.
        struct Cancelling<'a>(&'a [u8], &'a CancelToken);
        impl Read for Cancelling<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1.cancel();
                self.0.read(buffer)
            }
        }
        impl Source for Cancelling<'_> {
            fn take_error(&mut self) -> Option<UreqError> {
                None
            }
        }
        let packed = gzip(&vec![b' '; 300_000])?;
        let token = Arc::new(CancelToken::new());
        let context = CallContext::new(Clock::default(), None, Some(token.clone()));
        let mut whole = JsonBuffer::new();
        let mut body = Decoder::gzip(Cancelling(&packed, &token));
        let end = receive_body(&mut body, None, u64::MAX, &context, &mut whole);
        assert_eq!(end, Err(BodyError::Interrupted(Interruption::Cancelled)));
        assert!(whole.length() < 300_000);
        Ok(())
    }
}
