//! Global allocators that serve from pools first.
//!
//! ```text
//!  PoolAlloc                  PoolAllocs                     CachedAllocs (std)
//!                                                            thread 1      thread 2
//!                                                            caches        caches      no atomic
//!                                                              └─────┬───────┘
//!  pool of 128 bytes          pools of 64, 256, 2048 bytes   PoolAllocs                one compare-and-swap
//!    │ no block, or larger      │ the next larger; none        │
//!    ▼                          ▼                              ▼
//!  fallback                   fallback                       fallback                  its own costs
//! ```
//!
//! All of them tell by an address which pool it came from, so memory is freed where it was allocated, from any
//! thread. Each takes its pools when it is made, or later: [`PoolAlloc::late`].

// | file | what |
// |---|---|
// | this one | one pool |
// | `installed` | a value that is installed once |
// | `classes` | several pools |
// | `registry` | values that threads claim, for `cached` |
// | `cached` | thread caches in front of them, and the profile of sizes |

#[cfg(all(feature = "std", not(loom)))]
mod cached;
mod classes;
mod installed;
#[cfg(feature = "std")]
pub(crate) mod registry;

#[cfg(all(feature = "std", not(loom)))]
pub use cached::{CachedAllocs, SizeClass, SizeProfile};
pub use classes::PoolAllocs;
pub use installed::InstallError;

#[cfg(all(feature = "audit", not(loom)))]
pub(crate) use cached::is_inside;

use core::alloc::{GlobalAlloc, Layout};
use core::mem;
use core::ptr::{self, NonNull};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::Fill;
use crate::sync::loom_const;
use installed::Installed;

/// A [`GlobalAlloc`] that serves what fits a block from a static pool. The fallback `F` serves requests that
/// do not fit, and those that arrive while the pool is exhausted.
///
/// Small and frequent allocations take bounded time, in memory that is mapped already. No thread-local, no lock,
/// no recursion of its own: an allocation or a free is one compare-and-swap; a free also takes a division,
/// which tells the pool's addresses from the fallback's. Memory is freed where it was allocated, from any
/// thread. [`PoolAllocs`] takes pools of several sizes; `CachedAllocs` (feature `std`) needs no atomic.
///
/// | call | condition | cost |
/// |---|---|---|
/// | `alloc` | the layout fits, and a block is free: served by the pool | O(1) |
/// | `dealloc` | the address is in a block: freed to the pool | O(1) |
/// | `realloc` | in a block, and the new size fits: stays in place | O(1) |
/// | | in a block, and the new size does not fit: moves to `F` | O(bytes) |
/// | | not in a block: `F` decides, even if the new size fits a block | as `F` |
///
/// An address tells which of the two served a request, so memory of `F` in a block of the pool is refused: that of a
/// pool or heap in `F` that was made in a leaked block. Such a request fails, and a `realloc` that `F` moved there
/// aborts the process.
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
pub struct PoolAlloc<F, P = &'static Pool<'static>> {
    pool: P,
    rest: F,
    at_least: usize,
}

/// The place of a pool that is installed later: `PoolAlloc<F, Late>`, from [`PoolAlloc::late`].
pub struct Late(Installed<&'static Pool<'static>>);

describe!(Late as Late { pool = |it| it.0.get().copied() });

mod sealed {
    use crate::pool::Pool;

    /// Where an allocator has its pool.
    pub trait Place {
        fn pool(&self) -> Option<&'static Pool<'static>>;
    }
}
use sealed::Place;

impl Place for &'static Pool<'static> {
    #[inline(always)]
    fn pool(&self) -> Option<&'static Pool<'static>> {
        Some(self)
    }
}

impl Place for Late {
    #[inline(always)]
    fn pool(&self) -> Option<&'static Pool<'static>> {
        self.0.get().copied()
    }
}

impl<F> PoolAlloc<F> {
    /// Serves from `pool` what fits a block, and everything else from the fallback `rest`.
    ///
    /// Addresses tell which of the two served a request, so they must not share blocks. If one uses a
    /// [`Reservation`](crate::Reservation) and the other its parent, blocks of `rest` are refused.
    pub const fn new(pool: &'static Pool<'static>, rest: F) -> Self {
        Self {
            pool,
            rest,
            at_least: 1,
        }
    }

    /// The pool.
    pub const fn pool(&self) -> &'static Pool<'static> {
        self.pool
    }
}

