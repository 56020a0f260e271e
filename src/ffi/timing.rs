//! `refold_timing`: the parts of a call that are timed.

/// A part of a call that is timed.
///
/// refold_execution_timing_us() and refold_error_timing_us() return its time in microseconds. All but the
/// first are of the last attempt, and follow one another. Times come from a monotonic clock, with a
/// resolution of a microsecond, or of a millisecond beyond half an hour.
pub type refold_timing = i32;

/// The values of refold_timing.
#[repr(C)]
pub enum refold_timing_value {
    /// The call from its beginning to its end, with all attempts and the pauses between them. Of a snapshot
    /// that a wait obtained: the poll that obtained it. Of the error of a wait: the whole wait.
    REFOLD_TIMING_TOTAL = 0,
    /// The lookup of host names. -1 for an address, for localhost, and on a reused connection.
    REFOLD_TIMING_RESOLVE = 1,
    /// Connecting, including the dialogue with a proxy. -1 on a reused connection.
    REFOLD_TIMING_CONNECT = 2,
    /// The TLS handshake. -1 without TLS, and on a reused connection.
    REFOLD_TIMING_TLS = 3,
    /// From the first byte of the request to the first byte of the response.
    REFOLD_TIMING_FIRST_BYTE = 4,
    /// From there to the last byte of the response. Parsing after that is not counted.
    REFOLD_TIMING_TRANSFER = 5,
}
