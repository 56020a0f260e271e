//! One request and its answer, as the code above and below ureq both see it. ureq hands nothing of a call down to its
//! transports; a call runs on one thread from its beginning to its end, so it stands in that thread's storage.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;

use super::credentials::Credentials;
use super::socket::Fault;
use crate::context::{CallContext, Interruption};
use crate::error::{ErrorKind, Phase};

/// What goes down to the sockets with a request, and what comes back up beside ureq's own result.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The call's deadline and token.
    pub context: CallContext,
    /// Added to the request's head when it is sent: ureq never sees them.
    pub credentials: Arc<Credentials>,
    /// Idle connections are passed over: one of them has just turned out to be dead.
    pub only_fresh: bool,
    /// What is going on.
    pub phase: Phase,
    /// The connection was made for this request.
    pub is_fresh: bool,
    /// At least one byte of an answer has come.
    pub has_received: bool,
    /// The peer has ended the stream.
    pub has_ended: bool,
    /// What went wrong below ureq.
    pub failure: Option<Failure>,
}

/// What went wrong below ureq, before it is known what the limits were called.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The deadline passed, or the token was triggered.
    Interrupted(Interruption),
    /// The connection broke.
    Lost(String),
    /// Anything else, ready to be told.
    Told(ErrorKind),
}

impl From<ErrorKind> for Failure {
    fn from(kind: ErrorKind) -> Failure {
        Failure::Told(kind)
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Failure {
        Failure::Interrupted(interruption)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault {
            Fault::Interrupted(interruption) => Failure::Interrupted(interruption),
            Fault::Lost(error) => match crate::sys::exhausted_resource(&error) {
                Some(what) => Failure::Told(ErrorKind::Resource(what.to_string())),
                None => Failure::Lost(crate::error::message::wire::describe_io_error(&error)),
            },
        }
    }
}

impl Exchange {
    /// Before anything was begun.
    pub fn new(context: &CallContext, credentials: &Arc<Credentials>, only_fresh: bool) -> Exchange {
        Exchange {
            context: context.clone(),
            credentials: credentials.clone(),
            only_fresh,
            phase: Phase::Starting,
            is_fresh: false,
            has_received: false,
            has_ended: false,
            failure: None,
        }
    }

    /// An idle connection that the server had closed: nothing came back on it, and it was not made for this request.
    pub fn is_stale(&self) -> bool {
        let lost = match self.failure {
            None => self.has_ended,
            Some(Failure::Lost(_)) => true,
            Some(_) => false,
        };
        lost && !self.is_fresh && !self.has_received
    }

    /// What to tell of it above, in the words of ureq: the failure itself is kept here.
    pub fn fail(&mut self, failure: impl Into<Failure>) -> ureq::Error {
        self.failure = Some(failure.into());
        ureq::Error::ConnectionFailed
    }
}

thread_local! {
    /// Never dropped with its thread, so that a library can be unloaded and threads can end in any order: a call
    /// empties it.
    static CURRENT: RefCell<ManuallyDrop<Option<Rc<RefCell<Exchange>>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Runs `call` with this exchange at hand for everything below.
pub fn run<T>(exchange: &Rc<RefCell<Exchange>>, call: impl FnOnce() -> T) -> T {
    /// Emptied even where `call` panics.
    struct Emptied;
    impl Drop for Emptied {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(|current| **current = None);
        }
    }
    CURRENT.with_borrow_mut(|current| **current = Some(exchange.clone()));
    let _emptied = Emptied;
    call()
}

/// Whether the exchange that this thread is in may go on.
pub fn check() -> Result<(), ureq::Error> {
    current(|exchange| exchange.context.check().map_err(|why| exchange.fail(why)))
}

/// The exchange that this thread is in.
pub fn current<T>(look: impl FnOnce(&mut Exchange) -> Result<T, ureq::Error>) -> Result<T, ureq::Error> {
    let exchange = CURRENT.with_borrow(|current| (**current).clone());
    match exchange {
        Some(exchange) => look(&mut exchange.borrow_mut()),
        None => Err(ureq::Error::ConnectionFailed),
    }
}
