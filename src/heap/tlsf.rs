//! Two-level segregated fit: allocation, free and resize in constant time.
//!
//! The algorithm is that of M. Masmano, I. Ripoll, A. Crespo and J. Real, "TLSF: a new dynamic memory allocator
//! for real-time systems" (ECRTS 2004), with these differences: the size of a block is stored at its end only
//! while it is free ([`block`](super::block)); the first block of a list names the list's head, so that taking it out
//! needs no search for the list ([`bins`](super::bins)); and a request that no list serves for certain looks at a few
//! blocks of the lists of about its size before it is refused.
//!
//! Every step is a bounded number of loads and stores; nothing here loops over blocks but the search of at
//! most [`SCAN`](super::bins::SCAN) of them.

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::heap::bins::Bins;
use crate::heap::block::{Block, GRANULE, Links, MIN, Tag, block_size};
use crate::heap::fresh::Fresh;
use crate::heap::regions::Regions;
use crate::heap::stats::Counters;

/// The state of a heap. All zeros is a heap without memory.
///
/// Invariants:
/// - The memory of the regions belongs to this value alone, but for the bytes of blocks in use.
/// - From its first block on, a region is divided into blocks without gaps, up to the end tag. Each tag has
///   the size of its block, and its flags are true. No two free blocks are neighbours.
/// - The free blocks, and they alone, are in the lists of `bins`, each in the list of its size, with its size
///   at its end.
pub(super) struct Tlsf {
    pub(super) bins: Bins,
    pub(super) fresh: Fresh,
    pub(super) counters: Counters,
    pub(super) regions: Regions,
}

impl Tlsf {
    /// All zeros.
    pub(super) const NEW: Self = Self {
        bins: Bins::NONE,
        fresh: Fresh::NONE,
        counters: Counters::NEW,
        regions: Regions::NONE,
    };

    /// The size of the block for a request of `size` bytes, or `None` if no block is so large.
    #[inline(always)]
    fn need(&self, size: usize) -> Option<Tag> {
        (size <= self.bins.limit()).then(|| Tag::used(block_size(size)))
    }

    /// Allocates a block for a layout. If there is none, counts a refusal. O(1).
    #[inline(always)]
    pub(super) fn alloc_or_refuse(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.align() <= GRANULE {
            self.alloc_sized(layout.size(), layout.align())
        } else {
            self.alloc_aligned(layout.size(), layout.align())
        }
    }

    /// Allocates a block for a layout without counting a refusal. O(1).
    #[cfg(all(feature = "std", feature = "spin", not(loom)))]
    pub(super) fn alloc(&mut self, layout: Layout) -> Option<Block> {
        let refusals = self.counters.refusals;
        let at = self.alloc_or_refuse(layout);
        if at.is_none() {
            self.counters.refusals = refusals;
        }
        // SAFETY: a block's bytes.
        at.map(|at| unsafe { Block::new(at) })
    }

    // Each of the following functions ends with a call of the next one, which a compiler makes a jump: so they need
    // no registers but those that a function may overwrite.

    /// Allocates a block with the alignment of all blocks. O(1).
    #[inline(never)]
    fn alloc_sized(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: the size is within the limit. The block is free and in no list, and holds it.
        unsafe {
            if size <= self.bins.limit() {
                let need = Tag::used(block_size(size));
                if let Some(block) = self.bins.take(need) {
                    return self.serve(size, block, need);
                }
            }
        }
        self.alloc_scanned(size, align)
    }

    /// Allocates a block with a stricter alignment than that of all blocks. O(1).
    #[inline(never)]
    fn alloc_aligned(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: the size is within the limit. The block is free and in no list, and has `need` bytes after those
        // that the alignment skips, at most `align + MIN - GRANULE`.
        unsafe {
            // Their sum does not exceed `isize::MAX` by more than 1, as a layout.
            if size + align <= self.bins.limit() {
                let need = block_size(size);
                if let Some(block) = self.bins.take_larger(padded(need, align)) {
                    return self.serve_aligned(size, align, block, Tag::used(need));
                }
            }
        }
        self.alloc_scanned(size, align)
    }

