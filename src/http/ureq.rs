//! The HTTP engine: the only file that uses ureq.
//!
//! ureq only frames requests and responses. This library establishes, keeps and checks the connections. A [`Slot`] owns
//! a ureq agent and at most one connection, which it lends to the agent for one exchange at a time. ureq calls back to
//! get the connection (`SlotConnector`) and to do I/O on it (`Loan`). Because ureq cannot pass the state of a call to
//! these callbacks, they share it with the slot (`Shared`).

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ureq::config::Config;
use ureq::http::header::{self, HeaderMap, HeaderValue};
use ureq::http::response::Parts;
use ureq::http::{Request, Uri, Version};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};
use ureq::{Agent, Body};

use super::buffers::IoBuffers;
use super::connect::Route;
use super::connection::Connection;
use super::credentials::Credentials;
use super::exchange::Exchange;
use super::failure::{Failure, UreqError};
use super::framing::FramingFault;
use super::head_filter::MAX_HEADER;
use crate::context::CallContext;
use crate::error::Phase;
use crate::error::message::wire::{describe_io_error, explain_protocol_error};
use crate::log::Event;
use crate::redact::Redactor;
use crate::sys::fork::outside_of_forks;

/// What all slots of a client have in common.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    origin: Uri,
}

/// The URL of a request.
pub struct RequestUri(Uri);

impl Engine {
    /// An engine for requests to `origin`, which is `scheme://host[:port]`.
    pub fn new(origin: &str) -> Result<Engine, String> {
        // Built once, because building it reads the environment, which is not safe in a forked child.
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(MAX_HEADER)
            .max_idle_connections(0)
            // Every request has these header lines; the connection adds them.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .build();
        let origin = Uri::try_from(origin).map_err(|error| error.to_string())?;
        initialize(&config, &origin);
        Ok(Engine { config, origin })
    }

    /// The URL with this path.
    pub fn uri(&self, path: String) -> Result<RequestUri, String> {
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = Some(path.try_into().map_err(|error| format!("{error}"))?);
        Uri::from_parts(parts).map(RequestUri).map_err(|error| error.to_string())
    }

    /// A slot without a connection, which it establishes along `route`.
    pub fn slot(&self, route: &Arc<Route>) -> Slot {
        let shared = Arc::default();
        let connector = SlotConnector { route: route.clone(), shared: Arc::clone(&shared) };
        Slot { agent: Agent::with_parts(self.config.clone(), connector, NoLookup), shared }
    }
}

/// Begins a request without a connection, so that what ureq initializes on first use is initialized here, and not
/// within a call: if the process forked at that moment, the calls of the child would wait for it forever.
fn initialize(config: &Config, origin: &Uri) {
    let mut request = Request::new(());
    *request.uri_mut() = origin.clone();
    let agent = Agent::with_parts(config.clone(), NoConnection, NoLookup);
    let _ = outside_of_forks(|| agent.run(request));
}

/// An entry of the pool: carries one exchange at a time, and keeps at most one connection.
pub struct Slot {
    agent: Agent,
    shared: Arc<Mutex<Shared>>,
}

/// What a slot shares with ureq's connector and transport.
#[derive(Debug, Default)]
struct Shared {
    /// `None` between calls.
    exchange: Option<Exchange>,
    /// `None` while it is lent to ureq, and if there is none.
    connection: Option<Box<Connection>>,
}

impl Shared {
    /// Runs `work` for the current exchange. Records a failure in the exchange, because ureq would lose the reason.
    fn run<T>(&mut self, work: impl FnOnce(&mut Exchange) -> Result<T, Failure>) -> Result<T, ureq::Error> {
        let exchange = self.exchange.as_mut().ok_or(ureq::Error::ConnectionFailed)?;
        work(exchange).map_err(|failure| {
            exchange.failure = Some(failure);
            ureq::Error::ConnectionFailed
        })
    }
}

/// Never waits: only the thread that runs the call takes the lock. It is needed because ureq requires `Sync`.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// Sends a GET request, and passes the head and the body of the response to `receive`. Uses the slot's connection,
    /// or establishes one, and keeps it if it can be reused.
    pub fn run<T>(
        &mut self,
        uri: &RequestUri,
        context: &CallContext,
        credentials: &Arc<Credentials>,
        redactor: Option<Arc<Redactor>>,
        receive: impl FnOnce(&Head, BodyReader<'_>) -> T,
    ) -> (Result<T, UreqError>, Exchange) {
        lock(&self.shared).exchange = Some(Exchange::new(context, credentials, redactor));
        let result = self.get(uri).map(|(head, mut body)| receive(&head, BodyReader::new(&mut body)));
        let exchange = lock(&self.shared).exchange.take();
        (result, exchange.unwrap_or_else(|| Exchange::new(context, credentials, None)))
    }

    fn get(&self, uri: &RequestUri) -> Result<(Head, Body), UreqError> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.0.clone();
        let (parts, body) = self.agent.run(request)?.into_parts();
        let mut has_valid_framing = true;
        if let Some(exchange) = &mut lock(&self.shared).exchange {
            exchange.enter(Phase::Receiving);
            has_valid_framing = exchange.framing_fault != Some(FramingFault::Head);
        }
        let content_length = body.content_length();
        Ok((Head { parts, content_length, has_valid_framing }, body))
    }

    /// Whether the slot has a connection.
    pub fn is_connected(&self) -> bool {
        lock(&self.shared).connection.is_some()
    }

    /// Checks that the connection can carry another exchange. Logs its loss.
    pub fn probe(&mut self, context: &CallContext) -> bool {
        let mut shared = lock(&self.shared);
        let Some(connection) = &mut shared.connection else { return false };
        let is_intact = connection.probe();
        if !is_intact {
            context.on_connection(connection.number()).warn(|| Event::LostWhileIdle);
        }
        is_intact
    }
}

