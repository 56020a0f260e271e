//! Every line of the log, without the numbers and the time at its start. The introduction of the C header documents them.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::error::code_name;
use crate::timing::{AttemptReport, Timing};

/// What happened in a call. Texts of a server are redacted.
pub enum Event<'a> {
    // DEBUG: each phase.
    /// A get begins.
    GetBegins {
        /// The execution.
        id: &'a str,
        /// The timeout of the call.
        timeout: Option<Duration>,
    },
    /// A wait begins.
    WaitBegins {
        /// The execution.
        id: &'a str,
        /// The timeout of the wait.
        timeout: Option<Duration>,
    },
    /// The lookup of a name begins.
    Lookup {
        /// The name.
        host: &'a str,
    },
    /// The name has these addresses.
    Resolved {
        /// The name.
        host: &'a str,
        /// Its addresses.
        addresses: &'a [IpAddr],
    },
    /// A connection attempt begins.
    Connecting(SocketAddr),
    /// A connection attempt has failed, for this reason.
    NotConnected(SocketAddr, String),
    /// A connection attempt has succeeded.
    Connected(SocketAddr),
    /// The connection is, or will be, to a proxy.
    Proxy {
        /// The proxy, as `host:port`.
        peer: String,
        /// Its protocol.
        protocol: &'static str,
        /// The function or environment variable that set it.
        setting: &'a str,
    },
    /// The proxy is asked for a tunnel to this server.
    TunnelRequested(String),
    /// The proxy has refused a tunnel to one address, for this reason.
    TunnelRefused(String),
    /// The proxy has opened the tunnel.
    TunnelOpened,
    /// The TLS handshake is complete.
    Handshake {
        /// The version, such as "TLS 1.3".
        version: &'static str,
        /// The cipher suite.
        cipher_suite: Option<&'static str>,
        /// The protocol that the server has selected.
        alpn: Option<Cow<'a, str>>,
        /// Whether an earlier session was resumed.
        is_resumed: bool,
    },
    /// The certificate of the server.
    Certificate {
        /// Its name.
        subject: Option<String>,
        /// The name of the authority that issued it.
        issuer: Option<String>,
        /// When it expires.
        expires: &'a dyn Display,
        /// The hosts and addresses that it is for.
        hosts: &'a [Cow<'a, str>],
    },
    /// An idle connection is reused.
    Reused,
    /// The request is sent.
    Sent(SentHead<'a>),
    /// A line of the head of a response has arrived.
    Received(String),
    /// The connection is kept for the next call.
    Kept,
    /// The connection is closed.
    Closed,
    // INFO: the end of each call and poll.
    /// A get, a wait or a poll has ended.
    Ended(CallEnd<'a>),
    // WARN: problems that the call recovers from.
    /// A failed attempt is followed by another one.
    Retry {
        /// The number of the attempt that failed.
        attempt: u32,
        /// Why it failed.
        reason: Reason<'a>,
        /// The pause before the next one.
        pause: Duration,
    },
    /// A poll has failed, and the wait goes on.
    PollFailed {
        /// Why it failed.
        reason: Reason<'a>,
        /// The pause before the next one, or `None` if the wait ends during it.
        pause: Option<Duration>,
    },
    /// The connection was lost while it was idle.
    LostWhileIdle,
}

impl Display for Event<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Event::GetBegins { id, timeout } => write!(f, "get {id}, timeout {}", OrNone(*timeout)),
            Event::WaitBegins { id, timeout } => write!(f, "wait for {id}, timeout {}", OrNone(*timeout)),
            Event::Lookup { host } => write!(f, "looking up {host}"),
            Event::Resolved { host, addresses } => {
                write!(f, "{host} has the addresses {}", List(addresses.iter()))
            }
            Event::Connecting(address) => write!(f, "connecting to {address}"),
            Event::NotConnected(address, reason) => write!(f, "no connection to {address}: {reason}"),
            Event::Connected(address) => write!(f, "connected to {address}"),
            Event::Proxy { peer, protocol, setting } => {
                write!(f, "proxy {peer}, {protocol}, set by {setting}")
            }
            Event::TunnelRequested(server) => write!(f, "requesting a tunnel to {server}"),
            Event::TunnelRefused(reason) => write!(f, "no tunnel: {reason}"),
            Event::TunnelOpened => f.write_str("the tunnel is open"),
            Event::Handshake { version, cipher_suite, alpn, is_resumed } => {
                let kind = if *is_resumed { "resumed session" } else { "full handshake" };
                let (suite, alpn) = (cipher_suite.unwrap_or("-"), alpn.as_deref().unwrap_or("-"));
                write!(f, "{version}, {suite}, ALPN {alpn}, {kind}")
            }
            Event::Certificate { subject, issuer, expires, hosts } => {
                let (subject, issuer) = (subject.as_deref().unwrap_or("-"), issuer.as_deref().unwrap_or("-"));
                let hosts = List(hosts.iter());
                write!(f, "certificate of {subject} from {issuer}, expires {expires}, for {hosts}")
            }
            Event::Reused => f.write_str("reused"),
            Event::Sent(head) => write!(f, "sent {head}"),
            Event::Received(line) => {
                f.write_str("received ")?;
                f.write_str(line)
            }
            Event::Kept => f.write_str("kept for the next call"),
            Event::Closed => f.write_str("closed"),
            Event::Ended(end) => end.fmt(f),
            Event::Retry { attempt, reason, pause } => {
                write!(f, "attempt {attempt} failed, retrying in {} ms: {reason}", pause.as_millis())
            }
            Event::PollFailed { reason, pause: Some(pause) } => {
                write!(f, "poll failed, polling again in {} ms: {reason}", pause.as_millis())
            }
            Event::PollFailed { reason, pause: None } => {
                write!(f, "poll failed, no time for another: {reason}")
            }
            Event::LostWhileIdle => f.write_str("lost while idle, replaced by another connection"),
        }
    }
}

