//! Memory of any size and alignment, out of regions that the caller supplies.
//!
//! A [`Heap`] never asks an operating system for memory. It serves each request in constant time, on bare metal
//! and hosted, and returns null when its regions are full. [`heap!`](crate::heap!) declares one in a static, also
//! as `#[global_allocator]`:
//!
//! ```
//! use framepool::heap::Spin;
//!
//! // 1 MiB of .bss, ready without a set-up call.
//! framepool::heap!(#[global_allocator] static HEAP: 1024 * 1024, lock = Spin);
//!
//! let names = vec![String::from("in the static")];
//! assert!(HEAP.stats().used > 0);
//! # drop(names);
//! ```
//!
//! | you need | take |
//! |---|---|
//! | a heap in a static, as the global allocator or beside it | [`heap!`](crate::heap!), which declares a [`StaticHeap`] |
//! | a heap over regions known at run time: a linker section, a mapping, external RAM | [`Heap::new`], [`Heap::add_region`], [`Heap::add_memory`] |
//! | to find double frees, overruns and uses after free | `Hardened` around any of them (feature `hardened`) |
//! | the memory of one collection from a certain heap | `&Heap` as its `Allocator` (feature `allocator-api2`) |
//! | many blocks of one size | a [`Pool`](crate::Pool): faster, and its blocks never fragment |
//! | contiguous pages for a device | [`PageRuns`](crate::PageRuns) |
//!
//! # How it works
//!
//! ```text
//!  Heap                    region
//!  ┌──────────────┐        ┌────────┬───────────────┬──────┬──────────────┬──────┬───────────┐
//!  │ lock         │   ┌───►│ record │ table of      │ used │ free         │ used │ free      │
//!  │ lists ───────┼───┼───►│        │ lists ────────┼──────┼►             │      │           │
//!  │ regions ─────┼───┘    └────────┴───────────────┴──────┴──────────────┴──────┴───────────┘
//!  │ counters     │
//!  └──────────────┘
//! ```
//!
//! Free blocks are in lists by size, and a bitmap finds the first list whose blocks are large enough: two-level
//! segregated fit (TLSF). A block in use costs 4 bytes and the rounding to 8. Free neighbours are merged at once.
//! The table of lists takes 1/300 of the first region at most, or a little more if that is smaller than 150 KiB: 328
//! bytes of 8 KiB on 64-bit targets.
//!
//! # Cost
//!
//! | operation | cost |
//! |---|---|
//! | `alloc` | O(1): one search of a bitmap, and 4 blocks looked at if that finds none |
//! | `alloc_zeroed` | O(1) and zeroing, outside of the lock; memory that was zero from the start is not zeroed again |
//! | `dealloc` | O(1) |
//! | `realloc` | O(1) in place: to a smaller size always, to a larger one if enough memory after it is free. Otherwise O(bytes) for the move, into the free memory before it or elsewhere, outside of the lock |
//! | `stats` | O(1) |
//! | `check` | O(blocks) |
//! | `add_region` | O(regions); O(free blocks) if the table of lists is replaced |
//!
//! What is constant here is the number of instructions, not the time: a cache miss or a page fault costs the same as
//! everywhere.
//!
//! # When memory runs out
//!
//! A request that finds no room changes nothing: it gives [`NoRoom`], or null by `GlobalAlloc`, and is counted. What
//! `alloc` does with null is up to the program. `Vec::try_reserve` returns an error; `Vec::push` calls
//! `handle_alloc_error`, which aborts the process, and without `std` panics.
//!
//! Memory can be added at any time, from every context that may use the heap's lock:
//!
//! | lock | while a region is added |
//! |---|---|
//! | [`Unlocked`] | nobody else has the heap |
//! | `CriticalSection` | interrupts are off: O(regions), and O(free blocks) if the table of lists is replaced |
//! | `Spin` | other threads spin as long |
//!
//! A heap calls no code of the program, so it asks for no memory itself. An allocator around it does so between two
//! requests:
//!
//! ```
//! # #[cfg(feature = "spin")] {
//! use core::alloc::{GlobalAlloc, Layout};
//! use core::sync::atomic::{AtomicBool, Ordering};
//! use framepool::heap::{HeapMemory, Spin, StaticHeap};
//!
//! framepool::heap!(static FAST: 16 * 1024, lock = Spin);
//! framepool::heap!(static SLOW: 256 * 1024, lock = Spin);
//!
//! /// A heap in fast memory, which takes 128 KiB of a slow one when it is full.
//! struct Growing(AtomicBool);
//!
//! // SAFETY: blocks of `FAST`.
//! unsafe impl GlobalAlloc for Growing {
//!     unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
//!         // SAFETY: the caller's promise; the added memory is freed by nobody.
//!         unsafe {
//!             let at = GlobalAlloc::alloc(&FAST, layout);
//!             if !at.is_null() || self.0.swap(true, Ordering::Relaxed) {
//!                 return at;
//!             }
//!             let more = Layout::new::<[u64; 16 * 1024]>();
//!             match SLOW.alloc(more) {
//!                 Ok(start) if FAST.add_region(start, more.size()).is_ok() => {}
//!                 _ => return at,
//!             }
//!             GlobalAlloc::alloc(&FAST, layout)
//!         }
//!     }
//!
//!     unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
//!         // SAFETY: the caller's promise.
//!         unsafe { GlobalAlloc::dealloc(&FAST, at, layout) };
//!     }
//! }
//!
//! let growing = Growing(AtomicBool::new(false));
//! // SAFETY: the layouts are not empty, and the blocks are not used.
//! let mut serve = |size| unsafe { !growing.alloc(Layout::array::<u8>(size).unwrap()).is_null() };
//! assert!(serve(10_000) && serve(100_000), "the second one from slow memory");
//! assert!(!serve(100_000));
//! assert_eq!(FAST.stats().refusals, 2);
//! # }
//! ```

