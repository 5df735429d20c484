//! Runs of contiguous pages out of any region: what DMA wants.
//!
//! A device that is told one address and one length needs pages that follow each other. [`PageRuns`]
//! divides a region into pages of one size and hands out runs of any number of them. It needs no
//! operating system and no heap; its metadata, two bits a page, lies in the region or in memory of the
//! caller's, never in the pages.
//!
//! ```text
//!  region  ├ slack ┼───┬───┬───┬───┬───┬───┬───┬───┬─ … ─┬───┼ map ┼ slack ┤
//!                  │ 0 │ 1 │ 2 │ 3 │ 4 │ 5 │ 6 │ 7 │     │n-1│
//!                  └───┴───┴───┴───┴───┴───┴───┴───┴─ … ─┴───┘
//!  head  bit         1   0   0   0   1   0   0   0             a run starts here
//!  body  bit         1   1   1   0   0   1   0   0             owned, or behind a raw head
//!                    └ PageRun ┘ ·   └ raw ┘ ·   ·             · free
//! ```
//!
//! **Fit.** The lowest free run that is long enough, from its start: address-ordered first fit. Runs
//! are as long as asked for, so nothing is lost inside them (a buddy allocator would round 5 pages up to
//! 8), and neighbours that are free are one run at once, since a run is nothing but bits. What can be lost
//! between them is bounded: with runs of at most *n* pages and at most *M* out, a region of about
//! M log₂ n pages always has room, while best fit may need about M n (Robson, "Worst case fragmentation
//! of first fit and best fit storage allocation strategies", The Computer Journal 20(3), 1977; Knuth, The
//! Art of Computer Programming 1, 2.5, exercises 38–42).
//!
//! **Time.** Words of the map are read from the lowest free page upwards: O(pages / 64), and a step for
//! each free run that is too short, at most pages / 2 of them: bounded by the size of the region,
//! whatever came before. Runs are made where rings and queues are set up, not for each packet: that is
//! what [`Pool`](crate::Pool) is for, over a run if need be.
//!
//! **Threads.** [`PageRuns`] works through `&self` with plain cells: it is `Send` and `!Sync`. Where
//! several contexts share one it goes into a mutex, a spin lock or a critical section, whichever is
//! right there; raw runs ([`PageRun::into_raw`]) then outlive the lock. That is the shape of
//! virtio-drivers' `Hal`, whose functions have no `self`:
//!
//! ```
//! use core::mem::MaybeUninit;
//! use core::ptr::NonNull;
//! use std::sync::{Mutex, OnceLock};
//! use framepool::region::{PageRuns, RunFreeError};
//!
//! static DMA: OnceLock<Mutex<PageRuns<'static>>> = OnceLock::new();
//!
//! fn dma_alloc(pages: usize) -> Option<NonNull<u8>> {
//!     let runs = DMA.get()?.lock().ok()?;
//!     let mut run = runs.alloc(pages).ok()?;
//!     run.zeroed();
//!     Some(run.into_raw())
//! }
//!
//! /// # Safety
//! /// The device has let go of the pages, and so has everyone else.
//! unsafe fn dma_dealloc(start: NonNull<u8>, pages: usize) -> Result<(), RunFreeError> {
//!     let runs = DMA.get().unwrap().lock().unwrap();
//!     // SAFETY: the caller's promise.
//!     unsafe { runs.free_raw(start, pages) }
//! }
//!
//! let window = vec![MaybeUninit::uninit(); 1 << 20].leak();
//! let _ = DMA.set(Mutex::new(PageRuns::new(window, 4096)?));
//! let queue = dma_alloc(3).unwrap();
//! assert_eq!(queue.addr().get() % 4096, 0);
//! // SAFETY: nobody uses the pages, and the second call finds them freed.
//! unsafe {
//!     assert_eq!(dma_dealloc(queue, 2).unwrap_err(), RunFreeError::WrongLength { page: 0, given: 2, actual: 3 });
//!     dma_dealloc(queue, 3)?;
//!     assert_eq!(dma_dealloc(queue, 3).unwrap_err(), RunFreeError::DoubleFree { page: 0 });
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! **Physical memory.** Pages that follow each other here do so for the program. For the device they do
//! where the region does: on bare metal, behind an IOMMU that was told so, or inside one hugepage. Over
//! several hugepages, [`RunRequest::within`] keeps a run inside one.

mod bits;
mod error;
mod run;

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ptr::NonNull;

pub use bits::PageWord;
use bits::{BITS, Mark, PageMap};
pub use error::{RunCheckError, RunError, RunFreeError, RunsError};
pub use run::PageRun;

