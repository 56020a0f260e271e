//! `refold_queue`: many calls at a time, for event loops.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancel::refold_cancel;
use super::client::refold_client;
use super::error::refold_error;
use super::event::{OutcomeHandle, UserData, refold_event};
use super::guard::{attempt, call, guard};
use super::handle::{Handle, as_ref, clone_arc, free, into_raw};
use super::string::{CIntPtr, string_in};
use crate::cancel::CancelToken;
use crate::client::Client;
use crate::error::Error;
use crate::error::message::argument;
use crate::queue::{Patience, Queue};
use crate::sys::thread::without_cancellation;

/// A queue: makes many calls at a time, without a thread of yours for each.
///
/// Created by refold_queue_new(), freed by refold_queue_free(). Submit gets and waits to it, and take what
/// has become of them as events: from an event loop that polls refold_queue_descriptor(), from one that
/// refold_queue_set_notify() wakes, or on a thread that blocks in refold_queue_next(). Any number of threads
/// may submit to a queue and take from it.
///
/// A queue has threads of its own, at most one more than it has calls in flight, with stacks of 256 KiB. They
/// start on demand and end after ten seconds without work. A wait occupies no thread and no connection while
/// it pauses. The functions of refold_options_set_log() and refold_queue_set_notify() run on these threads,
/// have 100 KiB of stack, and must not free the queue.
///
/// A queue belongs to the process that created it. In a child after fork(), submissions fail with
/// REFOLD_ERROR_INVALID_ARGUMENT, and there are no events; the queue of the parent is not affected.
pub struct refold_queue {
    _opaque: [u8; 0],
}

impl Handle for refold_queue {
    type Value = Queue<OutcomeHandle>;
    type Owner = Box<Queue<OutcomeHandle>>;
}

/// Creates a queue. Starts no thread yet.
///
/// \param max_concurrent  The maximum number of calls and polls in flight, and so of threads and connections:
///                        1 to 1,024; 0 for the default, which is 32. Others wait for their turn.
/// \param error           Set to NULL, or to a new error on failure; may be NULL.
/// \return A new queue, to be freed with refold_queue_free(), or NULL on failure. Error codes:
///         REFOLD_ERROR_INVALID_ARGUMENT if `max_concurrent` is out of range; REFOLD_ERROR_RESOURCE if the
///         process has run out of file descriptors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_new(
    max_concurrent: u32,
    error: *mut *mut refold_error,
) -> *mut refold_queue {
    // SAFETY: the header's contract with C.
    unsafe { call(error, || Queue::new(max_concurrent).map(Box::new)) }
}

/// Frees a queue. Does nothing if `queue` is NULL.
///
/// Cancels all submissions, waits until the threads of the queue have ended, which takes less than 50 ms
/// unless one of your functions is running on them, and frees the events that were not taken. No other
/// function may use the queue at the same time or later. Events that were taken are not affected. In a child
/// after fork(), leaks the queue.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_free(queue: *mut refold_queue) {
    // SAFETY: the header's contract with C.
    unsafe { free(queue) }
}

/// Submits a get: a call of refold_get_execution() that a thread of the queue makes.
///
/// Never waits for the network. The timeout of the options begins when the call does, not while it waits for
/// its turn. Turns are in the order of submission.
///
/// \param client        The client. It may be freed as soon as this function has returned.
/// \param execution_id  As for refold_get_execution().
/// \param cancel        A token that can cancel the submission, whether it is in flight or waits for its
///                      turn, or NULL. It may be freed as soon as this function has returned.
/// \param user_data     Any pointer, for refold_event_user_data(). The library does not follow it.
/// \param error         Set to NULL, or to a new error on failure; may be NULL.
/// \return true if the submission was accepted: exactly one event of type REFOLD_EVENT_DONE will report its
///         end. false if not: there will be no event. Error codes: REFOLD_ERROR_INVALID_ARGUMENT, and
///         REFOLD_ERROR_RESOURCE if memory is insufficient or the queue can start no thread. All other errors
///         of refold_get_execution() are reported by the event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_get_execution(
    queue: *mut refold_queue,
    client: *const refold_client,
    execution_id: *const c_char,
    cancel: *mut refold_cancel,
    user_data: *mut c_void,
    error: *mut *mut refold_error,
) -> bool {
    // SAFETY: the header's contract with C.
    unsafe {
        submit(error, queue, client, cancel, |queue, client, cancel| {
            queue.get(client, string_in(execution_id), cancel, UserData(user_data))
        })
    }
}

/// Submits a wait: refold_wait_execution() without a thread that waits.
///
/// Each snapshot of a run that has not ended is an event of type REFOLD_EVENT_PROGRESS. One that was not
/// taken when the next snapshot arrives is replaced by it, so there are never more than two events of a wait.
/// The final snapshot, or the error, is the event of type REFOLD_EVENT_DONE. Pauses, growth, Retry-After and
/// tolerance of failures are those of refold_wait_execution(). A poll takes its turn when it is due.
///
/// \param client        The client. It may be freed as soon as this function has returned.
/// \param execution_id  As for refold_get_execution().
/// \param timeout_ms    Limit for the whole wait, from the submission on, in milliseconds; 0 for no limit.
/// \param cancel        A token that can cancel the wait within 50 ms, or NULL. It may be freed as soon as
///                      this function has returned.
/// \param user_data     Any pointer, for refold_event_user_data(). The library does not follow it.
/// \param error         Set to NULL, or to a new error on failure; may be NULL.
/// \return As for refold_queue_get_execution().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_wait_execution(
    queue: *mut refold_queue,
    client: *const refold_client,
    execution_id: *const c_char,
    timeout_ms: u64,
    cancel: *mut refold_cancel,
    user_data: *mut c_void,
    error: *mut *mut refold_error,
) -> bool {
    // SAFETY: the header's contract with C.
    unsafe {
        submit(error, queue, client, cancel, |queue, client, cancel| {
            queue.wait(client, string_in(execution_id), timeout_ms, cancel, UserData(user_data))
        })
    }
}

