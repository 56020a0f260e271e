//! 64 bytes at once: which of them belong to a class, a bit for each, the first byte lowest.
//!
//! Every machine of a kind has the vectors that are chosen when the library is compiled: SSE2 on x86-64, NEON on
//! aarch64, else 64-bit integers. AVX2 is asked for when the library runs.

/// 64 bytes.
pub(super) trait Block: Copy {
    /// Proof that this machine has what blocks of this kind are made with.
    type Machine: Copy;
    /// Takes them out of the text.
    fn load(machine: Self::Machine, bytes: &[u8; 64]) -> Self;
    /// Which are this byte.
    fn equal(self, byte: u8) -> u64;
    /// Which are from 0 to `most`.
    fn at_most(self, most: u8) -> u64;
    /// Which are no ASCII.
    fn high(self) -> u64;
    /// The same bytes, but with the bit set in all that tells `{` from `[` and `}` from `]`.
    fn as_curly(self) -> Self;

    /// For each bit, whether the number of those set up to and including it is odd.
    #[inline(always)]
    fn parity(_: Self::Machine, mask: u64) -> u64 {
        let mut parity = mask;
        for distance in [1, 2, 4, 8, 16, 32] {
            parity ^= parity << distance;
        }
        parity
    }
}

/// The bit that tells the kinds of brackets apart.
const CURLY: u8 = 0x20;

#[cfg(target_arch = "x86_64")]
pub(super) mod sse2 {
    use super::{Block, CURLY};
    use std::arch::x86_64::*;

    /// Four vectors. SSE2 is part of every x86-64.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Sse2([__m128i; 4]);

    impl Sse2 {
        #[inline(always)]
        fn mask(self, lanes: impl Fn(__m128i) -> __m128i) -> u64 {
            // SAFETY: SSE2 is always there.
            let bits = self.0.map(|vector| u64::from(unsafe { _mm_movemask_epi8(lanes(vector)) } as u32));
            (bits[0] | bits[1] << 16) | (bits[2] | bits[3] << 16) << 32
        }
    }

    impl Block for Sse2 {
        type Machine = ();

        #[inline(always)]
        fn load(_: (), bytes: &[u8; 64]) -> Self {
            // SAFETY: each of the four reads sixteen of the 64 bytes; the load asks for no alignment.
            Sse2([0, 16, 32, 48].map(|at| unsafe { _mm_loadu_si128(bytes.as_ptr().add(at).cast()) }))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            // SAFETY: SSE2 is always there.
            self.mask(|vector| unsafe { _mm_cmpeq_epi8(vector, _mm_set1_epi8(byte as i8)) })
        }

        #[inline(always)]
        fn at_most(self, most: u8) -> u64 {
            // SAFETY: as above.
            self.mask(|vector| unsafe {
                _mm_cmpeq_epi8(_mm_min_epu8(vector, _mm_set1_epi8(most as i8)), vector)
            })
        }

        #[inline(always)]
        fn high(self) -> u64 {
            self.mask(|vector| vector)
        }

        #[inline(always)]
        fn as_curly(self) -> Self {
            // SAFETY: as above.
            Sse2(self.0.map(|vector| unsafe { _mm_or_si128(vector, _mm_set1_epi8(CURLY as i8)) }))
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use super::{Block, CURLY};
    use std::arch::x86_64::*;

    /// Two vectors. There are none without a [`Machine`].
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2([__m256i; 2]);

    /// Proof that this machine has what is used here.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Machine(());

    impl Machine {
        /// `None`: it has not. The answer is kept by the standard library, without a lock.
        #[inline]
        pub(in super::super) fn detect() -> Option<Machine> {
            let has_all = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("pclmulqdq")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2");
            has_all.then_some(Machine(()))
        }
    }

    impl Avx2 {
        #[inline(always)]
        fn mask(self, lanes: impl Fn(__m256i) -> __m256i) -> u64 {
            // SAFETY: where there is such a block, there is AVX2.
            let bits = self.0.map(|vector| u64::from(unsafe { _mm256_movemask_epi8(lanes(vector)) } as u32));
            bits[0] | bits[1] << 32
        }
    }

    impl Block for Avx2 {
        type Machine = Machine;

        #[inline(always)]
        fn load(_: Machine, bytes: &[u8; 64]) -> Self {
            // SAFETY: both read 32 of the 64 bytes; the load asks for no alignment. The machine has AVX2.
            Avx2([0, 32].map(|at| unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) }))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            // SAFETY: as for `mask`.
            self.mask(|vector| unsafe { _mm256_cmpeq_epi8(vector, _mm256_set1_epi8(byte as i8)) })
        }

