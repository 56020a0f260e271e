//! AVX2, with other features that the same processors have. Detected at run time.

use super::super::vector::{BLOCK, Kernel, Vector, VectorBlock};
use std::arch::x86_64::*;

/// Evidence that the processor has AVX2, BMI1, BMI2, PCLMULQDQ and POPCNT.
#[derive(Clone, Copy)]
pub struct Machine(());

/// 32 bytes. The only way to make one is to load a block, which takes a [`Machine`].
#[derive(Clone, Copy)]
pub struct Avx2(__m256i);

impl Machine {
    /// Returns `None` if the processor lacks a feature. The standard library caches the result, without a lock.
    #[inline]
    pub fn detect() -> Option<Machine> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("pclmulqdq")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt");
        has_all.then_some(Machine(()))
    }

    /// Runs a kernel compiled for these features.
    #[inline]
    pub fn run(self, kernel: impl Kernel) {
        #[target_feature(enable = "avx2,bmi1,bmi2,pclmulqdq,popcnt")]
        fn run(machine: Machine, kernel: impl Kernel) {
            kernel.run::<[Avx2; 2]>(machine);
        }
        // SAFETY: a `Machine` exists only if the processor has these features.
        unsafe { run(self, kernel) }
    }
}

impl Vector for Avx2 {
    #[inline(always)]
    fn equal(self, byte: u8) -> Self {
        // SAFETY: an `Avx2` exists only if the processor has AVX2.
        Avx2(unsafe { _mm256_cmpeq_epi8(self.0, _mm256_set1_epi8(byte as i8)) })
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> Self {
        // SAFETY: as above.
        Avx2(unsafe { _mm256_cmpeq_epi8(_mm256_min_epu8(self.0, _mm256_set1_epi8(max as i8)), self.0) })
    }

    #[inline(always)]
    fn non_ascii(self) -> Self {
        self
    }

    #[inline(always)]
    fn control_or_non_ascii(self) -> Self {
        // SAFETY: as above. As signed numbers, bytes from 0x80 on are negative.
        Avx2(unsafe { _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), self.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: as above.
        Avx2(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn or_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Avx2(unsafe { _mm256_or_si256(self.0, _mm256_set1_epi8(bits as i8)) })
    }

    #[inline(always)]
    fn xor_byte(self, bits: u8) -> Self {
        // SAFETY: as above.
        Avx2(unsafe { _mm256_xor_si256(self.0, _mm256_set1_epi8(bits as i8)) })
    }
}

impl VectorBlock for [Avx2; 2] {
    type Machine = Machine;
    type Vector = Avx2;

    #[inline(always)]
    fn load(_: Machine, bytes: &[u8; BLOCK]) -> Self {
        // SAFETY: the processor has AVX2. Each load reads 32 of the 64 bytes and requires no alignment.
        [0, 32].map(|at| Avx2(unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) }))
    }

    #[inline(always)]
    fn map_vectors(self, operation: impl Fn(Avx2) -> Avx2) -> Self {
        self.map(operation)
    }

    #[inline(always)]
    fn bitmask(self) -> u64 {
        // SAFETY: an `Avx2` exists only if the processor has AVX2.
        let bits = self.map(|vector| u64::from(unsafe { _mm256_movemask_epi8(vector.0) } as u32));
        bits[0] | bits[1] << 32
    }

    /// Multiplies without carries by a number with all bits set.
    #[inline(always)]
    fn prefix_xor(_: Machine, mask: u64) -> u64 {
        // SAFETY: the processor has PCLMULQDQ.
        unsafe {
            let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(mask as i64), _mm_set1_epi8(-1));
            _mm_cvtsi128_si64(product) as u64
        }
    }
}
