//! Vectors of bytes, and blocks of 64 bytes made of vectors.
//!
//! Comparing a vector with a byte gives a *lane mask*: a vector in which the highest bit of each byte holds the
//! result. The other bits of a lane mask are unspecified. [`SearchVector::mask`] and [`VectorBlock::bitmask`] collect
//! these results in an integer, with the first byte in the lowest bits. AVX-512 needs no lane masks: its comparisons
//! give integers.

/// Bytes in a block.
pub(super) const BLOCK: usize = 64;

/// The only bit that differs between `[` and `{`, and between `]` and `}`.
pub(super) const CURLY: u8 = 0x20;

/// A register of bytes. All operations work on each byte separately.
pub(super) trait Vector: Copy {
    /// Lane mask: bytes equal to `byte`.
    fn equal(self, byte: u8) -> Self;
    /// Lane mask: bytes from 0 to `max`.
    fn at_most(self, max: u8) -> Self;
    /// Lane mask: bytes from 0x80 on.
    fn non_ascii(self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;

    /// Lane mask: control characters, which are below 0x20, and bytes from 0x80 on.
    #[inline(always)]
    fn control_or_non_ascii(self) -> Self {
        self.at_most(0x1f).or(self.non_ascii())
    }

    /// Bitwise or of each byte with `bits`.
    fn or_byte(self, bits: u8) -> Self;
    /// Bitwise exclusive or of each byte with `bits`.
    fn xor_byte(self, bits: u8) -> Self;

    /// Turns `[` into `{`, and `]` into `}`. Other bytes change, too, but none into one of these.
    #[inline(always)]
    fn fold_brackets(self) -> Self {
        self.or_byte(CURLY)
    }
}

/// A vector of the compile target, for searches in short texts: no check at run time pays off there.
pub(super) trait SearchVector: Vector {
    /// Bytes in a vector; at most 16.
    const WIDTH: usize;
    /// Bits per byte in a mask.
    const MASK_BITS: usize;
    /// The mask of all bytes.
    const FULL_MASK: u64;

    /// Loads the bytes at `at`. Returns `None` if there are fewer than `WIDTH`.
    fn load(text: &[u8], at: usize) -> Option<Self>;
    /// Collects a lane mask in an integer, with `MASK_BITS` bits per byte. Some of them may always be 0.
    fn mask(self) -> u64;

    /// Quotes and backslashes.
    #[inline(always)]
    fn quotes(self) -> u64 {
        self.equal(b'"').or(self.equal(b'\\')).mask()
    }

    /// Quotes and brackets. Backslashes are left out: none occurs outside of strings.
    #[inline(always)]
    fn structural(self) -> u64 {
        let folded = self.fold_brackets();
        self.equal(b'"').or(folded.equal(b'{').or(folded.equal(b'}'))).mask()
    }

    /// Bytes other than whitespace.
    #[inline(always)]
    fn non_whitespace(self) -> u64 {
        let space = self.equal(b' ').or(self.equal(b'\n'));
        space.or(self.equal(b'\t').or(self.equal(b'\r'))).mask() ^ Self::FULL_MASK
    }

    /// Bytes other than decimal digits.
    #[inline(always)]
    fn non_digits(self) -> u64 {
        // The digits are 0x30 to 0x39, so this maps them, and no other byte, to 0 to 9.
        self.xor_byte(b'0').at_most(9).mask() ^ Self::FULL_MASK
    }
}

/// The bytes of a block. Masks have one bit per byte.
pub(super) trait Block: Copy {
    /// Evidence that the processor has the instructions that these blocks use.
    type Machine: Copy;

    /// Loads a block.
    fn load(machine: Self::Machine, bytes: &[u8; BLOCK]) -> Self;
    /// Bytes equal to `byte`.
    fn equal(self, byte: u8) -> u64;
    /// Bytes from 0 to `max`.
    fn at_most(self, max: u8) -> u64;
    /// Bytes from 0x80 on.
    fn non_ascii(self) -> u64;
    /// Control characters, which are below 0x20, and bytes from 0x80 on.
    fn control_or_non_ascii(self) -> u64;
    /// Turns `[` into `{`, and `]` into `}`.
    fn fold_brackets(self) -> Self;
    /// Sets each bit to the exclusive or of all bits up to and including it.
    fn prefix_xor(machine: Self::Machine, mask: u64) -> u64;
    /// Writes the positions of the bits of a mask to the start of the list, each plus `base`. What follows them there is
    /// unspecified.
    fn positions(machine: Self::Machine, mask: u64, base: u16, list: &mut [u16; BLOCK]);
}

/// The number of positions that are written at a time, by processors without an instruction for it.
const STEP: usize = 2;

/// A block that is made of vectors with lane masks.
pub(super) trait VectorBlock: Copy {
    /// Evidence that the processor has the instructions that these vectors use.
    type Machine: Copy;
    /// The vectors in it.
    type Vector: Vector;

    /// Loads a block.
    fn load(machine: Self::Machine, bytes: &[u8; BLOCK]) -> Self;
    /// Applies an operation to each vector.
    fn map_vectors(self, operation: impl Fn(Self::Vector) -> Self::Vector) -> Self;
    /// Collects a lane mask in an integer.
    fn bitmask(self) -> u64;

    /// Sets each bit to the exclusive or of all bits up to and including it.
    #[inline(always)]
    fn prefix_xor(_: Self::Machine, mask: u64) -> u64 {
        let mut result = mask;
        for distance in [1, 2, 4, 8, 16, 32] {
            result ^= result << distance;
        }
        result
    }
}

impl<B: VectorBlock> Block for B {
    type Machine = B::Machine;

    #[inline(always)]
    fn load(machine: B::Machine, bytes: &[u8; BLOCK]) -> Self {
        <B as VectorBlock>::load(machine, bytes)
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.map_vectors(|vector| vector.equal(byte)).bitmask()
    }

    #[inline(always)]
    fn at_most(self, max: u8) -> u64 {
        self.map_vectors(|vector| vector.at_most(max)).bitmask()
    }

    #[inline(always)]
    fn non_ascii(self) -> u64 {
        self.map_vectors(Vector::non_ascii).bitmask()
    }

    #[inline(always)]
    fn control_or_non_ascii(self) -> u64 {
        self.map_vectors(Vector::control_or_non_ascii).bitmask()
    }

    #[inline(always)]
    fn fold_brackets(self) -> Self {
        self.map_vectors(Vector::fold_brackets)
    }

    #[inline(always)]
    fn prefix_xor(machine: B::Machine, mask: u64) -> u64 {
        <B as VectorBlock>::prefix_xor(machine, mask)
    }

    /// Writes `STEP` positions at a time, even if there are fewer, so that fewer branches depend on the number of bits,
    /// which the processor cannot predict.
    #[inline(always)]
    fn positions(_: B::Machine, mut mask: u64, base: u16, list: &mut [u16; BLOCK]) {
        for slots in list.as_chunks_mut::<STEP>().0 {
            for slot in slots {
                *slot = base + mask.trailing_zeros() as u16;
                mask &= mask.wrapping_sub(1);
            }
            if mask == 0 {
                break;
            }
        }
    }
}

/// A computation that is compiled once for each kind of block.
pub(super) trait Kernel {
    /// Runs it. Implementations are always inlined, into a function with the features that `machine` proves.
    fn run<B: Block>(self, machine: B::Machine);
}