/// The head of a response.
pub struct Head {
    parts: Parts,
    /// The announced length of the body before decoding, if there is a body.
    pub content_length: Option<u64>,
    /// The fields that frame the body have one meaning. If not, it cannot be received.
    pub has_valid_framing: bool,
}

impl Head {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.parts.status.as_u16()
    }

    /// The value of Retry-After.
    pub fn retry_after(&self) -> Option<&[u8]> {
        self.headers().get(header::RETRY_AFTER).map(HeaderValue::as_bytes)
    }

    /// The value of x-request-id.
    pub fn request_id(&self) -> Option<&[u8]> {
        self.headers().get("x-request-id").map(HeaderValue::as_bytes)
    }

    /// The values of all Content-Encoding lines.
    pub fn content_encodings(&self) -> impl Iterator<Item = &[u8]> {
        self.headers().get_all(header::CONTENT_ENCODING).iter().map(HeaderValue::as_bytes)
    }

    /// Whether ureq reads the body as chunked, so that the body itself marks its end.
    pub fn is_chunked(&self) -> bool {
        let lines = self.headers().get_all(header::TRANSFER_ENCODING).iter();
        let mut names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        self.parts.version == Version::HTTP_11
            && names.any(|name| name.trim().eq_ignore_ascii_case("chunked"))
    }

    fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }
}

/// Reads the body of a response as it was sent, without its framing.
pub struct BodyReader<'a> {
    body: ureq::BodyReader<'a>,
    error: Option<UreqError>,
}

impl<'a> BodyReader<'a> {
    fn new(body: &'a mut Body) -> BodyReader<'a> {
        BodyReader { body: body.as_reader(), error: None }
    }

    /// Takes the error of the last read, if it failed. A decoder in between passes on only an `io::Error`.
    pub fn take_error(&mut self) -> Option<UreqError> {
        self.error.take()
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.body.read(buffer).map_err(|error| {
            self.error = Some(ureq::Error::from(error).into());
            io::ErrorKind::Other.into()
        })
    }
}

impl From<ureq::Error> for UreqError {
    fn from(error: ureq::Error) -> UreqError {
        match error {
            ureq::Error::ConnectionFailed => UreqError::Connection,
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => UreqError::Ended,
            ureq::Error::Io(error) => UreqError::Protocol(describe_io_error(&error)),
            ureq::Error::LargeResponseHeader(..) => UreqError::HeaderTooLarge,
            ureq::Error::Protocol(error) => {
                UreqError::Protocol(explain_protocol_error(&error.to_string()).into())
            }
            ureq::Error::BodyStalled => UreqError::Stalled,
            other => UreqError::Other(other.to_string()),
        }
    }
}

/// Lends ureq the connection of a slot.
#[derive(Debug)]
struct SlotConnector {
    route: Arc<Route>,
    shared: Arc<Mutex<Shared>>,
}

impl Connector for SlotConnector {
    type Out = Loan;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Loan>, ureq::Error> {
        let mut shared = lock(&self.shared);
        let connection = match shared.connection.take() {
            Some(connection) => {
                if let Some(exchange) = &mut shared.exchange {
                    exchange.set_connection(connection.number());
                    exchange.context.debug(|| Event::Reused);
                }
                connection
            }
            None => shared.run(|exchange| {
                exchange.is_fresh = true;
                self.route.connect(exchange).map(Box::new)
            })?,
        };
        Ok(Some(Loan {
            connection: Some(connection),
            empty: IoBuffers::default(),
            shared: self.shared.clone(),
        }))
    }
}

/// Establishes nothing.
#[derive(Debug)]
struct NoConnection;

impl Connector for NoConnection {
    type Out = Loan;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Loan>, ureq::Error> {
        Ok(None)
    }
}

/// Resolves nothing. ureq resolves the name for each request; the connector does so only for a new connection.
#[derive(Debug)]
struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

/// A connection while ureq uses it.
#[derive(Debug)]
struct Loan {
    /// `None` after it was returned to the slot.
    connection: Option<Box<Connection>>,
    /// Replaces the buffers of the connection after that.
    empty: IoBuffers,
    shared: Arc<Mutex<Shared>>,
}

impl Loan {
    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Connection, &mut Exchange) -> Result<T, Failure>,
    ) -> Result<T, ureq::Error> {
        let connection = self.connection.as_mut().ok_or(ureq::Error::ConnectionFailed)?;
        lock(&self.shared).run(|exchange| work(connection, exchange))
    }
}

impl Transport for Loan {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.connection.as_mut().map_or(&mut self.empty, |connection| connection.buffers())
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.run(|connection, exchange| connection.send(amount, exchange))
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        if self.connection.as_mut().is_some_and(|connection| connection.stop_without_progress()) {
            return Err(ureq::Error::BodyStalled);
        }
        self.run(|connection, exchange| connection.receive(exchange))
    }

    /// Returns the connection to its slot if it can be reused. ureq calls this after each response that permits reuse,
    /// and would put an open connection into its own pool.
    fn is_open(&mut self) -> bool {
        if let Some(mut connection) = self.connection.take()
            && connection.recycle()
        {
            lock(&self.shared).connection = Some(connection);
        }
        false
    }

    fn is_tls(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_tls())
    }
}

impl Buffers for IoBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.output()
    }

    fn input(&self) -> &[u8] {
        self.input()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.input_append_buf()
    }

    /// ureq uses this for request bodies, which a GET does not have.
    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.tmp_and_output()
    }

    fn input_appended(&mut self, amount: usize) {
        self.input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.input_consume(amount);
    }

    fn can_use_input(&self) -> bool {
        self.can_use_input()
    }
}
