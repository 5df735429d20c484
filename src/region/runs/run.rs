//! The handle that owns one run.

use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use super::PageRuns;

/// Owns one run of contiguous pages of a [`PageRuns`]. Dropping it frees them: O(pages / 64).
///
/// The bytes are what their last owner, or a device, wrote there: [`zeroed`](Self::zeroed) sets them to
/// zero. It is `!Send`, because the allocator is `!Sync`; a raw run ([`into_raw`](Self::into_raw)) can move
/// to another thread.
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
/// It cannot move to another thread:
/// ```compile_fail,E0277
/// fn sent<T: Send>() {}
/// sent::<framepool::region::PageRun<'static>>();
/// ```
#[must_use = "dropping a run frees it"]
pub struct PageRun<'a> {
    // Invariant: `first..first + pages` are pages of this allocator, marked as one owned run, and this is
    // the only handle that owns it.
    runs: &'a PageRuns<'a>,
    first: usize,
    pages: usize,
}

impl<'a> PageRun<'a> {
    /// # Safety
    /// `first..first + pages` are pages of `runs`, marked as one owned run, and no other handle owns it.
    pub(super) unsafe fn own(runs: &'a PageRuns<'a>, first: usize, pages: usize) -> Self {
        Self { runs, first, pages }
    }

    /// The allocator of the run.
    pub fn allocator(&self) -> &'a PageRuns<'a> {
        self.runs
    }

    /// Number of pages. Never 0.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Number of bytes. Never 0.
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
        // SAFETY: by the invariant these pages are inside the allocator's memory, and only this handle
        // accesses them. `u8` needs no alignment, `MaybeUninit` no value.
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
        // SAFETY: this handle owns `len` bytes at `start` (the invariant), the slice borrows `self`, and
        // every byte is written before the slice is made.
        unsafe {
            start.write_bytes(0, len);
            core::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Turns the handle into the address of the first byte. The run stays allocated until
    /// [`PageRuns::free_raw`] or [`PageRuns::run_from_raw`]; these need the number of pages too.
    #[must_use = "the run leaks unless the pointer is passed back"]
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

describe!(PageRun<'_> as PageRun {
    first_page,
    pages,
    page_bytes = |run| run.runs.page_bytes(),
});
