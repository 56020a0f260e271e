//! What a peer does, in bytes that a fuzzer makes up.

use std::collections::VecDeque;

use crate::peer::{Act, Script};

/// What is done after each request. 0xff begins a command: `n` waits for the next request, `p` ends a portion, `c`
/// closes, `r` resets, `h` keeps the connection open without a word. All else is sent.
pub fn answers(script: &[u8]) -> VecDeque<Vec<Act>> {
    let mut answers = VecDeque::from([vec![]]);
    let mut portion = Vec::new();
    let mut rest = script;
    while let [first, more @ ..] = rest {
        let (act, after) = match (first, more) {
            (0xff, [b'n' | b'p', after @ ..]) => (None, after),
            (0xff, [b'c', after @ ..]) => (Some(Act::Close), after),
            (0xff, [b'r', after @ ..]) => (Some(Act::Reset), after),
            (0xff, [b'h', after @ ..]) => (Some(Act::Hold), after),
            (byte, after) => {
                portion.push(*byte);
                rest = after;
                continue;
            }
        };
        let answer = answers.back_mut().expect("never empty");
        answer.push(Act::Send(std::mem::take(&mut portion)));
        answer.extend(act);
        if more.first() == Some(&b'n') {
            answers.push_back(vec![]);
        }
        rest = after;
    }
    answers.back_mut().expect("never empty").push(Act::Send(portion));
    answers
}

/// Gives an answer to each request, and hangs up on those for which there is none.
pub fn play(mut answers: VecDeque<Vec<Act>>) -> Script {
    Box::new(move |_| answers.pop_front().unwrap_or_else(|| vec![Act::Close]))
}
