//! The C interface as C uses it, wrapped so that every object is freed once and the tests need no `unsafe`.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use refold::ffi::CBool;
use refold::ffi::calls::{refold_get_execution, refold_wait_execution};
use refold::ffi::cancel::{refold_cancel, refold_cancel_free, refold_cancel_new, refold_cancel_trigger};
use refold::ffi::client::{refold_client, refold_client_free, refold_client_new};
use refold::ffi::error::{
    refold_error, refold_error_api_code, refold_error_attempts, refold_error_code, refold_error_free,
    refold_error_is_retryable, refold_error_message, refold_error_request_id,
};
use refold::ffi::event::{
    refold_event, refold_event_error, refold_event_execution, refold_event_free, refold_event_type,
    refold_event_typeof, refold_event_user_data,
};
use refold::ffi::execution::{
    refold_execution, refold_execution_attempts, refold_execution_free, refold_execution_id,
    refold_execution_node, refold_execution_node_count, refold_execution_status,
};
use refold::ffi::log::{refold_log_level, refold_log_level_value};
use refold::ffi::node::refold_node_name;
use refold::ffi::options::{
    refold_options, refold_options_free, refold_options_new, refold_options_set_allow_plaintext,
    refold_options_set_api_key, refold_options_set_base_url, refold_options_set_ca_file,
    refold_options_set_ca_pem, refold_options_set_connect_timeout_ms, refold_options_set_log,
    refold_options_set_max_retries, refold_options_set_poll_interval_ms, refold_options_set_proxy,
    refold_options_set_timeout_ms,
};
use refold::ffi::queue::{
    refold_queue, refold_queue_free, refold_queue_get_execution, refold_queue_new, refold_queue_next,
    refold_queue_pending, refold_queue_set_notify, refold_queue_wait_execution,
};

use crate::timing::SLACK;
use crate::watchdog;

pub use refold::ffi::event::refold_event_type_value::{REFOLD_EVENT_DONE, REFOLD_EVENT_PROGRESS};
pub use refold::ffi::library::refold_code_value::{
    REFOLD_ERROR_CANCELLED, REFOLD_ERROR_CONNECT, REFOLD_ERROR_NOT_FOUND, REFOLD_ERROR_TIMEOUT,
    REFOLD_ERROR_TLS, REFOLD_ERROR_TRANSPORT,
};

/// The execution that most calls request.
pub const ID: &str = "run-7";

/// The timeout of calls, waits and tests, long enough for all that do not test it.
pub const MAX_WAIT: Duration = Duration::from_secs(20 * SLACK as u64);

