//! Tests of the blocks.

use super::*;
use crate::json::scan::masks::{BATCH, Positions, Row};
use crate::json::scan::vector::{BLOCK, Block};

#[test]
fn all_kinds_of_blocks_give_the_same_masks() {
    struct Compare<'b>(&'b [u8; BLOCK]);
    impl Kernel for Compare<'_> {
        fn run<B: Block>(self, machine: B::Machine) {
            let bytes = self.0;
            let block = B::load(machine, bytes);
            let mask = |contains: &dyn Fn(u8) -> bool| {
                bytes.iter().rev().fold(0u64, |mask, byte| mask << 1 | u64::from(contains(*byte)))
            };
            for other in 0..=255 {
                assert_eq!(block.equal(other), mask(&|byte| byte == other), "{other}");
                assert_eq!(block.at_most(other), mask(&|byte| byte <= other), "{other}");
            }
            assert_eq!(block.non_ascii(), mask(&|byte| byte >= 0x80));
            assert_eq!(block.control_or_non_ascii(), mask(&|byte| !(0x20..0x80).contains(&byte)));
            for bracket in *b"{}" {
                assert_eq!(block.fold_brackets().equal(bracket), mask(&|byte| byte | 0x20 == bracket));
            }
            let bits = block.equal(bytes[0]);
            let expected = (0..64)
                .fold(0, |result, bit| result | u64::from((bits << (63 - bit)).count_ones() & 1) << bit);
            assert_eq!(B::prefix_xor(machine, bits), expected);
            assert_positions::<B>(machine, block.at_most(bytes[0]));
        }
    }
    fn assert_positions<B: Block>(machine: B::Machine, mask: u64) {
        let row: Row = std::array::from_fn(|index| mask.rotate_left(index as u32 * 5));
        for count in [1, BATCH] {
            let contains = |at: &usize| row[at / BLOCK] >> (at % BLOCK) & 1 == 1;
            let expected: Vec<u16> = (0..count * BLOCK).filter(contains).map(|at| at as u16).collect();
            assert_eq!(Positions::new().find::<B>(machine, &row, count), expected);
        }
    }
    let mut rng = Rng(5);
    for round in 0..crate::rng::scale(60, 300) {
        let bytes = std::array::from_fn(|index| match round {
            0..4 => (round * 64 + index) as u8,
            _ => rng.below(256) as u8 >> (round % 8),
        });
        for kind in Kind::supported() {
            kind.run(Compare(&bytes));
        }
    }
}

#[test]
fn the_fastest_supported_kind_of_block_is_selected() {
    struct Name<'n>(&'n mut &'static str);
    impl Kernel for Name<'_> {
        fn run<B: Block>(self, _: B::Machine) {
            *self.0 = std::any::type_name::<B>();
        }
    }
    let [mut selected, mut fastest] = [""; 2];
    dispatch(Name(&mut selected));
    Kind::supported()[0].run(Name(&mut fastest));
    assert_eq!(selected, fastest);
}
