//! A global allocator that serves from a pool first.

use core::alloc::{GlobalAlloc, Layout};
use core::mem;
use core::ptr::{self, NonNull};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::Fill;

/// A [`GlobalAlloc`] that serves what fits a block from a static pool. The fallback `F` serves requests that
/// do not fit, and those that arrive while the pool is exhausted.
///
/// Small and frequent allocations take bounded time, in memory that is mapped already. No thread-local, no lock,
/// no recursion of its own: an allocation or a free is one compare-and-swap; a free also takes a division,
/// which tells the pool's addresses from the fallback's. Memory is freed where it was allocated, from any
/// thread.
///
/// | call | condition | cost |
/// |---|---|---|
/// | `alloc` | the layout fits, and a block is free: served by the pool | O(1) |
/// | `dealloc` | the address is in a block: freed to the pool | O(1) |
/// | `realloc` | in a block, and the new size fits: stays in place | O(1) |
/// | | in a block, and the new size does not fit: moves to `F` | O(bytes) |
/// | | not in a block: `F` decides, even if the new size fits a block | as `F` |
///
/// The counters are those of the pool, in [`Pool::stats`]: requests served (`allocations`), requests that
/// fit but went to the fallback (`exhaustions`), and blocks in use.
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
    /// Serves from `pool` what fits a block, and everything else from the fallback `rest`.
    ///
    /// Addresses tell which of the two served a request, so they must not share blocks. If one uses a
    /// [`Reservation`](crate::Reservation) and the other its parent, blocks of one return to the other.
    pub const fn new(pool: &'static Pool<'static>, rest: F) -> Self {
        Self {
            pool,
            rest,
            at_least: 1,
        }
    }

    /// Requests below `bytes` also go to the fallback, so that small objects do not occupy large blocks.
    /// A block whose content shrinks below `bytes` stays in use.
    pub const fn at_least(mut self, bytes: usize) -> Self {
        self.at_least = bytes;
        self
    }

    /// The pool.
    pub const fn pool(&self) -> &'static Pool<'static> {
        self.pool
    }

    /// The fallback.
    pub const fn rest(&self) -> &F {
        &self.rest
    }

    /// A block for the layout, or `None` if the fallback must serve it. Never called for size 0.
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
    /// The pool served `size` bytes at `block`, and they are not used any more.
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

/// An allocator must not unwind, but a pool calls the user's wakers and low-water callback, and these may.
/// If one does, this aborts: with `std` at once, otherwise by a panic during a panic.
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
// memory belongs to the pool alone: each request goes to the one that served the address. A block holds any
// layout that fits it, aligned, and stays in place until it is freed. Nothing here unwinds: see
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
            // not overlap, as only one of them is a block. The caller gives the block up.
            unsafe {
                ptr::copy_nonoverlapping(at, moved, layout.size());
                self.give(block, layout.size());
            }
        }
        moved
    }
}

describe!(impl[F] PoolAlloc<F> as PoolAlloc { pool, at_least = |it| it.at_least });
