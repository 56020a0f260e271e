//! The kinds of blocks, which tests and the fuzz target compare with each other.

use super::arch::{NativeBlock, swar::Swar};
#[cfg(target_arch = "x86_64")]
use super::arch::{avx2, avx512};
use super::brackets::ReadBatch;
use super::validator::{Update, Validator};
use super::vector::Kernel;
use super::{Brackets, Extent, Fault};
use std::io::Write;
use std::sync::OnceLock;

/// A kind of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Detected at run time.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// Detected at run time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Of the vectors that every processor of the compile target has.
    Native,
    /// Of integers, on any processor.
    Swar,
}

/// All kinds, the fastest first, and what the processor needs for those that are detected.
const KINDS: &[(Kind, &str)] = &[
    #[cfg(target_arch = "x86_64")]
    (Kind::Avx512, "AVX-512 with VBMI2"),
    #[cfg(target_arch = "x86_64")]
    (Kind::Avx2, "AVX2 with BMI2 and PCLMULQDQ"),
    (Kind::Native, ""),
    (Kind::Swar, ""),
];

impl Kind {
    /// The kinds that this processor can run, the fastest first. The first call prints which ones it cannot.
    pub fn supported() -> &'static [Kind] {
        static SUPPORTED: OnceLock<Vec<Kind>> = OnceLock::new();
        SUPPORTED.get_or_init(|| {
            let (supported, missing): (Vec<_>, Vec<_>) =
                KINDS.iter().partition(|(kind, _)| kind.is_supported());
            for (_, features) in missing {
                // Unlike with eprintln!, passing tests print this, too.
                let note = format!("not run: {features}, which this processor lacks\n");
                let _ = std::io::stderr().write_all(note.as_bytes());
            }
            supported.into_iter().map(|(kind, _)| kind).collect()
        })
    }

    fn is_supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => avx512::Machine::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => avx2::Machine::detect().is_some(),
            Kind::Native | Kind::Swar => true,
        }
    }

    /// Runs a kernel with blocks of this kind. Panics if the processor does not support them.
    pub(super) fn run(self, kernel: impl Kernel) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => avx512::Machine::detect().expect("AVX-512").run(kernel),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => avx2::Machine::detect().expect("AVX2").run(kernel),
            Kind::Native => kernel.run::<NativeBlock>(()),
            Kind::Swar => kernel.run::<[Swar; 8]>(()),
        }
    }

    /// Validates a text that arrives in chunks, which end at `ends`, and at its end.
    pub fn validate(self, text: &[u8], ends: &[usize]) -> Result<Vec<Extent>, Fault> {
        let mut validator = Validator::new();
        for end in ends {
            self.run(Update { validator: &mut validator, text: &text[..*end], is_complete: false });
        }
        self.run(Update { validator: &mut validator, text, is_complete: true });
        validator.finish(text.len())
    }

    /// Iterates over the brackets of a document.
    pub fn brackets(self, text: &[u8]) -> Brackets<'_> {
        let read_batch: ReadBatch = match self {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => |reader| Kind::Avx512.run(reader),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => |reader| Kind::Avx2.run(reader),
            Kind::Native => |reader| Kind::Native.run(reader),
            Kind::Swar => |reader| Kind::Swar.run(reader),
        };
        Brackets::read_by(read_batch, text)
    }
}
