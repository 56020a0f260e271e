//! Safe wrappers around the C interface that free their objects, and check what the header promises of every result.

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::{ptr, slice};

use crate::secrets::KEY;
use refold::ffi::CBool;
use refold::ffi::calls::*;
use refold::ffi::client::*;
use refold::ffi::error::*;
use refold::ffi::execution::*;
use refold::ffi::json::*;
use refold::ffi::library::*;
use refold::ffi::node::*;
use refold::ffi::options::*;
use refold::ffi::state::*;

pub const INVALID_ARGUMENT: i32 = -1;
pub const CANCELLED: i32 = -2;
pub const TIMEOUT: i32 = -3;
pub const TRANSPORT: i32 = -7;
pub const INVALID_RESPONSE: i32 = -8;
pub const INTERNAL: i32 = -10;

/// Checks that it is not NULL and is UTF-8.
pub fn code_name(code: i32) -> &'static str {
    // SAFETY: a constant of the library.
    let name = unsafe { CStr::from_ptr(refold_code_name(code)) };
    name.to_str().expect("a name is text")
}

/// The version of the library.
pub fn version() -> &'static str {
    // SAFETY: a constant of the library.
    unsafe { CStr::from_ptr(refold_version()) }.to_str().expect("a version is text")
}

/// The `length` bytes of a string that may contain U+0000. Checks that it is NUL-terminated.
fn bytes<'a>(start: *const c_char, length: usize) -> Option<&'a [u8]> {
    if start.is_null() {
        assert_eq!(length, 0, "a length without a string");
        return None;
    }
    // SAFETY: the library promises `length` bytes and a NUL.
    let whole = unsafe { slice::from_raw_parts(start.cast::<u8>(), length + 1) };
    assert_eq!(whole[length], 0, "no NUL at the end");
    Some(&whole[..length])
}

/// The bytes of a string up to its first NUL, which must be UTF-8.
fn text<'a>(start: *const c_char) -> Option<&'a str> {
    if start.is_null() {
        return None;
    }
    // SAFETY: the library promises a C string.
    Some(unsafe { CStr::from_ptr(start) }.to_str().expect("a string is UTF-8"))
}

/// The part of a string that C sees: up to its first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn c_string(bytes: &[u8]) -> CString {
    CString::new(until_nul(bytes)).expect("a string without NUL")
}

// Values ------------------------------------------------------------------------------------------------------

/// A JSON value, borrowed from an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Json<'a>(*const refold_json, PhantomData<&'a ()>);

// SAFETY of the calls below: the pointer comes from an execution, which lives for 'a.
impl<'a> Json<'a> {
    fn new(value: *const refold_json) -> Option<Json<'a>> {
        (!value.is_null()).then_some(Json(value, PhantomData))
    }

    pub fn kind(self) -> i32 {
        unsafe { refold_json_typeof(self.0) }
    }

    pub fn bool(self) -> bool {
        unsafe { refold_json_bool(self.0) }
    }

    pub fn int64(self) -> i64 {
        unsafe { refold_json_int64(self.0) }
    }

    pub fn double(self) -> f64 {
        unsafe { refold_json_double(self.0) }
    }

    pub fn string(self) -> Option<&'a [u8]> {
        let mut length = usize::MAX;
        bytes(unsafe { refold_json_string(self.0, &mut length) }, length)
    }

    pub fn length(self) -> usize {
        unsafe { refold_json_length(self.0) }
    }

    pub fn at(self, index: usize) -> Option<Json<'a>> {
        Json::new(unsafe { refold_json_at(self.0, index) })
    }

    pub fn key_at(self, index: usize) -> Option<&'a [u8]> {
        let mut length = usize::MAX;
        bytes(unsafe { refold_json_key_at(self.0, index, &mut length) }, length)
    }

    pub fn get(self, key: &[u8]) -> Option<Json<'a>> {
        Json::new(unsafe { refold_json_get(self.0, c_string(key).as_ptr()) })
    }

    pub fn pointer(self, pointer: &[u8]) -> Option<Json<'a>> {
        Json::new(unsafe { refold_json_pointer(self.0, c_string(pointer).as_ptr()) })
    }

    pub fn raw(self) -> &'a [u8] {
        let mut length = usize::MAX;
        let start = unsafe { refold_json_raw(self.0, &mut length) };
        assert!(!start.is_null() && length > 0, "a value without text");
        unsafe { slice::from_raw_parts(start.cast(), length) }
    }

    pub fn text(self) -> &'a [u8] {
        let mut length = usize::MAX;
        bytes(unsafe { refold_json_text(self.0, &mut length) }, length).expect("a value has a text")
    }
}

