//! The types of the C interface, and who owns what their pointers point at.

use std::sync::Arc;

use super::error::ErrorHandle;
use super::execution::{ExecutionHandle, NodeHandle};
use super::{Borrowed, Handle};
use crate::cancel::CancelToken;
use crate::client::Client;
use crate::json::LazyValue;
use crate::options::Options;

/// Settings from which clients are made: how to authenticate, where to, limits and time-outs.
///
/// Made by refold_options_new() or refold_options_new_from_env(), freed by refold_options_free(), any time
/// after the clients were made: these keep nothing of it. One thread at a time may use it.
pub struct refold_options {
    _opaque: [u8; 0],
}

impl Handle for refold_options {
    type Value = Options;
    type Owner = Box<Options>;
}

/// What calls go through: settings that were checked, and a pool of connections that its calls share.
///
/// Made by refold_client_new(), freed by refold_client_free(). Any number of threads may call through one
/// client at the same time, and one client for a whole program is best: N threads never need more than N
/// connections. Calls that have begun when the client is freed run to their end. Executions and errors
/// outlive it.
pub struct refold_client {
    _opaque: [u8; 0],
}

impl Handle for refold_client {
    type Value = Client;
    type Owner = Arc<Client>;
}

/// A token that cancels every call it was handed to, now and later. Once triggered it stays so.
///
/// Made by refold_cancel_new(), freed by refold_cancel_free(). Any number of calls on any threads may share
/// it, any thread may trigger it, and so may a signal handler. Calls that have begun when it is freed keep
/// what they need. One that was made before a fork belongs to the parent: in the child it cancels nothing of
/// the parent's.
pub struct refold_cancel {
    _opaque: [u8; 0],
}

impl Handle for refold_cancel {
    type Value = CancelToken;
    type Owner = Arc<CancelToken>;
}

/// Why a call failed.
///
/// Made by a call that fails, through its parameter `error`; freed by refold_error_free(). It never changes,
/// so any number of threads may read it; it outlives the client. Every string that it hands out is its own
/// and lives until it is freed.
pub struct refold_error {
    _opaque: [u8; 0],
}

impl Handle for refold_error {
    type Value = ErrorHandle;
    type Owner = Box<ErrorHandle>;
}

/// A snapshot of one execution: its fields, its nodes, and the whole document that the server sent.
///
/// Made by refold_get_execution(), refold_wait_execution() and refold_parse_execution();
/// refold_execution_retain() adds an owner. Each owner frees once, with refold_execution_free(), and the last
/// one frees the snapshot. It never changes, so any number of threads may read it; it outlives the client.
pub struct refold_execution {
    _opaque: [u8; 0],
}

impl Handle for refold_execution {
    type Value = ExecutionHandle;
    type Owner = Arc<ExecutionHandle>;
}

/// One node of an execution.
///
/// Borrowed from its execution and never freed by itself: it lives until the execution is freed. Any number
/// of threads may read it.
pub struct refold_node {
    _opaque: [u8; 0],
}

impl Handle for refold_node {
    type Value = NodeHandle;
    type Owner = Borrowed;
}

/// One JSON value of any type, somewhere in the document of an execution.
///
/// Borrowed from its execution and never freed by itself: it lives until the execution is freed. Any number
/// of threads may read it. A value is looked into when somebody asks, so what nobody asks for costs nothing.
pub struct refold_json {
    _opaque: [u8; 0],
}

impl Handle for refold_json {
    type Value = LazyValue<'static>;
    type Owner = Borrowed;
}

// Numbers: integers in C, because any number may come in, and later versions may add some -------------------

/// How a call went: REFOLD_OK, a positive number, or a negative one.
///
/// - 0: success.
/// - Positive: the server answered, and this is the HTTP status of its answer, whatever it is: 404, and also
///   302 or 599. The enumerators name the common ones.
/// - Negative: there was no usable answer, for the reason that the enumerator tells.
///
/// Later versions may add negative numbers, so treat one you do not know as a failure of an unknown kind.
pub type refold_code = i32;

