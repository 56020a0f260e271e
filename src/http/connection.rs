//! A connection to the server, plaintext or TLS, that carries one exchange at a time.

use std::sync::Arc;

use super::buffers::IoBuffers;
use super::connect::http_proxy::ForProxy;
use super::exchange::Exchange;
use super::failure::{Failure, HEADER_TOO_LARGE};
use super::framing::{ChunkSizes, FramingFault};
use super::head_filter::HeadFilter;
use super::header_log::log_line;
use super::request::{END_OF_HEAD, RequestHeader, whole_head};
use super::socket::Socket;
use super::tls::session::Session;
use crate::error::Phase;
use crate::log::{Event, SentHead};
use crate::secret::Secret;

/// A connection to the server, direct or through a proxy.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffers: IoBuffers,
    /// Header lines of every request.
    header: Arc<RequestHeader>,
    /// Its number in the log.
    number: usize,
    /// Filters the head of the response, until all of it has arrived.
    filter: Option<HeadFilter>,
    /// Checks the body of the response, if it is chunked.
    chunks: Option<ChunkSizes>,
    /// No other response may follow this one.
    is_last: bool,
    is_broken: bool,
}

#[derive(Debug)]
enum Stream {
    Plaintext { socket: Socket, for_proxy: Option<ForProxy> },
    Tls { socket: Socket, session: Box<Session> },
}

impl Stream {
    /// What a forwarding proxy needs in the head of a request. Never sent within TLS, where only the server reads it.
    fn for_proxy(&self) -> Option<&ForProxy> {
        match self {
            Stream::Plaintext { for_proxy, .. } => for_proxy.as_ref(),
            Stream::Tls { .. } => None,
        }
    }
}

impl Connection {
    /// A connection without TLS.
    pub fn plaintext(
        socket: Socket,
        for_proxy: Option<ForProxy>,
        header: Arc<RequestHeader>,
        number: usize,
    ) -> Connection {
        Connection::over(Stream::Plaintext { socket, for_proxy }, header, number)
    }

    /// A connection with TLS.
    pub fn tls(socket: Socket, session: Session, header: Arc<RequestHeader>, number: usize) -> Connection {
        Connection::over(Stream::Tls { socket, session: Box::new(session) }, header, number)
    }

    fn over(stream: Stream, header: Arc<RequestHeader>, number: usize) -> Connection {
        Connection {
            stream,
            buffers: IoBuffers::default(),
            header,
            number,
            filter: None,
            chunks: None,
            is_last: false,
            is_broken: false,
        }
    }

