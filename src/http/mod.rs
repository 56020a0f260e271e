//! One GET: the request on its way out, the answer with a bounded body, every failure sorted.

pub mod answer;
mod buffers;
mod connect;
mod connection;
pub mod credentials;
mod exchange;
mod head;
pub mod proxy;
mod session;
pub mod tls;
pub mod transport;
mod tunnel;
pub mod url;

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Request, Response, Version, header};
use ureq::{Agent, Body};

use crate::cancel::{Interruption, Watch};
use crate::error::{Error, Kind, Phase};
use crate::once::PerProcess;
use crate::options::Configuration;
use crate::retry::may_pass;
use crate::secret::{Secret, blot_out, blot_out_tail};
use answer::{Answer, BodyFault, copied};
use connect::Target;
use connection::{Dialer, NoLookup};
use credentials::Credentials;
use exchange::{Exchange, Failure};
use proxy::Proxy;
use rustls::RootCertStore;
use url::BaseUrl;

/// The header of an answer, all of it.
const LARGEST_HEADER: usize = 64 << 10;

/// Fields of a header: ureq reads no more.
const MOST_FIELDS: usize = 128;

const HEADER_TOO_LARGE: Kind = Kind::HeaderTooLarge { bytes: LARGEST_HEADER, fields: MOST_FIELDS };

/// What a message quotes of what a server sent, in characters.
const LONGEST_QUOTE: usize = 100;

/// Where that is looked for, in bytes: an echoed secret may be longer than what is quoted.
const LOOKED_AT_FOR_QUOTE: usize = 64 << 10;

/// Idle connections older than this are dropped.
const LONGEST_IDLE: Duration = Duration::from_secs(60);

/// The server, seen as something to GET from. Safe for any number of threads, and for the children of a fork.
#[derive(Debug)]
pub struct Http {
    base: BaseUrl,
    proxy: Option<Proxy>,
    roots: Option<Arc<RootCertStore>>,
    connect_timeout: Option<Duration>,
    timeout: Option<Duration>,
    max_response_bytes: u64,
    header: Arc<str>,
    config: Config,
    /// ureq's pool, and the TLS sessions to resume: full of locks and sockets, and so one for each process.
    agents: PerProcess<Agent>,
}

impl Http {
    /// Connects to nothing yet.
    pub fn new(configuration: &Configuration) -> Result<Http, Error> {
        // Reads the environment: so once, here, and not for each process that a fork makes.
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(LARGEST_HEADER)
            .max_idle_connections(usize::MAX)
            .max_idle_connections_per_host(usize::MAX)
            .max_idle_age(LONGEST_IDLE)
            // These are the same in all requests, and added below ureq.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .build();
        let user_agent = &configuration.user_agent;
        let header =
            format!("user-agent: {user_agent}\r\naccept: application/json\r\naccept-encoding: gzip\r\n");
        let http = Http {
            base: configuration.base.clone(),
            proxy: configuration.proxy.clone(),
            roots: configuration.roots.clone(),
            connect_timeout: configuration.connect_timeout,
            timeout: configuration.timeout,
            max_response_bytes: configuration.max_response_bytes,
            header: header.into(),
            config,
            agents: PerProcess::new(),
        };
        if http.base.secure {
            tls::server_name(&http.base.host)
                .map_err(|why| Error::invalid_argument(format!("base_url: {why}")))?;
        }
        http.agent()?;
        Ok(http)
    }

    fn agent(&self) -> Result<&Agent, Error> {
        self.agents.get_or_try_make(|| {
            let tls = self.roots.as_ref().map(tls::client_config).transpose().map_err(Error::internal)?;
            let target = Target {
                base: self.base.clone(),
                proxy: self.proxy.clone(),
                tls,
                connect_timeout: self.connect_timeout,
                header: self.header.clone(),
            };
            Ok(Agent::with_parts(self.config.clone(), Dialer(Arc::new(target)), NoLookup))
        })
    }

    /// The server, as `host:port`.
    pub fn peer(&self) -> String {
        self.base.peer()
    }