/// The smallest page: a cache line, and enough to align the map.
const MIN_PAGE: usize = 64;

/// What run is wanted: see [`PageRuns::alloc_with`].
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
    pages: usize,
    align: usize,
    boundary: Option<usize>,
}

impl RunRequest {
    /// `pages` pages, aligned to a page, anywhere.
    pub const fn new(pages: usize) -> Self {
        Self {
            pages,
            align: 1,
            boundary: None,
        }
    }

    /// The run's address is a multiple of `align` bytes, a power of two; less than a page is a page.
    pub const fn align(mut self, align: usize) -> Self {
        self.align = align;
        self
    }

    /// The run crosses no address that is a multiple of `boundary` bytes, a power of two and not less
    /// than the run: what a descriptor of 64 KiB segments wants, or physical memory that is contiguous
    /// inside each hugepage only.
    pub const fn within(mut self, boundary: usize) -> Self {
        self.boundary = Some(boundary);
        self
    }

    fn checked(self, page: usize) -> Result<Self, RunError> {
        if self.pages == 0 {
            return Err(RunError::ZeroPages);
        }
        if !self.align.is_power_of_two() {
            return Err(RunError::BadAlign { asked: self.align });
        }
        let run = self.pages.saturating_mul(page);
        match self.boundary {
            Some(asked) if !asked.is_power_of_two() || asked < run => {
                Err(RunError::BadBoundary { asked, run })
            }
            _ => Ok(self),
        }
    }

    /// The lowest place in `free`, in addresses, if there is one.
    fn fit(&self, free: core::ops::Range<usize>, page: usize) -> Option<usize> {
        let run = self.pages.checked_mul(page)?;
        let mut start = free.start.checked_next_multiple_of(self.align)?;
        if let Some(boundary) = self.boundary {
            let last = start.checked_add(run - 1)?;
            if (start ^ last) >= boundary {
                // A multiple of the boundary is one of the alignment: if the alignment were the
                // larger, `start` would be a multiple of the boundary, and the run not cross it.
                start = start.checked_next_multiple_of(boundary)?;
            }
        }
        (start.checked_add(run)? <= free.end).then_some(start)
    }
}

/// What an allocator has and had: see [`PageRuns::stats`].
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
    /// Runs that are out, raw ones included.
    pub runs: usize,
    /// Runs that are out as raw ones.
    pub raw: usize,
    /// The most pages that were ever out at once.
    pub peak: usize,
    /// Runs ever handed out.
    pub allocations: u64,
    /// Requests that found no room.
    pub exhaustions: u64,
    /// Raw runs that were refused when they came back.
    pub refusals: u64,
}

impl fmt::Display for RunStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} pages of {} bytes free, {} runs out ({} raw), peak {} pages, {} allocations, \
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

/// Hands out runs of contiguous pages of a region: see the [module](self).
///
/// `Send` and `!Sync`:
///
/// ```
/// fn sent<T: Send>() {}
/// sent::<framepool::region::PageRuns<'static>>();
/// ```
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<framepool::region::PageRuns<'static>>();
/// ```
pub struct PageRuns<'m> {
    /// Invariants: `map.pages() << page_log2` bytes at `start` are this allocator's for `'m`; `start`
    /// is a multiple of the page size; a page is reached only through the run that it is marked as.
    start: NonNull<u8>,
    page_log2: u32,
    slack: usize,
    map: PageMap<'m>,
    /// No page below this one is free.
    lowest: Cell<usize>,
    free: Cell<usize>,
    fewest: Cell<usize>,
    runs: Cell<usize>,
    raw: Cell<usize>,
    allocations: Cell<u64>,
    exhaustions: Cell<u64>,
    refusals: Cell<u64>,
    region: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

// SAFETY: the region and the words of the map are borrowed exclusively for `'m`, or promised to be
// (`from_raw`), so they go where this value goes; whatever borrows from it (`PageRun`) keeps it from
// moving, and holds a `&PageRuns`, which is not `Send`.
unsafe impl Send for PageRuns<'_> {}

impl<'m> PageRuns<'m> {
    /// [`PageWord`]s that describe `pages` pages.
    pub const fn words(pages: usize) -> usize {
        pages.div_ceil(BITS)
    }

