//! The numbers that every allocation and every free change.

use crate::sync::Word;

/// The number of blocks in the cache, the number allocated, and the budget: the number of blocks that may still
/// come in before the slow path runs. One addition changes all that an operation must change.
///
/// ```text
/// 63           48 47                  16 15        0
/// ┌──────────────┬──────────────────────┬───────────┐
/// │ !budget      │ allocated since      │ len       │
/// │              │ last carried         │           │
/// └──────────────┴──────────────────────┴───────────┘
/// ```
///
/// The budget is stored as its complement, so that the free that exceeds it overflows the word: the addition is
/// also the comparison. The budget has two uses. It keeps the cache within its size: len and budget together are
/// at most that. And it makes the cache check for waiting tasks after a number of frees, at no cost to those
/// in between.
///
/// The number allocated has 32 bits and must not overflow into the budget. Code that sets the budget moves the
/// number elsewhere first; until the next time, only the blocks in the cache, those drawn, and those within the
/// budget can be handed out. On 32-bit targets the number is a word of its own.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    word: Word,
    /// Empty on 64-bit targets, where `word` has the number.
    allocated: [u32; ALLOCATED_WORDS],
}

/// The largest length that a tally can hold.
pub(super) const MAX_LEN: usize = u16::MAX as usize;

const LEN: Word = u16::MAX as Word;
const BUDGET_SHIFT: u32 = Word::BITS - u16::BITS;
const ALLOCATED_WORDS: usize = if cfg!(target_pointer_width = "64") {
    0
} else {
    1
};
/// One block was handed out, and counted if `word` has the number.
const TOOK: Word = ((1 - ALLOCATED_WORDS as Word) << u16::BITS).wrapping_sub(1);

impl Tally {
    /// No blocks, no budget.
    pub(super) const ZERO: Self = Self {
        word: Word::MAX << BUDGET_SHIFT,
        allocated: [0; ALLOCATED_WORDS],
    };

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        (self.word & LEN) as usize
    }

    /// `n` blocks, at most `len`, were handed out.
    #[inline(always)]
    pub(super) const fn took(&mut self, n: usize) {
        self.word = self.word.wrapping_add((n as Word).wrapping_mul(TOOK));
        if let Some(allocated) = self.allocated.first_mut() {
            *allocated = allocated.wrapping_add(n as u32);
        }
    }

    /// The tally after `n` blocks (at most [`MAX_LEN`]) came in; `None` if they exceed the budget.
    #[inline(always)]
    pub(super) const fn gave(mut self, n: usize) -> Option<Self> {
        // One addition changes both.
        match self.word.checked_add(n as Word * ((1 << BUDGET_SHIFT) | 1)) {
            Some(word) => {
                self.word = word;
                Some(self)
            }
            None => None,
        }
    }

    /// The tally after `n` blocks came in and the budget was reduced by `most`, at least `n`; `None` if `most`
    /// exceeds the budget. So there is room for `most` blocks.
    #[inline(always)]
    pub(super) const fn gave_of(mut self, n: usize, most: usize) -> Option<Self> {
        match self.word.checked_add((most as Word) << BUDGET_SHIFT) {
            Some(word) => {
                self.word = word.wrapping_add(n as Word);
                Some(self)
            }
            None => None,
        }
    }

    /// The number of blocks that may come in.
    pub(super) const fn budget(self) -> usize {
        (LEN - (self.word >> BUDGET_SHIFT)) as usize
    }

    /// Sets the budget. Budget and `len` together must be at most the size of the cache.
    pub(super) const fn set_budget(&mut self, n: usize) {
        let rest = self.word & !(LEN << BUDGET_SHIFT);
        self.word = rest | ((LEN - n as Word) << BUDGET_SHIFT);
    }

    /// `n` blocks were drawn from the depot. The caller must set the budget again.
    pub(super) const fn drew(&mut self, n: usize) {
        self.word = self.word.wrapping_add(n as Word);
    }

    /// `n` blocks, at most `len`, went to the depot.
    pub(super) const fn lost(&mut self, n: usize) {
        self.word = self.word.wrapping_sub(n as Word);
    }

    /// The number of allocations since [`carry`](Self::carry).
    pub(super) const fn allocated(self) -> u64 {
        match self.allocated.first() {
            Some(allocated) => *allocated as u64,
            None => (self.word >> u16::BITS) as u32 as u64,
        }
    }

    /// Takes the number of allocations out.
    pub(super) const fn carry(&mut self) -> u64 {
        let allocated = self.allocated();
        self.word &= LEN | (LEN << BUDGET_SHIFT);
        self.allocated = [0; ALLOCATED_WORDS];
        allocated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_move_without_touching_each_other() {
        let mut tally = Tally::ZERO;
        assert!(tally.gave(1).is_none());
        tally.set_budget(MAX_LEN);
        tally = tally.gave(MAX_LEN).unwrap();
        assert!(tally.gave(1).is_none() && tally.gave(0).is_some());
        tally.took(MAX_LEN);
        assert_eq!((tally.len(), tally.allocated()), (0, MAX_LEN as u64));
        tally.drew(9);
        tally.took(2);
        tally.lost(3);
        assert_eq!((tally.len(), tally.allocated()), (4, MAX_LEN as u64 + 2));
        tally.set_budget(2);
        assert_eq!(tally.carry(), MAX_LEN as u64 + 2);
        assert_eq!((tally.len(), tally.allocated()), (4, 0));
        tally = tally.gave(1).unwrap().gave(1).unwrap();
        assert!(tally.gave(1).is_none());
        assert_eq!(tally.len(), 6);
    }

    #[test]
    fn what_exceeds_the_budget_is_told_whatever_the_number() {
        let mut tally = Tally::ZERO;
        for budget in [0, 1, 31, 32, 1000, MAX_LEN] {
            tally.set_budget(budget);
            for n in [0, 1, 31, 32, 33, 1000, 1001, MAX_LEN] {
                assert_eq!(tally.gave(n).is_some(), n <= budget, "{n} of {budget}");
            }
        }
    }

    #[test]
    fn as_many_allocations_as_there_is_room_for_leave_the_budget_alone() {
        if cfg!(target_pointer_width = "32") {
            return;
        }
        let mut tally = Tally::ZERO;
        tally.set_budget(7);
        let rounds = if cfg!(miri) { 100 } else { u16::MAX };
        for _ in 0..rounds {
            tally.drew(MAX_LEN);
            tally.took(MAX_LEN);
        }
        assert_eq!((tally.len(), tally.budget()), (0, 7));
        assert_eq!(tally.carry(), u64::from(rounds) * MAX_LEN as u64);
        assert_eq!((tally.allocated(), tally.budget()), (0, 7));
    }
}
