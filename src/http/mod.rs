//! HTTP: one GET, with every limit and failure accounted for.
//!
//! Start reading at [`Http::get`]. A slot of the pool carries the exchange. ureq does the framing (`ureq.rs`), on a
//! connection of this library (`connection`), which `connect` and `tls` established. The head of the response is
//! filtered before ureq parses it (`head_filter`, `framing`), its body is decoded within limits (`response`, `gzip`), and
//! failures become errors (`classify`).
//!
//! May use `json::scan`, because bodies are received into its buffer, and the base layer.

mod buffers;
mod classify;
pub mod config;
mod connect;
mod connection;
pub mod credentials;
// The file is named after the crate that only it uses. A module `ureq` would hide that crate here.
#[path = "ureq.rs"]
mod engine;
mod exchange;
mod failure;
mod framing;
mod gzip;
mod head_filter;
mod header_log;
pub mod headers;
mod pool;
pub mod proxy;
pub mod request;
pub mod response;
mod retry_after;
mod socket;
pub mod tls;
pub mod url;

use std::sync::Arc;

use crate::alloc::wipe_large;
use crate::context::CallContext;
use crate::error::message::{argument, wire as message};
use crate::error::{Error, ErrorKind};
use crate::log::{Event, Level};
use crate::redact::{Redactor, can_contain};
use crate::secret::Secret;
use crate::sys::fork::PerProcess;
use crate::timing::AttemptReport;
use config::HttpConfig;
use connect::Route;
use credentials::Credentials;
use engine::{BodyReader, Engine, Head, Slot};
use exchange::Exchange;
use pool::Pool;
use proxy::Protocol;
use response::{BodyError, BodyFault, Response};
use url::ExecutionId;

/// The server that executions are fetched from. Safe for any number of threads, and for the children of a fork.
#[derive(Debug)]
pub struct Http {
    config: HttpConfig,
    engine: Engine,
    /// The secrets of the settings.
    secrets: Vec<Secret>,
    /// Holds locks and sockets, so each process needs its own.
    connections: PerProcess<Connections>,
}

/// The idle connections of a process, and how it establishes new ones.
#[derive(Debug)]
struct Connections {
    /// Includes the TLS sessions that can be resumed.
    route: Arc<Route>,
    /// Slots with an idle connection.
    idle: Pool<Slot>,
}

impl Http {
    /// Opens no connection yet.
    pub fn new(config: HttpConfig) -> Result<Http, Error> {
        let refused = |reason: String| Error::invalid_argument(argument::invalid_base_url(&reason));
        if config.base.secure {
            tls::server_name(&config.base.host).map_err(refused)?;
        }
        let http = Http {
            engine: Engine::new(&config.base.origin()).map_err(refused)?,
            connections: PerProcess::new(),
            secrets: secrets(&config),
            config,
        };
        http.connections()?;
        Ok(http)
    }

    fn connections(&self) -> Result<&Connections, ErrorKind> {
        self.connections.get_or_try_make(|| {
            let HttpConfig { base, proxy, roots, connect_timeout, header, .. } = &self.config;
            let tls = roots.as_ref().map(tls::client_config).transpose().map_err(ErrorKind::Internal)?;
            let route = Route {
                base: base.clone(),
                proxy: proxy.clone(),
                tls,
                connect_timeout: *connect_timeout,
                header: header.clone(),
            };
            route.prepare_lookups();
            Ok(Connections { route: Arc::new(route), idle: Pool::new() })
        })
    }

    /// The server, as `host:port`.
    fn peer(&self) -> String {
        self.config.base.peer()
    }

