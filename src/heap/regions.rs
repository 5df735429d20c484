//! The regions of a heap: adding them, and how they are laid out.
//!
//! ```text
//!  ├ slack ┼────────┼───────┼─────┬─────┬─────────────────────────┬─────┬─────┼ slack ┤
//!          │ Region │ table │ tag │ blo │ tag │ block         │ tag │ blo │ end │
//!          └────────┴───────┴─────┴─────┴─────────────────────────┴─────┴─────┘
//! ```
//!
//! The table of lists is a block in use of the first region. The end tag says that the memory after the last
//! block is in use, so no free block is ever merged beyond the region.

use core::mem;
use core::ptr::NonNull;

use crate::heap::bins::{Bins, Shape};
use crate::heap::block::{Block, GRANULE, Links, MAX, MIN, TAG, Tag, block_size};
use crate::heap::error::RegionError;
use crate::heap::fresh::Fresh;
use crate::heap::tlsf::Tlsf;

/// What a heap remembers of a region, at the region's start.
struct Region {
    next: Option<NonNull<Region>>,
    start: NonNull<u8>,
    len: usize,
}

impl Region {
    fn begin(&self) -> usize {
        self.start.addr().get()
    }

    fn end(&self) -> usize {
        self.begin() + self.len
    }
}

/// The first regions of a heap.
///
/// Invariant: each names a `Region` in memory that belongs to the heap. `start` may access all of its `len`
/// bytes.
#[derive(Clone, Copy)]
pub(super) struct Lists {
    /// Those that may become one with a region next to them.
    mergeable: Option<NonNull<Region>>,
    /// Those that may not: a pointer to them may access nothing else.
    separate: Option<NonNull<Region>>,
}

impl Lists {
    pub(super) const NONE: Self = Self {
        mergeable: None,
        separate: None,
    };

    fn iter(self) -> impl Iterator<Item = NonNull<Region>> {
        each(self.mergeable).chain(each(self.separate))
    }

    /// Whether one region has all of these bytes. O(regions).
    #[cfg(feature = "hardened")]
    pub(super) fn hold(self, addr: usize, len: usize) -> bool {
        // SAFETY: the invariant.
        self.iter().any(|region| unsafe {
            let region = region.as_ref();
            let skipped = addr.wrapping_sub(region.begin());
            skipped < region.len && len <= region.len - skipped
        })
    }
}

/// A region and those after it in its list.
fn each(first: Option<NonNull<Region>>) -> impl Iterator<Item = NonNull<Region>> {
    let mut at = first;
    core::iter::from_fn(move || {
        let region = at?;
        // SAFETY: the invariant of the lists.
        at = unsafe { region.as_ref().next };
        Some(region)
    })
}

/// The regions of a heap.
pub(super) struct Regions {
    pub(super) lists: Lists,
    /// Bytes in all blocks, the table excepted.
    pub(super) capacity: usize,
    /// Bytes of all regions.
    pub(super) total: usize,
    /// Whether the memory of the static was added.
    pub(super) seeded: bool,
}

/// A region to add, checked.
#[derive(Clone, Copy)]
pub(super) struct NewRegion {
    pub(super) start: NonNull<u8>,
    pub(super) len: usize,
    /// Whether its bytes are zero.
    pub(super) zeroed: bool,
    /// Whether it may become one with the regions next to it.
    pub(super) merge: bool,
}

/// Where the blocks of a new region go.
struct Plan {
    /// The region that ends where the new one starts.
    below: Option<NonNull<Region>>,
    /// The region that starts where the new one ends.
    above: Option<NonNull<Region>>,
    from: usize,
    to: usize,
    /// Bytes of the block for a new table, or 0.
    table: usize,
}

impl Regions {
    pub(super) const NONE: Self = Self {
        lists: Lists::NONE,
        capacity: 0,
        total: 0,
        seeded: false,
    };

    fn iter(&self) -> impl Iterator<Item = NonNull<Region>> {
        self.lists.iter()
    }

