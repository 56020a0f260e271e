//! Decodes gzip streams (RFC 1952) as they arrive.
//!
//! The framing of a body decides where it ends, not the stream in it. So the source is read to its end, and a stream
//! that ends too early differs from one that is wrong.

use std::io::{BufRead, BufReader, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// The capacity of the input buffer, in bytes.
const INPUT: usize = 32 << 10;

/// What every member begins with: two magic bytes, and the only compression method.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The size of the time, the extra flags and the operating system, which are ignored.
const IGNORED: usize = 6;

// Flags of a member.
const HAS_CHECKSUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 7 << 5;

/// Why a stream was not decoded.
#[derive(Debug, PartialEq)]
pub enum GzipError {
    /// The source failed.
    Source,
    /// The source ended within the stream, of which everything else was valid.
    CutOff,
    /// It is not a gzip stream.
    Invalid,
}

/// What comes next in the source.
#[derive(Clone, Copy)]
enum Next {
    FirstMember,
    Deflated,
    Trailer,
    End,
}

/// Decodes all members of a gzip stream as one text. An empty source has none.
pub struct GzipDecoder<S> {
    source: BufReader<S>,
    inflater: Decompress,
    /// Checksum and length of the current member.
    text: Crc,
    next: Next,
}

impl<S: Read> GzipDecoder<S> {
    /// Reads nothing yet.
    pub fn new(source: S) -> GzipDecoder<S> {
        GzipDecoder {
            source: BufReader::with_capacity(INPUT, source),
            inflater: Decompress::new(false),
            text: Crc::new(),
            next: Next::FirstMember,
        }
    }

    /// The source, of which some more may have been read.
    pub fn source(&mut self) -> &mut S {
        self.source.get_mut()
    }

    /// Decodes some text into `buffer`, which is not empty. Returns 0 at the end of the source.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, GzipError> {
        loop {
            self.next = match self.next {
                Next::FirstMember => match self.is_at_end()? {
                    true => Next::End,
                    false => self.read_header()?,
                },
                Next::Deflated => match self.inflate(buffer)? {
                    0 => Next::Trailer,
                    length => return Ok(length),
                },
                Next::Trailer => self.read_trailer()?,
                Next::End => return Ok(0),
            };
        }
    }

    /// Returns 0 at the end of the deflated part.
    fn inflate(&mut self, buffer: &mut [u8]) -> Result<usize, GzipError> {
        loop {
            let input = self.source.fill_buf().map_err(|_| GzipError::Source)?;
            let has_ended = input.is_empty();
            let (read, written) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self.inflater.decompress(input, buffer, FlushDecompress::None);
            let read = self.inflater.total_in() - read;
            let written = (self.inflater.total_out() - written) as usize;
            self.source.consume(read as usize);
            self.text.update(&buffer[..written]);
            match status {
                Err(_) => return Err(GzipError::Invalid),
                Ok(_) if written > 0 => return Ok(written),
                Ok(Status::StreamEnd) => return Ok(0),
                Ok(_) if has_ended => return Err(GzipError::CutOff),
                Ok(_) => {}
            }
        }
    }

    fn read_header(&mut self) -> Result<Next, GzipError> {
        for byte in MAGIC {
            self.expect(byte)?;
        }
        let flags = self.byte()?;
        if flags & RESERVED != 0 {
            return Err(GzipError::Invalid);
        }
        let mut checksum = (flags & HAS_CHECKSUM != 0).then(Crc::new);
        let [id1, id2, method] = MAGIC;
        update(&mut checksum, &[id1, id2, method, flags]);
        self.skip(IGNORED, &mut checksum)?;
        if flags & HAS_EXTRA != 0 {
            let length = [self.byte()?, self.byte()?];
            update(&mut checksum, &length);
            self.skip(u16::from_le_bytes(length).into(), &mut checksum)?;
        }
        for text in [HAS_NAME, HAS_COMMENT] {
            if flags & text != 0 {
                while self.skip(1, &mut checksum)? != 0 {}
            }
        }
        if let Some(checksum) = checksum {
            let [low, high, ..] = checksum.sum().to_le_bytes();
            self.expect(low)?;
            self.expect(high)?;
        }
        Ok(Next::Deflated)
    }

    /// Reads what follows the deflated part of a member: its trailer, and the end of the source, the next member, or
    /// zeros, with which some servers fill a block.
    fn read_trailer(&mut self) -> Result<Next, GzipError> {
        let trailer = [self.text.sum().to_le_bytes(), self.text.amount().to_le_bytes()];
        for byte in trailer.into_iter().flatten() {
            self.expect(byte)?;
        }
        let mut is_padded = false;
        while !self.is_at_end()? {
            let input = self.source.buffer();
            let zeros = input.iter().take_while(|byte| **byte == 0).count();
            is_padded |= zeros > 0;
            if zeros < input.len() {
                if is_padded {
                    return Err(GzipError::Invalid);
                }
                self.inflater.reset(false);
                self.text.reset();
                return self.read_header();
            }
            self.source.consume(zeros);
        }
        Ok(Next::End)
    }

    /// Skips bytes, and returns the last one.
    fn skip(&mut self, count: usize, checksum: &mut Option<Crc>) -> Result<u8, GzipError> {
        let mut last = 0;
        for _ in 0..count {
            last = self.byte()?;
            update(checksum, &[last]);
        }
        Ok(last)
    }

    fn expect(&mut self, expected: u8) -> Result<(), GzipError> {
        if self.byte()? == expected { Ok(()) } else { Err(GzipError::Invalid) }
    }

    fn byte(&mut self) -> Result<u8, GzipError> {
        let input = self.source.fill_buf().map_err(|_| GzipError::Source)?;
        let byte = *input.first().ok_or(GzipError::CutOff)?;
        self.source.consume(1);
        Ok(byte)
    }

    fn is_at_end(&mut self) -> Result<bool, GzipError> {
        self.source.fill_buf().map(<[u8]>::is_empty).map_err(|_| GzipError::Source)
    }
}

