//! Statistics, counted under the lock that each operation takes anyway.

use core::alloc::Layout;
use core::fmt;

use crate::heap::block::{GRANULE, TAG, Tag, bytes_of_units};
use crate::heap::tlsf::Tlsf;

/// What a heap counts.
///
/// No two that change together are neighbours: a compiler would add to them as a vector, which takes more instructions.
#[repr(C)]
pub(super) struct Counters {
    allocations: usize,
    frees: usize,
    /// The largest value of `used` before it fell, in the units of tags as that.
    peak: usize,
    requested: usize,
    pub(super) refusals: Refusals,
    used: usize,
}

/// The number of refusals, and the last one.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Refusals {
    count: usize,
    size: usize,
    align: usize,
}

impl Counters {
    pub(super) const NEW: Self = Self {
        used: 0,
        peak: 0,
        requested: 0,
        allocations: 0,
        frees: 0,
        refusals: Refusals {
            count: 0,
            size: 0,
            align: 0,
        },
    };

    #[inline(always)]
    pub(super) fn allocated(&mut self, size: usize) {
        self.requested = self.requested.wrapping_add(size);
        self.allocations = self.allocations.wrapping_add(1);
    }

    #[inline(always)]
    pub(super) fn freed(&mut self, size: usize) {
        self.requested = self.requested.wrapping_sub(size);
        self.frees = self.frees.wrapping_add(1);
    }

    #[inline(always)]
    pub(super) fn resized(&mut self, old: usize, new: usize) {
        self.requested = self.requested.wrapping_sub(old).wrapping_add(new);
    }

    /// The memory in use grows by a block, or by a part of one.
    #[inline(always)]
    pub(super) fn grown(&mut self, size: Tag) {
        self.used = self.used.wrapping_add(size.units());
    }

    #[inline(always)]
    pub(super) fn shrunk(&mut self, size: Tag) {
        if self.used > self.peak {
            self.peak = self.used;
        }
        self.used = self.used.wrapping_sub(size.units());
    }

    #[cold]
    pub(super) fn refused(&mut self, layout: Layout) {
        self.refusals = Refusals {
            count: self.refusals.count.wrapping_add(1),
            size: layout.size(),
            align: layout.align(),
        };
    }

    /// The last refusal was none: the request is made again.
    #[cfg(feature = "hardened")]
    pub(super) fn retried(&mut self) {
        self.refusals.count = self.refusals.count.wrapping_sub(1);
    }

    /// Bytes of the blocks in use.
    pub(super) fn used(&self) -> usize {
        bytes_of_units(self.used)
    }
}

/// A request that a heap refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Refusal {
    /// Bytes requested.
    pub size: usize,
    /// Alignment requested.
    pub align: usize,
}

/// The statistics of a heap: see [`Heap::stats`](super::Heap::stats). All sizes are bytes.
///
/// `total == capacity + metadata` and `capacity == used + free`. Counts of events wrap at 2^32 on 32-bit
/// targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct HeapStats {
    /// Bytes of all regions.
    pub total: usize,
    /// Bytes of all blocks, in use and free.
    pub capacity: usize,
    /// Bytes that are in no block: the table of lists, the records of the regions, alignment.
    pub metadata: usize,
    /// Bytes of the blocks in use, with their overhead.
    pub used: usize,
    /// The largest value that `used` had.
    pub peak: usize,
    /// Bytes that the owners of the blocks in use asked for.
    pub requested: usize,
    /// Bytes of the free blocks.
    pub free: usize,
    /// A request of this size, with an alignment of 8 or less, is served. 0 if no block is free.
    pub largest: usize,
    /// No larger request is served. Equals `largest`, unless there are 4 free blocks or more of about that size.
    pub largest_at_most: usize,
    /// Blocks allocated so far.
    pub allocations: usize,
    /// Blocks freed so far.
    pub frees: usize,
    /// Requests refused so far.
    pub refusals: usize,
    /// The last request that was refused.
    pub last_refusal: Option<Refusal>,
}

impl HeapStats {
    /// Number of blocks in use.
    pub const fn in_use(&self) -> usize {
        self.allocations.wrapping_sub(self.frees)
    }
}

impl fmt::Display for HeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} bytes in use by {} blocks (requested {}, peak {}), {} free, largest {}; \
             {} allocations, {} frees, {} refusals",
            self.used,
            self.capacity,
            self.in_use(),
            self.requested,
            self.peak,
            self.free,
            self.largest,
            self.allocations,
            self.frees,
            self.refusals
        )?;
        match self.last_refusal {
            Some(Refusal { size, align }) => write!(f, " (last: {size} bytes aligned to {align})"),
            None => Ok(()),
        }
    }
}

impl Tlsf {
    /// O(1).
    pub(super) fn stats(&self) -> HeapStats {
        let counters = &self.counters;
        let (least, end) = self.bins.largest();
        HeapStats {
            total: self.regions.total,
            capacity: self.regions.capacity,
            metadata: self.regions.total - self.regions.capacity,
            used: counters.used(),
            peak: bytes_of_units(counters.peak.max(counters.used)),
            requested: counters.requested,
            free: self.regions.capacity - counters.used(),
            largest: least.saturating_sub(TAG),
            largest_at_most: end.saturating_sub(GRANULE + TAG),
            allocations: counters.allocations,
            frees: counters.frees,
            refusals: counters.refusals.count,
            last_refusal: (counters.refusals.count > 0).then_some(Refusal {
                size: counters.refusals.size,
                align: counters.refusals.align,
            }),
        }
    }
}