    /// Allocates a block where no list serves for certain. O(1).
    #[cold]
    #[inline(never)]
    fn alloc_scanned(&mut self, size: usize, align: usize) -> Option<NonNull<u8>> {
        // SAFETY: the sizes are within the limit. The block is free, in no list then, and has `need` bytes after those
        // that the alignment skips.
        unsafe {
            if size + align <= self.bins.limit() {
                let need = Tag::used(block_size(size));
                if align <= GRANULE {
                    if let Some(block) = self.bins.take_next(need) {
                        return self.serve(size, block, need);
                    }
                } else if let Some(block) = self.find_aligned(need, align) {
                    if self.bins.remove(block) {
                        return self.serve_aligned(size, align, block, need);
                    }
                }
            }
            // These are the two parts of a layout.
            let layout = Layout::from_size_align_unchecked(size, align);
            self.counters.refused(layout);
        }
        None
    }

    /// A block with room for `need` bytes after those that the alignment skips. Where aligned objects fill a heap, a freed one
    /// lies in a list between that of its size and that of the size with all that an alignment may skip.
    ///
    /// # Safety
    /// The sizes are within the limit.
    #[inline(always)]
    unsafe fn find_aligned(&self, need: Tag, align: usize) -> Option<Block> {
        // SAFETY: the caller's promise; the blocks of the lists are free.
        unsafe {
            self.bins.scan(need, padded(need.size(), align), |block| {
                let lead = if is_aligned(block, align) {
                    0
                } else {
                    lead(block, align)
                };
                need.size() + lead <= block.tag().size()
            })
        }
    }

    /// Makes a free block one in use, after the bytes that the alignment skips: these are a free block then.
    ///
    /// # Safety
    /// The block is free and in no list, and holds `need` after those bytes.
    #[inline(never)]
    unsafe fn serve_aligned(
        &mut self,
        size: usize,
        align: usize,
        block: Block,
        need: Tag,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise. The bytes that are skipped are none or at least `MIN`.
        unsafe {
            if is_aligned(block, align) {
                return self.serve(size, block, need);
            }
            let lead = lead(block, align);
            let taken = block.forward(lead);
            let lead = Tag::free(lead);
            taken.set_tag(block.tag().without(lead).after_free());
            block.set_free(lead, taken);
            self.bins.insert(block, lead);
            self.serve(size, taken, need.after_free())
        }
    }

    /// Makes a block one that is in use, for a request of `size` bytes.
    ///
    /// # Safety
    /// The block is free and in no list, and holds `need`. Its tag and `need` have the state of the previous block.
    #[inline(never)]
    unsafe fn serve(&mut self, size: usize, block: Block, need: Tag) -> Option<NonNull<u8>> {
        self.counters.allocated(size);
        // SAFETY: the caller's promise. By the invariants a block or the end tag follows each block.
        unsafe {
            let have = block.tag();
            let rest = have.rest(need);
            let next = block.forward(have.size());
            if rest.holds(Tag::used(MIN)) {
                block.set_tag(need);
                self.counters.grown(need);
                self.release_tail(block.forward(need.size()), rest, next);
            } else {
                block.set_tag(have.in_use());
                self.counters.grown(have);
                self.use_up(next);
            }
        }
        Some(block.as_ptr())
    }

    /// Makes the end of a block free, up to the next block, which is in use.
    ///
    /// # Safety
    /// The bytes are in no list. `rest` is their size and state.
    #[inline(always)]
    unsafe fn release_tail(&mut self, tail: Block, rest: Tag, next: Block) {
        self.fresh.cut(tail.addr() + size_of::<Links>(), next);
        // SAFETY: the caller's promise.
        unsafe {
            tail.set_free(rest, next);
            self.bins.insert(tail, rest);
        }
    }

    /// Notes that the block before `next` is in use.
    ///
    /// # Safety
    /// It is in no list.
    #[inline(always)]
    unsafe fn use_up(&mut self, next: Block) {
        self.fresh.cut(next.addr(), next);
        // SAFETY: the caller's promise.
        unsafe { next.set_previous_free(false) };
    }