mod bins;
mod block;
mod check;
#[cfg(all(feature = "std", feature = "spin", not(loom)))]
mod classes;
mod code;
mod error;
mod fresh;
#[cfg(feature = "hardened")]
mod hardened;
mod lock;
mod regions;
mod statics;
mod stats;
#[cfg(all(feature = "std", feature = "spin", not(loom)))]
mod threads;
mod tlsf;
mod traits;

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::{self, NonNull};

pub use check::HeapCensus;
pub use error::{HeapCheckError, MemoryRefused, NoRoom, RegionError};
#[cfg(feature = "hardened")]
pub use hardened::*;
#[cfg(feature = "critical-section")]
pub use lock::CriticalSection;
#[cfg(feature = "spin")]
pub use lock::Spin;
pub use lock::{HeapLock, Unlocked};
pub use statics::{HeapMemory, StaticHeap, static_heap_bytes};
pub use stats::{HeapStats, Refusal};
#[cfg(all(feature = "std", feature = "spin", not(loom)))]
pub use threads::*;

use regions::NewRegion;
use tlsf::Tlsf;

/// Memory of any size and alignment, out of regions that were added to it.
///
/// A new heap has no memory, and is all zeros. [`add_region`](Self::add_region) and
/// [`add_memory`](Self::add_memory) give it some, any number of times. For a heap with the memory of a static see
/// [`heap!`](crate::heap!).
///
/// `L` is the lock: see [`HeapLock`]. The heap implements [`GlobalAlloc`](core::alloc::GlobalAlloc), and `&Heap`
/// implements `Allocator` (feature `allocator-api2`).
///
/// A block is freed by its address and its [`Layout`], from any thread that may use the heap. The layout must be
/// the one that it was allocated with: the heap counts with it.
///
/// ```
/// use core::alloc::Layout;
/// use core::ptr::NonNull;
/// use framepool::heap::{Heap, Unlocked};
///
/// # #[repr(align(8))] struct External([u8; 16384]);
/// # let external = Box::into_raw(Box::new(External([0; 16384]))).cast();
/// let heap = Heap::<Unlocked>::new();
/// // SAFETY: nothing else uses the 16 KiB.
/// unsafe { heap.add_region(NonNull::new(external).unwrap(), 16384)? };
///
/// let layout = Layout::array::<u32>(100)?;
/// let numbers = heap.alloc(layout)?;
/// assert_eq!(heap.stats().requested, 400);
///
/// let too_much = heap.alloc(Layout::array::<u32>(5000)?).unwrap_err();
/// assert!(too_much.available < 20_000);
///
/// // SAFETY: allocated above, with this layout, and not used any more.
/// unsafe { heap.dealloc(numbers, layout) };
/// assert_eq!(heap.check()?.free, 1);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Heap<L: HeapLock> {
    lock: L,
    state: UnsafeCell<Tlsf>,
}

