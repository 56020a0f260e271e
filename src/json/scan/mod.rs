//! Validates JSON and finds where its values end, without building a tree.
//!
//! A [`JsonBuffer`] is validated while it grows, and becomes a [`Document`] if and only if serde_json's `RawValue`
//! accepts its text. The functions here are for the text of documents. They check nothing: in any other text, they
//! return an arbitrary offset.
//!
//! Both of the techniques used here compare many bytes at once, and turn the results into an integer with one bit per
//! byte:
//!
//! - `validator` and [`Brackets`] read a whole text in blocks of 64 bytes, and do arithmetic with the masks of blocks.
//!   They are compiled for each kind of block; [`dispatch`] selects the best one at run time.
//! - `search` skips strings, whitespace and numbers, which are short. It loads one vector at a time, of a kind that is
//!   fixed at compile time.
//!
//! | file | content |
//! |---|---|
//! | `vector` | the traits `Vector`, `SearchVector`, `Block`, `VectorBlock` and `Kernel` |
//! | `arch` | their implementations, one file per instruction set |
//! | `kinds` | a choice of blocks for tests |
//! | `search` | functions for valid text |
//! | `validator` | the algorithm, and its state from block to block |
//! | `masks` | the masks of several blocks, and arithmetic with them |
//! | `utf8`, `token` | checks of characters; of numbers, literals and escapes |
//! | `brackets` | an iterator over the brackets of a document |
//! | `document` | the buffer and the validated text |

mod arch;
mod brackets;
mod document;
#[cfg(any(test, fuzzing))]
pub mod kinds;
mod masks;
mod search;
mod token;
mod utf8;
mod validator;
mod vector;

use self::vector::Kernel;

pub use self::brackets::Brackets;
pub use self::document::{Document, InvalidDocument, JsonBuffer};
pub use self::search::{container_end, copy_verbatim, next_escape, scalar_end, skip_whitespace, string_end};
pub use self::validator::Extent;

/// Why a text is not a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not JSON or not UTF-8.
    Malformed {
        /// Offset of the unexpected byte, or the length of the text if its end is unexpected.
        at: usize,
    },
    /// There was not enough memory to record another open bracket.
    OutOfMemory,
}

/// Runs a kernel with the best blocks that this processor supports.
///
/// For benchmarks, `--cfg refold_vectors="..."` with `sse2`, `avx2` or `avx512` builds a library that uses only these.
/// It panics if the processor lacks them.
fn dispatch(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    {
        if !cfg!(any(refold_vectors = "sse2", refold_vectors = "avx2"))
            && let Some(machine) = arch::avx512::Machine::detect()
        {
            return machine.run(kernel);
        }
        if !cfg!(any(refold_vectors = "sse2", refold_vectors = "avx512"))
            && let Some(machine) = arch::avx2::Machine::detect()
        {
            return machine.run(kernel);
        }
    }
    if cfg!(any(refold_vectors = "avx2", refold_vectors = "avx512")) {
        panic!("this processor lacks the vectors that the library was built for");
    }
    kernel.run::<arch::NativeBlock>(());
}

#[cfg(test)]
mod tests;
