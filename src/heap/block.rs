//! The blocks that a region is divided into: a tag before each, and the list links inside the free ones.
//!
//! ```text
//!          block: aligned to 8                                next block
//!          ▼                                                  ▼
//!  ┌───────┬──────────────────────────────────────────┬───────┬────
//!  │ tag   │ the caller's bytes                       │ tag   │ …    in use
//!  └───────┴──────────────────────────────────────────┴───────┴────
//!  ┌───────┬────────┬────────┬───────────────┬────────┬───────┬────
//!  │ tag   │ next   │ before │               │ size   │ tag   │ …    free
//!  └───────┴────────┴────────┴───────────────┴────────┴───────┴────
//!   4 bytes                                   4 bytes
//! ```
//!
//! The size of a block counts its tag. It is stored a second time at the end of a free block only, where the
//! block after it finds it (Knuth's boundary tags; The Art of Computer Programming 1, 2.5, exercise 19). So a
//! block in use costs 4 bytes and the rounding to 8.

use core::ptr::NonNull;

/// Blocks are aligned to this many bytes, and their sizes are multiples of it.
pub(super) const GRANULE: usize = 8;

/// Bytes of a tag.
pub(super) const TAG: usize = size_of::<u32>();

/// Bytes of the smallest block: what a free block keeps in itself. 24, or 16 on 32-bit targets.
pub(super) const MIN: usize = TAG + size_of::<Links>() + TAG;

/// The lowest bits of a size in bytes that a tag does not store.
const SCALE: u32 = if cfg!(target_pointer_width = "64") {
    1
} else {
    0
};

/// Bytes of the largest block: 8 GiB, or 2 GiB on 32-bit targets.
pub(super) const MAX: usize = {
    let all = (!FLAGS as usize) << SCALE;
    let signed = isize::MAX as usize;
    (if all < signed { all } else { signed }) & !(GRANULE - 1)
};

const FREE: u32 = 1;
const PREVIOUS_FREE: u32 = 2;
const FLAGS: u32 = FREE | PREVIOUS_FREE;

const _: () = assert!(MIN % GRANULE == 0 && MAX % GRANULE == 0);

/// The size of the block for a request of `size` bytes, which is not larger than [`MAX`] less [`TAG`].
#[inline(always)]
pub(super) const fn block_size(size: usize) -> usize {
    // Not `div_ceil`, which takes more instructions.
    let granules = (size + TAG + GRANULE - 1) >> GRANULE.ilog2();
    let least = MIN / GRANULE;
    (if granules < least { least } else { granules }) * GRANULE
}

/// What the four bytes before a block say: its size, whether it is free, and whether the previous one is.
///
/// Also a size as such: sums and differences of tags take fewer instructions than those of sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    /// The tag at the end of a region: a block in use, of size 0.
    pub(super) const END: Self = Self(0);

    /// A block in use after another one.
    #[inline(always)]
    pub(super) const fn used(size: usize) -> Self {
        Self((size >> SCALE) as u32)
    }

    /// A free block. The previous one is in use, because free neighbours are merged.
    #[inline(always)]
    pub(super) const fn free(size: usize) -> Self {
        Self((size >> SCALE) as u32 + FREE)
    }

    #[inline(always)]
    pub(super) const fn size(self) -> usize {
        ((self.0 & !FLAGS) as usize) << SCALE
    }

    /// The number that the lists are ordered by: grows with the size, is the same for blocks in use and free ones
    /// after a block in use, and is never 0.
    #[inline(always)]
    pub(super) const fn rank(self) -> u32 {
        self.0 | FREE
    }

    /// The smallest size of a rank or of a higher one, in bytes.
    pub(super) const fn least_of_rank(rank: u64) -> usize {
        (((rank - 1) as usize) << SCALE).next_multiple_of(GRANULE)
    }

    /// Whether this free block, after a block in use, is as large as a block in use.
    #[inline(always)]
    pub(super) const fn holds(self, need: Self) -> bool {
        self.0 >= need.0
    }

    /// The free block that remains of this one if its first `need` bytes are used.
    #[inline(always)]
    pub(super) const fn rest(self, need: Self) -> Self {
        Self(self.0.wrapping_sub(need.0))
    }

    /// The free block that remains of this one without the bytes of another free block.
    #[inline(always)]
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0).wrapping_add(FREE))
    }

    /// A block with the bytes of another one as well.
    #[inline(always)]
    pub(super) const fn joined(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0 & !FLAGS))
    }

    /// The same size, in use after a block in use.
    #[inline(always)]
    pub(super) const fn as_used(self) -> Self {
        Self(self.0 & !FLAGS)
    }

    /// The same size and state of the previous block, in use.
    #[inline(always)]
    pub(super) const fn in_use(self) -> Self {
        Self(self.0 & !FREE)
    }

    /// The same size and state, after a free block. The previous block was in use.
    #[inline(always)]
    pub(super) const fn after_free(self) -> Self {
        Self(self.0.wrapping_add(PREVIOUS_FREE))
    }

    /// The same size, free after a block in use.
    #[inline(always)]
    pub(super) const fn as_free(self) -> Self {
        Self(self.0 & !FLAGS | FREE)
    }

    /// Tells the compiler that this is the tag of a free block.
    ///
    /// # Safety
    /// It is.
    #[inline(always)]
    pub(super) unsafe fn assert_free(self) {
        // SAFETY: the caller's promise.
        unsafe { core::hint::assert_unchecked(self.is_free()) };
    }

    /// The size in units of [`bytes_of_units`].
    #[inline(always)]
    pub(super) const fn units(self) -> usize {
        (self.0 & !FLAGS) as usize
    }

    #[inline(always)]
    pub(super) const fn is_free(self) -> bool {
        self.0 & FREE != 0
    }

    #[inline(always)]
    pub(super) const fn is_previous_free(self) -> bool {
        self.0 & PREVIOUS_FREE != 0
    }

    #[inline(always)]
    pub(super) const fn with_previous_free(self, free: bool) -> Self {
        Self(self.0 & !PREVIOUS_FREE | if free { PREVIOUS_FREE } else { 0 })
    }

    /// The same state of the previous block, with another size.
    #[inline(always)]
    pub(super) const fn resized(self, size: Self) -> Self {
        Self(size.0 & !FLAGS | self.0 & FLAGS)
    }
}