/// A node, borrowed from an execution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node<'a>(*const refold_node, PhantomData<&'a ()>);

// SAFETY of the calls below: as for `Json`.
impl<'a> Node<'a> {
    fn new(node: *const refold_node) -> Option<Node<'a>> {
        (!node.is_null()).then_some(Node(node, PhantomData))
    }

    /// The fields that are text, each with its name.
    pub fn texts(self) -> [(&'static str, Option<&'a str>); 4] {
        unsafe {
            [
                ("node_id", text(refold_node_id(self.0))),
                ("node_name", text(refold_node_name(self.0))),
                ("node_type", text(refold_node_type(self.0))),
                ("node_status", text(refold_node_status(self.0))),
            ]
        }
    }

    /// The fields that are counts, each with its name.
    pub fn counts(self) -> [(&'static str, i64); 3] {
        unsafe {
            [
                ("attempts_made", refold_node_attempts_made(self.0)),
                ("maximum_attempts", refold_node_maximum_attempts(self.0)),
                ("execution_time", refold_node_execution_time_ms(self.0)),
            ]
        }
    }

    /// The fields that are values, each with its name.
    pub fn values(self) -> [(&'static str, Option<Json<'a>>); 2] {
        unsafe {
            [
                ("latest_output", Json::new(refold_node_latest_output(self.0))),
                ("input_data", Json::new(refold_node_input_data(self.0))),
            ]
        }
    }

    pub fn is_batch(self) -> bool {
        unsafe { refold_node_is_batch(self.0) }
    }

    pub fn json(self) -> Json<'a> {
        Json::new(unsafe { refold_node_json(self.0) }).expect("a node has a value")
    }

    /// Checks that it is an enumerator.
    pub fn state(self) -> i32 {
        known_state(unsafe { refold_node_state(self.0) })
    }
}

fn known_state(state: i32) -> i32 {
    assert!((0..=10).contains(&state), "no such state: {state}");
    // SAFETY: a constant of the library.
    let name = unsafe { CStr::from_ptr(refold_state_name(state)) };
    assert!((state == 0) == (name == c"UNKNOWN"), "state {state} is called {name:?}");
    assert_eq!(refold_state_is_final(state), state >= 5);
    assert_eq!(refold_state_is_failure(state), state > 5);
    state
}

/// An owner of an execution.
pub struct Execution(*mut refold_execution);

impl Drop for Execution {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { refold_execution_free(self.0) }
    }
}

// SAFETY of the calls below: the execution lives as long as its owner.
impl Execution {
    /// Parses a text.
    pub fn parse(json: &[u8]) -> Result<Execution, Failure> {
        received(|error| unsafe { refold_parse_execution(json.as_ptr().cast(), json.len(), error) })
    }

    /// One more owner.
    pub fn retain(&self) -> Execution {
        let retained = unsafe { refold_execution_retain(self.0) };
        assert_eq!(retained, self.0);
        Execution(retained)
    }

    /// The fields that are text, each with its name.
    pub fn texts(&self) -> [(&'static str, Option<&str>); 9] {
        unsafe {
            [
                ("_id", text(refold_execution_id(self.0))),
                ("name", text(refold_execution_name(self.0))),
                ("org_id", text(refold_execution_org_id(self.0))),
                ("environment", text(refold_execution_environment(self.0))),
                ("status", text(refold_execution_status(self.0))),
                ("config_id", text(refold_execution_config_id(self.0))),
                ("linked_account_id", text(refold_execution_linked_account_id(self.0))),
                ("createdAt", text(refold_execution_created_at(self.0))),
                ("updatedAt", text(refold_execution_updated_at(self.0))),
            ]
        }
    }

    pub fn completion_percentage(&self) -> f64 {
        unsafe { refold_execution_completion_percentage(self.0) }
    }

    /// Checks that it is an enumerator.
    pub fn state(&self) -> i32 {
        known_state(unsafe { refold_execution_state(self.0) })
    }

    pub fn node_count(&self) -> usize {
        unsafe { refold_execution_node_count(self.0) }
    }

    pub fn node(&self, index: usize) -> Option<Node<'_>> {
        Node::new(unsafe { refold_execution_node(self.0, index) })
    }