    /// The first block and the end of each region.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Block, Block)> + '_ {
        // SAFETY: the invariant.
        self.iter()
            .map(|region| unsafe { (first_block(region), end_of(region.as_ref())) })
    }

    pub(super) fn count(&self) -> usize {
        self.iter().count()
    }

    /// Whether an address is in a region.
    pub(super) fn contains(&self, addr: usize) -> bool {
        // SAFETY: the invariant.
        self.iter().any(|region| unsafe {
            let region = region.as_ref();
            addr.wrapping_sub(region.begin()) < region.len
        })
    }

    /// The address, as a pointer that may access all of its region; null if no region has it.
    #[cfg(miri)]
    pub(super) fn pointer(&self, addr: usize) -> *mut u8 {
        // SAFETY: the invariant.
        self.iter()
            .map(|region| unsafe { region.as_ref() })
            .find(|region| addr.wrapping_sub(region.begin()) < region.len)
            .map_or(core::ptr::null_mut(), |region| {
                region.start.as_ptr().with_addr(addr)
            })
    }

    /// Refuses what wraps or overlaps.
    fn check(&self, new: NewRegion) -> Result<(), RegionError> {
        let start = new.start.addr().get();
        let end = start
            .checked_add(new.len)
            .filter(|_| new.len <= isize::MAX as usize);
        let Some(end) = end else {
            return Err(RegionError::Wraps {
                start,
                len: new.len,
            });
        };
        for region in self.iter() {
            // SAFETY: the invariant.
            let region = unsafe { region.as_ref() };
            if start < region.end() && region.begin() < end {
                return Err(RegionError::Overlaps {
                    start: region.begin(),
                    len: region.len,
                });
            }
        }
        Ok(())
    }

    /// Finds the neighbours of a new region, and where its blocks begin and end. `table` has the addresses where the
    /// block of the present table starts and ends; `covered` says whether that is large enough.
    fn plan(
        &self,
        new: NewRegion,
        table: Option<(usize, usize)>,
        covered: bool,
    ) -> Result<Plan, RegionError> {
        let start = new.start.addr().get();
        let end = start + new.len;
        // SAFETY: the invariant.
        let len = |region: NonNull<Region>| unsafe { region.as_ref().len };
        let mut mergeable = each(self.lists.mergeable).filter(|_| new.merge);
        // SAFETY: the invariant.
        let below = mergeable.find(|region| unsafe {
            region.as_ref().end() == start && len(*region) + new.len <= MAX
        });
        let merged = new.len + below.map_or(0, len);
        let mut mergeable = each(self.lists.mergeable).filter(|_| new.merge);
        // SAFETY: the invariant.
        let above = mergeable.find(|region| unsafe {
            region.as_ref().begin() == end && len(*region).saturating_add(merged) <= MAX
        });
        // SAFETY: the invariant; the bounds of the new region are not exceeded, as the comparison below shows.
        let (from, to) = unsafe {
            (
                below.map_or(first_after(start), |region| end_of(region.as_ref()).addr()),
                above.map_or(end & !(GRANULE - 1), |region| first_block(region).addr()),
            )
        };
        // A table between the merged regions would keep their blocks apart.
        let in_the_way = table.is_some_and(|(first, end)| {
            below.is_some() && end == from || above.is_some() && first == to
        });
        let table = if covered && !in_the_way {
            0
        } else {
            let total = self.total.saturating_add(new.len);
            block_size(Shape::of(total).bytes())
        };
        let required = from.saturating_add(table + MIN);
        if to < required {
            return Err(RegionError::TooSmall {
                required: required.saturating_add(GRANULE - 1).saturating_sub(start),
                available: new.len,
            });
        }
        Ok(Plan {
            below,
            above,
            from,
            to,
            table,
        })
    }

    /// Takes a region out of the list of those that may be merged.
    ///
    /// # Safety
    /// The region is in that list.
    unsafe fn unlink(&mut self, gone: NonNull<Region>) {
        // SAFETY: the invariant.
        unsafe {
            let next = gone.as_ref().next;
            let before =
                each(self.lists.mergeable).find(|region| region.as_ref().next == Some(gone));
            match before {
                Some(mut region) => region.as_mut().next = next,
                None => self.lists.mergeable = next,
            }
        }
    }
}