    /// An allocator of pages of `page` bytes (a power of two, 64 or more), with the map behind the last
    /// of them. The region may start anywhere: what is lost is in [`slack`](Self::slack). O(pages / 64).
    ///
    /// # Errors
    /// [`RunsError`] but `MapTooSmall`.
    pub fn new(region: &'m mut [MaybeUninit<u8>], page: usize) -> Result<Self, RunsError> {
        let lead = lead(region.as_ptr().addr(), page)?;
        let (pages, map_bytes) = split(region.len().saturating_sub(lead), page);
        let required = lead
            .saturating_add(page)
            .saturating_add(size_of::<PageWord>());
        let available = region.len();
        let small = RunsError::RegionTooSmall {
            required,
            available,
        };
        let (memory, rest) = region
            .split_at_mut_checked(lead + pages * page)
            .ok_or(small)?;
        let memory = memory.get_mut(lead..).ok_or(small)?;
        let map = rest.get_mut(..map_bytes).ok_or(small)?;
        // SAFETY: `u8`s to words that hold only cells of `usize`, for which every value is one, once
        // the bytes are initialised, which zeroing does.
        let map = unsafe {
            map.fill(MaybeUninit::new(0));
            let (_, words, _) = map.align_to_mut::<PageWord>();
            words
        };
        let (start, len) = (NonNull::from(&mut *memory).cast(), memory.len());
        // The map is behind a whole page, so aligned, and whole words long.
        // SAFETY: the slice is valid for writes and exclusively borrowed for 'm.
        let mut runs = unsafe { Self::from_raw(start, len, page, map) }.map_err(|_| small)?;
        runs.slack = available - len - map_bytes;
        Ok(runs)
    }

    /// As [`new`](Self::new), with the map in memory of its own: the whole region is pages.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use framepool::region::{PageRuns, PageWord};
    ///
    /// #[repr(align(4096))]
    /// struct Window([MaybeUninit<u8>; 64 << 10]);
    /// let mut window = Window([const { MaybeUninit::uninit() }; 64 << 10]);
    /// let mut map = [const { PageWord::new() }; PageRuns::words(16)];
    /// let runs = PageRuns::with_map(&mut window.0, 4096, &mut map)?;
    /// assert_eq!((runs.pages(), runs.slack()), (16, 0));
    /// # Ok::<(), framepool::region::RunsError>(())
    /// ```
    ///
    /// # Errors
    /// Any [`RunsError`].
    pub fn with_map(
        region: &'m mut [MaybeUninit<u8>],
        page: usize,
        map: &'m mut [PageWord],
    ) -> Result<Self, RunsError> {
        let (start, len) = (NonNull::from(&mut *region).cast(), region.len());
        // SAFETY: the slice is valid for writes and exclusively borrowed for 'm.
        unsafe { Self::from_raw(start, len, page, map) }
    }

    /// As [`with_map`](Self::with_map), for `len` bytes at `start`: a linker section, a DMA window, a
    /// shared mapping. The bytes of the pages are not touched.
    ///
    /// # Errors
    /// Any [`RunsError`].
    ///
    /// # Safety
    /// The bytes are valid for reads and writes for `'m`, from every thread that the allocator gets
    /// to, and nothing else accesses them meanwhile, except through the pointers that runs give out.
    pub unsafe fn from_raw(
        start: NonNull<u8>,
        len: usize,
        page: usize,
        map: &'m mut [PageWord],
    ) -> Result<Self, RunsError> {
        let lead = lead(start.addr().get(), page)?;
        let pages = len.saturating_sub(lead) / page;
        if pages == 0 {
            return Err(RunsError::RegionTooSmall {
                required: lead.saturating_add(page),
                available: len,
            });
        }
        let (required, available) = (Self::words(pages), map.len());
        let Some(map) = map.get_mut(..required) else {
            return Err(RunsError::MapTooSmall {
                required,
                available,
            });
        };
        Ok(Self {
            // SAFETY: a page fits behind `lead`, so this stays inside the caller's bytes.
            start: unsafe { start.add(lead) },
            page_log2: page.trailing_zeros(),
            slack: len - pages * page,
            map: PageMap::new(map, pages),
            lowest: Cell::new(0),
            free: Cell::new(pages),
            fewest: Cell::new(pages),
            runs: Cell::new(0),
            raw: Cell::new(0),
            allocations: Cell::new(0),
            exhaustions: Cell::new(0),
            refusals: Cell::new(0),
            region: PhantomData,
        })
    }

