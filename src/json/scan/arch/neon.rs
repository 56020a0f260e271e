//! NEON, which is part of every aarch64 target of Rust that has an operating system.
//!
//! The bytes of a lane mask have all bits set or none here.

use super::super::vector::{BLOCK, SearchVector, Vector, VectorBlock};
use super::has_sixteen;
use std::arch::aarch64::*;

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Neon(uint8x16_t);

impl Vector for Neon {
    #[inline(always)]
    fn equal(self, byte: u8) -> Self {
        // SAFETY: every processor of the target has NEON.
        Neon(unsafe { vceqq_u8(self.0, vdupq_n_u8(byte)) })
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> Self {
        // SAFETY: as above.
        Neon(unsafe { vcleq_u8(self.0, vdupq_n_u8(max)) })
    }

    #[inline(always)]
    fn non_ascii(self) -> Self {
        // SAFETY: as above.
        Neon(unsafe { vcltzq_s8(vreinterpretq_s8_u8(self.0)) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: as above.
        Neon(unsafe { vorrq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn or_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Neon(unsafe { vorrq_u8(self.0, vdupq_n_u8(bits)) })
    }

    #[inline(always)]
    fn xor_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Neon(unsafe { veorq_u8(self.0, vdupq_n_u8(bits)) })
    }
}

impl SearchVector for Neon {
    const WIDTH: usize = 16;
    const MASK_BITS: usize = 4;
    const FULL_MASK: u64 = u64::MAX;

    #[inline(always)]
    fn load(text: &[u8], at: usize) -> Option<Self> {
        if !has_sixteen(text, at) {
            return None;
        }
        // SAFETY: there are sixteen bytes at `at`; the load requires no alignment.
        Some(Neon(unsafe { vld1q_u8(text.as_ptr().add(at)) }))
    }

    #[inline(always)]
    fn mask(self) -> u64 {
        // SAFETY: every processor of the target has NEON.
        unsafe { vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(self.0)))) }
    }
}

impl VectorBlock for [Neon; 4] {
    type Machine = ();
    type Vector = Neon;

    #[inline(always)]
    fn load(_: (), bytes: &[u8; BLOCK]) -> Self {
        // SAFETY: each load reads sixteen of the 64 bytes and requires no alignment.
        [0, 16, 32, 48].map(|at| Neon(unsafe { vld1q_u8(bytes.as_ptr().add(at)) }))
    }

    #[inline(always)]
    fn map_vectors(self, operation: impl Fn(Neon) -> Neon) -> Self {
        self.map(operation)
    }

    #[inline(always)]
    fn bitmask(self) -> u64 {
        const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        // SAFETY: every processor of the target has NEON, and the constant has sixteen bytes. Adding neighbours three
        // times makes each byte the sum of eight different bits.
        unsafe {
            let bits = vld1q_u8(BITS.as_ptr());
            let [one, two, three, four] = self.map(|vector| vandq_u8(vector.0, bits));
            let sums = vpaddq_u8(vpaddq_u8(one, two), vpaddq_u8(three, four));
            vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
        }
    }
}