impl Tlsf {
    /// Adds the memory of the static that the heap is in: the first region, which is merged with no other. Far less code
    /// than [`add`](Self::add), for firmware that adds nothing else.
    ///
    /// # Safety
    /// The heap has no region. The memory is all zeros, belongs to the heap from now on, and is aligned to 8. It has at least
    /// [`LEAST_FIRST`] bytes.
    pub(super) unsafe fn add_first(&mut self, new: NewRegion) {
        let start = new.start.addr().get();
        let (first, end) = (first_after(start), (start + new.len) & !(GRANULE - 1));
        let shape = Shape::of(new.len);
        let size = block_size(shape.bytes());
        self.regions.total = new.len;
        // Integers become pointers again in `Tlsf::regain`.
        new.start.as_ptr().expose_provenance();
        // SAFETY: the caller's promise.
        unsafe {
            let at = |addr: usize| Block::new(new.start.add(addr - start));
            let record = new.start.add(align_up(start, align_of::<Region>()) - start);
            let record = record.cast::<Region>();
            record.write(Region {
                next: None,
                start: new.start,
                len: new.len,
            });
            self.regions.lists.separate = Some(record);
            self.bins.code.cover(self.regions.lists);
            let (table, from, to) = (at(first), at(first + size), at(end));
            table.set_tag(Tag::used(size));
            from.set_tag(Tag::END);
            to.set_tag(Tag::END);
            self.bins = Bins::in_zeros(table, shape, self.bins.code);
            let left = to.addr() - from.addr();
            let last = if ONE_BLOCK || left <= MAX {
                let tag = Tag::free(left);
                from.set_free(tag, to);
                to.set_tag(Tag::END.with_previous_free(true));
                self.bins.insert(from, tag);
                self.regions.capacity = left;
                from
            } else {
                self.hand_over(from, to)
            };
            self.fresh.add(last.addr() + size_of::<Links>(), to);
        }
    }

    /// Adds a region. O(regions), and O(free blocks) if the table of lists is replaced by a larger one.
    ///
    /// # Errors
    /// The region is too small, overlaps another one or exceeds the address space. Nothing was written to it.
    ///
    /// # Safety
    /// If there is no error, the memory of the region belongs to the heap from now on. If the region may be
    /// merged, the start of the lowest of the merged regions is a pointer that may access all of them.
    pub(super) unsafe fn add(&mut self, new: NewRegion) -> Result<(), RegionError> {
        self.regions.check(new)?;
        let table = self.bins.table().map(|table| {
            // SAFETY: by the invariant of the bins, a block in use.
            let size = unsafe { table.tag().size() };
            (table.addr(), table.addr() + size)
        });
        let total = self.regions.total.saturating_add(new.len);
        let covered = self.bins.cover(total);
        let plan = self.regions.plan(new, table, covered)?;
        let size = plan.table;
        // SAFETY: the caller's promise, and the plan: `from` and `to` are in the region or in the regions merged
        // with it, with room for the table and a block between them. No block in use is there.
        unsafe {
            let lowest = plan.below.map_or(new.start, |region| region.as_ref().start);
            let at = |addr: usize| Block::new(lowest.add(addr - lowest.addr().get()));
            let (mut from, mut to) = (at(plan.from), at(plan.to));
            let end = (new.start.addr().get() + new.len) & !(GRANULE - 1);
            // The region below has its end tag there.
            if plan.below.is_none() {
                from.set_tag(Tag::END);
            }
            if plan.above.is_none() {
                to.set_tag(Tag::END);
            }
            self.record(new, &plan);
            self.bins.code.cover(self.regions.lists);
            if size > 0 {
                // Where it does not separate the new memory from the old.
                let table = if plan.below.is_some() {
                    to = at(plan.to - size);
                    to
                } else {
                    mem::replace(&mut from, at(plan.from + size))
                };
                table.set_tag(Tag::used(size));
                if plan.below.is_none() {
                    from.set_tag(Tag::END);
                }
                self.replace_table(table);
            }
            let last = self.hand_over(from, to);
            // A block that follows the zeros may be freed, and merged with them: only the end tag stays.
            if new.zeroed && to.addr() == end {
                self.fresh.add(last.addr() + size_of::<Links>(), to);
            }
        }
        Ok(())
    }

    /// Writes down the region, or the larger one that it becomes a part of.
    ///
    /// # Safety
    /// As for [`add`](Self::add), with the plan for the region.
    unsafe fn record(&mut self, new: NewRegion, plan: &Plan) {
        let regions = &mut self.regions;
        regions.total += new.len;
        // Integers become pointers again in `Tlsf::regain`.
        new.start.as_ptr().expose_provenance();
        // SAFETY: the caller's promise; the plan has left room for the record before the first block.
        unsafe {
            let more = plan.above.map_or(0, |region| region.as_ref().len);
            if let Some(above) = plan.above {
                regions.unlink(above);
            }
            if let Some(mut below) = plan.below {
                below.as_mut().len += new.len + more;
                // Bytes of zeros no longer end where a block does.
                self.fresh = Fresh::NONE;
                return;
            }
            let start = new.start.addr().get();
            let at = new
                .start
                .add(align_up(start, align_of::<Region>()) - start)
                .cast::<Region>();
            let first = if new.merge {
                &mut regions.lists.mergeable
            } else {
                &mut regions.lists.separate
            };
            at.write(Region {
                next: *first,
                start: new.start,
                len: new.len + more,
            });
            *first = Some(at);
        }
    }

