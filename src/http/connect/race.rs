//! Connects to the first of several addresses that accepts (Happy Eyeballs, RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::context::{CallContext, Interruption};
use crate::error::ErrorKind;
use crate::error::message::connect as message;
use crate::error::message::wire::describe_io_error;
use crate::http::failure::Failure;
use crate::log::Event;
use crate::sys::{Attempt, Interest, exhausted_resource};

/// The delay before the next attempt, while earlier ones are undecided (RFC 8305, 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// An attempt to reach one of several targets.
pub trait Contender: Sized {
    /// What it establishes.
    type Connection;
    /// Why it fails.
    type Error;

    /// What it waits for.
    fn interest(&self) -> Interest<'_>;

    /// The connection or the error, or the attempt itself while it is undecided. Does not wait.
    fn outcome(self) -> Result<Result<Self::Connection, Self::Error>, Self>;
}

/// An attempt to reach one address.
struct TcpAttempt {
    address: SocketAddr,
    attempt: Attempt,
}

impl Contender for TcpAttempt {
    type Connection = (SocketAddr, TcpStream);
    type Error = (SocketAddr, io::Error);

    fn interest(&self) -> Interest<'_> {
        Interest::Connected(&self.attempt)
    }

    fn outcome(self) -> Result<Result<Self::Connection, Self::Error>, TcpAttempt> {
        let TcpAttempt { address, attempt } = self;
        match attempt.outcome() {
            Ok(Ok(stream)) => Ok(Ok((address, stream))),
            Ok(Err(error)) => Ok(Err((address, error))),
            Err(attempt) => Err(TcpAttempt { address, attempt }),
        }
    }
}

/// Returns the first connection that is established. The next target is attempted as soon as an attempt fails, or after
/// [`ATTEMPT_DELAY`]; earlier attempts continue meanwhile. Each failure is passed to `fail`, which may end the race.
/// Returns `None` if all attempts fail.
pub fn race<Target, C: Contender>(
    targets: Vec<Target>,
    mut begin: impl FnMut(Target) -> Result<C, C::Error>,
    mut fail: impl FnMut(C::Error) -> Result<(), Failure>,
    context: &CallContext,
) -> Result<Option<C::Connection>, Failure> {
    let mut untried = targets.into_iter();
    let mut attempts: Vec<C> = Vec::new();
    let mut next_start = Instant::now();
    loop {
        if attempts.is_empty() || Instant::now() >= next_start {
            if let Some(target) = untried.next() {
                match begin(target) {
                    Ok(attempt) => {
                        attempts.push(attempt);
                        next_start = Instant::now() + ATTEMPT_DELAY;
                    }
                    Err(error) => fail(error)?,
                }
            } else if attempts.is_empty() {
                return Ok(None);
            }
        }
        let until_next =
            (!untried.as_slice().is_empty()).then(|| next_start.saturating_duration_since(Instant::now()));
        if !attempts.is_empty() {
            wait_for_any(&attempts, until_next, context)?;
        }
        let mut undecided = Vec::with_capacity(attempts.len());
        for attempt in attempts {
            match attempt.outcome() {
                Ok(Ok(connection)) => return Ok(Some(connection)),
                Ok(Err(error)) => {
                    fail(error)?;
                    next_start = Instant::now();
                }
                Err(attempt) => undecided.push(attempt),
            }
        }
        attempts = undecided;
    }
}

/// Connects to one of the addresses.
pub fn connect_to_any(
    addresses: Vec<IpAddr>,
    port: u16,
    peer: &str,
    context: &CallContext,
) -> Result<TcpStream, Failure> {
    let known = addresses.clone();
    let mut last_error = None;
    let begin = |address| {
        let address = SocketAddr::new(address, port);
        context.debug(|| Event::Connecting(address));
        let attempt = Attempt::begin(address).map_err(|error| (address, error))?;
        Ok(TcpAttempt { address, attempt })
    };
    let fail = |(address, error)| {
        context.debug(|| Event::NotConnected(address, describe_io_error(&error)));
        last_error = Some(error);
        Ok(())
    };
    match race(interleave_families(addresses), begin, fail, context)? {
        Some((address, stream)) => {
            context.debug(|| Event::Connected(address));
            Ok(stream)
        }
        None => Err(could_not_connect(peer, &known, last_error)),
    }
}

/// Alternates between IPv6 and IPv4, beginning with the first address, and keeps the order within each family
/// (RFC 8305, 4). Returns no more addresses than can be polled at once.
pub fn interleave_families(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let prefers_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == prefers_v6);
    let mut others = others.into_iter();
    let mut interleaved = Vec::with_capacity(preferred.len() + others.len());
    for address in preferred {
        interleaved.push(address);
        interleaved.extend(others.next());
    }
    interleaved.extend(others);
    interleaved.truncate(Interest::MAX);
    interleaved
}

/// Waits until an attempt may have been decided, or the next one is due.
fn wait_for_any<C: Contender>(
    attempts: &[C],
    until_next: Option<Duration>,
    context: &CallContext,
) -> Result<(), Interruption> {
    let interests: Vec<Interest<'_>> = attempts.iter().map(C::interest).collect();
    match context.with_timeout(until_next).wait(&interests) {
        Err(Interruption::TimedOut) => context.check(),
        other => other,
    }
}

fn could_not_connect(peer: &str, addresses: &[IpAddr], error: Option<io::Error>) -> Failure {
    let reason = match error {
        None => message::NO_ADDRESS.into(),
        Some(error) => match exhausted_resource(&error) {
            Some(resource) => {
                return ErrorKind::Resource(message::connection_not_started(peer, resource)).into();
            }
            // The peer is an address itself.
            None if addresses.iter().any(|address| peer.contains(&address.to_string())) => {
                describe_io_error(&error)
            }
            None => message::at_addresses(&describe_io_error(&error), addresses),
        },
    };
    ErrorKind::Connect { peer: peer.into(), reason, refused: false }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_are_interleaved() {
        let parse =
            |list: &str| list.split(' ').filter_map(|address| address.parse().ok()).collect::<Vec<IpAddr>>();
        let cases = [
            ("::1 ::2 ::3 1.1.1.1 2.2.2.2", "::1 1.1.1.1 ::2 2.2.2.2 ::3"),
            ("1.1.1.1 ::1 ::2 ::3", "1.1.1.1 ::1 ::2 ::3"),
            ("1.1.1.1 2.2.2.2", "1.1.1.1 2.2.2.2"),
            ("::1", "::1"),
        ];
        for (given, expected) in cases {
            assert_eq!(interleave_families(parse(given)), parse(expected));
        }
    }
}