    /// Its number in the log.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Whether the connection uses TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls { .. })
    }

    /// The buffers: ureq fills the output and consumes the input.
    pub fn buffers(&mut self) -> &mut IoBuffers {
        &mut self.buffers
    }

    /// Sends the first `amount` bytes of the output, and adds the header lines that ureq does not write.
    pub fn send(&mut self, amount: usize, exchange: &mut Exchange) -> Result<(), Failure> {
        exchange.enter(Phase::Sending);
        let sent = self.send_output(amount, exchange);
        self.is_broken |= sent.is_err();
        sent?;
        exchange.enter(Phase::Waiting);
        self.filter = Some(HeadFilter::default());
        Ok(())
    }

    fn send_output(&mut self, amount: usize, exchange: &Exchange) -> Result<(), Failure> {
        let bytes = self.buffers.outgoing(amount);
        let whole = bytes.strip_suffix(END_OF_HEAD).map(|head| {
            whole_head(head, &self.header, exchange.credentials.header(), self.stream.for_proxy())
        });
        let bytes = whole.as_ref().map_or(bytes, Secret::bytes);
        exchange.context.debug(|| Event::Sent(SentHead(bytes)));
        match &mut self.stream {
            Stream::Plaintext { socket, .. } => Ok(socket.send(bytes, &exchange.context)?),
            Stream::Tls { socket, session } => session.send(socket, bytes, &exchange.context),
        }
    }

    /// Waits for input: for the whole head of the response, or for any part of its body. Returns `false` if the peer has
    /// ended the stream instead.
    pub fn receive(&mut self, exchange: &mut Exchange) -> Result<bool, Failure> {
        let received = self.receive_input(exchange);
        self.is_broken |= received.is_err();
        received
    }

    fn receive_input(&mut self, exchange: &mut Exchange) -> Result<bool, Failure> {
        if exchange.framing_fault.is_some() {
            return Err(Failure::InvalidFraming);
        }
        loop {
            let unused = self.buffers.input().len();
            let received = match &mut self.stream {
                Stream::Plaintext { socket, .. } => {
                    self.buffers.read(|buffer| socket.receive(buffer, &exchange.context))?
                }
                Stream::Tls { socket, session } => {
                    session.receive(socket, &mut self.buffers, &exchange.context)?
                }
            };
            exchange.record(received);
            match self.filter.take() {
                None => self.check_chunks(unused, exchange),
                Some(filter) => self.filter_head(filter, exchange)?,
            }
            if self.filter.is_none() || received == 0 {
                return Ok(received > 0);
            }
        }
    }

    /// Filters as much of the head of the response as has arrived.
    fn filter_head(&mut self, mut filter: HeadFilter, exchange: &mut Exchange) -> Result<(), Failure> {
        let observe = |line: &[u8]| log_line(line, exchange.redactor.as_deref(), &exchange.context);
        let progress = filter.advance(self.buffers.input_mut(), observe).map_err(|_| HEADER_TOO_LARGE)?;
        if progress.dropped > 0 {
            self.buffers.input_consume(progress.dropped);
        }
        match progress.head {
            Some(head) => {
                self.is_last = !head.framing.permits_reuse;
                self.chunks = head.framing.is_chunked.then(ChunkSizes::default);
                if !head.framing.is_valid {
                    exchange.framing_fault = Some(FramingFault::Head);
                }
                self.check_chunks(head.length, exchange);
            }
            // ureq would reject the start of some heads that the filter has yet to normalize.
            None if exchange.has_ended && filter.has_status() => {
                self.buffers.input_consume(self.buffers.input().len());
            }
            None => self.filter = Some(filter),
        }
        Ok(())
    }

    /// Checks the chunk sizes in the input from this offset on.
    fn check_chunks(&mut self, start: usize, exchange: &mut Exchange) {
        let Some(chunks) = &mut self.chunks else { return };
        if !chunks.are_valid(&self.buffers.input()[start..]) {
            exchange.framing_fault = Some(FramingFault::ChunkSize);
            self.is_last = true;
        }
    }

    /// Returns whether the response cannot be parsed however much input follows, and marks the connection as broken if
    /// so.
    pub fn stop_without_progress(&mut self) -> bool {
        let is_stuck = self.buffers.is_full_without_progress();
        self.is_broken |= is_stuck;
        is_stuck
    }

    /// Prepares the connection for being idle: releases most of its buffers and wipes the rest. Returns whether it can
    /// carry another exchange; it cannot if unread bytes follow the response, or might.
    pub fn recycle(&mut self) -> bool {
        self.buffers.recycle();
        let is_clean = match &mut self.stream {
            Stream::Plaintext { .. } => true,
            Stream::Tls { session, .. } => session.recycle(),
        };
        is_clean && !self.is_broken && !self.is_last && self.buffers.input().is_empty()
    }

    /// Checks that nothing has arrived on an idle connection: neither the end of the stream, nor bytes that would be
    /// taken for the start of the next response.
    pub fn probe(&mut self) -> bool {
        match &mut self.stream {
            Stream::Plaintext { socket, .. } => socket.has_no_late_data(),
            Stream::Tls { socket, session } => session.probe(socket),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        match &mut self.stream {
            Stream::Plaintext { socket, .. } => socket.shutdown(),
            Stream::Tls { socket, session } => {
                if !self.is_broken {
                    session.close_notify(socket);
                }
                socket.shutdown();
            }
        }
    }
}
