//! How links are written into free blocks.

use crate::heap::block::Block;
#[cfg(feature = "hardened")]
use crate::heap::block::{Links, MIN, TAG};
use crate::heap::regions::Lists;

/// How the links of a heap are written: as they are, or, in a hardened heap, as their bitwise exclusive or with a key. Then
/// what a program writes there by mistake is no address of the heap, and is found before it is followed.
#[cfg(feature = "hardened")]
#[derive(Clone, Copy)]
pub(super) struct Code {
    key: usize,
    /// The regions of the heap.
    regions: Lists,
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
    pub(super) const fn may_be(self, _: Block, _: usize) -> bool {
        true
    }

    pub(super) const fn cover(&mut self, _: Lists) {}

    pub(super) const fn breaks_at(&mut self, _: Block) {}

    #[inline(always)]
    pub(super) const fn is_broken(self) -> bool {
        false
    }
}

#[cfg(feature = "hardened")]
impl Code {
    /// All zeros.
    pub(super) const PLAIN: Self = Self {
        key: 0,
        regions: Lists::NONE,
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

    /// Whether a free block of this size may be here: a link that names it, and its size, may be followed. O(regions).
    #[inline(always)]
    pub(super) fn may_be(self, block: Block, size: usize) -> bool {
        self.is_plain() || self.is_near(block, size)
    }

    #[cold]
    fn is_near(self, block: Block, size: usize) -> bool {
        let at = block.tag_addr();
        let is_aligned = at.wrapping_add(TAG) % align_of::<Links>() == 0;
        is_aligned && size >= MIN && self.regions.hold(at, size)
    }

    /// Notes what regions there are.
    pub(super) fn cover(&mut self, regions: Lists) {
        self.regions = regions;
    }

    /// Notes that the links of a block were overwritten.
    #[cold]
    pub(super) fn breaks_at(&mut self, block: Block) {
        self.broken = block.addr();
    }

    #[inline(always)]
    pub(super) const fn is_broken(self) -> bool {
        self.broken != 0
    }

    /// The address of the block whose links were overwritten.
    pub(super) fn broken(self) -> Option<usize> {
        self.is_broken().then_some(self.broken)
    }
}
