//! A global allocator with a pool in front of it.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::mem;
use core::ptr::{self, NonNull};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::Fill;

/// A [`GlobalAlloc`] that serves what fits a block from a static pool, and passes the rest on to `F`:
/// what does not fit, and what comes while the pool is exhausted.
///
/// Small and frequent allocations take bounded time and come out of memory that is there; whatever
/// cannot, still works. No thread-local, no lock, no recursion of its own: an allocation or a free is one
/// compare-and-swap and, for a free, a division that tells whose the address is. What is freed goes back
/// to where it came from, on whichever thread.
///
/// | call | in the pool | cost |
/// |---|---|---|
/// | `alloc` | it fits, and a block is free | O(1) |
/// | `dealloc` | the address is in a block | O(1) |
/// | `realloc` | it was, and still fits: stays where it is | O(1) |
/// | | it was, and no longer fits: moves to `F` | O(bytes) |
/// | | it was not: `F` decides, also where it would fit by now | as `F` |
///
/// Nothing is counted here. [`Pool::stats`] says how many were served (`allocations`), how many were
/// passed on though they fit (`exhaustions`), and how many blocks are in use.
///
/// ```
/// use framepool::PoolAlloc;
/// use std::alloc::System;
///
/// framepool::pool!(static SMALL: [128; 4096], caches = false);
///
/// #[global_allocator]
/// static GLOBAL: PoolAlloc<System> = PoolAlloc::new(&SMALL, System);
///
/// let served = SMALL.stats().in_use;
/// let name = String::from("in a block");
/// let bytes = vec![0_u8; 100_000]; // not in a block
/// assert_eq!(SMALL.stats().in_use, served + 1);
/// # drop((name, bytes));
/// ```
pub struct PoolAlloc<F> {
    pool: &'static Pool<'static>,
    rest: F,
    at_least: usize,
}

impl<F> PoolAlloc<F> {
    /// Blocks of `pool` for what fits them, `rest` for everything else.
    ///
    /// Addresses tell who served what, so the two must not share blocks: where one is a
    /// [`Reservation`](crate::Reservation) and the other its parent, blocks of the one go home to the other.
    pub const fn new(pool: &'static Pool<'static>, rest: F) -> Self {
        Self {
            pool,
            rest,
            at_least: 1,
        }
    }

    /// Passes on what is smaller than `bytes`, too: large blocks are not to be spent on small things.
    /// What was served and shrinks below stays.
    pub const fn at_least(mut self, bytes: usize) -> Self {
        self.at_least = bytes;
        self
    }

    /// The pool in front.
    pub const fn pool(&self) -> &'static Pool<'static> {
        self.pool
    }

    /// The allocator behind it.
    pub const fn rest(&self) -> &F {
        &self.rest
    }

    /// A block for the layout, or `None` if it is for the other side. Never called for no bytes.
    #[inline]
    fn serve(&self, layout: Layout, fill: Fill) -> Option<NonNull<u8>> {
        if layout.size() < self.at_least || !self.pool.fits(layout) {
            return None;
        }
        let pool = self.pool;
        without_unwinding(|| {
            pool.take_layout(layout, fill, AuditKind::AllocatedGlobally)
                .ok()
        })
    }

    /// # Safety
    /// The pool served `size` bytes at `block`, and no one uses them any more.
    #[inline]
    unsafe fn give(&self, block: NonNull<u8>, size: usize) {
        let pool = self.pool;
        // SAFETY: the caller's promise.
        without_unwinding(|| unsafe { pool.give_layout(block, size, AuditKind::FreedGlobally) });
    }

    /// Whether the pool served this address: no other memory lies between its blocks.
    #[inline]
    fn served(&self, at: *mut u8) -> Option<NonNull<u8>> {
        let offset = at.addr().wrapping_sub(self.pool.blocks_ptr().addr().get());
        if offset < self.pool.blocks_len() {
            NonNull::new(at)
        } else {
            None
        }
    }
}

/// An allocator must not unwind, but a pool calls its user's wakers and low-water callback, which may.
/// Where they do, this aborts: with `std` at once, without by a panic during a panic.
#[inline]
fn without_unwinding<R>(f: impl FnOnce() -> R) -> R {
    struct Aborts;
    impl Drop for Aborts {
        fn drop(&mut self) {
            #[cfg(feature = "std")]
            std::process::abort();
            #[cfg(not(feature = "std"))]
            panic!("a waker or callback of a global allocator's pool unwound");
        }
    }
    let aborts = Aborts;
    let result = f();
    mem::forget(aborts);
    result
}

// SAFETY: an address in the pool's blocks was served by the pool, any other by `F`, since the blocks'
// memory is the pool's alone: each is answered by the one that served it. A served block holds any
// layout that fits it, aligned, and stays where it is until it is freed. Nothing here unwinds: see
// `without_unwinding`.
unsafe impl<F: GlobalAlloc> GlobalAlloc for PoolAlloc<F> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.serve(layout, Fill::Any) {
            Some(block) => block.as_ptr(),
            // SAFETY: the caller's promise.
            None => unsafe { self.rest.alloc(layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.serve(layout, Fill::Zeros) {
            Some(block) => block.as_ptr(),
            // SAFETY: the caller's promise.
            None => unsafe { self.rest.alloc_zeroed(layout) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match self.served(at) {
            // SAFETY: the pool served it, and the caller gives it up.
            Some(block) => unsafe { self.give(block, layout.size()) },
            // SAFETY: `F` served it; otherwise the caller's promise.
            None => unsafe { self.rest.dealloc(at, layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(block) = self.served(at) else {
            // SAFETY: `F` served it; otherwise the caller's promise.
            return unsafe { self.rest.realloc(at, layout, size) };
        };
        if size <= self.pool.block_size() {
            return at;
        }
        // SAFETY: `size`, rounded up to the alignment, does not overflow: the caller's promise.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `size` is not 0: the caller's promise, and it is more than a block.
        let moved = unsafe { self.rest.alloc(new) };
        if !moved.is_null() {
            // SAFETY: both hold `layout.size()` bytes, as it fits a block and `size` is more; they do
            // not overlap, as one is a block and the other is not. The caller gives the block up.
            unsafe {
                ptr::copy_nonoverlapping(at, moved, layout.size());
                self.give(block, layout.size());
            }
        }
        moved
    }
}

impl<F> fmt::Debug for PoolAlloc<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolAlloc")
            .field("pool", &self.pool)
            .field("at_least", &self.at_least)
            .finish_non_exhaustive()
    }
}
