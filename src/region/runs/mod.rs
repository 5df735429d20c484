//! Runs of contiguous pages out of any region.

mod bits;
mod error;
mod request;
mod run;
mod stats;

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, size_of};
use core::ptr::NonNull;

pub use bits::PageWord;
use bits::{BITS, Mark, PageMarks};
pub use error::{RunCheckError, RunError, RunFreeError, RunsError};
pub use request::RunRequest;
pub use run::PageRun;
pub use stats::RunStats;

/// The smallest page: a cache line, which also aligns the map.
const MIN_PAGE: usize = 64;

/// Hands out runs of contiguous pages of a region, for DMA.
///
/// A device that gets one address and one length needs contiguous pages. `PageRuns` divides a region into
/// pages of one size and hands out runs of any number of them. It needs no operating system and no heap.
/// Its metadata, two bits for each page, lies at the end of the region or in other memory of the caller,
/// never in the pages.
///
/// ```text
///  region  ├ slack ┼───┬───┬───┬───┬───┬───┬───┬───┬─ … ─┬───┼ map ┼ slack ┤
///                  │ 0 │ 1 │ 2 │ 3 │ 4 │ 5 │ 6 │ 7 │     │n-1│
///                  └───┴───┴───┴───┴───┴───┴───┴───┴─ … ─┴───┘
///  head  bit         1   0   0   0   1   0   0   0             a run starts here
///  body  bit         1   1   1   0   0   1   0   0             owned, or after the first page of a run
///                    └ PageRun ┘ ·   └ raw ┘ ·   ·             · free
/// ```
///
/// # Fit
///
/// A request gets the lowest free run that is long enough, from its start: address-ordered first fit. Runs
/// have exactly the requested length, so no page inside them is wasted (a buddy allocator would round 5
/// pages up to 8), and free neighbours form one run immediately. The waste between runs is bounded: with
/// runs of at most *n* pages and at most *M* pages allocated, a region of about M log₂ n pages always has
/// room, while best fit may need about M n (Robson, "Worst case fragmentation of first fit and best fit
/// storage allocation strategies", The Computer Journal 20(3), 1977; Knuth, The Art of Computer
/// Programming 1, 2.5, exercises 38–42).
///
/// # Cost
///
/// An allocation reads words of the map from the lowest free page upwards: O(pages / 64), and one step
/// for each free run that is too short, at most pages / 2 of them. The size of the region is the bound,
/// whatever happened before. Allocate runs when you set up rings and queues, not for each packet: for
/// packets make a [`Pool`](crate::Pool), over a run if you like.
///
/// # Threads
///
/// `PageRuns` works through `&self` with plain cells: it is `Send` and `!Sync`. To share one between
/// several contexts, put it into a mutex, a spin lock or a critical section; raw runs
/// ([`PageRun::into_raw`]) then outlive the lock. The functions of virtio-drivers' `Hal` have no `self`;
/// they look like this:
///
/// ```
/// use core::mem::MaybeUninit;
/// use core::ptr::NonNull;
/// use std::sync::{Mutex, OnceLock};
/// use framepool::region::{PageRuns, RunFreeError};
///
/// static DMA: OnceLock<Mutex<PageRuns<'static>>> = OnceLock::new();
///
/// fn dma_alloc(pages: usize) -> Option<NonNull<u8>> {
///     let runs = DMA.get()?.lock().ok()?;
///     let mut run = runs.alloc(pages).ok()?;
///     run.zeroed();
///     Some(run.into_raw())
/// }
///
/// /// # Safety
/// /// Neither the device nor any other code uses the pages any more.
/// unsafe fn dma_dealloc(start: NonNull<u8>, pages: usize) -> Result<(), RunFreeError> {
///     let runs = DMA.get().unwrap().lock().unwrap();
///     // SAFETY: the caller's promise.
///     unsafe { runs.free_raw(start, pages) }
/// }
///
/// let window = vec![MaybeUninit::uninit(); 1 << 20].leak();
/// let _ = DMA.set(Mutex::new(PageRuns::new(window, 4096)?));
/// let queue = dma_alloc(3).unwrap();
/// assert_eq!(queue.addr().get() % 4096, 0);
/// // SAFETY: no code uses the pages, and the last call finds them free.
/// unsafe {
///     assert_eq!(dma_dealloc(queue, 2).unwrap_err(), RunFreeError::WrongLength { page: 0, given: 2, actual: 3 });
///     dma_dealloc(queue, 3)?;
///     assert_eq!(dma_dealloc(queue, 3).unwrap_err(), RunFreeError::DoubleFree { page: 0 });
/// }
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
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
///
/// # Physical memory
///
/// The pages of a run are contiguous for the program. For the device they are contiguous if the region
/// is: on bare metal, through an IOMMU, or inside one hugepage. [`RunRequest::within`] keeps a run inside
/// one of several hugepages.
pub struct PageRuns<'m> {
    // Invariants: this allocator owns `map.pages() << page_log2` bytes at `start` for `'m`; `start` is a
    // multiple of the page size; a page is accessed only through the run that it is marked as.
    start: NonNull<u8>,
    page_log2: u32,
    slack: usize,
    map: PageMarks<'m>,
    /// No page below this one is free.
    lowest: Cell<usize>,
    stats: Cell<RunStats>,
    region: PhantomData<&'m mut [MaybeUninit<u8>]>,
}

