//! Random numbers of scripts. `tests/placement/calls` and `cortex_calls` compile this file, too.

#[cfg(target_os = "none")]
use libm::pow;

#[cfg(not(target_os = "none"))]
fn pow(base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

/// Numbers that are the same in every run (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A number between both, evenly distributed.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// A number between both, each power of two as often as any other.
    pub fn between_log(&mut self, least: usize, most: usize) -> usize {
        let share = self.below(1 << 20) as f64 / (1 << 20) as f64;
        let ratio = (most + 1) as f64 / least as f64;
        ((least as f64 * pow(ratio, share)) as usize).clamp(least, most)
    }
}
