//! The input and output buffers of a connection.

use zeroize::Zeroize;

use crate::alloc::try_zeroed;

/// The initial size of the input, enough for the response of a small run.
const INITIAL_INPUT: usize = 16 << 10;

/// The size of the input for large bodies, so that they take fewer system calls. Allocators serve this size without a
/// system call, and it fits into the processor's cache. A connection whose last response needed it keeps it while idle:
/// allocating and wiping it for each call would take as long as the call itself.
const BULK_INPUT: usize = 64 << 10;

/// If this much input is unused, the response cannot be parsed: even the largest header is smaller.
const MAX_UNUSED: usize = 128 << 10;

/// The size of the output. The head of a request always fits, because the URL is bounded.
const OUTPUT: usize = 8 << 10;

/// The buffers of one connection. The input grows with what arrives. It may hold secrets that a server echoed, so it is
/// wiped before it is released.
#[derive(Debug, Default)]
pub struct IoBuffers {
    input: Vec<u8>,
    /// The start and the end of the unused part of the input.
    start: usize,
    end: usize,
    /// Nothing was ever written from this offset on.
    written: usize,
    output: Vec<u8>,
    has_progress: bool,
}

impl IoBuffers {
    /// The buffer for what is to be sent.
    pub fn output(&mut self) -> &mut [u8] {
        self.output.resize(OUTPUT, 0);
        &mut self.output
    }

    /// The first `amount` bytes of the output.
    pub fn outgoing(&self, amount: usize) -> &[u8] {
        &self.output[..amount]
    }

    /// The received bytes that have not been used yet.
    pub fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// The same, to be modified in place.
    pub fn input_mut(&mut self) -> &mut [u8] {
        &mut self.input[self.start..self.end]
    }

    /// Free capacity after the input. Never empty.
    pub fn input_append_buf(&mut self) -> &mut [u8] {
        self.reserve(1);
        let end = self.end;
        &mut self.input[end..]
    }

    /// Reports that bytes were written to the free capacity.
    pub fn input_appended(&mut self, amount: usize) {
        self.end += amount;
        self.written = self.written.max(self.end);
    }

    /// Reports that the first bytes of the input were used. Zero means that more input is needed to make progress.
    pub fn input_consume(&mut self, amount: usize) {
        self.has_progress = amount > 0;
        self.start += amount;
    }

    /// Whether there is input, and the last use of it made progress.
    pub fn can_use_input(&self) -> bool {
        self.start < self.end && self.has_progress
    }