// SAFETY: the state is accessed under the lock only, which keeps the accesses apart for all threads that may share
// it. The regions' memory is valid in every thread.
unsafe impl<L: HeapLock + Sync> Sync for Heap<L> {}
// SAFETY: as above; nothing in the state refers to the heap itself.
unsafe impl<L: HeapLock + Send> Send for Heap<L> {}

impl<L: HeapLock> Default for Heap<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: HeapLock> Heap<L> {
    /// A heap without memory.
    pub const fn new() -> Self {
        Self {
            lock: L::UNLOCKED,
            state: UnsafeCell::new(Tlsf::NEW),
        }
    }

    /// Runs one operation under the lock.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Tlsf) -> R) -> R {
        // SAFETY: the lock keeps calls apart, and `f` does not call this function.
        self.lock.with(|| f(unsafe { &mut *self.state.get() }))
    }

    /// Adds a region of memory. O(regions), and O(free blocks) when the heap becomes more than one and a half
    /// times as large as before.
    ///
    /// If the region is adjacent to one that was added by this function or by
    /// [`add_zeroed_region`](Self::add_zeroed_region), both become one, and a block may span them. Memory of
    /// [`add_memory`](Self::add_memory) or of a static stays separate. (Add adjacent regions in the order of their addresses: where a region closes the gap between two others,
    /// the table of lists may stay between them.) Its metadata takes 24 bytes (12 on 32-bit targets) and the bytes to the next multiple of 8; the first
    /// region holds the table of lists, too. [`HeapStats::metadata`] counts them.
    ///
    /// On 64-bit targets a region of more than 8 GiB is divided into several, and no block is larger than that.
    ///
    /// # Errors
    /// The region is too small, overlaps another one of this heap, or exceeds the address space. Nothing was
    /// written to it.
    ///
    /// # Safety
    /// The memory is valid for reads and writes, initialised or not, and belongs to the heap from now on, for as
    /// long as the heap or a block of it is used. If it is adjacent to another region that was added by this function
    /// or by [`add_zeroed_region`](Self::add_zeroed_region), both are parts of one allocation (one static, one mapping,
    /// one section), and a pointer to the lower one may access both.
    pub unsafe fn add_region(&self, start: NonNull<u8>, len: usize) -> Result<(), RegionError> {
        let new = NewRegion {
            start,
            len,
            zeroed: false,
            merge: true,
        };
        // SAFETY: the caller's promise.
        self.with(|tlsf| unsafe { tlsf.add(new) })
    }

    /// Adds a region whose bytes are all zero, as those of a fresh mapping are. [`alloc_zeroed`](Self::alloc_zeroed)
    /// does not zero them again, if the region is the largest of its kind and is not added below an adjacent one.
    /// Otherwise like [`add_region`](Self::add_region).
    ///
    /// # Errors
    /// As for [`add_region`](Self::add_region).
    ///
    /// # Safety
    /// As for [`add_region`](Self::add_region), and the bytes are zero.
    pub unsafe fn add_zeroed_region(
        &self,
        start: NonNull<u8>,
        len: usize,
    ) -> Result<(), RegionError> {
        let new = NewRegion {
            start,
            len,
            zeroed: true,
            merge: true,
        };
        // SAFETY: the caller's promise.
        self.with(|tlsf| unsafe { tlsf.add(new) })
    }

    /// Adds memory that was borrowed for ever. It is never merged with another region of the heap, even if it is adjacent
    /// to one.
    ///
    /// # Errors
    /// As for [`add_region`](Self::add_region); the error returns the memory.
    pub fn add_memory(&self, memory: &'static mut [MaybeUninit<u8>]) -> Result<(), MemoryRefused> {
        // No reference is used after this, unless the memory comes back.
        let mut memory = NonNull::from(memory);
        let new = NewRegion {
            start: memory.cast(),
            len: memory.len(),
            zeroed: false,
            merge: false,
        };
        // SAFETY: the borrow never ends, and the caller has no other; on an error nothing was written.
        self.with(|tlsf| unsafe { tlsf.add(new) })
            .map_err(|reason| MemoryRefused {
                reason,
                // SAFETY: the caller's memory, which the heap did not take.
                memory: unsafe { memory.as_mut() },
            })
    }

    /// Allocates memory for a layout. O(1). A layout of size 0 takes no memory.
    ///
    /// # Errors
    /// No free block is large enough: [`NoRoom`] says what would have been served. The heap counts the refusal. A
    /// request may also be refused although a block with just its size exists, if that block is not among the first
    /// 4 of the list of its size. With an alignment of more than 8, a request is served for certain if a free block is
    /// a quarter larger than the size, the alignment and 48 bytes together. Otherwise 4 of the smaller free blocks are
    /// looked at, the largest first.
    #[inline]
    pub fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve(layout).ok_or_else(|| self.no_room(layout))
    }

    /// Allocates memory for a layout, and zeroes it. O(1), and O(bytes) outside of the lock.
    ///
    /// # Errors
    /// As for [`alloc`](Self::alloc).
    pub fn alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve_zeroed(layout)
            .ok_or_else(|| self.no_room(layout))
    }

    /// Frees memory. O(1).
    ///
    /// # Safety
    /// The memory was allocated by this heap with this layout. It is not used any more.
    #[inline]
    pub unsafe fn dealloc(&self, at: NonNull<u8>, layout: Layout) {
        if layout.size() > 0 {
            let addr = at.addr().get();
            // SAFETY: the caller's promise.
            self.with(|tlsf| unsafe { tlsf.free(addr, layout.size()) });
        }
    }

    /// Makes memory larger or smaller: to `size` bytes, with the alignment of `layout`. In place, O(1), if `size` is
    /// not larger than before or the memory after it is free. Otherwise it moves, into the free memory before it or
    /// elsewhere: O(bytes), copied outside of the lock.
    ///
    /// # Errors
    /// No free block is large enough. The memory is unchanged.
    ///
    /// # Safety
    /// The memory was allocated by this heap with this layout. On success the result replaces it. `size`, rounded
    /// up to the alignment, does not exceed `isize::MAX`.
    pub unsafe fn realloc(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        size: usize,
    ) -> Result<NonNull<u8>, NoRoom> {
        // SAFETY: the caller's promise.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            self.resize(at, layout, new)
                .ok_or_else(|| self.no_room(new))
        }
    }

    /// Whether an address is in a region of this heap. O(regions).
    pub fn contains(&self, ptr: *const u8) -> bool {
        self.with(|tlsf| tlsf.regions.contains(ptr.addr()))
    }

    /// The statistics. O(1).
    pub fn stats(&self) -> HeapStats {
        self.with(|tlsf| tlsf.stats())
    }

    /// Verifies all tags, lists and counters. O(blocks), under the lock.
    ///
    /// # Errors
    /// The first inconsistency found. After that the heap must not be used any more.
    pub fn check(&self) -> Result<HeapCensus, HeapCheckError> {
        self.with(|tlsf| tlsf.check())
    }

    #[cold]
    fn no_room(&self, layout: Layout) -> NoRoom {
        NoRoom {
            size: layout.size(),
            align: layout.align(),
            available: self.stats().largest,
        }
    }

    #[inline]
    fn serve(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve_seeded(layout, || None)
    }

    #[inline]
    fn serve_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.serve_zeroed_seeded(layout, || None)
    }

    /// Memory for a layout. `seed` is a region to add to a heap that was not used yet.
    #[inline]
    fn serve_seeded(
        &self,
        layout: Layout,
        seed: impl FnOnce() -> Option<NewRegion>,
    ) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return Some(dangling(layout));
        }
        self.with(|tlsf| {
            if let Some(seed) = seed() {
                tlsf.seed(seed);
            }
            tlsf.alloc_or_refuse(layout)
        })
    }

    fn serve_zeroed_seeded(
        &self,
        layout: Layout,
        seed: impl FnOnce() -> Option<NewRegion>,
    ) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return Some(dangling(layout));
        }
        let (at, fresh) = self.with(|tlsf| {
            if let Some(seed) = seed() {
                tlsf.seed(seed);
            }
            let fresh = tlsf.fresh.range();
            (tlsf.alloc_or_refuse(layout), fresh)
        });
        let at = at?;
        // SAFETY: the block has that size, and is the caller's from here on.
        unsafe { zero(at, layout.size(), fresh) };
        Some(at)
    }

    /// Memory of a new layout with the content of the old: in place or moved.
    ///
    /// # Safety
    /// As for [`realloc`](Self::realloc).
    unsafe fn resize(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Option<NonNull<u8>> {
        if old.size() == 0 {
            return self.serve(new);
        }
        if new.size() == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(at, old) };
            return Some(dangling(new));
        }
        // SAFETY: the caller's promise.
        unsafe { self.resize_or(at, old, new, |tlsf| tlsf.alloc_or_refuse(new)) }
    }

    /// As [`resize`](Self::resize): in place, or into the free block before it, or to what `elsewhere` gives.
    ///
    /// # Safety
    /// As for [`realloc`](Self::realloc). Neither size is 0. `elsewhere` gives a block of this heap for `new`.
    #[inline]
    unsafe fn resize_or(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
        elsewhere: impl FnOnce(&mut Tlsf) -> Option<NonNull<u8>>,
    ) -> Option<NonNull<u8>> {
        let (addr, size) = (at.addr().get(), new.size());
        let mut is_near = true;
        let to = self.with(|tlsf| {
            // SAFETY: the caller's promise.
            if let Some(block) = unsafe { tlsf.extend(addr, old.size(), new) } {
                return Some(block.as_ptr());
            }
            is_near = false;
            elsewhere(tlsf)
        })?;
        if to == at {
            return Some(to);
        }
        let kept = old.size().min(size);
        // SAFETY: the new block is the caller's, and holds the smaller of both sizes. The old one is in it, or is another
        // one that the caller gives up.
        unsafe {
            if is_near {
                copy_down(at, to, kept);
                let below = to.addr().get();
                self.with(|tlsf| tlsf.moved_down(addr, old.size(), below, size));
            } else {
                ptr::copy_nonoverlapping(at.as_ptr(), to.as_ptr(), kept);
                self.dealloc(at, old);
            }
        }
        Some(to)
    }
}