// SAFETY: the region and the words of the map are borrowed exclusively for `'m`, or the caller promised
// so (`from_raw`): they can move to another thread with this value. A `PageRun` borrows from it, so it
// cannot move then, and holds a `&PageRuns`, which is not `Send`.
unsafe impl Send for PageRuns<'_> {}

impl<'m> PageRuns<'m> {
    /// Returns the number of [`PageWord`]s that describe `pages` pages.
    pub const fn words(pages: usize) -> usize {
        pages.div_ceil(BITS)
    }

    /// Makes an allocator of pages of `page` bytes (a power of two, 64 or more), with the map after the
    /// last of them. The region may start anywhere: [`slack`](Self::slack) has the unused bytes.
    /// O(pages / 64).
    ///
    /// # Errors
    /// [`RunsError`], except `MapTooSmall`.
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
        // SAFETY: zeroing initialises the bytes, and any initialised bytes are a valid `PageWord`, which
        // contains only cells of `usize`.
        let map = unsafe {
            map.fill(MaybeUninit::new(0));
            let (_, words, _) = map.align_to_mut::<PageWord>();
            words
        };
        let (start, len) = (NonNull::from(&mut *memory).cast(), memory.len());
        // The map is aligned, because it starts after a whole page, and its length is a number of words.
        // SAFETY: the slice is valid for writes and exclusively borrowed for 'm.
        let mut runs = unsafe { Self::from_raw(start, len, page, map) }.map_err(|_| small)?;
        runs.slack = available - len - map_bytes;
        Ok(runs)
    }

    /// As [`new`](Self::new), with the map in other memory, so that the whole region can be pages.
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
    /// The bytes are valid for reads and writes for `'m`, from every thread that the allocator is moved
    /// to, and during that time nothing else accesses them, except through pointers of runs.
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
            // SAFETY: a page fits after `lead` bytes, so this stays inside the caller's bytes.
            start: unsafe { start.add(lead) },
            page_log2: page.trailing_zeros(),
            slack: len - pages * page,
            map: PageMarks::new(map, pages),
            lowest: Cell::new(0),
            stats: Cell::new(RunStats::new(page, pages)),
            region: PhantomData,
        })
    }

    /// Allocates the lowest free run of `pages` pages. The [cost](Self#cost) depends on the region.
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

    /// Allocates the lowest free run with an alignment or a boundary. The [cost](Self#cost) depends on
    /// the region.
    ///
    /// # Errors
    /// Any [`RunError`].
    pub fn alloc_with(&self, request: RunRequest) -> Result<PageRun<'_>, RunError> {
        let request = request.checked(self.page_bytes())?;
        match self.find(&request) {
            Ok(first) => {
                self.take(first, first + request.pages);
                // SAFETY: `find` returns free pages of this allocator, and `take` has marked them as one
                // owned run.
                Ok(unsafe { PageRun::own(self, first, request.pages) })
            }
            Err(largest) => {
                self.count(|stats| stats.exhaustions = stats.exhaustions.wrapping_add(1));
                Err(RunError::Exhausted {
                    requested: request.pages,
                    largest,
                    free: self.stats().free,
                })
            }
        }
    }

    /// Frees a raw run, given the address from [`PageRun::into_raw`] and its number of pages. Range, state
    /// and length are always checked. O(pages of the run / 64).
    ///
    /// # Errors
    /// [`RunFreeError`]; nothing is freed.
    ///
    /// # Safety
    /// If the address is that of a raw run, the caller owns it, and neither other code nor a device uses
    /// it any more. Any other address is safe: it is an error.
    pub unsafe fn free_raw(&self, ptr: NonNull<u8>, pages: usize) -> Result<(), RunFreeError> {
        let first = self.claim(ptr, pages)?;
        self.release(first, first + pages);
        Ok(())
    }

    /// Turns a raw run into a handle again.
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
        // SAFETY: `claim` found a run of this allocator of that length and marked it as owned; the caller
        // promises to own it.
        Ok(unsafe { PageRun::own(self, first, pages) })
    }

    /// The first byte of the first page. Its address is a multiple of the page size.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
    }

    /// Number of pages. Never 0.
    pub fn pages(&self) -> usize {
        self.map.pages()
    }

    /// Bytes of a page: a power of two.
    pub fn page_bytes(&self) -> usize {
        1 << self.page_log2
    }

    /// Bytes of the region that are neither page nor map: its misalignment, and a rest that is too small
    /// for one more page.
    pub fn slack(&self) -> usize {
        self.slack
    }

    /// Number of pages of the largest free run, the most that [`alloc`](Self::alloc) can give. O(pages).
    pub fn largest_free(&self) -> usize {
        // Longer than any run, so never found.
        self.find(&RunRequest::new(usize::MAX)).err().unwrap_or(0)
    }

    /// Returns the counters. O(1).
    pub fn stats(&self) -> RunStats {
        self.stats.get()
    }

    /// Proves that every page is free or in exactly one run, and that the counters agree. O(pages).
    ///
    /// # Errors
    /// [`RunCheckError`] if not: only a stray write can cause it.
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
        let stats = self.stats();
        let counters = [(free, stats.free), (runs, stats.runs), (raw, stats.raw)];
        match counters
            .into_iter()
            .find(|(found, counted)| found != counted)
        {
            Some((found, counted)) => Err(RunCheckError::Miscount { found, counted }),
            None => Ok(()),
        }
    }

    /// The first page of the lowest free run for the request, or the length of the largest free run.
    fn find(&self, request: &RunRequest) -> Result<usize, usize> {
        let base = self.start.addr().get();
        let mut largest = 0;
        let mut first = self.map.next_free(self.lowest.get());
        self.lowest.set(first);
        while first < self.pages() {
            let end = self.map.next_taken(first);
            // No overflow: both are inside the region.
            let free = base + (first << self.page_log2)..base + (end << self.page_log2);
            if let Some(start) = request.fit(free, self.page_bytes()) {
                return Ok((start - base) >> self.page_log2);
            }
            largest = largest.max(end - first);
            first = self.map.next_free(end);
        }
        Err(largest)
    }

    fn count(&self, change: impl FnOnce(&mut RunStats)) {
        let mut stats = self.stats.get();
        change(&mut stats);
        self.stats.set(stats);
    }

    // All counts wrap: if the map was overwritten they may be wrong, and `check` reports it.

    /// Marks free pages as one owned run.
    fn take(&self, first: usize, end: usize) {
        self.map.set(first, first + 1, Mark::Owned);
        self.map.set(first + 1, end, Mark::Middle);
        self.count(|stats| {
            stats.free = stats.free.wrapping_sub(end - first);
            stats.peak = stats.peak.max(stats.pages.saturating_sub(stats.free));
            stats.runs = stats.runs.wrapping_add(1);
            stats.allocations = stats.allocations.wrapping_add(1);
        });
    }

    /// Frees the pages of one owned run. Its owner must not use it any more.
    fn release(&self, first: usize, end: usize) {
        self.map.set(first, end, Mark::Free);
        self.lowest.set(self.lowest.get().min(first));
        self.count(|stats| {
            stats.free = stats.free.wrapping_add(end - first);
            stats.runs = stats.runs.wrapping_sub(1);
        });
    }

    /// Turns an owned run into a raw one. Its owner must not use it any more.
    fn disown(&self, first: usize) {
        self.map.set(first, first + 1, Mark::Raw);
        self.count(|stats| stats.raw = stats.raw.wrapping_add(1));
    }

    /// Turns a raw run of `pages` pages into one that the caller owns, or refuses.
    fn claim(&self, ptr: NonNull<u8>, pages: usize) -> Result<usize, RunFreeError> {
        let first = self
            .locate(ptr, pages)
            .inspect_err(|_| self.count(|stats| stats.refusals = stats.refusals.wrapping_add(1)))?;
        self.map.set(first, first + 1, Mark::Owned);
        self.count(|stats| stats.raw = stats.raw.wrapping_sub(1));
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

describe!(PageRuns<'_> as PageRuns { slack, stats });

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

/// The number of pages that fit into `len` bytes together with their map, and the bytes of that map.
fn split(len: usize, page: usize) -> (usize, usize) {
    let word = size_of::<PageWord>();
    // One word and its pages. If they exceed the address space, they do not fit into `len`.
    let whole = BITS.saturating_mul(page).saturating_add(word);
    let pages = len / whole * BITS + (len % whole).saturating_sub(word) / page;
    match pages {
        // No page fits. The caller finds that one page does not.
        0 => (1, word),
        _ => (pages, PageRuns::words(pages) * word),
    }
}