    pub fn node_by_id(&self, id: &[u8]) -> Option<Node<'_>> {
        Node::new(unsafe { refold_execution_node_by_id(self.0, c_string(id).as_ptr()) })
    }

    pub fn json(&self) -> Json<'_> {
        Json::new(unsafe { refold_execution_json(self.0) }).expect("an execution has a document")
    }
}

/// An owner of an error. Checks that its code is that of a failure, and not INTERNAL.
pub struct Failure(*mut refold_error);

impl Drop for Failure {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { refold_error_free(self.0) }
    }
}

// SAFETY of the calls below: the error lives as long as its owner.
impl Failure {
    fn new(error: *mut refold_error) -> Failure {
        let failure = Failure(error);
        let code = failure.code();
        assert!((-11..0).contains(&code) || (100..1000).contains(&code), "not the code of a failure: {code}");
        assert_ne!(code, INTERNAL, "{}", failure.message());
        assert!(!failure.message().is_empty() && failure.retry_after_ms() >= -1);
        assert!(code == TIMEOUT || unsafe { refold_error_cause(error) }.is_null());
        failure
    }

    pub fn code(&self) -> i32 {
        unsafe { refold_error_code(self.0) }
    }

    pub fn http_status(&self) -> i32 {
        unsafe { refold_error_http_status(self.0) }
    }

    pub fn message(&self) -> &str {
        text(unsafe { refold_error_message(self.0) }).expect("an error has a message")
    }

    pub fn http_error_type(&self) -> Option<&str> {
        text(unsafe { refold_error_http_error_type(self.0) })
    }

    pub fn api_code(&self) -> Option<&str> {
        text(unsafe { refold_error_api_code(self.0) })
    }

    pub fn request_id(&self) -> Option<&str> {
        text(unsafe { refold_error_request_id(self.0) })
    }

    pub fn body(&self) -> Option<&[u8]> {
        let mut length = usize::MAX;
        bytes(unsafe { refold_error_body(self.0, &mut length) }, length)
    }

    pub fn retry_after_ms(&self) -> i64 {
        unsafe { refold_error_retry_after_ms(self.0) }
    }

    pub fn is_retryable(&self) -> bool {
        unsafe { refold_error_is_retryable(self.0) }
    }

    pub fn attempts(&self) -> u32 {
        unsafe { refold_error_attempts(self.0) }
    }
}

/// Checks that a call returns either an object or an error, and does not read the previous value of `*error`.
fn made<T>(call: impl FnOnce(*mut *mut refold_error) -> *mut T) -> Result<*mut T, Failure> {
    let mut error = ptr::without_provenance_mut(0x5a5a);
    let object = call(&mut error);
    assert_eq!(object.is_null(), !error.is_null(), "both an object and an error, or neither");
    if object.is_null() { Err(Failure::new(error)) } else { Ok(object) }
}

fn received(
    call: impl FnOnce(*mut *mut refold_error) -> *mut refold_execution,
) -> Result<Execution, Failure> {
    made(call).map(Execution)
}

// Calls -------------------------------------------------------------------------------------------------------

/// An owner of options.
pub struct Options(*mut refold_options);

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { refold_options_free(self.0) }
    }
}

type Setter = unsafe extern "C" fn(*mut refold_options, *const c_char);

/// The pointer to a C string, or NULL.
fn or_null(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}

// SAFETY of the calls below: the options live as long as their owner, and setters copy.
impl Options {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Options {
        Options(refold_options_new())
    }

    /// Options with a key and these timeouts, without retries. No line of the log may contain the key.
    pub fn with_key(key: &str, base_url: &str, timeout_ms: u64) -> Options {
        let options = Options::new();
        options.api_key(Some(key.as_bytes()), Some(b"someone@example.com"));
        unsafe { refold_options_set_log(options.0, 3, Some(check_line), ptr::null_mut()) }
        options.base_url(Some(base_url.as_bytes()));
        options.numbers(timeout_ms, timeout_ms, 0, 1 << 20, 1_000);
        options
    }

    pub fn header(&self, name: Option<&[u8]>, value: Option<&[u8]>) {
        let (name, value) = (name.map(c_string), value.map(c_string));
        unsafe { refold_options_set_header(self.0, or_null(&name), or_null(&value)) }
    }