describe!(impl[L: HeapLock] Heap<L> as Heap { stats });

impl Tlsf {
    /// Adds the memory of the static that the heap is in, the first time.
    #[inline(always)]
    fn seed(&mut self, new: NewRegion) {
        if !self.regions.seeded {
            self.seed_late(new);
        }
    }

    #[cold]
    #[inline(never)]
    fn seed_late(&mut self, new: NewRegion) {
        self.regions.seeded = true;
        // SAFETY: `StaticHeap` owns the memory, and adds it once, before anything else. Its size was checked.
        unsafe { self.add_first(new) };
    }
}

/// An aligned address for size 0.
fn dangling(layout: Layout) -> NonNull<u8> {
    let at = ptr::without_provenance_mut(layout.align());
    // SAFETY: an alignment is not 0.
    unsafe { NonNull::new_unchecked(at) }
}

/// Moves `len` bytes to a lower address.
///
/// # Safety
/// The caller may read the ones and write the others.
#[inline(always)]
unsafe fn copy_down(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        #[cfg(target_os = "none")]
        copy_in_steps(from, to, len);
        #[cfg(not(target_os = "none"))]
        ptr::copy(from.as_ptr(), to.as_ptr(), len);
    }
}

/// As [`copy_down`], by copies that do not overlap: firmware has `memcpy` anyway, and `memmove` takes 1.6 KB of code.
///
/// # Safety
/// As for [`copy_down`].
#[cfg(any(test, target_os = "none"))]
unsafe fn copy_in_steps(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    let step = from.addr().get().wrapping_sub(to.addr().get());
    let mut done = 0;
    while done < len {
        let n = step.min(len - done);
        // SAFETY: the caller's promise. The bytes are as far apart as they are many, at least.
        unsafe { ptr::copy_nonoverlapping(from.add(done).as_ptr(), to.add(done).as_ptr(), n) };
        done += n;
    }
}

/// Zeroes `len` bytes from `at` on, but for those in a range of addresses that are zero.
///
/// # Safety
/// The caller may write to them.
unsafe fn zero(at: NonNull<u8>, len: usize, fresh: Range<usize>) {
    let first = fresh.start.saturating_sub(at.addr().get()).min(len);
    let second = fresh.end.saturating_sub(at.addr().get()).clamp(first, len);
    // SAFETY: the caller's promise.
    unsafe {
        at.write_bytes(0, first);
        at.add(second).write_bytes(0, len - second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_move_down_whole_in_steps() {
        let content: [u8; 100] = core::array::from_fn(|i| i as u8);
        for step in [1, 16, 24, 33, 99, 100, 130] {
            for len in [0, 1, 24, 99, 100] {
                let mut bytes = [0xEE_u8; 240];
                bytes[step..step + 100].copy_from_slice(&content);
                let to = NonNull::from(&mut bytes).cast::<u8>();
                // SAFETY: all of it lies in the array.
                unsafe { copy_in_steps(to.add(step), to, len) };
                assert_eq!(bytes[..len], content[..len], "{step} {len}");
            }
        }
    }
}
