//! Name lookup within the limits of a call. The system's lookup blocks and cannot be interrupted, so it runs on its own
//! thread, which the call abandons if it ends first. Calls that need the same name share a lookup, so a name that is
//! never resolved occupies one thread, however many calls ask for it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::context::CallContext;
use crate::error::message::connect as message;
use crate::error::message::wire::describe_io_error;
use crate::error::{ErrorKind, Phase};
use crate::http::exchange::Exchange;
use crate::http::failure::Failure;
use crate::http::url::Host;
use crate::log::Event;
use crate::sys::dns::{LookupError, look_up};
use crate::sys::fork::PerProcess;
use crate::sys::signal::Signal;
use crate::sys::thread::{keep_library_loaded, with_signals_blocked};
use crate::sys::{Interest, Resource, exhausted_resource};

/// The maximum number of unfinished lookups, each of which occupies a thread. Calls that need another one wait until
/// one ends.
const MAX_LOOKUPS: usize = 64;

/// How often a call that waits for another lookup to end checks whether one has.
const LOOKUP_RECHECK: Duration = Duration::from_millis(10);

/// The stack of a lookup thread. The lookup modules of glibc need more than the rest of the library.
const LOOKUP_STACK: usize = 1 << 20;

/// Returns the addresses of a host, in the order that the system prefers. Records in the exchange what it waits for.
pub fn resolve(host: &Host, context: &CallContext, exchange: &mut Exchange) -> Result<Vec<IpAddr>, Failure> {
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
    context.debug(|| Event::Lookup { host: name });
    match look_up_within(name, context, exchange)? {
        Ok(addresses) if addresses.is_empty() => failed(message::NAME_WITHOUT_ADDRESS.into(), false),
        Ok(addresses) => {
            context.debug(|| Event::Resolved { host: name, addresses: &addresses });
            Ok(addresses)
        }
        Err(LookupError::NoSuchName) => failed(message::NO_SUCH_NAME.into(), false),
        Err(LookupError::Temporary) => failed(message::NAME_SERVICE_UNAVAILABLE.into(), true),
        Err(LookupError::Resource(resource)) => Err(not_started(name, resource)),
        Err(LookupError::Other(code)) => failed(message::name_service_failed(code), false),
    }
}

fn not_started(name: &str, reason: impl std::fmt::Display) -> Failure {
    ErrorKind::Resource(message::lookup_not_started(name, reason)).into()
}

type LookupResult = Result<Vec<IpAddr>, LookupError>;

/// A lookup that runs on a thread of its own, and is shared by all calls that need it.
struct Lookup {
    name: String,
    result: OnceLock<LookupResult>,
    /// Raised once the thread has a result, or has panicked.
    done: Signal,
    /// `None` once a call has waited for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The unfinished lookups of a process.
type Lookups = Mutex<Vec<Arc<Lookup>>>;

static UNFINISHED: PerProcess<Lookups> = PerProcess::new();

/// Looks up the name, or joins a lookup of the same name that has not finished.
fn look_up_within(
    name: &str,
    context: &CallContext,
    exchange: &mut Exchange,
) -> Result<LookupResult, Failure> {
    let Ok::<_, Infallible>(unfinished) = UNFINISHED.get_or_try_make(|| Ok(Mutex::new(Vec::new())));
    loop {
        exchange.enter(Phase::Resolving);
        if let Some(lookup) = Lookup::join_or_start(name, unfinished)? {
            return lookup.result_within(context);
        }
        exchange.enter(Phase::QueuedLookup { limit: MAX_LOOKUPS });
        context.pause(LOOKUP_RECHECK)?;
    }
}

impl Lookup {
    /// Returns `None` if there are too many unfinished lookups.
    fn join_or_start(name: &str, unfinished: &'static Lookups) -> Result<Option<Arc<Lookup>>, Failure> {
        let mut list = lock(unfinished);
        if let Some(lookup) = list.iter().find(|lookup| lookup.name == name) {
            return Ok(Some(lookup.clone()));
        }
        if list.len() >= MAX_LOOKUPS {
            return Ok(None);
        }
        let done = Signal::new().map_err(|error| match exhausted_resource(&error) {
            Some(resource) => not_started(name, resource),
            None => not_started(name, describe_io_error(&error)),
        })?;
        let thread = Mutex::new(None);
        let lookup = Arc::new(Lookup { name: name.into(), result: OnceLock::new(), done, thread });
        let own = lookup.clone();
        let run = move || {
            let listed = Listed { lookup: own, unfinished };
            let _ = listed.lookup.result.set(look_up(&listed.lookup.name));
        };
        let builder = thread::Builder::new().name("refold-lookup".into()).stack_size(LOOKUP_STACK);
        keep_library_loaded();
        match with_signals_blocked(|| builder.spawn(run)) {
            Ok(thread) => *lock(&lookup.thread) = Some(thread),
            Err(_) => return Err(not_started(name, Resource::Threads)),
        }
        list.push(lookup.clone());
        Ok(Some(lookup))
    }

    fn result_within(&self, context: &CallContext) -> Result<LookupResult, Failure> {
        loop {
            // Before the result is checked, because the thread may end between the two checks.
            let has_ended = lock(&self.thread).as_ref().is_none_or(|thread| thread.is_finished());
            if let Some(result) = self.result.get() {
                // The thread is about to end. Waiting for it ensures that it does not outlive the calls. Others wait
                // for the lock meanwhile.
                if let Some(thread) = lock(&self.thread).take() {
                    let _ = thread.join();
                }
                return Ok(result.clone());
            }
            if has_ended {
                return Err(ErrorKind::Internal(message::lookup_without_result(&self.name)).into());
            }
            context.wait(&[Interest::Signalled(&self.done)])?;
        }
    }
}

/// Takes a lookup off the list and wakes its calls when its thread ends, also if that panics.
struct Listed {
    lookup: Arc<Lookup>,
    unfinished: &'static Lookups,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(self.unfinished).retain(|lookup| !Arc::ptr_eq(lookup, &self.lookup));
        self.lookup.done.raise();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