/// Why an attempt or a poll failed: the code and the message of the error.
pub struct Reason<'a>(pub i32, pub Cow<'a, str>);

impl Display for Reason<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", NamedCode(self.0), self.1)
    }
}

/// The code of an error with its name.
struct NamedCode(i32);

impl Display for NamedCode {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", code_name(self.0).to_str().unwrap_or_default(), self.0)
    }
}

/// How a get, a wait or a poll has ended.
pub struct CallEnd<'a> {
    /// The execution.
    pub id: &'a str,
    /// The status or the error.
    pub outcome: Outcome<'a>,
    /// The number of attempts.
    pub attempts: u32,
    /// What the last attempt went through, with the time of the whole call.
    pub report: AttemptReport,
    /// The id that the server gave the request.
    pub request_id: Option<&'a str>,
}

/// The result of a call.
pub enum Outcome<'a> {
    /// An execution, with its status.
    Execution(String),
    /// An error: its code and message.
    Error(i32, Cow<'a, str>),
}

impl Display for CallEnd<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "execution {}: ", self.id)?;
        match &self.outcome {
            Outcome::Execution(status) => write!(f, "OK, {status}")?,
            Outcome::Error(code, _) => NamedCode(*code).fmt(f)?,
        }
        let AttemptReport { timings, received, unpacked, connection, is_reused } = self.report;
        let time = |timing| Millis(timings.get(timing));
        write!(f, "; attempts {}; total {} ms", self.attempts, time(Timing::Total))?;
        write!(f, " (resolve {}, connect {}", time(Timing::Resolve), time(Timing::Connect))?;
        write!(f, ", TLS {}, first byte {}", time(Timing::Tls), time(Timing::FirstByte))?;
        write!(f, ", transfer {})", time(Timing::Transfer))?;
        write!(f, "; received {received} bytes, unpacked {unpacked}")?;
        match connection {
            0 => f.write_str("; no connection")?,
            number => write!(f, "; {} connection {number}", if is_reused { "reused" } else { "new" })?,
        }
        write!(f, "; request id {}", self.request_id.unwrap_or("-"))?;
        match &self.outcome {
            Outcome::Execution(_) => Ok(()),
            Outcome::Error(_, message) => write!(f, "; {message}"),
        }
    }
}

/// A time in microseconds, shown in milliseconds; `-` if it is negative.
pub struct Millis(i64);

impl From<Duration> for Millis {
    fn from(time: Duration) -> Millis {
        Millis(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Display for Millis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..0 => f.write_str("-"),
            micros => write!(f, "{}.{:03}", micros / 1000, micros % 1000),
        }
    }
}

/// A timeout.
struct OrNone(Option<Duration>);

impl Display for OrNone {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(timeout) => write!(f, "{} ms", timeout.as_millis()),
        }
    }
}

/// The head of a request. Shows its first line, and of the others only the names.
pub struct SentHead<'a>(pub &'a [u8]);

impl<'a> Display for SentHead<'a> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        f.write_str(std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default())?;
        let name = |line: &'a [u8]| std::str::from_utf8(line.split(|byte| *byte == b':').next()?).ok();
        let names = lines.filter_map(name).filter(|name| !name.is_empty());
        f.write_str(" with the fields ")?;
        List(names).fmt(f)
    }
}

/// A list with commas. Each formatting starts from the beginning.
pub struct List<I>(pub I);

