//! SIMD within a register: eight bytes in a 64-bit integer, for processors whose vectors are not supported.

use super::super::vector::{BLOCK, SearchVector, Vector, VectorBlock};

/// Eight bytes, the first one lowest.
#[derive(Clone, Copy)]
pub struct Swar(u64);

/// The highest bit of each byte.
const HIGH: u64 = repeat(0x80);

/// The byte eight times.
const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

impl Vector for Swar {
    #[inline(always)]
    fn equal(self, byte: u8) -> Self {
        let difference = self.0 ^ repeat(byte);
        // The sum sets the highest bit of a byte if any of its lower bits is set, and never carries into the next byte.
        Swar(!(((difference & !HIGH) + repeat(0x7f)) | difference))
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> Self {
        // The sum compares the lower seven bits of each byte.
        let above = (self.0 & !HIGH) + repeat(0x7f - (max & 0x7f));
        Swar(if max < 0x80 { !(above | self.0) } else { !(above & self.0) })
    }

    #[inline(always)]
    fn non_ascii(self) -> Self {
        self
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Swar(self.0 | other.0)
    }

    #[inline(always)]
    fn or_byte(self, bits: u8) -> Self {
        Swar(self.0 | repeat(bits))
    }

    #[inline(always)]
    fn xor_byte(self, bits: u8) -> Self {
        Swar(self.0 ^ repeat(bits))
    }
}

impl SearchVector for Swar {
    const WIDTH: usize = 8;
    const MASK_BITS: usize = 8;
    const FULL_MASK: u64 = HIGH;

    #[inline(always)]
    fn load(text: &[u8], at: usize) -> Option<Self> {
        Some(Swar(u64::from_le_bytes(*text.get(at..)?.first_chunk()?)))
    }

    #[inline(always)]
    fn mask(self) -> u64 {
        self.0 & HIGH
    }
}

impl VectorBlock for [Swar; 8] {
    type Machine = ();
    type Vector = Swar;

    #[inline(always)]
    fn load(_: (), bytes: &[u8; BLOCK]) -> Self {
        let (words, _) = bytes.as_chunks();
        std::array::from_fn(|index| Swar(u64::from_le_bytes(words[index])))
    }

    #[inline(always)]
    fn map_vectors(self, operation: impl Fn(Swar) -> Swar) -> Self {
        self.map(operation)
    }

    #[inline(always)]
    fn bitmask(self) -> u64 {
        // The factor moves the highest bit of every byte into the highest byte, each to a different place.
        let bits = |vector: &Swar| vector.mask().wrapping_mul(0x0002_0408_1020_4081) >> 56;
        self.iter().rev().fold(0, |mask, vector| mask << 8 | bits(vector))
    }
}
