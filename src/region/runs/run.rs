//! The handle that owns one run.

use core::fmt;
use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use super::PageRuns;

/// Owns one run of contiguous pages of a [`PageRuns`]. Dropping it gives them back: O(pages / 64).
///
/// The bytes are what their last owner, or a device, left there: [`zeroed`](Self::zeroed) makes them
/// zeros. `!Send`, as the allocator is `!Sync`; what crosses threads is the raw run
/// ([`into_raw`](Self::into_raw)).
///
/// ```
/// use framepool::region::PageRuns;
///
/// let mut memory = vec![core::mem::MaybeUninit::uninit(); 1 << 20];
/// let runs = PageRuns::new(&mut memory, 4096)?;
/// let mut queue = runs.alloc(3)?;
/// assert_eq!((queue.pages(), queue.len(), queue.addr() % 4096), (3, 12288, 0));
/// queue.zeroed()[0] = 1;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A run does not outlive its allocator:
/// ```compile_fail,E0505
/// let mut memory = vec![core::mem::MaybeUninit::uninit(); 1 << 20];
/// let runs = framepool::region::PageRuns::new(&mut memory, 4096).unwrap();
/// let run = runs.alloc(1).unwrap();
/// drop(runs);
/// drop(run);
/// ```
///
/// Nor does it leave its thread:
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<framepool::region::PageRun<'static>>();
/// ```
#[must_use = "dropping a run frees it"]
pub struct PageRun<'a> {
    /// Invariant, with the two below: `first..first + pages` are pages of this allocator, marked as
    /// one run that is owned, and this is the only handle that owns it.
    runs: &'a PageRuns<'a>,
    first: usize,
    pages: usize,
}

impl<'a> PageRun<'a> {
    /// # Safety
    /// `first..first + pages` are pages of `runs`, marked as one owned run that passes to the handle.
    pub(super) unsafe fn own(runs: &'a PageRuns<'a>, first: usize, pages: usize) -> Self {
        Self { runs, first, pages }
    }

    /// The allocator that the run is of.
    pub fn allocator(&self) -> &'a PageRuns<'a> {
        self.runs
    }

    /// Pages in the run. Never 0.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Bytes in the run. Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.pages * self.runs.page_bytes()
    }

    /// The index of the first page in the allocator.
    pub fn first_page(&self) -> usize {
        self.first
    }

    /// Bytes from the allocator's first page: [`PageRuns::as_ptr`].
    pub fn offset(&self) -> usize {
        self.first * self.runs.page_bytes()
    }

    /// The address of the first byte: a multiple of the page size.
    pub fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    /// The first byte, to read.
    pub fn as_ptr(&self) -> *const u8 {
        self.start().as_ptr()
    }

    /// The first byte, to write.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start().as_ptr()
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: the invariant puts the offset inside the allocator's pages.
        unsafe { self.runs.as_ptr().add(self.offset()) }
    }

    /// All bytes, as they are.
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the invariant: these pages are inside the allocator's memory, and nobody but this
        // handle reaches them. `u8` needs no alignment, `MaybeUninit` no value.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_ref() }
    }

    /// All bytes, to write.
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as for `as_uninit`; `&mut self` makes it the only slice.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_mut() }
    }

    /// All bytes, set to zero. O(bytes).
    pub fn zeroed(&mut self) -> &mut [u8] {
        let len = self.len();
        let start = self.as_mut_ptr();
        // SAFETY: `len` bytes at `start` are this handle's (the invariant), borrowed from `self` for
        // as long as the slice lives, and every one is written before the slice is made.
        unsafe {
            start.write_bytes(0, len);
            core::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Gives up the handle for the address of the first byte. The run stays out until
    /// [`PageRuns::free_raw`] or [`PageRuns::run_from_raw`], which want the number of pages too.
    #[must_use = "the run leaks unless the pointer comes back"]
    pub fn into_raw(self) -> NonNull<u8> {
        let start = self.start();
        self.runs.disown(self.first);
        mem::forget(self);
        start
    }
}

impl Drop for PageRun<'_> {
    fn drop(&mut self) {
        self.runs.release(self.first, self.first + self.pages);
    }
}

impl fmt::Debug for PageRun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRun")
            .field("first_page", &self.first)
            .field("pages", &self.pages)
            .field("page_bytes", &self.runs.page_bytes())
            .finish()
    }
}
