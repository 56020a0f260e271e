//! The buffers between ureq and a socket.

use ureq::unversioned::transport::Buffers;
use zeroize::Zeroize;

/// What a connection begins with: answers about small runs fit.
const SMALL_INPUT: usize = 16 << 10;

/// Large bodies come in larger portions, with fewer system calls, where there is memory for them. A connection that was
/// of use for them keeps the memory while it is idle: to make and to wipe it each time would take as long as the calls.
/// Less than what allocators ask the system for each time anew, and within a processor's own cache.
const LARGE_INPUT: usize = 64 << 10;

/// More than the largest header.
const MOST_UNUSED: usize = 128 << 10;

/// The head of a request without its credentials. URL and User-Agent are bounded, so that it always fits.
const OUTPUT: usize = 8 << 10;

/// Input grows as what comes asks for it. It may hold what a server echoed, and is wiped before it is given back.
#[derive(Debug, Default)]
pub struct PortionBuffers {
    input: Vec<u8>,
    /// The part of the input that ureq has not used yet.
    start: usize,
    end: usize,
    /// Nothing was ever written behind this.
    used: usize,
    output: Vec<u8>,
    has_progress: bool,
}

impl PortionBuffers {
    /// What ureq wants to send.
    pub fn outgoing(&self, amount: usize) -> &[u8] {
        &self.output[..amount]
    }

    /// What has come and was not used yet, to be changed.
    pub fn input_mut(&mut self) -> &mut [u8] {
        &mut self.input[self.start..self.end]
    }

    /// Reads once. After a read that has filled all there was, the next one has room for more.
    pub fn read<E>(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let buffer = self.input_append_buf();
        let room = buffer.len();
        let received = read(buffer)?;
        self.input_appended(received);
        if received == room {
            self.expect_more();
        }
        Ok(received)
    }

    fn expect_more(&mut self) {
        if self.input.len() < LARGE_INPUT
            && let Some(larger) = zeroed(LARGE_INPUT)
        {
            self.move_into(larger);
        }
    }

    /// How much fits without more memory.
    pub fn room(&self) -> usize {
        self.input.len() - (self.end - self.start)
    }

    /// What came by another way than by being read into the buffer.
    pub fn append(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.input[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.input_appended(bytes.len());
    }

    /// Whether so much has come without any of it being of use that more would not help: a line of a chunked body's
    /// framing that has no end.
    pub fn are_stuck(&self) -> bool {
        self.end - self.start >= MOST_UNUSED
    }

    /// Gives back what an idle connection does not need, and wipes what is left, which may echo a secret.
    pub fn rest(&mut self) {
        if self.start != self.end {
            return;
        }
        (self.start, self.end) = (0, 0);
        let needed = if self.used > SMALL_INPUT { LARGE_INPUT } else { SMALL_INPUT };
        if self.input.len() > needed {
            self.replace_input(Vec::new());
        } else {
            self.input[..self.used].fill(0);
            self.used = 0;
        }
    }

    fn move_into(&mut self, mut larger: Vec<u8>) {
        larger[..self.end - self.start].copy_from_slice(&self.input[self.start..self.end]);
        (self.start, self.end) = (0, self.end - self.start);
        self.replace_input(larger);
        self.used = self.end;
    }

    /// Wipes the former one as a slice, at the speed of memset: a vector would be wiped byte by byte.
    fn replace_input(&mut self, input: Vec<u8>) {
        self.input[..self.used].zeroize();
        self.input = input;
        self.used = 0;
    }

    /// Makes room for so much behind what was not used yet, which moves to the front: it is little, if anything.
    fn make_room(&mut self, wanted: usize) {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.room() < wanted {
            let mut size = self.input.len().max(SMALL_INPUT);
            while size - self.end < wanted {
                size *= 2;
            }
            self.move_into(vec![0; size]);
        }
    }
}

/// So many zeros, unless there is no memory for them.
fn zeroed(size: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    Some(bytes)
}

impl Buffers for PortionBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.output.resize(OUTPUT, 0);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room(1);
        let end = self.end;
        &mut self.input[end..]
    }

    /// Only for bodies of requests, which there are none of.
    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.output.resize(OUTPUT, 0);
        self.make_room(1);
        let end = self.end;
        (&mut self.input[end..], &mut self.output)
    }

    fn input_appended(&mut self, amount: usize) {
        self.end += amount;
        self.used = self.used.max(self.end);
    }

    fn input_consume(&mut self, amount: usize) {
        self.has_progress = amount > 0;
        self.start += amount;
    }

    fn can_use_input(&self) -> bool {
        self.start < self.end && self.has_progress
    }
}