fn c_string(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

fn c_bool(value: bool) -> CBool {
    // SAFETY: `CBool` is a transparent byte, any value of which is valid.
    unsafe { mem::transmute(u8::from(value)) }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}

/// # Safety
/// `text` is NULL or a C string.
unsafe fn copied(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8").to_owned())
}

fn token_pointer(token: Option<&Token>) -> *mut refold_cancel {
    token.map_or(ptr::null_mut(), |token| token.0)
}

/// What no call reads or frees: the previous value of `*error`.
fn unread_error() -> *mut refold_error {
    ptr::dangling_mut()
}

/// Settings: an API key, no retries, no proxy, a timeout, a log, and otherwise the defaults.
pub struct Options {
    pointer: *mut refold_options,
    lines: Arc<Lines>,
}

impl Options {
    pub fn new(url: &str) -> Options {
        watchdog::start();
        let lines = Arc::<Lines>::default();
        let (url, key) = (c_string(url), c"tk_key");
        let pointer = refold_options_new();
        let level = refold_log_level_value::REFOLD_LOG_DEBUG as refold_log_level;
        // SAFETY: the strings and the options are valid. The client keeps the lines until it is freed.
        unsafe {
            refold_options_set_base_url(pointer, url.as_ptr());
            refold_options_set_api_key(pointer, key.as_ptr(), c"account".as_ptr());
            refold_options_set_proxy(pointer, c"".as_ptr());
            refold_options_set_max_retries(pointer, 0);
            refold_options_set_timeout_ms(pointer, milliseconds(MAX_WAIT));
            refold_options_set_log(pointer, level, Some(add_line), Arc::as_ptr(&lines) as *mut c_void);
        }
        Options { pointer, lines }
    }

    fn set(self, set: impl FnOnce(*mut refold_options)) -> Options {
        set(self.pointer);
        self
    }

    pub fn timeout(self, timeout: Duration) -> Options {
        // SAFETY: the options are valid; so below.
        self.set(|options| unsafe { refold_options_set_timeout_ms(options, milliseconds(timeout)) })
    }

    pub fn connect_timeout(self, timeout: Duration) -> Options {
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_connect_timeout_ms(options, milliseconds(timeout)) })
    }

    pub fn max_retries(self, retries: u32) -> Options {
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_max_retries(options, retries) })
    }

    pub fn poll_interval(self, interval: Duration) -> Options {
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_poll_interval_ms(options, milliseconds(interval)) })
    }

    pub fn proxy(self, url: &str) -> Options {
        let url = c_string(url);
        // SAFETY: the options and the string are valid; so below.
        self.set(|options| unsafe { refold_options_set_proxy(options, url.as_ptr()) })
    }

    pub fn ca_file(self, path: &str) -> Options {
        let path = c_string(path);
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_ca_file(options, path.as_ptr()) })
    }

    pub fn ca_pem(self, pem: &str) -> Options {
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_ca_pem(options, pem.as_ptr().cast(), pem.len()) })
    }

    pub fn allow_plaintext(self) -> Options {
        // SAFETY: as above.
        self.set(|options| unsafe { refold_options_set_allow_plaintext(options, c_bool(true)) })
    }

    pub fn client(self) -> Client {
        let mut error = unread_error();
        // SAFETY: the options are valid, and `error` is writable.
        let pointer = unsafe { refold_client_new(self.pointer, &mut error) };
        assert!(!pointer.is_null(), "{:?}", Failure::take(error));
        assert!(error.is_null());
        Client { pointer, lines: self.lines.clone() }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { refold_options_free(self.pointer) };
    }
}

/// The log of a client.
#[derive(Default)]
pub struct Lines {
    lines: Mutex<Vec<String>>,
    has_grown: Condvar,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a line that contains the text.
    pub fn wait_for(&self, text: &str) {
        let lacks = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let waited = self.has_grown.wait_timeout_while(self.lock(), MAX_WAIT, lacks);
        let (lines, result) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!result.timed_out(), "no line contains {text:?}: {lines:#?}");
    }
}

unsafe extern "C" fn add_line(_: refold_log_level, message: *const c_char, user_data: *mut c_void) {
    // SAFETY: these are the lines of the client, and a C string.
    let (lines, message) = unsafe { (&*user_data.cast::<Lines>(), copied(message)) };
    lines.lock().extend(message);
    lines.has_grown.notify_all();
}

/// A client. It logs everything that it does.
pub struct Client {
    pointer: *mut refold_client,
    lines: Arc<Lines>,
}