impl<F> PoolAlloc<F, Late> {
    loom_const! {
        /// Serves everything from the fallback `rest`, until a pool is installed: for a pool in a mapping, which
        /// cannot be made before the program runs.
        ///
        /// ```
        /// use framepool::{Late, Pool, PoolAlloc, PoolConfig};
        /// use std::alloc::System;
        ///
        /// #[global_allocator]
        /// static GLOBAL: PoolAlloc<System, Late> = PoolAlloc::late(System);
        ///
        /// let before = String::from("allocated by System, and freed by it");
        /// let pool = Pool::allocate(PoolConfig::new(128, 4096))?.leak();
        /// let pool = GLOBAL.install(pool)?;
        ///
        /// let after = String::from("in a block");
        /// assert!(pool.contains(after.as_ptr()) && !pool.contains(before.as_ptr()));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub const fn late(rest: F) -> Self {
            Self {
                pool: Late(Installed::empty()),
                rest,
                at_least: 1,
            }
        }
    }

    /// Serves what fits from `pool`, from now on. Succeeds once, at any time: while other threads allocate, and after
    /// the standard library has allocated before `main`. Memory that the fallback served goes back to it. O(1), one
    /// compare-and-swap, which releases what this thread wrote before; an allocation acquires it. Returns the pool.
    ///
    /// The caller must be the only one who knows the pool, and no block of it may be raw: so no block of it was leaked, and
    /// the fallback has no memory in it. This does not compile:
    /// ```compile_fail,E0502
    /// use framepool::{Late, Pool, PoolAlloc, PoolConfig};
    /// use std::alloc::System;
    ///
    /// static GLOBAL: PoolAlloc<System, Late> = PoolAlloc::late(System);
    /// let pool = Pool::allocate(PoolConfig::new(4096, 2)).unwrap().leak();
    /// let block: &'static mut [u8; 4096] = pool.alloc_value([0; 4096]).unwrap().leak();
    /// GLOBAL.install(pool);
    /// ```
    ///
    /// # Errors
    /// [`InstallError`] with the pool: there is one, or another thread is installing one at this moment; or blocks of it are
    /// raw.
    pub fn install(
        &self,
        pool: &'static mut Pool<'static>,
    ) -> Result<&'static Pool<'static>, InstallError<&'static mut Pool<'static>>> {
        if pool.outside() > 0 {
            return Err(InstallError::RawBlocks(pool));
        }
        let installed = self.pool.0.install(pool, |pool| &*pool);
        installed.copied().map_err(InstallError::AlreadyInstalled)
    }

    /// The pool, once there is one.
    pub fn pool(&self) -> Option<&'static Pool<'static>> {
        self.pool.pool()
    }
}

impl<F, P> PoolAlloc<F, P> {
    /// Requests below `bytes` also go to the fallback, so that small objects do not occupy large blocks.
    /// A block whose content shrinks below `bytes` stays in use.
    pub const fn at_least(mut self, bytes: usize) -> Self {
        self.at_least = bytes;
        self
    }

    /// The fallback.
    pub const fn rest(&self) -> &F {
        &self.rest
    }
}

impl<F, P: Place> PoolAlloc<F, P> {
    /// A block for the layout, or `None` if the fallback must serve it. Never called for size 0.
    #[inline]
    fn serve(&self, layout: Layout, fill: Fill) -> Option<NonNull<u8>> {
        let pool = self.pool.pool()?;
        if layout.size() < self.at_least || !pool.fits(layout) {
            return None;
        }
        without_unwinding(|| {
            pool.take_layout(layout, fill, AuditKind::AllocatedGlobally)
                .ok()
        })
    }

    /// The pool, if it served this address.
    #[inline]
    fn served(&self, at: *mut u8) -> Option<&'static Pool<'static>> {
        self.pool.pool().filter(|pool| pool.spans(at))
    }
}

/// Frees memory that a pool served.
///
/// # Safety
/// The pool served a layout of `size` bytes at `at`, and they are not used any more.
#[inline]
unsafe fn give_back(pool: &Pool<'_>, at: *mut u8, size: usize) {
    let Some(block) = NonNull::new(at) else {
        return;
    };
    // SAFETY: the caller's promise.
    without_unwinding(|| unsafe { pool.give_layout(block, size, AuditKind::FreedGlobally) });
}

/// Moves memory that grows beyond its block, by `alloc` and `dealloc`.
///
/// # Safety
/// As for [`GlobalAlloc::realloc`]; and `size` is more than `layout.size()`.
#[cold]
unsafe fn moved(allocator: &impl GlobalAlloc, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: `size`, rounded up to the alignment, does not overflow: the caller's promise.
    let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
    // SAFETY: `size` is not 0: the caller's promise.
    let moved = unsafe { allocator.alloc(new) };
    if !moved.is_null() {
        // SAFETY: both hold `layout.size()` bytes, as `size` is more; they do not overlap, as both are allocated.
        // The caller gives the old memory up.
        unsafe {
            ptr::copy_nonoverlapping(at, moved, layout.size());
            allocator.dealloc(at, layout);
        }
    }
    moved
}

