//! The two numbers that every allocation and every free moves.

/// How many blocks are here, and how many were allocated. On 64-bit targets in one word: one load, one
/// addition and one store an operation where two counters would need two of each.
///
/// ```text
/// 63                              16 15        0
/// ┌─────────────────────────────────┬───────────┐
/// │ allocated since last carried    │ len       │
/// └─────────────────────────────────┴───────────┘
/// ```
///
/// The upper part has 48 bits, and every exchange with the depot carries it elsewhere: a worker that
/// never needs the depot fills it in three days at a billion allocations a second. What would be wrong
/// then is a statistic. On 32-bit targets, where one word has no room for both, they are two.
#[cfg(target_pointer_width = "64")]
#[derive(Clone, Copy)]
pub(super) struct Tally(u64);

/// How many blocks are here, and how many were allocated since last carried (modulo 2^32).
#[cfg(target_pointer_width = "32")]
#[derive(Clone, Copy)]
pub(super) struct Tally {
    len: usize,
    allocated: u32,
}

/// The longest length that a tally can hold.
pub(super) const MAX_LEN: usize = u16::MAX as usize;

#[cfg(target_pointer_width = "64")]
const LEN_BITS: u32 = u16::BITS;

#[cfg(target_pointer_width = "64")]
impl Tally {
    pub(super) const ZERO: Self = Self(0);

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        (self.0 as u16) as usize
    }

    #[inline(always)]
    pub(super) const fn allocated(self) -> u64 {
        self.0 >> LEN_BITS
    }

    /// `n` blocks, at most `len`, were handed out.
    #[inline(always)]
    pub(super) const fn took(&mut self, n: usize) {
        // n allocations up and n blocks down, by one addition.
        self.0 = self.0.wrapping_add((n as u64) * ((1 << LEN_BITS) - 1));
    }

    /// `n` blocks came in; they and `len` make at most [`MAX_LEN`].
    #[inline(always)]
    pub(super) const fn gave(&mut self, n: usize) {
        self.0 = self.0.wrapping_add(n as u64);
    }

    /// `n` blocks, at most `len`, went to the depot.
    pub(super) const fn lost(&mut self, n: usize) {
        self.0 = self.0.wrapping_sub(n as u64);
    }

    /// Takes the number of allocations out.
    pub(super) const fn carry(&mut self) -> u64 {
        let allocated = self.allocated();
        self.0 = self.len() as u64;
        allocated
    }
}

#[cfg(target_pointer_width = "32")]
impl Tally {
    pub(super) const ZERO: Self = Self {
        len: 0,
        allocated: 0,
    };

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) const fn allocated(self) -> u64 {
        self.allocated as u64
    }

    /// `n` blocks, at most `len`, were handed out.
    #[inline(always)]
    pub(super) const fn took(&mut self, n: usize) {
        self.len = self.len.wrapping_sub(n);
        self.allocated = self.allocated.wrapping_add(n as u32);
    }

    /// `n` blocks came in; they and `len` make at most [`MAX_LEN`].
    #[inline(always)]
    pub(super) const fn gave(&mut self, n: usize) {
        self.len = self.len.wrapping_add(n);
    }

    /// `n` blocks, at most `len`, went to the depot.
    pub(super) const fn lost(&mut self, n: usize) {
        self.len = self.len.wrapping_sub(n);
    }

    /// Takes the number of allocations out.
    pub(super) const fn carry(&mut self) -> u64 {
        let allocated = self.allocated();
        self.allocated = 0;
        allocated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_move_without_touching_each_other() {
        let mut tally = Tally::ZERO;
        tally.gave(MAX_LEN);
        tally.took(MAX_LEN);
        assert_eq!((tally.len(), tally.allocated()), (0, MAX_LEN as u64));
        tally.gave(9);
        tally.took(2);
        tally.lost(3);
        assert_eq!((tally.len(), tally.allocated()), (4, MAX_LEN as u64 + 2));
        assert_eq!(tally.carry(), MAX_LEN as u64 + 2);
        assert_eq!((tally.len(), tally.allocated()), (4, 0));
    }
}
