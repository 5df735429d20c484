//! The tagged words: how an index, a length and a tag share one compare-and-swap.
//!
//! ```text
//!               63            32 31      16 15       0
//! 64-bit, up    ┌───────────────┬──────────┬──────────┐
//! to 65,535     │ tag: pops     │ depth    │ top + 1  │
//! blocks        └───────────────┴──────────┴──────────┘
//!               ┌───────────────┬─────────────────────┐
//! 64-bit, more  │ tag: pops     │ top + 1             │   depth from a counter beside it
//!               └───────────────┴─────────────────────┘
//!               31           k k-1                   0
//!               ┌───────────────┬─────────────────────┐
//! 32-bit        │ tag: pops     │ top + 1             │   k = bits of the capacity
//!               └───────────────┴─────────────────────┘
//! ```
//!
//! Zero is the empty stack. The tag is the number of blocks popped so far, so that it is a statistic
//! as well: it moves with every pop and with no push, which is what the proof in
//! [`stack`](super::stack) needs.
//!
//! **Time to wrap.** A thread is fooled only if, between its load and its compare-and-swap, an exact
//! multiple of 2^tag blocks is popped and the same block is on top again. 64-bit targets have 32 tag
//! bits: 4.3 billion pops, 20 s and more of another core doing nothing else at 5 ns each. 32-bit
//! targets have 32 - k bits, at least 17: with 512 blocks 22 bits, 4 million pops, 0.4 s of a 100 MHz
//! core; on a single core they would all have to happen in interrupts between two instructions.
//!
//! The same holds for the stacks of magazines ([`Tops`]), whose tag counts exchanges: 32 bits on 64-bit
//! targets, 20 bits on 32-bit ones, where a million exchanges take tens of milliseconds and more. A
//! 32-bit target with several cores and an operating system that may put a thread aside for that long
//! bets on the exact multiple not coming up; pools `without_caches` have no magazines. On x86_64 a
//! thread may start from an earlier head ([`recent_head`](super::stack::StackWords)): then the
//! time runs from the swap that made it.

use core::num::NonZeroU32;

use crate::pool::geometry::{MAX_SLOTS, SLOT_BITS};
use crate::sync::Word;

/// The most blocks whose depth fits into the word beside index and tag.
#[cfg(target_pointer_width = "64")]
const MAX_INLINE_DEPTH: u32 = u16::MAX as u32;

/// How a pool of a given capacity packs the head of its free stack.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    index_bits: u32,
    /// Added once per block pushed, subtracted once per block popped; 0 where the depth is beside.
    depth_one: Word,
    tag_shift: u32,
}

impl Shape {
    #[inline(always)]
    pub(crate) const fn of(capacity: NonZeroU32) -> Self {
        #[cfg(target_pointer_width = "64")]
        return if capacity.get() <= MAX_INLINE_DEPTH {
            Self {
                index_bits: 16,
                depth_one: 1 << 16,
                tag_shift: 32,
            }
        } else {
            Self {
                index_bits: 32,
                depth_one: 0,
                tag_shift: 32,
            }
        };
        #[cfg(target_pointer_width = "32")]
        {
            let index_bits = u32::BITS - capacity.leading_zeros();
            Self {
                index_bits,
                depth_one: 0,
                tag_shift: index_bits,
            }
        }
    }

    #[inline(always)]
    const fn index_mask(self) -> Word {
        (1 << self.index_bits) - 1
    }

    /// Index of the top block plus one; 0 if the stack is empty.
    #[inline(always)]
    pub(crate) const fn top(self, word: Word) -> u32 {
        (word & self.index_mask()) as u32
    }

    /// The word after `n` blocks were popped and `top` came up.
    ///
    /// The old top is subtracted, not masked out: it is at hand, and a mask in the other half of the
    /// word is a constant to load. This stands between the load and the compare-and-swap of every
    /// allocation without a cache.
    #[inline(always)]
    pub(crate) const fn popped(self, word: Word, n: u32, top: u32) -> Word {
        let n = n as Word;
        let step = (n << self.tag_shift).wrapping_sub(n.wrapping_mul(self.depth_one));
        self.topped(word.wrapping_add(step), word, top)
    }

    /// The word after `n` blocks were pushed, `top` the last.
    #[inline(always)]
    pub(crate) const fn pushed(self, word: Word, n: u32, top: u32) -> Word {
        let step = (n as Word).wrapping_mul(self.depth_one);
        self.topped(word.wrapping_add(step), word, top)
    }

    /// `after`, with `top` in the place of the top that `before` has.
    #[inline(always)]
    const fn topped(self, after: Word, before: Word, top: u32) -> Word {
        after
            .wrapping_sub(self.top(before) as Word)
            .wrapping_add(top as Word)
    }

    /// Whether pushes must be counted beside the word.
    #[inline(always)]
    pub(crate) const fn counts_pushes(self) -> bool {
        self.depth_one == 0
    }

    /// Blocks popped so far, modulo [`tag_span`](Self::tag_span).
    #[inline(always)]
    pub(crate) const fn tag(self, word: Word) -> Word {
        word >> self.tag_shift
    }

    /// Pops from one wrap of the tag to the next.
    pub(crate) const fn tag_span(self) -> u64 {
        1 << (Word::BITS - self.tag_shift)
    }

    /// Whether the step from `before` to `after`, a pop, wrapped the tag.
    #[inline(always)]
    pub(crate) const fn wrapped(self, before: Word, after: Word) -> bool {
        // The tag is on top, and a pop moves it up.
        after < before
    }