    fn set(&self, setter: Setter, value: Option<&[u8]>) {
        unsafe { setter(self.0, or_null(&value.map(c_string))) }
    }

    pub fn api_key(&self, key: Option<&[u8]>, linked_account_id: Option<&[u8]>) {
        let (key, id) = (key.map(c_string), linked_account_id.map(c_string));
        unsafe { refold_options_set_api_key(self.0, or_null(&key), or_null(&id)) }
    }

    pub fn session_token(&self, token: Option<&[u8]>) {
        self.set(refold_options_set_session_token, token);
    }

    pub fn base_url(&self, url: Option<&[u8]>) {
        self.set(refold_options_set_base_url, url);
    }

    pub fn proxy(&self, url: Option<&[u8]>) {
        self.set(refold_options_set_proxy, url);
    }

    pub fn ca_file(&self, path: Option<&[u8]>) {
        self.set(refold_options_set_ca_file, path);
    }

    pub fn user_agent(&self, product: Option<&[u8]>) {
        self.set(refold_options_set_user_agent, product);
    }

    pub fn ca_pem(&self, pem: Option<&[u8]>) {
        let (start, length) = pem.map_or((ptr::null(), 0), |pem| (pem.as_ptr().cast(), pem.len()));
        unsafe { refold_options_set_ca_pem(self.0, start, length) }
    }

    /// Passes any byte, as C may do.
    pub fn allow_plaintext(&self, allow: u8) {
        // SAFETY: a CBool is a byte of any value.
        unsafe { refold_options_set_allow_plaintext(self.0, std::mem::transmute::<u8, CBool>(allow)) }
    }

    pub fn numbers(&self, timeout: u64, connect_timeout: u64, retries: u32, bytes: u64, interval: u64) {
        unsafe {
            refold_options_set_timeout_ms(self.0, timeout);
            refold_options_set_connect_timeout_ms(self.0, connect_timeout);
            refold_options_set_max_retries(self.0, retries);
            refold_options_set_max_response_bytes(self.0, bytes);
            refold_options_set_poll_interval_ms(self.0, interval);
        }
    }

    pub fn client(&self) -> Result<Client, Failure> {
        made(|error| unsafe { refold_client_new(self.0, error) }).map(Client)
    }
}

/// Checks a line of the log.
unsafe extern "C" fn check_line(level: i32, line: *const c_char, _: *mut c_void) {
    let line = text(line).expect("a line is not NULL");
    assert!((1..=3).contains(&level) && line.len() <= 1023 && !line.contains(char::is_control), "{line:?}");
    assert!(!line.contains(KEY), "{line}");
}

/// An owner of a client.
pub struct Client(*mut refold_client);

impl Drop for Client {
    fn drop(&mut self) {
        // SAFETY: owned, and freed once.
        unsafe { refold_client_free(self.0) }
    }
}

// SAFETY of the calls below: the client lives as long as its owner.
impl Client {
    pub fn get(&self, id: &[u8]) -> Result<Execution, Failure> {
        let id = c_string(id);
        received(|error| unsafe { refold_get_execution(self.0, id.as_ptr(), ptr::null_mut(), error) })
    }

    /// Waits until the first snapshot, which is stored in `seen`.
    pub fn wait_for_first(
        &self,
        id: &[u8],
        timeout_ms: u64,
        seen: &mut Option<Execution>,
    ) -> Result<Execution, Failure> {
        unsafe extern "C" fn keep(execution: *const refold_execution, seen: *mut c_void) -> CBool {
            unsafe {
                let seen = &mut *seen.cast::<Option<Execution>>();
                assert!(seen.is_none(), "a snapshot after the wait was stopped");
                *seen = Some(Execution(refold_execution_retain(execution)));
                std::mem::transmute::<u8, CBool>(0)
            }
        }
        let (id, seen) = (c_string(id), ptr::from_mut(seen).cast());
        received(|error| unsafe {
            refold_wait_execution(self.0, id.as_ptr(), timeout_ms, Some(keep), seen, ptr::null_mut(), error)
        })
    }

    pub fn set_session_token(&self, token: &[u8]) -> i32 {
        unsafe { refold_client_set_session_token(self.0, c_string(token).as_ptr()) }
    }
}
