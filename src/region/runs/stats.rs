//! The counters of an allocator of page runs.

use core::fmt;

/// The counters of an allocator: see [`PageRuns::stats`](super::PageRuns::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct RunStats {
    /// Bytes of a page.
    pub page_bytes: usize,
    /// Pages in all.
    pub pages: usize,
    /// Pages in no run.
    pub free: usize,
    /// Runs that are allocated, raw runs included.
    pub runs: usize,
    /// Raw runs.
    pub raw: usize,
    /// Maximum number of pages that were allocated at the same time.
    pub peak: usize,
    /// Runs allocated so far.
    pub allocations: u64,
    /// Requests for which no free run was long enough.
    pub exhaustions: u64,
    /// Raw runs that were refused when they were returned.
    pub refusals: u64,
}

impl RunStats {
    pub(super) fn new(page_bytes: usize, pages: usize) -> Self {
        Self {
            page_bytes,
            pages,
            free: pages,
            runs: 0,
            raw: 0,
            peak: 0,
            allocations: 0,
            exhaustions: 0,
            refusals: 0,
        }
    }
}

impl fmt::Display for RunStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} pages of {} bytes free, {} runs ({} raw), peak {} pages, {} allocations, \
             {} exhaustions, {} refusals",
            self.free,
            self.pages,
            self.page_bytes,
            self.runs,
            self.raw,
            self.peak,
            self.allocations,
            self.exhaustions,
            self.refusals
        )
    }
}