/// Ends the process: the fallback moved memory into a block of a pool, and freed the old memory. An address there says
/// that the pool served it, and there is no old memory to keep.
#[cold]
fn moved_into_a_pool() {
    without_unwinding(|| panic!("the fallback of a global allocator has memory in a pool's block"));
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

/// Implements [`GlobalAlloc`] for an allocator that has `serve`, `served` and `rest`, and the methods that ask `rest`.
macro_rules! global_alloc {
    (impl[$($generics:tt)*] for $ty:ty) => {
        impl<$($generics)*> $ty {
            /// Memory of the fallback, or null if it has none that is outside of the pools.
            ///
            /// # Safety
            /// As for [`GlobalAlloc::alloc`].
            pub(in crate::pool::global_alloc) unsafe fn alloc_rest(&self, layout: Layout, fill: Fill) -> *mut u8 {
                // SAFETY: the caller's promise.
                let at = unsafe {
                    match fill {
                        Fill::Any => self.rest.alloc(layout),
                        Fill::Zeros => self.rest.alloc_zeroed(layout),
                    }
                };
                if self.served(at).is_some() {
                    // SAFETY: `F` has just served it, and nothing uses it. It is not null, as no block is there.
                    unsafe { self.rest.dealloc(at, layout) };
                    return core::ptr::null_mut();
                }
                at
            }

            /// Memory of the fallback, resized. It is outside of the pools.
            ///
            /// # Safety
            /// As for [`GlobalAlloc::realloc`]; and `F` served the memory.
            pub(in crate::pool::global_alloc) unsafe fn realloc_rest(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
                // SAFETY: the caller's promise.
                let at = unsafe { self.rest.realloc(at, layout, size) };
                if self.served(at).is_some() {
                    moved_into_a_pool();
                }
                at
            }
        }

        // SAFETY: each request goes to the one that served the address, because:
        // - What a pool serves is in its blocks.
        // - What `F` serves is in no block of a pool of this allocator: `alloc_rest` and `realloc_rest` let no such
        //   address out. Those from before the pools were installed are in none either: `install` gets each pool
        //   exclusively, so that no block has a handle or is leaked, and refuses raw blocks. The others are not in use.
        // - Of two pools that share addresses, one is in a block of the other that nobody may free (or they are a
        //   reservation and its parent, which free each other's blocks). Its blocks are then no larger, so it
        //   comes first in the search. If they are of one size, it has one block, the same, and may come second: that
        //   block goes to the other pool when it is freed, and stays in use in this one, which so serves it no more.
        // A block holds any layout that fits it, aligned, and stays in place until it is freed. Nothing here unwinds: see
        // `without_unwinding`.
        unsafe impl<$($generics)*> core::alloc::GlobalAlloc for $ty {
            #[inline]
            unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
                match self.serve(layout, Fill::Any) {
                    Some(block) => block.as_ptr(),
                    // SAFETY: the caller's promise.
                    None => unsafe { self.alloc_rest(layout, Fill::Any) },
                }
            }

            #[inline]
            unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
                match self.serve(layout, Fill::Zeros) {
                    Some(block) => block.as_ptr(),
                    // SAFETY: the caller's promise.
                    None => unsafe { self.alloc_rest(layout, Fill::Zeros) },
                }
            }

            #[inline]
            unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
                match self.served(at) {
                    // SAFETY: the pool served it, and the caller gives it up.
                    Some(pool) => unsafe { give_back(pool, at, layout.size()) },
                    // SAFETY: `F` served it; otherwise the caller's promise.
                    None => unsafe { self.rest.dealloc(at, layout) },
                }
            }

            #[inline]
            unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
                match self.served(at) {
                    Some(pool) if size <= pool.block_size() => at,
                    // SAFETY: the caller's promise; a block holds `layout.size()` bytes, and `size` is more.
                    Some(_) => unsafe { moved(self, at, layout, size) },
                    // SAFETY: `F` served it; otherwise the caller's promise.
                    None => unsafe { self.realloc_rest(at, layout, size) },
                }
            }
        }
    };
}
use global_alloc;

global_alloc!(impl[F: GlobalAlloc, P: Place] for PoolAlloc<F, P>);

describe!(impl[F] PoolAlloc<F> as PoolAlloc { pool, at_least = |it| it.at_least });
describe!(impl[F] PoolAlloc<F, Late> as PoolAlloc { pool, at_least = |it| it.at_least });