    /// Requests an execution. Returns the response with any status, and fails if there is none. Stores in `report` what
    /// the attempt went through.
    pub fn get(
        &self,
        id: &ExecutionId<'_>,
        credentials: &Arc<Credentials>,
        context: &CallContext,
        report: &mut AttemptReport,
    ) -> Result<Response, ErrorKind> {
        let Connections { route, idle } = self.connections()?;
        let uri = self.engine.uri(self.config.base.execution_path(id)).map_err(ErrorKind::Internal)?;
        let redactor = context.log().is_on(Level::Debug).then(|| Arc::new(self.redactor(credentials)));
        let mut slot =
            idle.take(context.now(), |slot| slot.probe(context)).unwrap_or_else(|| self.engine.slot(route));
        loop {
            let receive = |head: &Head, body: BodyReader<'_>| {
                let (response, end) = Response::receive(head, body, self.config.max_response_bytes, context);
                (response, end, head.is_chunked())
            };
            let (result, mut exchange) = slot.run(&uri, context, credentials, redactor.clone(), receive);
            let now = context.now();
            *report = exchange.finish(now);
            if let Ok((response, ..)) = &result {
                report.unpacked = response.body.length() as u64;
            }
            exchange.context.debug(|| if slot.is_connected() { Event::Kept } else { Event::Closed });
            match result {
                // The idle connection had been closed. The slot establishes a new one.
                Err(_) if exchange.is_stale() => exchange.context.warn(|| Event::LostWhileIdle),
                Err(error) => return Err(self.classify(error, exchange)),
                // So had it in this case, and the response is about its idle time.
                Ok((response @ Response { status: 408, .. }, ..))
                    if !exchange.is_fresh && !slot.is_connected() && context.check().is_ok() =>
                {
                    exchange.context.warn(|| Event::LostWhileIdle);
                    wipe_large(|| drop(response));
                }
                Ok((mut response, end, is_chunked)) => {
                    if !response.is_success() {
                        response.request = Some(message::request(&self.peer(), id.as_str()));
                    }
                    if slot.is_connected() {
                        idle.put(slot, now);
                    }
                    return self.finish(response, end, is_chunked, exchange);
                }
            }
        }
    }

    /// Completes a response with what is known after its end: whether the proxy sent it, and whether its body is whole.
    fn finish(
        &self,
        mut response: Response,
        end: Result<(), BodyError>,
        is_chunked: bool,
        exchange: Exchange,
    ) -> Result<Response, ErrorKind> {
        // Within a TLS session, only the server can have sent the response.
        let forwarding = self.config.proxy.as_ref().filter(|proxy| proxy.protocol == Protocol::Http);
        if let Some(proxy) = forwarding.filter(|_| response.status == 407 && !self.config.base.secure) {
            wipe_large(|| drop(response));
            return Err(self.refused_by_proxy(proxy));
        }
        response.fault = match end {
            // ureq does not notice if the last line of a chunked body is missing.
            Ok(()) | Err(BodyError::GzipCutOff) if is_chunked && exchange.has_ended => {
                Some(BodyFault::Failed(self.lost(message::CLOSED_BEFORE_END.into())))
            }
            // Nor does it notice that a chunk size is invalid, in some cases.
            Ok(()) | Err(BodyError::GzipCutOff | BodyError::InvalidGzip)
                if exchange.framing_fault.is_some() =>
            {
                Some(self.classify_body(BodyError::InvalidFraming, exchange))
            }
            Ok(()) => None,
            Err(error) => Some(self.classify_body(error, exchange)),
        };
        Ok(response)
    }

    /// Whether a text might contain one of the secrets that [`redactor`](Http::redactor) redacts.
    pub fn can_echo(&self, credentials: &Credentials, text: &[u8]) -> bool {
        can_contain(text, credentials.secret()) || self.secrets.iter().any(|secret| can_contain(text, secret))
    }

    /// Redacts the secrets of a call with these credentials: theirs, and those of the settings.
    pub fn redactor(&self, credentials: &Credentials) -> Redactor {
        let mut secrets = self.secrets.clone();
        secrets.push(credentials.secret().clone());
        Redactor::new(secrets)
    }
}