impl<I: Iterator<Item: Display> + Clone> Display for List<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.clone().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    use crate::timing::{Stopwatch, Timings};

    fn timings() -> Timings {
        let (begin, mut stopwatch) = (Instant::now(), Stopwatch::default());
        let at = |micros| move || begin + Duration::from_micros(micros);
        stopwatch.begin(Timing::Connect, at(0));
        stopwatch.begin(Timing::FirstByte, at(224));
        stopwatch.stop(at(1_608)());
        let mut timings = stopwatch.timings();
        timings.set_total(Duration::from_micros(2_000_001));
        timings
    }

    fn report() -> AttemptReport {
        let timings = timings();
        AttemptReport { timings, received: 4382, unpacked: 4257, connection: 3, is_reused: true }
    }

    fn end(outcome: Outcome<'static>) -> CallEnd<'static> {
        CallEnd { id: "6a10", outcome, attempts: 2, report: report(), request_id: Some("r-1") }
    }

    #[test]
    fn every_event_has_its_line() {
        let address: SocketAddr = "192.0.2.1:443".parse().unwrap();
        let sixth: SocketAddr = "[2001:db8::1]:443".parse().unwrap();
        let head = SentHead(b"GET /a HTTP/1.1\r\nhost: b\r\nx-api-key: secret\r\nx-tenant: secret\r\n\r\n");
        let cases = [
            (Event::GetBegins { id: "6a10", timeout: None }, "get 6a10, timeout none"),
            (
                Event::GetBegins { id: "6a10", timeout: Some(Duration::from_secs(30)) },
                "get 6a10, timeout 30000 ms",
            ),
            (
                Event::WaitBegins { id: "6a10", timeout: Some(Duration::from_millis(1)) },
                "wait for 6a10, timeout 1 ms",
            ),
            (Event::Lookup { host: "app.refold.ai" }, "looking up app.refold.ai"),
            (
                Event::Resolved { host: "app.refold.ai", addresses: &[address.ip(), sixth.ip()] },
                "app.refold.ai has the addresses 192.0.2.1, 2001:db8::1",
            ),
            (Event::Connecting(address), "connecting to 192.0.2.1:443"),
            (
                Event::NotConnected(sixth, "connection refused".into()),
                "no connection to [2001:db8::1]:443: connection refused",
            ),
            (Event::Connected(sixth), "connected to [2001:db8::1]:443"),
            (
                Event::Proxy { peer: "proxy:3128".into(), protocol: "HTTP", setting: "HTTPS_PROXY" },
                "proxy proxy:3128, HTTP, set by HTTPS_PROXY",
            ),
            (Event::TunnelRequested("b:443".into()), "requesting a tunnel to b:443"),
            (Event::TunnelRefused("host unreachable".into()), "no tunnel: host unreachable"),
            (Event::TunnelOpened, "the tunnel is open"),
            (
                Event::Handshake {
                    version: "TLS 1.3",
                    cipher_suite: Some("TLS13_AES_256_GCM_SHA384"),
                    alpn: Some("http/1.1".into()),
                    is_resumed: false,
                },
                "TLS 1.3, TLS13_AES_256_GCM_SHA384, ALPN http/1.1, full handshake",
            ),
            (
                Event::Handshake { version: "TLS 1.2", cipher_suite: None, alpn: None, is_resumed: true },
                "TLS 1.2, -, ALPN -, resumed session",
            ),
            (
                Event::Certificate {
                    subject: Some("app".into()),
                    issuer: None,
                    expires: &"2027-01-02 03:04:05 UTC",
                    hosts: &["a".into(), "*.b".into()],
                },
                "certificate of app from -, expires 2027-01-02 03:04:05 UTC, for a, *.b",
            ),
            (Event::Reused, "reused"),
            (Event::Sent(head), "sent GET /a HTTP/1.1 with the fields host, x-api-key, x-tenant"),
            (Event::Received("HTTP/1.1 200 OK".into()), "received HTTP/1.1 200 OK"),
            (Event::Kept, "kept for the next call"),
            (Event::Closed, "closed"),
            (
                Event::Ended(end(Outcome::Execution("COMPLETED".into()))),
                "execution 6a10: OK, COMPLETED; attempts 2; total 2000.001 ms (resolve -, connect 0.224, TLS -, \
                 first byte 1.384, transfer -); received 4382 bytes, unpacked 4257; reused connection 3; \
                 request id r-1",
            ),
            (
                Event::Ended(CallEnd {
                    report: AttemptReport { connection: 0, ..report() },
                    request_id: None,
                    ..end(Outcome::Error(-3, "out of time".into()))
                }),
                "execution 6a10: TIMEOUT (-3); attempts 2; total 2000.001 ms (resolve -, connect 0.224, TLS -, \
                 first byte 1.384, transfer -); received 4382 bytes, unpacked 4257; no connection; \
                 request id -; out of time",
            ),
            (
                Event::Retry {
                    attempt: 1,
                    reason: Reason(503, "no".into()),
                    pause: Duration::from_millis(812),
                },
                "attempt 1 failed, retrying in 812 ms: SERVICE_UNAVAILABLE (503), no",
            ),
            (
                Event::PollFailed { reason: Reason(-7, "lost".into()), pause: Some(Duration::from_secs(2)) },
                "poll failed, polling again in 2000 ms: TRANSPORT (-7), lost",
            ),
            (
                Event::PollFailed { reason: Reason(-3, "late".into()), pause: None },
                "poll failed, no time for another: TIMEOUT (-3), late",
            ),
            (Event::LostWhileIdle, "lost while idle, replaced by another connection"),
        ];
        for (event, line) in cases {
            assert_eq!(event.to_string(), line);
        }
        let report = AttemptReport { is_reused: false, ..report() };
        let new = Event::Ended(CallEnd { report, ..end(Outcome::Error(404, "none".into())) });
        let line = new.to_string();
        assert!(
            line.starts_with("execution 6a10: NOT_FOUND (404); ") && line.contains("; new connection 3; ")
        );
    }
}
