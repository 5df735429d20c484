//! How links are written into free blocks.

use crate::heap::block::Block;
#[cfg(feature = "hardened")]
use crate::heap::block::MIN;

/// How the links of a heap are written: as they are, or, in a hardened heap, as their bitwise exclusive or with a key. Then
/// what a program writes there by mistake is no address of the heap, and is found before it is followed.
///
/// Invariant: the regions of the heap lie in `low..high`.
#[cfg(feature = "hardened")]
#[derive(Clone, Copy)]
pub(super) struct Code {
    key: usize,
    low: usize,
    high: usize,
    /// The block whose links were overwritten, or 0.
    broken: usize,
}

/// Links are written as they are.
#[cfg(not(feature = "hardened"))]
#[derive(Clone, Copy)]
pub(super) struct Code;

#[cfg(not(feature = "hardened"))]
impl Code {
    pub(super) const PLAIN: Self = Self;

    #[inline(always)]
    pub(super) const fn is_plain(self) -> bool {
        true
    }

    /// A link as it is written, and a written one as it is: the function is its own inverse.
    #[inline(always)]
    pub(super) const fn of(self, link: Option<Block>) -> Option<Block> {
        link
    }

    #[inline(always)]
    pub(super) const fn may_be(self, _: Block) -> bool {
        true
    }

    pub(super) const fn cover(&mut self, _: usize, _: usize) {}

    pub(super) const fn breaks_at(&mut self, _: Block) {}
}

#[cfg(feature = "hardened")]
impl Code {
    /// All zeros.
    pub(super) const PLAIN: Self = Self {
        key: 0,
        low: 0,
        high: 0,
        broken: 0,
    };

    /// The same with a key.
    pub(super) const fn with(self, key: usize) -> Self {
        Self { key, ..self }
    }

    #[inline(always)]
    pub(super) const fn is_plain(self) -> bool {
        self.key == 0
    }

    /// A link as it is written, and a written one as it is: the function is its own inverse.
    #[inline(always)]
    pub(super) fn of(self, link: Option<Block>) -> Option<Block> {
        Block::xor(link, self.key)
    }

    /// Whether a link that was read may be followed.
    #[inline(always)]
    pub(super) fn may_be(self, block: Block) -> bool {
        let at = block.tag_addr();
        self.is_plain()
            || at % align_of::<u32>() == 0
                && at >= self.low
                && at.checked_add(MIN).is_some_and(|end| end <= self.high)
    }

    /// Notes a region.
    pub(super) fn cover(&mut self, start: usize, len: usize) {
        let is_first = self.high == 0;
        self.low = if is_first { start } else { self.low.min(start) };
        self.high = self.high.max(start + len);
    }

    /// Notes that the links of a block were overwritten.
    #[cold]
    pub(super) fn breaks_at(&mut self, block: Block) {
        self.broken = block.addr();
    }

    /// The address of the block whose links were overwritten.
    pub(super) fn broken(self) -> Option<usize> {
        (self.broken != 0).then_some(self.broken)
    }
}
