//! Memory that was zero when it was added, and has not been handed out since.

use core::ops::Range;

use crate::heap::block::{Block, TAG};

/// A range of zero bytes at the end of a region.
///
/// Invariant: the bytes from `start` to `tag - TAG` belong to the heap and are zero. All of them are in one free block,
/// and `tag` is where the tag of the block after that is. Or both are 0.
pub(super) struct Fresh {
    start: usize,
    tag: usize,
}

impl Fresh {
    /// No bytes.
    pub(super) const NONE: Self = Self { start: 0, tag: 0 };

    /// The bytes from an address to the end of the free block that they are in, which is before `next`. If they are
    /// fewer than the present ones, nothing changes.
    pub(super) fn add(&mut self, start: usize, next: Block) {
        let tag = next.tag_addr();
        let new = Self { start, tag };
        if new.range().len() > self.range().len() {
            *self = new;
        }
    }

    /// Notes that a part of the free block before `next` is used: all before the address `used`.
    #[inline(always)]
    pub(super) fn cut(&mut self, used: usize, next: Block) {
        if next.tag_addr() == self.tag && used > self.start {
            self.start = used;
        }
    }

    /// The bytes that are zero.
    pub(super) fn range(&self) -> Range<usize> {
        // Before the tag is the size of the free block.
        self.start..self.tag.saturating_sub(TAG).max(self.start)
    }
}