    /// Frees the block at an address, of a layout of `size` bytes. O(1).
    ///
    /// The address is a number, so that the compiler knows nothing of the pointer that the caller passed. A
    /// `Box` may access its own bytes only; here the tags around it are read.
    ///
    /// # Safety
    /// A block of this heap that is in use starts at the address.
    #[inline(never)]
    pub(super) unsafe fn free(&mut self, addr: usize, size: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let block = self.regain(addr);
            let tag = block.tag();
            self.counters.freed(size);
            self.counters.shrunk(tag);
            self.release(block, tag);
        }
    }

    /// Whether the block at an address is as large as a block in use for a request of `size` bytes is.
    ///
    /// # Safety
    /// As for [`free`](Self::free), but that its tag may have been overwritten.
    #[cfg(feature = "hardened")]
    pub(super) unsafe fn is_sized(&self, addr: usize, size: usize) -> bool {
        // SAFETY: the caller's promise.
        let tag = unsafe { self.regain(addr).tag() };
        // A rest of less than the smallest block stays with the block.
        !tag.is_free() && tag.size().wrapping_sub(block_size(size)) < MIN
    }

    /// Makes a block free, and merges it with its free neighbours. It stays in use if links were overwritten: they may
    /// name blocks that are no longer free.
    ///
    /// # Safety
    /// The block belongs to this heap and is in use. `tag` has its size, and says whether the previous block is free.
    #[inline(always)]
    pub(super) unsafe fn release(&mut self, block: Block, tag: Tag) {
        if self.bins.code.is_broken() {
            return;
        }
        // SAFETY: by the invariants the tags of the neighbours say whether they are free, and then they are in
        // a list.
        unsafe {
            let (mut block, mut all) = (block, tag.as_free());
            let mut next = block.forward(all.size());
            let after = next.tag();
            if after.is_free() {
                if !self.bins.remove(next) {
                    return;
                }
                next = next.forward(after.size());
                all = all.joined(after);
            } else {
                next.set_tag(after.with_previous_free(true));
            }
            if tag.is_previous_free() {
                let before = block.previous_tag();
                block = block.back(before.size());
                if !self.bins.remove(block) {
                    return;
                }
                all = all.joined(before);
            }
            block.set_free(all, next);
            self.bins.insert(block, all);
        }
    }

    /// Changes the size of a block in place, from a layout of `old` bytes to one of `new`. O(1). If the memory
    /// after the block does not suffice, nothing changes, and the result is `None`.
    ///
    /// # Safety
    /// As for [`free`](Self::free).
    #[inline(never)]
    pub(super) unsafe fn resize(&mut self, addr: usize, old: usize, new: usize) -> Option<Block> {
        let need = self.need(new)?;
        // SAFETY: the caller's promise, and the invariants.
        unsafe {
            let block = self.regain(addr);
            let tag = block.tag();
            let next = block.forward(tag.size());
            let after = next.tag();
            let mut kept = tag;
            if after.is_free() {
                let room = tag.as_free().joined(after);
                if !room.holds(need) {
                    return None;
                }
                if need != tag.as_used() {
                    let (rest, end) = (room.rest(need), next.forward(after.size()));
                    if !self.bins.remove(next) {
                        return None;
                    }
                    if rest.holds(Tag::used(MIN)) {
                        kept = tag.resized(need);
                        self.release_tail(block.forward(need.size()), rest, end);
                    } else {
                        kept = tag.resized(room);
                        self.use_up(end);
                    }
                }
            } else {
                let have = tag.as_free();
                if !have.holds(need) {
                    return None;
                }
                let rest = have.rest(need);
                if rest.holds(Tag::used(MIN)) {
                    kept = tag.resized(need);
                    next.set_tag(after.with_previous_free(true));
                    self.release_tail(block.forward(need.size()), rest, next);
                }
            }
            block.set_tag(kept);
            self.counters.shrunk(tag);
            self.counters.grown(kept);
            self.counters.resized(old, new);
            Some(block)
        }
    }

    /// Memory of a new layout with the free blocks next to the block: by [`resize`](Self::resize), or by
    /// [`join_down`](Self::join_down), whose result is another address. Neither is called if it does not suffice: that
    /// would cost more than the look. O(1). `None`: nothing has changed.
    ///
    /// # Safety
    /// As for [`free`](Self::free).
    #[inline(always)]
    pub(super) unsafe fn extend(&mut self, addr: usize, old: usize, new: Layout) -> Option<Block> {
        let need = self.need(new.size())?;
        // SAFETY: the caller's promise, and the invariants: the tags say whether the neighbours are free.
        unsafe {
            let block = self.regain(addr);
            let tag = block.tag();
            let next = block.forward(tag.size());
            let after = next.tag();
            let own = tag.as_free();
            let room = if after.is_free() {
                own.joined(after)
            } else {
                own
            };
            if room.holds(need) && is_aligned(block, new.align()) {
                return self.resize(addr, old, new.size());
            }
            if tag.is_previous_free() {
                let before = block.previous_tag();
                let start = block.back(before.size());
                if room.joined(before).holds(need)
                    && is_aligned(start, new.align())
                    && self.bins.is_linked(start)
                    && (!after.is_free() || self.bins.is_linked(next))
                {
                    return Some(self.join_down(block, old, new.size()));
                }
            }
        }
        None
    }

    /// Makes a block larger by the free block before it, and by what it then needs of the one after it. If the one before
    /// it is enough, serves from that alone: joined, all of it would be in use until the content has moved. The caller
    /// moves the content to the result, and calls [`moved_down`](Self::moved_down).
    ///
    /// # Safety
    /// The block is in use, the one before it is free, and with that, and the one after it if that is free too, it
    /// holds `new` bytes. The links of both are whole.
    #[inline(never)]
    unsafe fn join_down(&mut self, block: Block, old: usize, new: usize) -> Block {
        let need = Tag::used(block_size(new));
        // SAFETY: the caller's promise, and the invariants. The content stays whole: before it only free bytes are written
        // to, and where `resize` writes, after the end, the block becomes larger.
        unsafe {
            let tag = block.tag();
            let before = block.previous_tag();
            let start = block.back(before.size());
            let own = before.joined(tag);
            self.bins.remove(start);
            if before.holds(need) {
                self.serve(new, start, need);
                return start;
            }
            start.set_tag(own.as_used());
            self.counters.shrunk(tag);
            self.counters.grown(own);
            if own.holds(need) {
                self.counters.resized(old, new);
            } else {
                self.resize(start.addr(), old, new);
            }
            start
        }
    }

    /// Gives back what is too much of a block that [`join_down`](Self::join_down) has made, or the old one if that is not
    /// in it.
    ///
    /// # Safety
    /// The addresses and sizes are those of `join_down`, and the content has moved.
    #[inline(never)]
    pub(super) unsafe fn moved_down(&mut self, from: usize, old: usize, to: usize, new: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if from - to < block_size(new) {
                self.resize(to, new, new);
            } else {
                self.free(from, old);
            }
        }
    }

    /// A pointer that may access all of the region that its address is in, if one is.
    #[cfg(feature = "hardened")]
    pub(super) fn regain_ptr(&self, at: NonNull<u8>) -> NonNull<u8> {
        NonNull::new(self.pointer(at.addr().get())).unwrap_or(at)
    }

    /// A pointer to the block at an address that may access all of the region.
    ///
    /// # Safety
    /// The address is that of a block of this heap.
    #[inline(always)]
    unsafe fn regain(&self, addr: usize) -> Block {
        // SAFETY: a block is not at address 0, by the caller's promise.
        unsafe { Block::new(NonNull::new_unchecked(self.pointer(addr))) }
    }

    /// The address, as a pointer that may access its region.
    #[inline(always)]
    fn pointer(&self, addr: usize) -> *mut u8 {
        // Miri checks more when it knows the region; on a processor an address is all there is.
        #[cfg(miri)]
        return self.regions.pointer(addr);
        #[cfg(not(miri))]
        core::ptr::with_exposed_provenance_mut(addr)
    }
}

/// The size that has room for `need` bytes after those that the alignment skips.
#[inline(always)]
fn padded(need: usize, align: usize) -> Tag {
    // As much as `lead` returns at most.
    Tag::used(need + align + (MIN - GRANULE))
}

#[inline(always)]
fn is_aligned(block: Block, align: usize) -> bool {
    block.addr() & (align - 1) == 0
}

/// The bytes between a free block and the first block in it that is aligned and leaves room for a block before it: at
/// most `align + MIN - GRANULE` if the block is not aligned.
#[inline(always)]
fn lead(block: Block, align: usize) -> usize {
    let addr = block.addr();
    let end = addr.wrapping_add(MIN + align - 1);
    (end & align.wrapping_neg()).wrapping_sub(addr)
}

// With the least alignment that skips bytes, and the least that it skips.
const _: () = assert!(GRANULE + 2 * GRANULE >= MIN);