/// The values of refold_code that have a name.
#[repr(C)]
pub enum refold_code_value {
    /// Success.
    REFOLD_OK = 0,
    /// The server found fault with the request.
    REFOLD_ERROR_BAD_REQUEST = 400,
    /// The key, the linked account or the session token was not accepted.
    REFOLD_ERROR_UNAUTHORIZED = 401,
    /// The credentials are good, but not for this.
    REFOLD_ERROR_FORBIDDEN = 403,
    /// No execution with this id can be seen with these credentials.
    REFOLD_ERROR_NOT_FOUND = 404,
    /// The server gave up waiting for the request. Not to be confused with REFOLD_ERROR_TIMEOUT.
    REFOLD_ERROR_REQUEST_TIMEOUT = 408,
    /// The request contradicts the state of what it is about.
    REFOLD_ERROR_CONFLICT = 409,
    /// The server understood the request and cannot act on it.
    REFOLD_ERROR_UNPROCESSABLE_ENTITY = 422,
    /// Too many requests in too short a time; see refold_error_retry_after_ms().
    REFOLD_ERROR_TOO_MANY_REQUESTS = 429,
    /// The server failed.
    REFOLD_ERROR_INTERNAL_SERVER_ERROR = 500,
    /// The server does not know how to do this.
    REFOLD_ERROR_NOT_IMPLEMENTED = 501,
    /// A gateway got no usable answer from the server behind it.
    REFOLD_ERROR_BAD_GATEWAY = 502,
    /// The server cannot serve at the moment.
    REFOLD_ERROR_SERVICE_UNAVAILABLE = 503,
    /// A gateway got no answer in time from the server behind it.
    REFOLD_ERROR_GATEWAY_TIMEOUT = 504,
    /// An argument or a setting is wrong: the message names it, and nothing was sent.
    REFOLD_ERROR_INVALID_ARGUMENT = -1,
    /// A cancel token was triggered, or a progress callback returned false.
    REFOLD_ERROR_CANCELLED = -2,
    /// The time-out of the call itself passed.
    REFOLD_ERROR_TIMEOUT = -3,
    /// The host name has no address, or none could be found out.
    REFOLD_ERROR_RESOLVE = -4,
    /// Nobody answered at the address in time, or the proxy refused.
    REFOLD_ERROR_CONNECT = -5,
    /// No TLS session that can be trusted: the certificate or the handshake.
    REFOLD_ERROR_TLS = -6,
    /// The connection broke before the whole answer came, or what came is not HTTP.
    REFOLD_ERROR_TRANSPORT = -7,
    /// The server said success, but the body is not an execution.
    REFOLD_ERROR_INVALID_RESPONSE = -8,
    /// The body of the answer, or the memory for its nodes, is larger than
    /// refold_options_set_max_response_bytes() allows, or its header larger than 64 KiB or 128 fields.
    REFOLD_ERROR_RESPONSE_TOO_LARGE = -9,
    /// A defect of the library, caught before it could do harm. Please report it.
    REFOLD_ERROR_INTERNAL = -10,
    /// The process is out of descriptors, threads or memory.
    REFOLD_ERROR_RESOURCE = -11,
}

/// What the server's texts `status` (of an execution) and `node_status` (of a node) mean, on one scale.
///
/// The server may use texts that this version does not know; they read as REFOLD_STATE_UNKNOWN, and
/// refold_execution_status() and refold_node_status() give the text itself.
pub type refold_state = i32;

/// The values of refold_state.
#[repr(C)]
pub enum refold_state_value {
    /// Absent, or a text that this version does not know.
    REFOLD_STATE_UNKNOWN = 0,
    /// Not begun. Node: "Ready".
    REFOLD_STATE_READY = 1,
    /// Under way. Execution: "RUNNING".
    REFOLD_STATE_RUNNING = 2,
    /// Waits for something. Node: "Waiting".
    REFOLD_STATE_WAITING = 3,
    /// Asked to stop, and not stopped yet. Execution: "STOPPING".
    REFOLD_STATE_STOPPING = 4,
    /// Ended well; final. Execution: "COMPLETED"; node: "Success".
    REFOLD_STATE_COMPLETED = 5,
    /// Ended with an error; final. Execution: "ERRORED"; node: "Errored".
    REFOLD_STATE_ERRORED = 6,
    /// Ended with an error, and the run went on without it; final. Node: "Errored_and_Skipped".
    REFOLD_STATE_SKIPPED = 7,
    /// Was stopped; final. Execution: "STOPPED"; node: "Stopped".
    REFOLD_STATE_STOPPED = 8,
    /// Took too long; final. Execution: "TIMED_OUT"; node: "Timed_Out".
    REFOLD_STATE_TIMED_OUT = 9,
    /// Was rejected; final. Node: "Rejected".
    REFOLD_STATE_REJECTED = 10,
}

/// What a JSON value is.
pub type refold_json_type = i32;

/// The values of refold_json_type.
#[repr(C)]
pub enum refold_json_type_value {
    /// null, or no value at all.
    REFOLD_JSON_NULL = 0,
    /// true or false.
    REFOLD_JSON_BOOL = 1,
    /// A number.
    REFOLD_JSON_NUMBER = 2,
    /// A string.
    REFOLD_JSON_STRING = 3,
    /// An array: elements in order.
    REFOLD_JSON_ARRAY = 4,
    /// An object: members, each with a key and a value, in the order in which they were sent.
    REFOLD_JSON_OBJECT = 5,
}