fn update(checksum: &mut Option<Crc>, bytes: &[u8]) {
    if let Some(checksum) = checksum {
        checksum.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};
    use std::io::{self, Write};

    fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text)?;
        encoder.finish()
    }

    /// With every optional field but the checksum of the header.
    fn decorated_gzip(text: &[u8]) -> io::Result<Vec<u8>> {
        let builder = GzBuilder::new().extra(vec![1; 300]).filename("name").comment("comment").mtime(7);
        let mut encoder = builder.write(Vec::new(), Compression::none());
        encoder.write_all(text)?;
        encoder.finish()
    }

    /// Sets the flag of the checksum, and inserts it.
    fn with_checksum(packed: &[u8]) -> Vec<u8> {
        let (mut head, rest) = (packed[..10].to_vec(), &packed[10..]);
        head[3] = HAS_CHECKSUM;
        let mut checksum = Crc::new();
        checksum.update(&head);
        [&head, &checksum.sum().to_le_bytes()[..2], rest].concat()
    }

    /// Passes on `step` bytes at a time.
    struct Stepwise<'a>(&'a [u8], usize);

    impl Read for Stepwise<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.1);
            self.0.read(&mut buffer[..length])
        }
    }

    fn decode(packed: &[u8], step: usize) -> (Vec<u8>, Option<GzipError>) {
        let mut decoder = GzipDecoder::new(Stepwise(packed, step));
        let (mut text, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match decoder.read(&mut buffer) {
                Ok(0) => return (text, None),
                Ok(length) => text.extend_from_slice(&buffer[..length]),
                Err(error) => return (text, Some(error)),
            }
        }
    }

    fn long_text() -> Vec<u8> {
        (0..50_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
    }

    #[test]
    fn members_are_decoded_as_one_text() -> io::Result<()> {
        let long = long_text();
        let cases: [(&[u8], Vec<u8>); 7] = [
            (b"", vec![]),
            (b"", gzip(b"")?),
            (b"text", gzip(b"text")?),
            (b"text", decorated_gzip(b"text")?),
            (b"text", with_checksum(&gzip(b"text")?)),
            (b"one, two", [gzip(b"one, ")?, gzip(b"")?, decorated_gzip(b"two")?].concat()),
            (&long, gzip(&long)?),
        ];
        for (text, packed) in cases {
            for step in [1, 7, usize::MAX] {
                assert_eq!(decode(&packed, step), (text.to_vec(), None), "{}", packed.len());
            }
        }
        Ok(())
    }

    #[test]
    fn bytes_after_a_stream_are_zeros_or_invalid() -> io::Result<()> {
        let packed = gzip(b"text")?;
        let cases: &[(&[u8], Option<GzipError>)] = &[
            (&[0], None),
            (&[0; 9], None),
            (&[0; 100_000], None),
            (b"a", Some(GzipError::Invalid)),
            (b"abcdefghi", Some(GzipError::Invalid)),
            (b"no further member", Some(GzipError::Invalid)),
            (b"\r\n", Some(GzipError::Invalid)),
            (b"\0a", Some(GzipError::Invalid)),
            (b"\0\x1f\x8b\x08", Some(GzipError::Invalid)),
            (b"\x1f\x8c", Some(GzipError::Invalid)),
            (b"\x1f\x8b\x07", Some(GzipError::Invalid)),
            (b"\x1f\x8b\x08\x20", Some(GzipError::Invalid)),
            // The start of another member.
            (b"\x1f", Some(GzipError::CutOff)),
            (b"\x1f\x8b\x08\0\0\0\0", Some(GzipError::CutOff)),
        ];
        for (after, error) in cases {
            for step in [1, usize::MAX] {
                let (text, end) = decode(&[&packed, *after].concat(), step);
                assert_eq!((&*text, &end), (&b"text"[..], error), "{after:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn stream_that_ends_too_early_is_cut_off() -> io::Result<()> {
        for packed in [
            gzip(b"text")?,
            decorated_gzip(b"text")?,
            with_checksum(&gzip(b"text")?),
            gzip(&long_text()[..5000])?,
        ] {
            for length in 1..packed.len() {
                assert_eq!(decode(&packed[..length], usize::MAX).1, Some(GzipError::CutOff), "{length}");
                let mut damaged = packed[..length].to_vec();
                damaged[0] ^= 1;
                assert_eq!(decode(&damaged, usize::MAX).1, Some(GzipError::Invalid), "{length}");
            }
        }
        Ok(())
    }

    #[test]
    fn damaged_magic_checksum_or_length_is_invalid() -> io::Result<()> {
        let packed = with_checksum(&gzip(b"text")?);
        // The start, the checksum of the header, and the trailer.
        for at in (0..12).chain(packed.len() - 8..packed.len()) {
            for bit in 0..8 {
                let mut damaged = packed.clone();
                damaged[at] ^= 1 << bit;
                // Without the flag of the checksum, that is read as the start of the deflated part.
                let expected = decode(&damaged, usize::MAX).1;
                assert!(matches!(expected, Some(GzipError::Invalid | GzipError::CutOff)), "{at} {bit}");
                if at != 3 {
                    assert_eq!(expected, Some(GzipError::Invalid), "{at} {bit}");
                }
            }
        }
        for text in [&b"this is not gzip"[..], b"{", b"\x1f\x8b\x08\0\0\0\0\0\0\0\xff"] {
            assert_eq!(decode(text, usize::MAX).1, Some(GzipError::Invalid));
        }
        Ok(())
    }
}
