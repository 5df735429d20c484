//! A request for a run.

use core::ops::Range;

use super::error::RunError;

/// A request for a run: see [`PageRuns::alloc_with`](super::PageRuns::alloc_with).
///
/// ```
/// use framepool::region::{PageRuns, RunRequest};
///
/// let mut memory = vec![core::mem::MaybeUninit::uninit(); 1 << 20];
/// let runs = PageRuns::new(&mut memory, 4096)?;
/// // 5 pages that start at 16 KiB, and do not cross a multiple of 64 KiB.
/// let run = runs.alloc_with(RunRequest::new(5).align(16 << 10).within(64 << 10))?;
/// assert_eq!(run.addr() % (16 << 10), 0);
/// assert_eq!(run.addr() >> 16, (run.addr() + run.len() - 1) >> 16);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "nothing is allocated before `alloc_with`"]
pub struct RunRequest {
    pub(super) pages: usize,
    align: usize,
    boundary: Option<usize>,
}

impl RunRequest {
    /// Requests `pages` pages, aligned to a page, anywhere.
    pub const fn new(pages: usize) -> Self {
        Self {
            pages,
            align: 1,
            boundary: None,
        }
    }

    /// The run's address is a multiple of `align` bytes, a power of two. Every run is aligned to a page.
    pub const fn align(mut self, align: usize) -> Self {
        self.align = align;
        self
    }

    /// The run crosses no address that is a multiple of `boundary` bytes, a power of two and not less
    /// than the run. Use it for devices with 64 KiB segments, or for physical memory that is contiguous
    /// only inside each hugepage.
    pub const fn within(mut self, boundary: usize) -> Self {
        self.boundary = Some(boundary);
        self
    }

    pub(super) fn checked(self, page: usize) -> Result<Self, RunError> {
        if self.pages == 0 {
            return Err(RunError::ZeroPages);
        }
        if !self.align.is_power_of_two() {
            return Err(RunError::BadAlign { asked: self.align });
        }
        let run = self.pages.saturating_mul(page);
        match self.boundary {
            Some(asked) if !asked.is_power_of_two() => Err(RunError::BadBoundary { asked }),
            Some(boundary) if boundary < run => Err(RunError::BoundaryTooSmall { boundary, run }),
            _ => Ok(self),
        }
    }

    /// The lowest address in the range `free` at which the run fits.
    pub(super) fn fit(&self, free: Range<usize>, page: usize) -> Option<usize> {
        let run = self.pages.checked_mul(page)?;
        let mut start = free.start.checked_next_multiple_of(self.align)?;
        if let Some(boundary) = self.boundary {
            let last = start.checked_add(run - 1)?;
            if (start ^ last) >= boundary {
                // The result is still aligned: if the alignment were larger than the boundary, `start`
                // would be a multiple of the boundary, and the run would not cross it.
                start = start.checked_next_multiple_of(boundary)?;
            }
        }
        (start.checked_add(run)? <= free.end).then_some(start)
    }
}