    /// Blocks in the stack. `pushes` reads the counter beside the word, where there is one.
    #[inline(always)]
    pub(crate) fn depth(self, word: Word, pushes: impl FnOnce() -> Word, capacity: u32) -> u32 {
        if self.depth_one != 0 {
            return ((word >> self.index_bits) & self.index_mask()) as u32;
        }
        let span_mask = Word::MAX >> self.tag_shift;
        let depth = pushes().wrapping_sub(self.tag(word)) & span_mask;
        // The two are not read at once: pops in between make the difference negative, which reads as
        // more than there can be.
        if depth > capacity as Word {
            0
        } else {
            depth as u32
        }
    }
}

const SLOT_MASK: Word = MAX_SLOTS as Word;

/// The head of both magazine stacks: `tag | top full slot + 1 | top empty slot + 1`, so that a full
/// magazine is swapped for an empty one by one compare-and-swap. The tag counts exchanges.
#[derive(Clone, Copy)]
pub(crate) struct Tops(pub(crate) Word);

impl Tops {
    /// Top of the full magazines, plus one.
    #[inline(always)]
    pub(crate) const fn full(self) -> u32 {
        ((self.0 >> SLOT_BITS) & SLOT_MASK) as u32
    }

    /// Top of the empty magazines, plus one.
    #[inline(always)]
    pub(crate) const fn empty(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }

    /// The word after an exchange that leaves these two on top.
    #[inline(always)]
    pub(crate) const fn exchanged(self, full: u32, empty: u32) -> Word {
        let tag = (self.0 >> (2 * SLOT_BITS)).wrapping_add(1);
        (tag << (2 * SLOT_BITS))
            | ((full as Word & SLOT_MASK) << SLOT_BITS)
            | (empty as Word & SLOT_MASK)
    }
}

/// Blocks that are neither in the stack nor in a hand: in caches, as far as these have told (high half),
/// and in full magazines (low half). One word, so that an exchange between the two tells both by one
/// addition and their sum is right at every moment.
#[derive(Clone, Copy)]
pub(crate) struct Held(pub(crate) Word);

impl Held {
    const HALF: u32 = Word::BITS / 2;

    /// What to add for so many more blocks in caches and in magazines.
    #[inline(always)]
    pub(crate) const fn step(cached: isize, in_magazines: isize) -> Word {
        ((cached as Word) << Self::HALF).wrapping_add(in_magazines as Word)
    }

    #[inline(always)]
    pub(crate) const fn cached(self) -> u32 {
        (self.0 >> Self::HALF) as u32
    }

    #[inline(always)]
    pub(crate) const fn in_magazines(self) -> u32 {
        (self.0 & (Word::MAX >> Self::HALF)) as u32
    }

    #[inline(always)]
    pub(crate) const fn sum(self) -> Word {
        self.cached() as Word + self.in_magazines() as Word
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::geometry::MAX_BLOCKS;

    fn shape(capacity: u32) -> Shape {
        Shape::of(NonZeroU32::new(capacity).unwrap())
    }

    #[test]
    fn zero_is_the_empty_stack() {
        for capacity in [1, 100, MAX_BLOCKS as u32] {
            let shape = shape(capacity);
            assert_eq!(shape.top(0), 0);
            assert_eq!(shape.depth(0, || 0, capacity), 0);
        }
        assert_eq!((Tops(0).full(), Tops(0).empty()), (0, 0));
    }

    #[test]
    fn a_push_and_a_pop_move_only_the_tag() {
        for capacity in [1u32, 511, 512, 32_767] {
            let shape = shape(capacity);
            let mut word = 0;
            for round in 1..=3u32 {
                word = shape.pushed(word, capacity, capacity);
                assert_eq!(shape.top(word), capacity);
                let pushes = (round * capacity) as Word;
                assert_eq!(shape.depth(word, || pushes, capacity), capacity);
                word = shape.popped(word, capacity, 0);
                assert_eq!(shape.top(word), 0);
                assert_eq!(shape.depth(word, || pushes, capacity), 0);
                assert_eq!(
                    u64::from(shape.tag(word) as u32),
                    u64::from(round * capacity) % shape.tag_span()
                );
            }
        }
    }

    #[test]
    fn the_tag_wraps_without_touching_its_neighbours() {
        let shape = shape(5);
        let last = Word::MAX << shape.tag_shift;
        let before = shape.pushed(last, 1, 3);
        let after = shape.popped(before, 1, 0);
        assert!(shape.wrapped(before, after));
        assert_eq!((shape.top(after), shape.tag(after)), (0, 0));
    }

    #[test]
    fn an_exchange_keeps_both_tops_and_moves_the_tag() {
        let slots = Tops(0);
        let word = Tops(slots.exchanged(MAX_SLOTS as u32, 7));
        assert_eq!((word.full(), word.empty()), (MAX_SLOTS as u32, 7));
        assert_ne!(word.exchanged(0, 0), 0);
    }

    #[test]
    fn what_is_held_moves_both_ways_without_touching_the_other_half() {
        let mut word = Held::step(300, 0);
        for (cached, in_magazines) in [(-256, 256), (0, 512), (256, -256), (-300, 0)] {
            word = word.wrapping_add(Held::step(cached, in_magazines));
        }
        let held = Held(word);
        assert_eq!((held.cached(), held.in_magazines()), (0, 512));
        assert_eq!(held.sum(), 512);
    }
}