    /// The answer for an execution, whatever its status; an error where there is none.
    pub fn get(
        &self,
        id: &url::ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        watch: &Watch,
    ) -> Result<Answer, Error> {
        let agent = self.agent()?;
        let uri = self.base.execution(id).map_err(|error| Error::internal(error.to_string()))?;
        let mut only_fresh = false;
        loop {
            watch.check().map_err(|interruption| self.interrupted(interruption, Phase::Starting))?;
            let exchange = Rc::new(RefCell::new(Exchange::new(watch, credentials, only_fresh)));
            let result = exchange::run(&exchange, || {
                let mut request = Request::new(());
                *request.uri_mut() = uri.clone();
                let response = agent.run(request)?;
                exchange.borrow_mut().phase = Phase::Receiving;
                let is_chunked = is_chunked(&response);
                Ok((Answer::receive(response, self.max_response_bytes), is_chunked))
            });
            let exchange = exchange.borrow().clone();
            match result {
                Err(_) if exchange.is_stale() && !only_fresh => only_fresh = true,
                Err(error) => return Err(self.sort(error, exchange).into()),
                Ok((answer, is_chunked)) => return self.finish(answer, is_chunked, exchange, credentials),
            }
        }
    }

    /// An answer as it is, or the error that its body makes of it.
    fn finish(
        &self,
        mut answer: Answer,
        is_chunked: bool,
        exchange: Exchange,
        credentials: &Credentials,
    ) -> Result<Answer, Error> {
        // Through a tunnel the server alone is heard.
        let speaks_http = |proxy: &Proxy| proxy.protocol == proxy::Protocol::Http;
        if answer.status == 407 && !self.base.secure && self.proxy.as_ref().is_some_and(speaks_http) {
            return Err(self.refused_by_proxy(answer.status).into());
        }
        let was_cut = is_chunked && exchange.has_ended && answer.fault.is_none();
        let kind = match answer.fault.take() {
            None if !was_cut => return Ok(answer),
            // Its last line was missing, which ureq overlooks.
            None => self.lost("it closed before the whole answer came".into()),
            Some(BodyFault::TooLarge) => Kind::TooLarge { limit: self.max_response_bytes },
            Some(BodyFault::OutOfMemory) => {
                Kind::Resource("memory is used up: the answer does not fit".into())
            }
            Some(BodyFault::Encoded(encoding)) => {
                let encoding = self.quote(&encoding, credentials);
                Kind::InvalidResponse(format!("its body is encoded as {encoding}, which was not asked for"))
            }
            Some(BodyFault::Stopped(error)) => self.sort(error, exchange),
        };
        // An error status stays what it is, whatever is wrong with its body; the caller's own stop does not.
        let told =
            if answer.is_success() || matches!(kind, Kind::Cancelled { .. }) { kind } else { Kind::Status };
        Err(self.error(answer, told, credentials))
    }

    /// The error that an answer with another status than 2xx is, or one whose body is no execution.
    pub fn error(&self, answer: Answer, kind: Kind, credentials: &Credentials) -> Error {
        answer.into_error(kind, &self.secrets(credentials))
    }

    /// What a server sent, as it may stand in a message: short, on one line, and without the secrets that it may echo.
    pub fn quote(&self, text: &str, credentials: &Credentials) -> String {
        let secrets = self.secrets(credentials);
        let start = copied(&text.as_bytes()[..text.len().min(LOOKED_AT_FOR_QUOTE)]).unwrap_or_default();
        let blotted = blot_out_tail(blot_out(start, &secrets).unwrap_or_default(), &secrets);
        let blotted = String::from_utf8_lossy(&blotted);
        blotted
            .chars()
            .take(LONGEST_QUOTE)
            .map(|letter| if letter.is_control() { '?' } else { letter })
            .collect()
    }

    fn secrets(&self, credentials: &Credentials) -> Vec<Secret> {
        let proxy = self.proxy.as_ref();
        let password = proxy.and_then(|proxy| proxy.login.as_ref()).map(|(_, password)| password.clone());
        // It comes first: the password may be a part of it.
        let login = proxy.and_then(tunnel::basic_login);
        [Some(credentials.secret().clone()), login, password].into_iter().flatten().collect()
    }

