//! The numbers that every allocation and every free moves.

/// How many blocks are here, how many were allocated, and how many may still come in before the slow
/// path looks around. One addition moves all that an operation has to move.
///
/// ```text
/// 63           48 47                  16 15        0
/// ┌──────────────┬──────────────────────┬───────────┐
/// │ !budget      │ allocated since      │ len       │
/// │              │ last carried         │           │
/// └──────────────┴──────────────────────┴───────────┘
/// ```
///
/// The budget is kept as its complement, so that the free that exceeds it carries out of the word: the
/// addition is the comparison. It serves two ends: what comes in never exceeds what there is room for
/// (len and budget together are at most the cache's size), and every so many frees the cache looks
/// whether someone waits for a block, at no cost to those in between.
///
/// The number allocated has 32 bits and must not wrap, as it would carry into the budget: whatever sets the
/// budget carries it elsewhere first, and no more blocks can be handed out in between than were there, were
/// drawn or came in within the budget. On 32-bit targets it is a word of its own.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    word: Word,
    #[cfg(target_pointer_width = "32")]
    allocated: u32,
}

use crate::sync::Word;

/// The longest length that a tally can hold.
pub(super) const MAX_LEN: usize = u16::MAX as usize;

const LEN: Word = u16::MAX as Word;
const BUDGET_SHIFT: u32 = Word::BITS - u16::BITS;
/// One block was handed out, and counted where there is room for it.
#[cfg(target_pointer_width = "64")]
const TOOK: Word = (1 << u16::BITS) - 1;
#[cfg(target_pointer_width = "32")]
const TOOK: Word = Word::MAX;

impl Tally {
    /// Nothing here, nothing may come in.
    pub(super) const ZERO: Self = Self {
        word: Word::MAX << BUDGET_SHIFT,
        #[cfg(target_pointer_width = "32")]
        allocated: 0,
    };

    #[inline(always)]
    pub(super) const fn len(self) -> usize {
        (self.word & LEN) as usize
    }

    /// `n` blocks, at most `len`, were handed out.
    #[inline(always)]
    pub(super) const fn took(&mut self, n: usize) {
        self.word = self.word.wrapping_add((n as Word).wrapping_mul(TOOK));
        #[cfg(target_pointer_width = "32")]
        {
            self.allocated = self.allocated.wrapping_add(n as u32);
        }
    }

    /// As it is after `n` blocks (at most [`MAX_LEN`]) came in; `None` if that exceeds the budget.
    #[inline(always)]
    pub(super) const fn gave(mut self, n: usize) -> Option<Self> {
        // One addition moves both.
        match self.word.checked_add(n as Word * ((1 << BUDGET_SHIFT) | 1)) {
            Some(word) => {
                self.word = word;
                Some(self)
            }
            None => None,
        }
    }

    /// The same for `n` blocks of at most `most`, which is what the budget must have and loses: places
    /// for `most` are there then.
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

    /// Blocks that may come in.
    pub(super) const fn budget(self) -> usize {
        (LEN - (self.word >> BUDGET_SHIFT)) as usize
    }

    /// So many blocks may come in: with `len` at most what there are places for.
    pub(super) const fn set_budget(&mut self, n: usize) {
        let rest = self.word & !(LEN << BUDGET_SHIFT);
        self.word = rest | ((LEN - n as Word) << BUDGET_SHIFT);
    }

    /// `n` blocks were drawn from the depot. The budget is to be set anew.
    pub(super) const fn drew(&mut self, n: usize) {
        self.word = self.word.wrapping_add(n as Word);
    }

    /// `n` blocks, at most `len`, went to the depot.
    pub(super) const fn lost(&mut self, n: usize) {
        self.word = self.word.wrapping_sub(n as Word);
    }
}

#[cfg(target_pointer_width = "64")]
impl Tally {
    pub(super) const fn allocated(self) -> u64 {
        (self.word >> u16::BITS) as u32 as u64
    }

    /// Takes the number of allocations out.
    pub(super) const fn carry(&mut self) -> u64 {
        let allocated = self.allocated();
        self.word &= LEN | (LEN << BUDGET_SHIFT);
        allocated
    }
}

#[cfg(target_pointer_width = "32")]
impl Tally {
    pub(super) const fn allocated(self) -> u64 {
        self.allocated as u64
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