    /// Moves all free blocks to the lists of a new table in `block`, and frees the old one.
    ///
    /// # Safety
    /// The block is in use, belongs to the heap and holds the table for all memory of the regions.
    unsafe fn replace_table(&mut self, block: Block) {
        let shape = Shape::of(self.regions.total);
        // SAFETY: the caller's promise; the lists exist, and their blocks are free.
        unsafe {
            let mut bins = Bins::at(block, shape, self.bins.code);
            for list in 0..self.bins.lists() {
                while let Some(block) = self.bins.pop(list) {
                    bins.insert(block, block.tag());
                }
            }
            let old = self.bins.table();
            bins.follow(&self.bins);
            self.bins = bins;
            if let Some(table) = old {
                let tag = table.tag();
                self.regions.capacity += tag.size();
                self.release(table, tag);
            }
        }
    }

    /// Frees the memory from one block to another: as one block, or as several if it is larger than a block
    /// can be. Returns the last of them.
    ///
    /// # Safety
    /// The memory belongs to the heap, is at least [`MIN`] bytes, and contains no block in use. Both have
    /// a tag, and the flag of `from` is true.
    unsafe fn hand_over(&mut self, from: Block, to: Block) -> Block {
        let mut at = from;
        // SAFETY: the caller's promise; all blocks made here lie between the two.
        unsafe {
            loop {
                let left = to.addr() - at.addr();
                let size = if left <= MAX {
                    left
                } else {
                    MAX.min(left - MIN - GRANULE)
                };
                let end = at.forward(size);
                if size < left {
                    // A block in use that is a tag and no more: it keeps its neighbours apart.
                    end.set_tag(Tag::used(GRANULE));
                }
                let tag = at.tag().resized(Tag::used(size));
                self.regions.capacity += size;
                self.release(at, tag);
                if size == left {
                    return at;
                }
                at = end.forward(GRANULE);
                at.set_tag(Tag::END);
            }
        }
    }
}

/// Bytes of the smallest first region, which has room for its table and a block. So has a larger one: its table takes 1/300 of
/// it, or has 4 lists more for each doubling.
pub(super) const LEAST_FIRST: usize = 40 * size_of::<usize>() + MIN;
const _: () = {
    let table = block_size(Shape::of(LEAST_FIRST).bytes());
    assert!(first_after(0) + table + MIN <= LEAST_FIRST & !(GRANULE - 1));
};

/// Whether a block can be as large as any region.
const ONE_BLOCK: bool = MAX >= isize::MAX as usize & !(GRANULE - 1);

const fn align_up(addr: usize, align: usize) -> usize {
    addr.saturating_add(align - 1) & !(align - 1)
}

/// The address of the first block of a region that starts at an address.
const fn first_after(start: usize) -> usize {
    let record = align_up(start, align_of::<Region>());
    align_up(record.saturating_add(size_of::<Region>() + TAG), GRANULE)
}

/// The first block of a region.
///
/// # Safety
/// The region is one of a heap.
unsafe fn first_block(region: NonNull<Region>) -> Block {
    // SAFETY: the caller's promise: `Regions::plan` has left room.
    unsafe {
        let region = region.as_ref();
        let start = region.begin();
        Block::new(region.start.add(first_after(start) - start))
    }
}

/// The end tag of a region.
///
/// # Safety
/// The region is one of a heap.
unsafe fn end_of(region: &Region) -> Block {
    // SAFETY: the caller's promise: the end, rounded down, is in the region or just after it.
    unsafe {
        let len = (region.end() & !(GRANULE - 1)) - region.begin();
        Block::new(region.start.add(len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A static is aligned to 16.
    #[test]
    fn every_first_region_has_room_for_its_table_and_a_block() {
        let small = if cfg!(miri) {
            LEAST_FIRST + 64
        } else {
            1 << 16
        };
        for len in (LEAST_FIRST..small).chain((16..34).map(|log| 1 << log)) {
            let table = block_size(Shape::of(len).bytes());
            assert!(
                first_after(16) + table + MIN <= (16 + len) & !(GRANULE - 1),
                "{len}"
            );
        }
    }
}
