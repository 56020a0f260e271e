//! The actions of a peer, in bytes that a fuzzer generates.

use std::collections::VecDeque;

use crate::peer::{Act, Script};
use crate::tls;

/// The actions after each request. 0xff starts a command: `n` waits for the next request, `p` ends a chunk, `c` closes,
/// `r` resets, `h` keeps the connection open and silent, `a` sends the TLS alert of the next byte, `q` requests a second
/// TLS handshake. All other bytes are sent.
pub fn responses(script: &[u8]) -> VecDeque<Vec<Act>> {
    let mut responses = VecDeque::from([vec![]]);
    let mut chunk = Vec::new();
    let mut rest = script;
    while let [first, more @ ..] = rest {
        let (act, after) = match (first, more) {
            (0xff, [b'n' | b'p', after @ ..]) => (None, after),
            (0xff, [b'c', after @ ..]) => (Some(Act::Close), after),
            (0xff, [b'r', after @ ..]) => (Some(Act::Reset), after),
            (0xff, [b'h', after @ ..]) => (Some(Act::Hold), after),
            (0xff, [b'a', alert, after @ ..]) => (Some(Act::Send(tls::alert(*alert))), after),
            (0xff, [b'q', after @ ..]) => (Some(Act::Send(tls::hello_request())), after),
            (byte, after) => {
                chunk.push(*byte);
                rest = after;
                continue;
            }
        };
        let response = responses.back_mut().expect("never empty");
        response.push(Act::Send(std::mem::take(&mut chunk)));
        response.extend(act);
        if more.first() == Some(&b'n') {
            responses.push_back(vec![]);
        }
        rest = after;
    }
    responses.back_mut().expect("never empty").push(Act::Send(chunk));
    responses
}

/// Sends one response per request, and closes the connection after the last one.
pub fn play(mut responses: VecDeque<Vec<Act>>) -> Script {
    Box::new(move |_| responses.pop_front().unwrap_or_else(|| vec![Act::Close]))
}