impl Drop for PortionBuffers {
    fn drop(&mut self) {
        self.replace_input(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(buffers: &mut PortionBuffers, bytes: &[u8]) {
        for byte in bytes {
            buffers.input_append_buf()[0] = *byte;
            buffers.input_appended(1);
        }
    }

    #[test]
    fn what_was_not_used_stays_however_much_comes() {
        let mut buffers = PortionBuffers::default();
        let bytes: Vec<u8> = (0..5 * SMALL_INPUT).map(|n| n as u8).collect();
        append(&mut buffers, &bytes[..100]);
        buffers.input_consume(10);
        append(&mut buffers, &bytes[100..]);
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.expect_more();
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.rest();
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.input_consume(bytes.len() - 10);
        buffers.rest();
        assert_eq!((buffers.input(), buffers.input.len()), (&[][..], 0));
        append(&mut buffers, b"again");
        assert_eq!(buffers.input(), b"again");
    }

    #[test]
    fn what_is_appended_at_once_takes_as_much_memory_as_it_needs() {
        let mut buffers = PortionBuffers::default();
        let bytes: Vec<u8> = (0..SMALL_INPUT + 1).map(|n| n as u8).collect();
        assert_eq!(buffers.room(), 0);
        buffers.append(&bytes[..SMALL_INPUT]);
        assert_eq!((buffers.input(), buffers.room()), (&bytes[..SMALL_INPUT], 0));
        buffers.input_consume(SMALL_INPUT - 1);
        assert_eq!(buffers.room(), SMALL_INPUT - 1);
        buffers.append(&bytes[SMALL_INPUT..]);
        assert_eq!((buffers.input(), buffers.input.len()), (&bytes[SMALL_INPUT - 1..], SMALL_INPUT));
        buffers.append(&bytes);
        assert_eq!((&buffers.input()[2..], buffers.input.len()), (&bytes[..], 2 * SMALL_INPUT));
    }

    /// Lets so much come and be used.
    fn pass(buffers: &mut PortionBuffers, amount: usize) {
        buffers.input_append_buf()[..amount].fill(1);
        buffers.input_appended(amount);
        buffers.input_consume(amount);
    }

    #[test]
    fn a_connection_keeps_as_much_memory_as_its_last_answer_was_in_need_of() {
        let mut buffers = PortionBuffers::default();
        assert_eq!(buffers.input_append_buf().len(), SMALL_INPUT);
        pass(&mut buffers, SMALL_INPUT);
        buffers.expect_more();
        pass(&mut buffers, SMALL_INPUT + 1);
        buffers.rest();
        assert_eq!(buffers.input_append_buf().len(), LARGE_INPUT);
        pass(&mut buffers, SMALL_INPUT);
        buffers.rest();
        assert_eq!(buffers.input_append_buf().len(), SMALL_INPUT);
        append(&mut buffers, &[1; LARGE_INPUT + 1]);
        assert!(buffers.input.len() > LARGE_INPUT);
        buffers.input_consume(LARGE_INPUT + 1);
        buffers.rest();
        assert_eq!(buffers.input_append_buf().len(), SMALL_INPUT);
    }

    #[test]
    fn a_connection_rests_without_what_came_on_it() {
        let mut buffers = PortionBuffers::default();
        for amount in [6, SMALL_INPUT, LARGE_INPUT, 6] {
            pass(&mut buffers, amount.min(SMALL_INPUT));
            buffers.expect_more();
            pass(&mut buffers, amount);
            buffers.rest();
            assert!(buffers.input.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn input_that_made_no_progress_waits_for_more() {
        let mut buffers = PortionBuffers::default();
        append(&mut buffers, b"half a header");
        assert!(!buffers.can_use_input());
        buffers.input_consume(0);
        assert!(!buffers.can_use_input());
        buffers.input_consume(4);
        assert!(buffers.can_use_input());
        buffers.input_consume(9);
        assert!(!buffers.can_use_input());
    }
}