/// The secrets of the settings.
fn secrets(config: &HttpConfig) -> Vec<Secret> {
    let proxy = config.proxy.as_ref();
    let password = proxy.and_then(|proxy| proxy.login.as_ref()).map(|(_, password)| password.clone());
    let login = proxy.and_then(connect::http_proxy::basic_login);
    let further = config.header.secrets().iter().cloned();
    [login, password].into_iter().flatten().chain(further).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Clock;
    use headers::FurtherHeaders;
    use request::RequestHeader;
    use std::io::{self, BufRead, BufReader, Write};
    use std::iter;
    use std::net::TcpListener;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::{Duration, Instant};
    use url::BaseUrl;

    /// Accepts one connection after another, and closes each after this many responses, unless the client closes it
    /// first.
    fn serve(listener: &TcpListener, connections: &[usize]) -> io::Result<()> {
        for requests in connections {
            let (stream, _) = listener.accept()?;
            let mut lines = BufReader::new(&stream);
            for _ in 0..*requests {
                let mut head = String::new();
                while lines.read_line(&mut head)? > 2 {}
                if head.is_empty() {
                    break;
                }
                (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?;
            }
        }
        Ok(())
    }

    fn http_to(listener: &TcpListener) -> Result<Http, Box<dyn std::error::Error>> {
        Ok(Http::new(HttpConfig {
            base: BaseUrl::parse(&format!("http://{}", listener.local_addr()?), false)?,
            connect_timeout: None,
            max_response_bytes: 100,
            header: Arc::new(RequestHeader::new("test", FurtherHeaders::check(iter::empty())?)),
            proxy: None,
            roots: None,
        })?)
    }

    fn get(http: &Http) -> Result<u16, Box<dyn std::error::Error>> {
        let id = ExecutionId::parse(Some(b"1"))?;
        let credentials = Arc::new(Credentials::session_token(b"token")?);
        let context = CallContext::new(Clock::default(), Some(Duration::from_secs(20)), None);
        let mut report = AttemptReport::default();
        let response = http.get(&id, &credentials, &context, &mut report).map_err(Error::from)?;
        assert!(response.fault.is_none(), "{response:?}");
        Ok(response.status)
    }

    #[test]
    fn calls_share_a_connection_until_the_server_closes_it() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let http = http_to(&listener)?;
        thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, &[3, 1, 1]));
            for _ in 0..5 {
                assert_eq!(get(&http)?, 200);
            }
            server.join().map_err(|_| "the server panicked")??;
            Ok(())
        })
    }

    #[test]
    fn a_panic_within_a_call_closes_its_connection() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let http = http_to(&listener)?;
        thread::scope(|scope| {
            // Each connection lasts until the client closes it.
            let server = scope.spawn(|| serve(&listener, &[usize::MAX, usize::MAX]));
            assert_eq!(get(&http)?, 200);
            let Connections { idle, .. } = http.connections().map_err(Error::from)?;
            let mut slot = idle
                .take(Instant::now(), |slot| slot.probe(&CallContext::default()))
                .ok_or("no idle slot")?;
            let uri = http.engine.uri("/".into())?;
            let credentials = Arc::new(Credentials::session_token(b"token")?);
            let panics = AssertUnwindSafe(move || {
                let context = CallContext::default();
                slot.run(&uri, &context, &credentials, None, |_, _| panic!("within a call")).1
            });
            assert!(catch_unwind(panics).is_err());
            assert!(idle.take(Instant::now(), |_| true).is_none());
            assert_eq!(get(&http)?, 200);
            drop(http);
            server.join().map_err(|_| "the server panicked")??;
            Ok(())
        })
    }

    #[test]
    fn a_call_leaves_nothing_of_itself_in_the_pool() -> Result<(), Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let http = http_to(&listener)?;
        thread::scope(|scope| {
            let server = scope.spawn(|| serve(&listener, &[usize::MAX]));
            let token = Arc::new(crate::cancel::CancelToken::new());
            let credentials = Arc::new(Credentials::session_token(b"token")?);
            let context = CallContext::new(Clock::default(), None, Some(token.clone()));
            let id = ExecutionId::parse(Some(b"1"))?;
            http.get(&id, &credentials, &context, &mut AttemptReport::default()).map_err(Error::from)?;
            drop(context);
            assert_eq!((Arc::strong_count(&token), Arc::strong_count(&credentials)), (1, 1));
            drop(http);
            server.join().map_err(|_| "the server panicked")??;
            Ok(())
        })
    }
}