// SAFETY: any number of threads may use a client.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    pub fn get(&self, id: &str, token: Option<&Token>) -> Result<Execution, Failure> {
        let (id, mut error) = (c_string(id), unread_error());
        // SAFETY: all pointers are valid.
        let pointer =
            unsafe { refold_get_execution(self.pointer, id.as_ptr(), token_pointer(token), &mut error) };
        Execution::take(pointer, error)
    }

    /// Waits. Passes the status of each snapshot to `progress`, which returns whether to continue.
    pub fn wait(
        &self,
        id: &str,
        token: Option<&Token>,
        mut progress: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Execution, Failure> {
        unsafe extern "C" fn call(execution: *const refold_execution, user_data: *mut c_void) -> CBool {
            // SAFETY: this is `progress`, which outlives the wait; the execution is valid.
            let (progress, status) = unsafe {
                (
                    &mut *user_data.cast::<&mut dyn FnMut(&str) -> bool>(),
                    copied(refold_execution_status(execution)),
                )
            };
            c_bool(progress(&status.expect("a status")))
        }
        let (id, mut error) = (c_string(id), unread_error());
        let user_data = ptr::from_mut(&mut progress).cast();
        let (limit, token) = (milliseconds(MAX_WAIT), token_pointer(token));
        // SAFETY: all pointers are valid.
        let pointer = unsafe {
            refold_wait_execution(self.pointer, id.as_ptr(), limit, Some(call), user_data, token, &mut error)
        };
        Execution::take(pointer, error)
    }

    pub fn log(&self) -> &Lines {
        &self.lines
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { refold_client_free(self.pointer) };
    }
}

/// A cancel token.
pub struct Token(*mut refold_cancel);

// SAFETY: any number of threads may use a token.
unsafe impl Send for Token {}
// SAFETY: as above.
unsafe impl Sync for Token {}

impl Token {
    pub fn new() -> Token {
        Token(refold_cancel_new())
    }

    pub fn trigger(&self) {
        // SAFETY: the token is valid.
        unsafe { refold_cancel_trigger(self.0) };
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { refold_cancel_free(self.0) };
    }
}

/// An execution.
#[derive(Debug)]
pub struct Execution(*mut refold_execution);

// SAFETY: any thread may use an execution.
unsafe impl Send for Execution {}

impl Execution {
    fn take(pointer: *mut refold_execution, error: *mut refold_error) -> Result<Execution, Failure> {
        assert!(pointer.is_null() != error.is_null(), "either an execution or an error");
        if pointer.is_null() { Err(Failure::take(error)) } else { Ok(Execution(pointer)) }
    }

    pub fn id(&self) -> Option<String> {
        // SAFETY: the execution is valid; so below.
        unsafe { copied(refold_execution_id(self.0)) }
    }

    pub fn status(&self) -> Option<String> {
        // SAFETY: as above.
        unsafe { copied(refold_execution_status(self.0)) }
    }

    pub fn attempts(&self) -> u32 {
        // SAFETY: as above.
        unsafe { refold_execution_attempts(self.0) }
    }

    pub fn node_names(&self) -> Vec<Option<String>> {
        // SAFETY: as above; the nodes are valid as long as the execution.
        let name = |index| unsafe { copied(refold_node_name(refold_execution_node(self.0, index))) };
        // SAFETY: as above.
        (0..unsafe { refold_execution_node_count(self.0) }).map(name).collect()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { refold_execution_free(self.0) };
    }
}

/// What an error contains.
#[derive(Debug)]
pub struct Failure {
    pub code: i32,
    pub message: String,
    pub api_code: Option<String>,
    pub request_id: Option<String>,
    pub attempts: u32,
    pub is_retryable: bool,
}

impl Failure {
    fn take(error: *mut refold_error) -> Failure {
        // SAFETY: the error is valid, and freed once.
        unsafe {
            let failure = Failure::read(error);
            refold_error_free(error);
            failure
        }
    }

    /// # Safety
    /// `error` is NULL or valid.
    unsafe fn read(error: *const refold_error) -> Failure {
        // SAFETY: the caller's promise.
        unsafe {
            Failure {
                code: refold_error_code(error),
                message: copied(refold_error_message(error)).expect("never NULL"),
                api_code: copied(refold_error_api_code(error)),
                request_id: copied(refold_error_request_id(error)),
                attempts: refold_error_attempts(error),
                is_retryable: refold_error_is_retryable(error),
            }
        }
    }
}

type Notify = Box<dyn Fn() + Send + Sync>;

