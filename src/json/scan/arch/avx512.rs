//! AVX-512, with other features that the same processors have. Detected at run time.
//!
//! A comparison gives a mask of 64 bits, so there are no lane masks here.

use super::super::vector::{BLOCK, Block, CURLY, Kernel, VectorBlock};
use super::avx2::{self, Avx2};
use std::arch::x86_64::*;

/// Evidence that the processor has AVX-512 F, BW, VL and VBMI2, and what an [`avx2::Machine`] is evidence of.
#[derive(Clone, Copy)]
pub struct Machine(avx2::Machine);

/// 64 bytes. The only way to make one is to load a block, which takes a [`Machine`].
#[derive(Clone, Copy)]
pub struct Avx512(__m512i);

impl Machine {
    /// Returns `None` if the processor lacks a feature. The standard library caches the result, without a lock.
    ///
    /// VBMI2 excludes the first processors with AVX-512, Skylake-X to Cooper Lake: they reduce their clock frequency
    /// for instructions on 512 bits, which slows down everything else that runs there. Ice Lake, Zen 4 and their
    /// successors do not, and have it.
    #[inline]
    pub fn detect() -> Option<Machine> {
        let has_all = is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        if has_all { avx2::Machine::detect().map(Machine) } else { None }
    }

    /// Runs a kernel compiled for these features.
    #[inline]
    pub fn run(self, kernel: impl Kernel) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi1,bmi2,pclmulqdq,popcnt")]
        fn run(machine: Machine, kernel: impl Kernel) {
            kernel.run::<Avx512>(machine);
        }
        // SAFETY: a `Machine` exists only if the processor has these features.
        unsafe { run(self, kernel) }
    }
}

impl Block for Avx512 {
    type Machine = Machine;

    #[inline(always)]
    fn load(_: Machine, bytes: &[u8; BLOCK]) -> Self {
        // SAFETY: the processor has AVX-512 F. The load reads 64 bytes and requires no alignment.
        Avx512(unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        // SAFETY: an `Avx512` exists only if the processor has AVX-512 F and BW.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, _mm512_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_cmple_epu8_mask(self.0, _mm512_set1_epi8(max as i8)) }
    }

    #[inline(always)]
    fn non_ascii(self) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_movepi8_mask(self.0) }
    }

    #[inline(always)]
    fn control_or_non_ascii(self) -> u64 {
        // SAFETY: as above. As signed numbers, bytes from 0x80 on are negative.
        unsafe { _mm512_cmplt_epi8_mask(self.0, _mm512_set1_epi8(0x20)) }
    }

    #[inline(always)]
    fn fold_brackets(self) -> Self {
        // SAFETY: as above.
        Avx512(unsafe { _mm512_or_si512(self.0, _mm512_set1_epi8(CURLY as i8)) })
    }

    #[inline(always)]
    fn prefix_xor(machine: Machine, mask: u64) -> u64 {
        <[Avx2; 2] as VectorBlock>::prefix_xor(machine.0, mask)
    }

    #[inline(always)]
    fn positions(_: Machine, mask: u64, base: u16, list: &mut [u16; BLOCK]) {
        let (low, high) = list.split_at_mut(BLOCK / 2);
        // SAFETY: the processor has AVX-512 F, BW and VBMI2. Each store writes the 64 bytes of one half.
        unsafe {
            let base = _mm512_set1_epi16(base as i16);
            let positions = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(NUMBERS.as_ptr().cast()));
            let first = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(positions));
            _mm512_storeu_si512(low.as_mut_ptr().cast(), _mm512_add_epi16(first, base));
            if mask.count_ones() > 32 {
                let others = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64::<1>(positions));
                _mm512_storeu_si512(high.as_mut_ptr().cast(), _mm512_add_epi16(others, base));
            }
        }
    }
}

/// The numbers from 0 to 63.
const NUMBERS: [u8; BLOCK] = {
    let mut numbers = [0; BLOCK];
    let mut number = 0;
    while number < BLOCK {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};