    /// The free capacity of the input, and the output.
    pub fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.output.resize(OUTPUT, 0);
        self.reserve(1);
        let end = self.end;
        (&mut self.input[end..], &mut self.output)
    }

    /// Reads once. The input grows after a read that has filled it.
    pub fn read<E>(&mut self, read: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<usize, E> {
        let buffer = self.input_append_buf();
        let capacity = buffer.len();
        let received = read(buffer)?;
        self.input_appended(received);
        if received == capacity {
            self.grow();
        }
        Ok(received)
    }

    /// Grows to the size for large bodies, unless there is not enough memory.
    fn grow(&mut self) {
        if self.input.len() < BULK_INPUT
            && let Some(larger) = try_zeroed(BULK_INPUT)
        {
            self.move_into(larger);
        }
    }

    /// The number of bytes that can be appended without another allocation.
    pub fn capacity(&self) -> usize {
        self.input.len() - (self.end - self.start)
    }

    /// Appends a copy of the bytes to the input.
    pub fn append(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.input[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.input_appended(bytes.len());
    }

    /// Whether more input would not help, for example because the size line of a chunk has no end.
    pub fn is_full_without_progress(&self) -> bool {
        self.end - self.start >= MAX_UNUSED
    }

    /// Releases what an idle connection does not need, and wipes the rest. Does nothing if there is unused input.
    pub fn recycle(&mut self) {
        if self.start != self.end {
            return;
        }
        (self.start, self.end) = (0, 0);
        let needed = if self.written > INITIAL_INPUT { BULK_INPUT } else { INITIAL_INPUT };
        if self.input.len() > needed {
            self.replace_input(Vec::new());
        } else {
            self.input[..self.written].fill(0);
            self.written = 0;
        }
    }

    fn move_into(&mut self, mut larger: Vec<u8>) {
        larger[..self.end - self.start].copy_from_slice(&self.input[self.start..self.end]);
        (self.start, self.end) = (0, self.end - self.start);
        self.replace_input(larger);
        self.written = self.end;
    }

    /// Wipes the old input as a slice, at the speed of memset; a vector would be wiped byte by byte.
    fn replace_input(&mut self, input: Vec<u8>) {
        self.input[..self.written].zeroize();
        self.input = input;
        self.written = 0;
    }

    /// Makes sure that `amount` bytes can be appended. Moves the unused input, which is short, to the front.
    fn reserve(&mut self, amount: usize) {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.capacity() < amount {
            let mut size = self.input.len().max(INITIAL_INPUT);
            while size - self.end < amount {
                size *= 2;
            }
            self.move_into(vec![0; size]);
        }
    }
}

impl Drop for IoBuffers {
    fn drop(&mut self) {
        self.replace_input(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(buffers: &mut IoBuffers, bytes: &[u8]) {
        for byte in bytes {
            buffers.input_append_buf()[0] = *byte;
            buffers.input_appended(1);
        }
    }

    #[test]
    fn unused_input_survives_growth_and_recycling() {
        let mut buffers = IoBuffers::default();
        let bytes: Vec<u8> = (0..5 * INITIAL_INPUT).map(|n| n as u8).collect();
        append(&mut buffers, &bytes[..100]);
        buffers.input_consume(10);
        append(&mut buffers, &bytes[100..]);
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.grow();
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.recycle();
        assert_eq!(buffers.input(), &bytes[10..]);
        buffers.input_consume(bytes.len() - 10);
        buffers.recycle();
        assert_eq!((buffers.input(), buffers.input.len()), (&[][..], 0));
        append(&mut buffers, b"again");
        assert_eq!(buffers.input(), b"again");
    }

    #[test]
    fn appended_bytes_take_no_more_memory_than_needed() {
        let mut buffers = IoBuffers::default();
        let bytes: Vec<u8> = (0..INITIAL_INPUT + 1).map(|n| n as u8).collect();
        assert_eq!(buffers.capacity(), 0);
        buffers.append(&bytes[..INITIAL_INPUT]);
        assert_eq!((buffers.input(), buffers.capacity()), (&bytes[..INITIAL_INPUT], 0));
        buffers.input_consume(INITIAL_INPUT - 1);
        assert_eq!(buffers.capacity(), INITIAL_INPUT - 1);
        buffers.append(&bytes[INITIAL_INPUT..]);
        assert_eq!((buffers.input(), buffers.input.len()), (&bytes[INITIAL_INPUT - 1..], INITIAL_INPUT));
        buffers.append(&bytes);
        assert_eq!((&buffers.input()[2..], buffers.input.len()), (&bytes[..], 2 * INITIAL_INPUT));
    }

    /// Receives and uses this many bytes.
    fn pass(buffers: &mut IoBuffers, amount: usize) {
        buffers.input_append_buf()[..amount].fill(1);
        buffers.input_appended(amount);
        buffers.input_consume(amount);
    }

    #[test]
    fn idle_size_follows_the_last_response() {
        let mut buffers = IoBuffers::default();
        assert_eq!(buffers.input_append_buf().len(), INITIAL_INPUT);
        pass(&mut buffers, INITIAL_INPUT);
        buffers.grow();
        pass(&mut buffers, INITIAL_INPUT + 1);
        buffers.recycle();
        assert_eq!(buffers.input_append_buf().len(), BULK_INPUT);
        pass(&mut buffers, INITIAL_INPUT);
        buffers.recycle();
        assert_eq!(buffers.input_append_buf().len(), INITIAL_INPUT);
        append(&mut buffers, &[1; BULK_INPUT + 1]);
        assert!(buffers.input.len() > BULK_INPUT);
        buffers.input_consume(BULK_INPUT + 1);
        buffers.recycle();
        assert_eq!(buffers.input_append_buf().len(), INITIAL_INPUT);
    }

    #[test]
    fn recycled_input_is_wiped() {
        let mut buffers = IoBuffers::default();
        for amount in [6, INITIAL_INPUT, BULK_INPUT, 6] {
            pass(&mut buffers, amount.min(INITIAL_INPUT));
            buffers.grow();
            pass(&mut buffers, amount);
            buffers.recycle();
            assert!(buffers.input.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn input_without_progress_is_not_usable() {
        let mut buffers = IoBuffers::default();
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