    /// What went wrong below ureq where something did, else what ureq says.
    fn sort(&self, error: ureq::Error, exchange: Exchange) -> Kind {
        match exchange.failure {
            Some(Failure::Told(kind)) => kind,
            Some(Failure::Lost(reason)) => self.lost(reason),
            Some(Failure::Interrupted(interruption)) => self.interrupted_kind(interruption, exchange.phase),
            None => self.sort_ureq(error, &exchange),
        }
    }

    fn sort_ureq(&self, error: ureq::Error, exchange: &Exchange) -> Kind {
        let not_http = |reason: String| Kind::Transport { peer: self.peer(), reason, lost: false };
        match error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.lost(format!("it closed {}", exchange.phase))
            }
            ureq::Error::Decompress(_, error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.lost("the compressed body is cut off".into())
            }
            ureq::Error::Decompress(_, _) => Kind::InvalidResponse("its body is not valid gzip".into()),
            ureq::Error::LargeResponseHeader(..) => HEADER_TOO_LARGE,
            ureq::Error::Protocol(error) => not_http(error.to_string()),
            ureq::Error::Io(error) => not_http(reason(&error)),
            // What ureq says where a chunked body ends before its last line does.
            ureq::Error::BodyStalled if exchange.has_ended => {
                self.lost(format!("it closed {}", exchange.phase))
            }
            ureq::Error::BodyStalled => not_http("its body makes no sense".into()),
            other => Kind::Internal(other.to_string()),
        }
    }

    fn lost(&self, reason: String) -> Kind {
        Kind::Transport { peer: self.peer(), reason, lost: true }
    }

    fn refused_by_proxy(&self, status: u16) -> Kind {
        let proxy = self.proxy.as_ref().map(Proxy::peer).unwrap_or_default();
        let reason = format!("it answered {}", crate::error::status_line(status));
        Kind::Connect { peer: format!("the proxy {proxy}"), reason, refused: !may_pass(status.into()) }
    }

    /// The error of a call that was stopped from outside.
    pub fn interrupted(&self, interruption: Interruption, phase: Phase) -> Error {
        self.interrupted_kind(interruption, phase).into()
    }

    fn interrupted_kind(&self, interruption: Interruption, phase: Phase) -> Kind {
        match interruption {
            Interruption::Cancelled => Kind::Cancelled { phase },
            Interruption::TimedOut => {
                Kind::Timeout { limit: self.timeout.unwrap_or_default(), phase, peer: self.peer() }
            }
        }
    }
}

/// Whether ureq takes the body for a chunked one, which says itself where it ends.
fn is_chunked(response: &Response<Body>) -> bool {
    let lines = response.headers().get_all(header::TRANSFER_ENCODING).iter();
    let mut names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    response.version() == Version::HTTP_11 && names.any(|name| name.trim().eq_ignore_ascii_case("chunked"))
}

/// What an I/O error means, in words that do not depend on the host's locale.
fn reason(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::ConnectionReset, _) => "connection reset by the other side".into(),
        (ErrorKind::NotFound, _) => "no such file".into(),
        (ErrorKind::BrokenPipe, _) => "connection closed by the other side".into(),
        (kind @ (ErrorKind::Other | ErrorKind::InvalidInput), Some(number)) => {
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

    #[test]
    fn reasons_are_in_words_that_people_know() {
        let cases = [
            (libc::ECONNRESET, "connection reset by the other side"),
            (libc::EPIPE, "connection closed by the other side"),
            (libc::ECONNREFUSED, "connection refused"),
            (libc::EINVAL, "invalid input parameter (errno 22)"),
            (libc::EPROTO, "system error 71"),
        ];
        for (number, expected) in cases {
            assert_eq!(reason(&io::Error::from_raw_os_error(number)), expected);
        }
        assert_eq!(reason(&ErrorKind::UnexpectedEof.into()), "unexpected end of file");
    }
}