/// Bytes of a number of units, in which the sizes in tags are counted.
pub(super) const fn bytes_of_units(units: usize) -> usize {
    units << SCALE
}

/// The links of a free block in the list of its size.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Links {
    /// The next block of the list.
    pub(super) next: Option<Block>,
    /// The block whose `next` is this one, always there. For the first of a list, what would be a block if the head of the list were
    /// its `next`.
    pub(super) before: Option<Block>,
}

/// A block, by the address of its tag: 4 bytes before that of the caller's bytes.
///
/// The functions below access the bytes at the block. Their contract: this is a block of a region that the
/// caller has exclusive access to, and the pointer may access all of that region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(super) struct Block(NonNull<u32>);

impl Block {
    /// The block of the caller's bytes at an address that is aligned to [`GRANULE`].
    ///
    /// # Safety
    /// The tag is in the block's region.
    #[inline(always)]
    pub(super) const unsafe fn new(at: NonNull<u8>) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { at.sub(TAG) }.cast())
    }

    /// The caller's bytes.
    #[inline(always)]
    pub(super) const fn as_ptr(self) -> NonNull<u8> {
        // SAFETY: a region ends after its last tag, or later.
        unsafe { self.0.add(1) }.cast()
    }

    /// The address of the tag.
    #[inline(always)]
    pub(super) fn tag_addr(self) -> usize {
        self.0.addr().get()
    }

    /// The address of the caller's bytes.
    #[inline(always)]
    pub(super) fn addr(self) -> usize {
        self.as_ptr().addr().get()
    }

    /// # Safety
    /// The result is in the block's region, or at its end.
    #[inline(always)]
    pub(super) unsafe fn forward(self, bytes: usize) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { self.0.byte_add(bytes) })
    }

    /// # Safety
    /// The result is in the block's region.
    #[inline(always)]
    pub(super) unsafe fn back(self, bytes: usize) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { self.0.byte_sub(bytes) })
    }

    /// # Safety
    /// The contract of [`Block`].
    #[inline(always)]
    pub(super) unsafe fn tag(self) -> Tag {
        // SAFETY: the caller's promise. Tags are aligned to 4 because blocks are aligned to 8.
        Tag(unsafe { self.0.read() })
    }

    /// # Safety
    /// The contract of [`Block`]; the bytes before the block are not in use.
    #[inline(always)]
    pub(super) unsafe fn set_tag(self, tag: Tag) {
        // SAFETY: as for `tag`.
        unsafe { self.0.write(tag.0) };
    }

    /// # Safety
    /// The contract of [`Block`].
    #[inline(always)]
    pub(super) unsafe fn set_previous_free(self, free: bool) {
        // SAFETY: the caller's promise.
        unsafe { self.set_tag(self.tag().with_previous_free(free)) };
    }

    /// The tag of the block before this one, from its end.
    ///
    /// # Safety
    /// The contract of [`Block`]; the tag says that the previous block is free.
    #[inline(always)]
    pub(super) unsafe fn previous_tag(self) -> Tag {
        // SAFETY: a free block ends in its size, before the tag of the next.
        Tag(unsafe { self.0.sub(1).read() })
    }

    /// Writes the tag of a free block, and a second time at its end. `next` is the block after it.
    ///
    /// # Safety
    /// The contract of [`Block`]; the bytes from the tag on up to the tag of `next` are not in use.
    #[inline(always)]
    pub(super) unsafe fn set_free(self, tag: Tag, next: Self) {
        // SAFETY: the caller's promise; the size lies in the last four bytes, before the next block's tag.
        unsafe {
            self.0.write(tag.0);
            next.0.sub(1).write(tag.0);
        }
    }

    /// The size at the end of a free block, for the check.
    ///
    /// # Safety
    /// The contract of [`Block`]; `size` bytes from its tag on are in the region, and at least [`MIN`].
    pub(super) unsafe fn size_at_end(self, size: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { self.forward(size).previous_tag().size() }
    }

    /// The links of a free block.
    #[inline(always)]
    pub(super) const fn links(self) -> NonNull<Links> {
        self.as_ptr().cast()
    }

    /// The link of a free block, or the head of a list.
    #[inline(always)]
    pub(super) const fn next(self) -> NonNull<Option<Self>> {
        self.as_ptr().cast()
    }

    /// # Safety
    /// The contract of [`Block`]; this block is free.
    #[inline(always)]
    pub(super) unsafe fn set_before(self, before: Option<Self>) {
        // SAFETY: the caller's promise.
        unsafe { (*self.links().as_ptr()).before = before };
    }

    /// A link with the bits of a key reversed. No link is address 0.
    #[cfg(feature = "hardened")]
    #[inline(always)]
    pub(super) fn xor(link: Option<Self>, key: usize) -> Option<Self> {
        let at = link.map_or(core::ptr::null_mut(), |block| block.0.as_ptr());
        NonNull::new(at.map_addr(|at| at ^ key)).map(Self)
    }
}
