//! Name lookup within the limits of a call. The system's lookup blocks and cannot be interrupted, so it runs on its own
//! thread, which the call abandons if it ends first.

use std::io::{PipeReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::context::CallContext;
use crate::error::ErrorKind;
use crate::error::message::connect as message;
use crate::error::message::wire::describe_io_error;
use crate::http::failure::Failure;
use crate::http::url::Host;
use crate::sys::descriptors::pipe;
use crate::sys::dns::{LookupError, look_up};
use crate::sys::fork::PerProcess;
use crate::sys::thread::with_signals_blocked;
use crate::sys::{Interest, Resource, exhausted_resource};

/// The maximum number of unfinished lookups, each of which occupies a thread. Further calls wait until one ends.
const MAX_LOOKUPS: usize = 64;

/// How often a call without a permit checks whether another lookup has ended.
const LOOKUP_RECHECK: Duration = Duration::from_millis(10);

/// The stack of a lookup thread. The lookup modules of glibc need more than the rest of the library.
const LOOKUP_STACK: usize = 1 << 20;

/// Returns the addresses of a host, in the order that the system prefers.
pub fn resolve(host: &Host, context: &CallContext) -> Result<Vec<IpAddr>, Failure> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        // Not looked up, because a resolver could return an address of another machine (RFC 6761, 6.3).
        Host::Name(_) if host.is_loopback() => {
            return Ok(vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]);
        }
        Host::Name(name) => name,
    };
    let failed =
        |reason: String, temporary| Err(ErrorKind::Resolve { host: name.clone(), reason, temporary }.into());
    match look_up_within(name, context)? {
        Ok(addresses) if addresses.is_empty() => failed(message::NAME_WITHOUT_ADDRESS.into(), false),
        Ok(addresses) => Ok(addresses),
        Err(LookupError::NoSuchName) => failed(message::NO_SUCH_NAME.into(), false),
        Err(LookupError::Temporary) => failed(message::NAME_SERVICE_UNAVAILABLE.into(), true),
        Err(LookupError::Resource(resource)) => Err(not_started(name, resource)),
        Err(LookupError::Other(code)) => failed(message::name_service_failed(code), false),
    }
}

fn not_started(name: &str, reason: impl std::fmt::Display) -> Failure {
    ErrorKind::Resource(message::lookup_not_started(name, reason)).into()
}

/// The number of lookups that this process has started and that have not finished.
static UNFINISHED_LOOKUPS: PerProcess<AtomicUsize> = PerProcess::new();

/// Permission for one of [`MAX_LOOKUPS`] lookups, returned on drop.
struct LookupPermit(&'static AtomicUsize);

impl LookupPermit {
    fn acquire() -> Option<LookupPermit> {
        let Ok::<_, std::convert::Infallible>(count) =
            UNFINISHED_LOOKUPS.get_or_try_make(|| Ok(AtomicUsize::new(0)));
        let increment = |count| (count < MAX_LOOKUPS).then_some(count + 1);
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, increment).ok().map(|_| LookupPermit(count))
    }
}

impl Drop for LookupPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

type Lookup = Result<Vec<IpAddr>, LookupError>;

fn look_up_within(name: &str, context: &CallContext) -> Result<Lookup, Failure> {
    let permit = loop {
        match LookupPermit::acquire() {
            Some(permit) => break permit,
            None => context.pause(LOOKUP_RECHECK)?,
        }
    };
    LookupThread::start(name, permit)?.finish(name, context)
}

/// A thread that runs one lookup.
struct LookupThread {
    thread: JoinHandle<()>,
    result: Receiver<Lookup>,
    /// Becomes readable once the result is available.
    done: PipeReader,
}

impl LookupThread {
    fn start(name: &str, permit: LookupPermit) -> Result<LookupThread, Failure> {
        let (done, mut signal) = pipe().map_err(|error| match exhausted_resource(&error) {
            Some(resource) => not_started(name, resource),
            None => not_started(name, describe_io_error(&error)),
        })?;
        let (sender, result) = sync_channel(1);
        let host = name.to_string();
        let run = move || {
            let found = look_up(&host);
            drop(permit);
            let _ = sender.send(found);
            // Closing the pipe is not enough: a forked child may hold a copy of its write end.
            let _ = signal.write(&[1]);
        };
        let builder = thread::Builder::new().name("refold-lookup".into()).stack_size(LOOKUP_STACK);
        let thread =
            with_signals_blocked(|| builder.spawn(run)).map_err(|_| not_started(name, Resource::Threads))?;
        Ok(LookupThread { thread, result, done })
    }

    fn finish(self, name: &str, context: &CallContext) -> Result<Lookup, Failure> {
        loop {
            // Before the result is checked, because the thread may end between the two checks.
            let is_finished = self.thread.is_finished();
            if let Ok(found) = self.result.try_recv() {
                // The thread is about to end. Waiting for it ensures that it does not outlive the call.
                let _ = self.thread.join();
                return Ok(found);
            }
            if is_finished {
                return Err(ErrorKind::Internal(message::lookup_without_result(name)).into());
            }
            context.wait(&[Interest::Signalled(&self.done)])?;
        }
    }
}