        #[inline(always)]
        fn at_most(self, most: u8) -> u64 {
            // SAFETY: as above.
            self.mask(|vector| unsafe {
                _mm256_cmpeq_epi8(_mm256_min_epu8(vector, _mm256_set1_epi8(most as i8)), vector)
            })
        }

        #[inline(always)]
        fn high(self) -> u64 {
            self.mask(|vector| vector)
        }

        #[inline(always)]
        fn as_curly(self) -> Self {
            // SAFETY: as above.
            Avx2(self.0.map(|vector| unsafe { _mm256_or_si256(vector, _mm256_set1_epi8(CURLY as i8)) }))
        }

        /// A product without carries, by a number that has all bits.
        #[inline(always)]
        fn parity(_: Machine, mask: u64) -> u64 {
            // SAFETY: the machine has PCLMULQDQ, too.
            unsafe {
                let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(mask as i64), _mm_set1_epi8(-1));
                _mm_cvtsi128_si64(product) as u64
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) mod neon {
    use super::{Block, CURLY};
    use std::arch::aarch64::*;

    /// Four vectors. NEON is part of every aarch64 that Rust's targets name.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Neon([uint8x16_t; 4]);

    impl Neon {
        /// Each lane of what `lanes` makes has all bits or none.
        #[inline(always)]
        fn mask(self, lanes: impl Fn(uint8x16_t) -> uint8x16_t) -> u64 {
            const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
            // SAFETY: NEON is always there, and the constant has sixteen bytes. Three times neighbours are added, until
            // each byte is the sum of eight different bits.
            unsafe {
                let bits = vld1q_u8(BITS.as_ptr());
                let [one, two, three, four] = self.0.map(|vector| vandq_u8(lanes(vector), bits));
                let sums = vpaddq_u8(vpaddq_u8(one, two), vpaddq_u8(three, four));
                vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
            }
        }
    }

    impl Block for Neon {
        type Machine = ();

        #[inline(always)]
        fn load(_: (), bytes: &[u8; 64]) -> Self {
            // SAFETY: each of the four reads sixteen of the 64 bytes; the load asks for no alignment.
            Neon([0, 16, 32, 48].map(|at| unsafe { vld1q_u8(bytes.as_ptr().add(at)) }))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            // SAFETY: NEON is always there.
            self.mask(|vector| unsafe { vceqq_u8(vector, vdupq_n_u8(byte)) })
        }

        #[inline(always)]
        fn at_most(self, most: u8) -> u64 {
            // SAFETY: as above.
            self.mask(|vector| unsafe { vcleq_u8(vector, vdupq_n_u8(most)) })
        }

        #[inline(always)]
        fn high(self) -> u64 {
            // SAFETY: as above.
            self.mask(|vector| unsafe { vcltzq_s8(vreinterpretq_s8_u8(vector)) })
        }

        #[inline(always)]
        fn as_curly(self) -> Self {
            // SAFETY: as above.
            Neon(self.0.map(|vector| unsafe { vorrq_u8(vector, vdupq_n_u8(CURLY)) }))
        }
    }
}

#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(super) mod portable {
    use super::{Block, CURLY};

    /// Eight integers of eight bytes.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Words([u64; 8]);

    pub(in super::super) const HIGH: u64 = repeat(0x80);

    pub(in super::super) const fn repeat(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }

    impl Words {
        /// `lanes` tells by the highest bit of each byte.
        #[inline(always)]
        fn mask(self, lanes: impl Fn(u64) -> u64) -> u64 {
            // The factor brings the highest bits of all bytes together in the highest byte, and none onto another.
            let bits = |word| (lanes(word) & HIGH).wrapping_mul(0x0002_0408_1020_4081) >> 56;
            self.0.iter().rev().fold(0, |mask, word| mask << 8 | bits(*word))
        }
    }

    impl Block for Words {
        type Machine = ();

        #[inline(always)]
        fn load(_: (), bytes: &[u8; 64]) -> Self {
            let (words, _) = bytes.as_chunks();
            Words(std::array::from_fn(|index| u64::from_le_bytes(words[index])))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            // No sum carries into the next byte.
            let differs = |word: u64| ((word & !HIGH) + repeat(0x7f)) | word;
            self.mask(|word| !differs(word ^ repeat(byte)))
        }

        #[inline(always)]
        fn at_most(self, most: u8) -> u64 {
            // Seven bits of each byte are compared by a sum, and the highest for itself.
            let above = |word: u64| (word & !HIGH) + repeat(0x7f - (most & 0x7f));
            if most < 0x80 {
                self.mask(|word| !(above(word) | word))
            } else {
                self.mask(|word| !(above(word) & word))
            }
        }

        #[inline(always)]
        fn high(self) -> u64 {
            self.mask(|word| word)
        }

        #[inline(always)]
        fn as_curly(self) -> Self {
            Words(self.0.map(|word| word | repeat(CURLY)))
        }
    }
}
