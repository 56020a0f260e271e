//! SSE2, which is part of every x86-64 processor.

use super::super::vector::{BLOCK, SearchVector, Vector, VectorBlock};
use super::has_sixteen;
use std::arch::x86_64::*;

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Sse2(__m128i);

impl Vector for Sse2 {
    #[inline(always)]
    fn equal(self, byte: u8) -> Self {
        // SAFETY: every x86-64 processor has SSE2.
        Sse2(unsafe { _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte as i8)) })
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> Self {
        // SAFETY: as above.
        Sse2(unsafe { _mm_cmpeq_epi8(_mm_min_epu8(self.0, _mm_set1_epi8(max as i8)), self.0) })
    }

    #[inline(always)]
    fn non_ascii(self) -> Self {
        self
    }

    #[inline(always)]
    fn control_or_non_ascii(self) -> Self {
        // SAFETY: as above. As signed numbers, bytes from 0x80 on are negative.
        Sse2(unsafe { _mm_cmplt_epi8(self.0, _mm_set1_epi8(0x20)) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: as above.
        Sse2(unsafe { _mm_or_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn or_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Sse2(unsafe { _mm_or_si128(self.0, _mm_set1_epi8(bits as i8)) })
    }

    #[inline(always)]
    fn xor_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Sse2(unsafe { _mm_xor_si128(self.0, _mm_set1_epi8(bits as i8)) })
    }
}

impl SearchVector for Sse2 {
    const WIDTH: usize = 16;
    const MASK_BITS: usize = 1;
    const FULL_MASK: u64 = 0xffff;

    #[inline(always)]
    fn load(text: &[u8], at: usize) -> Option<Self> {
        if !has_sixteen(text, at) {
            return None;
        }
        // SAFETY: there are sixteen bytes at `at`; the load requires no alignment.
        Some(Sse2(unsafe { _mm_loadu_si128(text.as_ptr().add(at).cast()) }))
    }

    #[inline(always)]
    fn mask(self) -> u64 {
        // SAFETY: every x86-64 processor has SSE2.
        u64::from(unsafe { _mm_movemask_epi8(self.0) } as u32)
    }
}

impl VectorBlock for [Sse2; 4] {
    type Machine = ();
    type Vector = Sse2;

    #[inline(always)]
    fn load(_: (), bytes: &[u8; BLOCK]) -> Self {
        // SAFETY: each load reads sixteen of the 64 bytes and requires no alignment.
        [0, 16, 32, 48].map(|at| Sse2(unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) }))
    }

    #[inline(always)]
    fn map_vectors(self, operation: impl Fn(Sse2) -> Sse2) -> Self {
        self.map(operation)
    }

    #[inline(always)]
    fn bitmask(self) -> u64 {
        let bits = self.map(Sse2::mask);
        (bits[0] | bits[1] << 16) | (bits[2] | bits[3] << 16) << 32
    }
}
