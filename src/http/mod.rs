//! One GET: the request on its way out, the answer with a bounded body, every failure sorted.

mod buffers;
pub mod config;
mod connect;
mod connection;
pub mod credentials;
mod exchange;
mod head_filter;
pub mod proxy;
pub mod response;
pub mod retry_after;
pub mod socket;
pub mod tls;
pub mod url;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{self as protocol, Request, Version, header};
use ureq::{Agent, Body};

use crate::context::{CallContext, Interruption};
use crate::error::message::wire::describe_io_error;
use crate::error::{Error, ErrorKind, Phase, is_transient_status};
use crate::http::config::HttpConfig;
use crate::secret::Secret;
use crate::sys::fork::PerProcess;
use connect::Route;
use connection::{Dialer, NoLookup};
use credentials::Credentials;
use exchange::{Exchange, Failure};
use proxy::Proxy;
use response::{BodyFault, Response};
use rustls::RootCertStore;
use url::BaseUrl;

/// The header of an answer, all of it.
const LARGEST_HEADER: usize = 64 << 10;

/// Fields of a header: ureq reads no more.
const MOST_FIELDS: usize = 128;

const HEADER_TOO_LARGE: ErrorKind = ErrorKind::HeaderTooLarge { bytes: LARGEST_HEADER, fields: MOST_FIELDS };

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
    pub fn new(configuration: &HttpConfig) -> Result<Http, Error> {
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

    fn agent(&self) -> Result<&Agent, ErrorKind> {
        self.agents.get_or_try_make(|| {
            let tls = self.roots.as_ref().map(tls::client_config).transpose().map_err(ErrorKind::Internal)?;
            let route = Route {
                base: self.base.clone(),
                proxy: self.proxy.clone(),
                tls,
                connect_timeout: self.connect_timeout,
                header: self.header.clone(),
            };
            Ok(Agent::with_parts(self.config.clone(), Dialer(Arc::new(route)), NoLookup))
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
        context: &CallContext,
    ) -> Result<Response, ErrorKind> {
        let agent = self.agent()?;
        let uri = self.base.execution(id).map_err(|error| ErrorKind::Internal(error.to_string()))?;
        let mut only_fresh = false;
        loop {
            context.check().map_err(|interruption| self.interrupted(interruption, Phase::Starting))?;
            let exchange = Rc::new(RefCell::new(Exchange::new(context, credentials, only_fresh)));
            let result = exchange::run(&exchange, || {
                let mut request = Request::new(());
                *request.uri_mut() = uri.clone();
                let response = agent.run(request)?;
                exchange.borrow_mut().phase = Phase::Receiving;
                let is_chunked = is_chunked(&response);
                Ok((Response::receive(response, self.max_response_bytes), is_chunked))
            });
            let exchange = exchange.borrow().clone();
            match result {
                Err(_) if exchange.is_stale() && !only_fresh => only_fresh = true,
                Err(error) => return Err(self.sort(error, exchange)),
                Ok((answer, is_chunked)) => return self.finish(answer, is_chunked, exchange),
            }
        }
    }

    /// The response, with the reason why its body is not whole in terms that do not depend on ureq.
    fn finish(
        &self,
        mut response: Response,
        is_chunked: bool,
        exchange: Exchange,
    ) -> Result<Response, ErrorKind> {
        // Through a tunnel only the server can respond.
        let speaks_http = |proxy: &Proxy| proxy.protocol == proxy::Protocol::Http;
        if response.status == 407 && !self.base.secure && self.proxy.as_ref().is_some_and(speaks_http) {
            return Err(self.refused_by_proxy(response.status));
        }
        response.fault = match response.fault.take() {
            // ureq overlooks that the last line of a chunked body is missing.
            None if is_chunked && exchange.has_ended => {
                Some(BodyFault::Failed(self.lost("it closed before the whole answer came".into())))
            }
            Some(BodyFault::TooLarge) => {
                Some(BodyFault::Failed(ErrorKind::TooLarge { limit: self.max_response_bytes }))
            }
            Some(BodyFault::OutOfMemory) => Some(BodyFault::Failed(ErrorKind::Resource(
                "memory is used up: the answer does not fit".into(),
            ))),
            Some(BodyFault::Stopped(error)) => Some(BodyFault::Failed(self.sort(error, exchange))),
            other => other,
        };
        Ok(response)
    }

    /// The secrets that a proxy was given, the longer one first.
    pub fn proxy_secrets(&self) -> Vec<Secret> {
        let proxy = self.proxy.as_ref();
        let password = proxy.and_then(|proxy| proxy.login.as_ref()).map(|(_, password)| password.clone());
        let login = proxy.and_then(connect::http_proxy::basic_login);
        [login, password].into_iter().flatten().collect()
    }

    /// What went wrong below ureq where something did, else what ureq says.
    fn sort(&self, error: ureq::Error, exchange: Exchange) -> ErrorKind {
        match exchange.failure {
            Some(Failure::Told(kind)) => kind,
            Some(Failure::Lost(reason)) => self.lost(reason),
            Some(Failure::Interrupted(interruption)) => self.interrupted(interruption, exchange.phase),
            None => self.sort_ureq(error, &exchange),
        }
    }

    fn sort_ureq(&self, error: ureq::Error, exchange: &Exchange) -> ErrorKind {
        let not_http = |reason: String| ErrorKind::Transport { peer: self.peer(), reason, lost: false };
        match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.lost(format!("it closed {}", exchange.phase))
            }
            ureq::Error::Decompress(_, error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.lost("the compressed body is cut off".into())
            }
            ureq::Error::Decompress(_, _) => ErrorKind::InvalidResponse("its body is not valid gzip".into()),
            ureq::Error::LargeResponseHeader(..) => HEADER_TOO_LARGE,
            ureq::Error::Protocol(error) => not_http(error.to_string()),
            ureq::Error::Io(error) => not_http(describe_io_error(&error)),
            // What ureq says where a chunked body ends before its last line does.
            ureq::Error::BodyStalled if exchange.has_ended => {
                self.lost(format!("it closed {}", exchange.phase))
            }
            ureq::Error::BodyStalled => not_http("its body makes no sense".into()),
            other => ErrorKind::Internal(other.to_string()),
        }
    }

    fn lost(&self, reason: String) -> ErrorKind {
        ErrorKind::Transport { peer: self.peer(), reason, lost: true }
    }

    fn refused_by_proxy(&self, status: u16) -> ErrorKind {
        let proxy = self.proxy.as_ref().map(Proxy::peer).unwrap_or_default();
        let reason = format!("it answered {}", crate::error::message::wire::status_line(status));
        ErrorKind::Connect {
            peer: format!("the proxy {proxy}"),
            reason,
            refused: !is_transient_status(status.into()),
        }
    }

    /// The error of a call that was stopped from outside.
    pub fn interrupted(&self, interruption: Interruption, phase: Phase) -> ErrorKind {
        match interruption {
            Interruption::Cancelled => ErrorKind::Cancelled { phase },
            Interruption::TimedOut => {
                ErrorKind::Timeout { limit: self.timeout.unwrap_or_default(), phase, peer: self.peer() }
            }
        }
    }
}

/// Whether ureq takes the body for a chunked one, which says itself where it ends.
fn is_chunked(response: &protocol::Response<Body>) -> bool {
    let lines = response.headers().get_all(header::TRANSFER_ENCODING).iter();
    let mut names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    response.version() == Version::HTTP_11 && names.any(|name| name.trim().eq_ignore_ascii_case("chunked"))
}
