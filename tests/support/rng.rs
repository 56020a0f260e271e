//! Random numbers that are the same in each run, from a small xorshift generator.

pub struct Rng(pub u64);

impl Rng {
    /// From 0 to below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % limit
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// How many cases of a large set a test takes: `usual`, or `exhaustive` if REFOLD_EXHAUSTIVE=1.
#[allow(dead_code, reason = "not every test that includes this file has a large set")]
pub fn scale(usual: usize, exhaustive: usize) -> usize {
    if std::env::var_os("REFOLD_EXHAUSTIVE").is_some_and(|value| value == "1") { exhaustive } else { usual }
}
