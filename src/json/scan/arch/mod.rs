//! One file per instruction set: its vector, and the block made of it.
//!
//! SSE2, NEON and SWAR (arithmetic on 64-bit integers, for all other processors) are chosen at compile time. AVX2 and
//! AVX-512 are detected at run time.

#![allow(unsafe_code)]

use super::vector::{BLOCK, SearchVector};

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
#[cfg(target_arch = "x86_64")]
pub mod sse2;
#[cfg(any(test, fuzzing, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub mod swar;

/// The vector that every processor of the compile target has.
#[cfg(target_arch = "x86_64")]
pub type Native = sse2::Sse2;
/// The vector that every processor of the compile target has.
#[cfg(target_arch = "aarch64")]
pub type Native = neon::Neon;
/// The vector that every processor of the compile target has.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub type Native = swar::Swar;

/// A block of native vectors.
pub type NativeBlock = [Native; BLOCK / Native::WIDTH];

/// Whether there are sixteen bytes at `at`. The first condition does not depend on `at`, so loops evaluate it once.
#[inline(always)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn has_sixteen(text: &[u8], at: usize) -> bool {
    text.len() >= 16 && at <= text.len() - 16
}