    /// A run of `pages` pages: the lowest that is free. For its cost see the [module](self).
    ///
    /// # Errors
    /// [`RunError::ZeroPages`], [`RunError::Exhausted`].
    ///
    /// ```
    /// use framepool::region::{PageRuns, RunError};
    ///
    /// let mut memory = vec![core::mem::MaybeUninit::uninit(); 40 << 10];
    /// let runs = PageRuns::new(&mut memory, 4096)?;
    /// let pages = runs.pages();
    /// let held = runs.alloc(2)?;
    /// let (requested, left) = (pages, pages - 2);
    /// assert_eq!(
    ///     runs.alloc(pages).unwrap_err(),
    ///     RunError::Exhausted { requested, largest: left, free: left },
    /// );
    /// drop(held);
    /// assert_eq!(runs.alloc(pages)?.pages(), pages);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn alloc(&self, pages: usize) -> Result<PageRun<'_>, RunError> {
        self.alloc_with(RunRequest::new(pages))
    }

    /// A run with an alignment or a boundary: the lowest that is free. For its cost see the
    /// [module](self).
    ///
    /// # Errors
    /// Any [`RunError`].
    pub fn alloc_with(&self, request: RunRequest) -> Result<PageRun<'_>, RunError> {
        let request = request.checked(self.page_bytes())?;
        match self.find(&request) {
            Ok(first) => {
                self.take(first, first + request.pages);
                // SAFETY: `find` answers with pages of ours that are free, and `take` has marked
                // them as one owned run.
                Ok(unsafe { PageRun::own(self, first, request.pages) })
            }
            Err(largest) => {
                bump(&self.exhaustions);
                Err(RunError::Exhausted {
                    requested: request.pages,
                    largest,
                    free: self.free.get(),
                })
            }
        }
    }

    /// Frees a raw run by the address that [`PageRun::into_raw`] gave and its number of pages. Range,
    /// state and length are always checked. O(pages of the run / 64).
    ///
    /// # Errors
    /// [`RunFreeError`]; nothing is freed.
    ///
    /// # Safety
    /// If the address is that of a raw run, it is the caller's to free: no one uses it any more, no
    /// device either. Anything else is answered with an error.
    pub unsafe fn free_raw(&self, ptr: NonNull<u8>, pages: usize) -> Result<(), RunFreeError> {
        let first = self.claim(ptr, pages)?;
        self.release(first, first + pages);
        Ok(())
    }

    /// Makes a raw run a handle again.
    ///
    /// # Errors
    /// [`RunFreeError`]; nothing changes.
    ///
    /// # Safety
    /// As for [`free_raw`](Self::free_raw): the handle owns the run from now on.
    pub unsafe fn run_from_raw(
        &self,
        ptr: NonNull<u8>,
        pages: usize,
    ) -> Result<PageRun<'_>, RunFreeError> {
        let first = self.claim(ptr, pages)?;
        // SAFETY: `claim` found a run of ours of that length and marked it as owned; the caller says
        // that it is his.
        Ok(unsafe { PageRun::own(self, first, pages) })
    }

    /// The first byte of the first page: a multiple of the page size.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
    }

    /// Pages in all. Never 0.
    pub fn pages(&self) -> usize {
        self.map.pages()
    }

    /// Bytes of a page: a power of two.
    pub fn page_bytes(&self) -> usize {
        1 << self.page_log2
    }

    /// Bytes of the region that are neither page nor map: its misalignment, and what was left over.
    pub fn slack(&self) -> usize {
        self.slack
    }

    /// Pages of the largest free run: what [`alloc`](Self::alloc) can give. O(pages).
    pub fn largest_free(&self) -> usize {
        // Longer than any run there can be, and so not found.
        self.find(&RunRequest::new(usize::MAX)).err().unwrap_or(0)
    }

    /// What there is and was. O(1).
    pub fn stats(&self) -> RunStats {
        RunStats {
            page_bytes: self.page_bytes(),
            pages: self.pages(),
            free: self.free.get(),
            runs: self.runs.get(),
            raw: self.raw.get(),
            peak: self.pages().saturating_sub(self.fewest.get()),
            allocations: self.allocations.get(),
            exhaustions: self.exhaustions.get(),
            refusals: self.refusals.get(),
        }
    }

    /// Proves that every page is free or in exactly one run, and that the counters say so. O(pages).
    ///
    /// # Errors
    /// [`RunCheckError`] if not, which only a stray write can bring about.
    pub fn check(&self) -> Result<(), RunCheckError> {
        let (mut at, mut free, mut runs, mut raw) = (0, 0, 0, 0);
        while at < self.pages() {
            at = match self.map.get(at) {
                Mark::Free if at < self.lowest.get() => {
                    return Err(RunCheckError::Hidden { page: at });
                }
                Mark::Free => {
                    free += 1;
                    at + 1
                }
                Mark::Middle => return Err(RunCheckError::Orphan { page: at }),
                head => {
                    runs += 1;
                    raw += usize::from(head == Mark::Raw);
                    self.map.end_of(at)
                }
            };
        }
        let counted = [self.free.get(), self.runs.get(), self.raw.get()];
        match [free, runs, raw]
            .into_iter()
            .zip(counted)
            .find(|(a, b)| a != b)
        {
            Some((found, counted)) => Err(RunCheckError::Miscount { found, counted }),
            None => Ok(()),
        }
    }

    /// The first page of the lowest place for the request, or the pages of the largest free run.
    fn find(&self, request: &RunRequest) -> Result<usize, usize> {
        let base = self.start.addr().get();
        let mut largest = 0;
        let mut first = self.map.next_free(self.lowest.get());
        self.lowest.set(first);
        while first < self.pages() {
            let end = self.map.next_taken(first);
            // Inside the region: no overflow.
            let free = base + (first << self.page_log2)..base + (end << self.page_log2);
            if let Some(start) = request.fit(free, self.page_bytes()) {
                return Ok((start - base) >> self.page_log2);
            }
            largest = largest.max(end - first);
            first = self.map.next_free(end);
        }
        Err(largest)
    }

    // What follows counts modulo 2^n: with a map that was overwritten it counts wrong, and `check`
    // says so.

    /// Marks free pages as one owned run.
    fn take(&self, first: usize, end: usize) {
        self.map.set(first, first + 1, Mark::Owned);
        self.map.set(first + 1, end, Mark::Middle);
        self.free.set(self.free.get().wrapping_sub(end - first));
        self.fewest.set(self.fewest.get().min(self.free.get()));
        self.runs.set(self.runs.get().wrapping_add(1));
        bump(&self.allocations);
    }

    /// Frees the pages of one owned run, whose owner gives it up.
    fn release(&self, first: usize, end: usize) {
        self.map.set(first, end, Mark::Free);
        self.lowest.set(self.lowest.get().min(first));
        self.free.set(self.free.get().wrapping_add(end - first));
        self.runs.set(self.runs.get().wrapping_sub(1));
    }

    /// Makes an owned run a raw one; its owner gives it up.
    fn disown(&self, first: usize) {
        self.map.set(first, first + 1, Mark::Raw);
        self.raw.set(self.raw.get().wrapping_add(1));
    }

    /// Makes a raw run of `pages` pages an owned one, the caller's, or refuses.
    fn claim(&self, ptr: NonNull<u8>, pages: usize) -> Result<usize, RunFreeError> {
        let first = self
            .locate(ptr, pages)
            .inspect_err(|_| bump(&self.refusals))?;
        self.map.set(first, first + 1, Mark::Owned);
        self.raw.set(self.raw.get().wrapping_sub(1));
        Ok(first)
    }

    /// The first page of the raw run of `pages` pages at `ptr`.
    fn locate(&self, ptr: NonNull<u8>, given: usize) -> Result<usize, RunFreeError> {
        let addr = ptr.addr().get();
        let from_start = addr.wrapping_sub(self.start.addr().get());
        let (page, offset) = (from_start >> self.page_log2, from_start % self.page_bytes());
        if page >= self.pages() {
            return Err(RunFreeError::ForeignAddress { addr });
        }
        match self.map.get(page) {
            _ if offset != 0 => Err(RunFreeError::Interior { page, offset }),
            Mark::Middle => Err(RunFreeError::Interior { page, offset }),
            Mark::Free => Err(RunFreeError::DoubleFree { page }),
            Mark::Owned => Err(RunFreeError::Owned { page }),
            Mark::Raw => match self.map.end_of(page) - page {
                actual if actual == given => Ok(page),
                actual => Err(RunFreeError::WrongLength {
                    page,
                    given,
                    actual,
                }),
            },
        }
    }
}

impl fmt::Debug for PageRuns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageRuns")
            .field("start", &self.start)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Bytes from `addr` to the first page.
fn lead(addr: usize, page: usize) -> Result<usize, RunsError> {
    if page.is_power_of_two() && page >= MIN_PAGE {
        return Ok(addr.wrapping_neg() & (page - 1));
    }
    Err(RunsError::BadPage {
        asked: page,
        min: MIN_PAGE,
    })
}

/// How many pages fit into `len` bytes together with the bytes of their map.
fn split(len: usize, page: usize) -> (usize, usize) {
    let word = size_of::<PageWord>();
    // Each word and its pages; where they exceed the address space, `len` has no room for them.
    let whole = BITS.saturating_mul(page).saturating_add(word);
    let pages = len / whole * BITS + (len % whole).saturating_sub(word) / page;
    match pages {
        // No page: ask for one, which does not fit.
        0 => (1, word),
        _ => (pages, PageRuns::words(pages) * word),
    }
}

fn bump(counter: &Cell<u64>) {
    counter.set(counter.get().wrapping_add(1));
}
