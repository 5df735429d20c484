//! Statistics of a heap with fronts for threads.

use core::fmt;

use crate::heap::stats::{HeapStats, Refusal};

/// The statistics of a [`ThreadHeap`](super::ThreadHeap). All sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadHeapStats {
    /// Bytes of the heap's memory.
    pub total: usize,
    /// Bytes in use, or held by threads for their next requests; with the fronts and the heap's own tables.
    pub used: usize,
    /// Bytes free: of the core, and of objects in spans.
    pub free: usize,
    /// The core's largest free block: a request of this size is served if it is more than 32 KiB. A smaller one is
    /// rounded up to its class. 0 if the core has no free block.
    pub largest: usize,
    /// Threads that have a front. After a fork, those of threads that are gone are counted too.
    pub fronts: usize,
    /// Requests refused.
    pub refusals: usize,
    /// The last request that was refused.
    pub last_refusal: Option<Refusal>,
    /// Frees that were refused because the object was not in use: freed twice, or never allocated. They are noticed only
    /// when a thread gives objects back; one that was handed out again before is not.
    pub invalid_frees: usize,
}

impl ThreadHeapStats {
    /// The statistics of a core, of which `in_spans` bytes of free objects are used by spans.
    pub(super) fn of(core: HeapStats, in_spans: usize) -> Self {
        Self {
            total: core.total,
            used: core.used - in_spans,
            free: core.free + in_spans,
            largest: core.largest,
            fronts: 0,
            refusals: core.refusals,
            last_refusal: core.last_refusal,
            invalid_frees: 0,
        }
    }
}

impl fmt::Display for ThreadHeapStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} bytes in use or held by {} threads, {} free, largest {}; {} refusals",
            self.used, self.total, self.fronts, self.free, self.largest, self.refusals
        )?;
        match self.last_refusal {
            Some(Refusal { size, align }) => write!(f, " (last: {size} bytes aligned to {align})"),
            None => Ok(()),
        }
    }
}