/// Converts the objects of a submission.
///
/// # Safety
/// The pointers are NULL or valid, and `error` is NULL or writable.
unsafe fn submit(
    error: *mut *mut refold_error,
    queue: *mut refold_queue,
    client: *const refold_client,
    cancel: *mut refold_cancel,
    submit: impl FnOnce(&Queue<OutcomeHandle>, Arc<Client>, Option<Arc<CancelToken>>) -> Result<(), Error>,
) -> bool {
    let is_null = |name| Error::invalid_argument(argument::is_null(name));
    // SAFETY: the caller's promise.
    let submitted = unsafe {
        attempt(error, || {
            let queue = as_ref(queue).ok_or_else(|| is_null("queue"))?;
            let client = clone_arc(client).ok_or_else(|| is_null("client"))?;
            submit(queue, client, clone_arc(cancel))
        })
    };
    submitted.is_some()
}

/// Takes the oldest event. If several threads take events, each gets another one.
///
/// \param timeout_ms  How long to wait for an event, in milliseconds; 0 to return at once; -1, or any negative
///                    number, to wait for ever, but not if nothing is pending.
/// \return The event, to be freed with refold_event_free(); NULL if there was none in time, nothing is pending
///         that could be waited for, or `queue` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_next(queue: *mut refold_queue, timeout_ms: i64) -> *mut refold_event {
    let patience = u64::try_from(timeout_ms)
        .ok()
        .and_then(|timeout| Instant::now().checked_add(Duration::from_millis(timeout)))
        .map_or(Patience::WhilePending, Patience::Until);
    let next = || {
        // SAFETY: the header's contract with C.
        let event = unsafe { as_ref(queue) }.and_then(|queue| queue.next(patience));
        event.map_or(std::ptr::null_mut(), |event| into_raw(Box::new(event)))
    };
    without_cancellation(|| guard(std::ptr::null_mut(), next))
}

/// Returns the number of submissions whose event of type REFOLD_EVENT_DONE has not been taken; 0 if `queue` is
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_pending(queue: *const refold_queue) -> usize {
    // SAFETY: the header's contract with C.
    guard(0, || unsafe { as_ref(queue) }.map_or(0, Queue::pending))
}

/// Returns a descriptor for an event loop: it is readable exactly while an event can be taken.
///
/// Poll it for reading, with poll(), epoll (level- or edge-triggered), kqueue or whatever your loop is made
/// of. When it is readable, call refold_queue_next() with a timeout of 0 until it returns NULL. Never read
/// it, write it or close it. It is valid until the queue is freed: remove it from the loop before that.
///
/// \return The descriptor; -1 if the system has none that can be polled together with those of files and
///         sockets, as on Windows, after fork() in the child, or if `queue` is NULL.
///         refold_queue_set_notify() serves instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_descriptor(queue: *const refold_queue) -> CIntPtr {
    // SAFETY: the header's contract with C.
    let descriptor = || unsafe { as_ref(queue) }.map_or(-1, Queue::descriptor);
    // It may write to the descriptor.
    without_cancellation(|| guard(-1, descriptor))
}

/// Called when a queue stops being empty, on a thread of the library that holds no lock.
///
/// It is meant to wake an event loop: with uv_async_send(), PostMessage(), g_main_context_wakeup(), a write
/// to a pipe. It may run on several threads at once. It may call any function of this header, except
/// refold_queue_free() and refold_queue_set_notify() for the same queue. It must return normally: no
/// exception, longjmp() or pthread_exit().
///
/// \param user_data  The pointer that was passed to refold_queue_set_notify().
pub type refold_notify_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// A function of C that wakes an event loop.
struct Callback {
    function: unsafe extern "C" fn(*mut c_void),
    user_data: UserData,
}

impl Callback {
    fn call(&self) {
        // SAFETY: the header's contract with C.
        unsafe { (self.function)(self.user_data.0) };
    }
}

/// Sets the function that is called whenever the queue stops being empty, in place of the previous one.
///
/// It is not called for events that are in the queue already, so take those once after setting it. After each
/// call, take events until refold_queue_next() returns NULL. If other threads take events, too, there may be
/// none left.
///
/// When this returns, the previous function is not running, and will not be called again. So do not hold a
/// lock that it waits for.
///
/// \param notify     The function, or NULL for none.
/// \param user_data  Passed to the function unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refold_queue_set_notify(
    queue: *mut refold_queue,
    notify: refold_notify_fn,
    user_data: *mut c_void,
) {
    let set = || {
        let callback = notify.map(|function| Callback { function, user_data: UserData(user_data) });
        // SAFETY: the header's contract with C.
        if let Some(queue) = unsafe { as_ref(queue) } {
            queue.set_notify(callback.map(|callback| Box::new(move || callback.call()) as _));
        }
    };
    without_cancellation(|| guard((), set));
}