/// A queue.
pub struct Queue {
    pointer: *mut refold_queue,
    /// Called by the queue until it is freed.
    notify: Option<Box<Notify>>,
}

// SAFETY: any number of threads may use a queue.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A queue with at most this number of calls at a time; 0 for the default.
    pub fn new(max_concurrent: u32) -> Queue {
        let mut error = unread_error();
        // SAFETY: `error` is writable.
        let pointer = unsafe { refold_queue_new(max_concurrent, &mut error) };
        assert!(!pointer.is_null(), "{:?}", Failure::take(error));
        Queue { pointer, notify: None }
    }

    pub fn get(&self, client: &Client, token: Option<&Token>, number: usize) {
        let (id, mut error) = (c_string(&format!("run-{number}")), unread_error());
        let (queue, client, token) = (self.pointer, client.pointer, token_pointer(token));
        let user_data = ptr::without_provenance_mut(number);
        // SAFETY: all pointers are valid, and the library does not follow `user_data`.
        let is_accepted =
            unsafe { refold_queue_get_execution(queue, client, id.as_ptr(), token, user_data, &mut error) };
        assert!(is_accepted && error.is_null(), "{:?}", Failure::take(error));
    }

    pub fn wait(&self, client: &Client, token: Option<&Token>, number: usize) {
        let (id, mut error) = (c_string(&format!("run-{number}")), unread_error());
        let (queue, client, token) = (self.pointer, client.pointer, token_pointer(token));
        let limit = milliseconds(MAX_WAIT);
        let user_data = ptr::without_provenance_mut(number);
        // SAFETY: as above.
        let is_accepted = unsafe {
            refold_queue_wait_execution(queue, client, id.as_ptr(), limit, token, user_data, &mut error)
        };
        assert!(is_accepted && error.is_null(), "{:?}", Failure::take(error));
    }

    /// Takes the next event, for which it waits until none is pending.
    pub fn next(&self) -> Option<Event> {
        // SAFETY: the queue is valid.
        Event::take(unsafe { refold_queue_next(self.pointer, -1) })
    }

    /// Takes the next event if there is one.
    pub fn next_now(&self) -> Option<Event> {
        // SAFETY: as above.
        Event::take(unsafe { refold_queue_next(self.pointer, 0) })
    }

    pub fn pending(&self) -> usize {
        // SAFETY: as above.
        unsafe { refold_queue_pending(self.pointer) }
    }

    /// Sets the function that is called when the queue stops being empty.
    pub fn set_notify(&mut self, notify: impl Fn() + Send + Sync + 'static) {
        unsafe extern "C" fn call(user_data: *mut c_void) {
            // SAFETY: this is the function, which is kept until the queue is freed.
            let notify = unsafe { &*user_data.cast::<Notify>() };
            notify();
        }
        let notify: Box<Notify> = Box::new(Box::new(notify));
        // SAFETY: the queue is valid. The previous function is only freed after this.
        unsafe { refold_queue_set_notify(self.pointer, Some(call), ptr::from_ref(&*notify) as *mut c_void) };
        self.notify = Some(notify);
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { refold_queue_free(self.pointer) };
    }
}

/// What an event contains.
#[derive(Debug)]
pub struct Event {
    pub kind: refold_event_type,
    /// The number of the submission.
    pub number: usize,
    /// The status of the execution, or the error.
    pub outcome: Result<String, Failure>,
}

impl Event {
    fn take(event: *mut refold_event) -> Option<Event> {
        if event.is_null() {
            return None;
        }
        // SAFETY: the event is valid, and so are the execution and the error until it is freed.
        unsafe {
            let status = copied(refold_execution_status(refold_event_execution(event)));
            let taken = Event {
                kind: refold_event_typeof(event),
                number: refold_event_user_data(event).addr(),
                outcome: status.ok_or_else(|| Failure::read(refold_event_error(event))),
            };
            refold_event_free(event);
            Some(taken)
        }
    }
}
