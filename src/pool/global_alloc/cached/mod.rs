//! Thread caches in front of the pools of a global allocator.
//!
//! ```text
//!  thread's word ──► front: stamp, counts ┬─ 64 B:   find, fit │ cache ◄── half a cache at once ──► depot of SMALL
//!                                         ├─ 256 B:  find, fit │ cache                              depot of MEDIUM
//!                                         └─ 2048 B: find, fit │ cache                              depot of LARGE
//! ```
//!
//! The fast path reads the thread's word, compares a stamp, and works on the front: no atomic, no shared line. All
//! else is in slow paths, which take the fronts out of the thread's word before they call anything: what comes back
//! here from inside of them is served by the depots.

// | file | what |
// |---|---|
// | this one | the allocator |
// | `front` | a thread's caches and counts |
// | `profile` | requests by size |

mod front;
mod profile;

pub use profile::{SizeClass, SizeProfile};

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use super::{InstallError, PoolAllocs, give_back, moved, without_unwinding};
use crate::pool::Pool;
use crate::pool::by_layout::Fill;
use crate::pool::global_alloc::classes::Pools;
use crate::pool::global_alloc::registry::{Entry, Registry};
use crate::sync::Word;
use crate::thread_slot::{self, Stamp};
use front::{Front, Lent, head_of};
use profile::{Answer, Counts, class_of};

/// Whether this thread is in a slow path of an allocator, where the standard library must not be called.
#[cfg(feature = "audit")]
pub(crate) fn is_inside() -> bool {
    crate::thread_slot::is_busy()
}

/// A [`PoolAllocs`] with a cache of each pool in front of it for each thread, so that most allocations and frees need
/// no atomic. It also counts requests by size: see [`profile`](Self::profile).
///
/// | call | condition | cost |
/// |---|---|---|
/// | `alloc`, `dealloc` | of the smallest blocks that fit; the cache has a block, or room | O(1), no atomic |
/// | | every 128 such calls at the least, if they are unbalanced | one exchange with a depot |
/// | | of another pool, or of the fallback | O(N) more |
/// | `realloc` | as for [`PoolAllocs`] | |
/// | a thread's first call | | O(N + fronts of other threads); `F` allocates 1.2 KiB (N + 1) for a new front |
///
/// A free takes its block's pool and index from the address, by a multiplication. A block may be freed by another
/// thread: it goes to that thread's cache.
///
/// **What a thread holds.** At most a sixteenth of each pool in its caches, at most 256 blocks, and no less than 4.
/// [`Stats::cached`](crate::Stats::cached) counts them as of the last exchange. [`flush`](Self::flush) returns those of
/// the current thread.
///
/// **Threads.** The caches are flushed when a thread ends, and its front is used by a later thread; fronts are never
/// freed. Destructors of thread-locals that run after that allocate and free at the depots, and so does code that is
/// called inside of an exchange, such as a waker that allocates. The destructors of the main thread may not run at all:
/// its caches end with the process.
///
/// **Rust.** Works from Rust 1.85 on for Linux with glibc, where a thread-local's destructor is registered without
/// Rust's allocator. On other systems it needs Rust 1.93, which promises that thread-locals do not use the global
/// allocator. Before, the standard library ends the process if a thread's first allocation comes from the registration
/// of a destructor. Targets without native thread-locals are not supported before 1.93 either.
///
/// **fork.** The child has the caches of the thread that called it. Blocks in the caches of other threads, and those that
/// another thread was moving at that moment, are lost to the child, and no lock is held.
///
/// Not for signal handlers, as no Rust allocator is.
///
/// ```
/// use framepool::{CachedAllocs, PoolAllocs};
/// use std::alloc::System;
///
/// framepool::pool!(static SMALL: [64; 8192]);
/// framepool::pool!(static LARGE: [1024; 512]);
///
/// #[global_allocator]
/// static GLOBAL: CachedAllocs<System, 2> = CachedAllocs::new(PoolAllocs::new([&SMALL, &LARGE], System));
///
/// let (name, page) = (String::from("small"), vec![0_u8; 1000]);
/// assert!(SMALL.contains(name.as_ptr()) && LARGE.contains(page.as_ptr()));
/// let profile = GLOBAL.profile();
/// assert!(profile.served() >= 2);
/// println!("{profile}");
/// ```
pub struct CachedAllocs<F, const N: usize> {
    uncached: PoolAllocs<F, N>,
    /// The first word of this allocator's fronts.
    stamp: Stamp,
    fronts: Registry<Front<N>>,
    /// Of requests without a front.
    counts: Counts,
}

impl<F, const N: usize> CachedAllocs<F, N> {
    /// Puts caches in front of these pools, which may be installed later.
    pub const fn new(pools: PoolAllocs<F, N>) -> Self {
        Self {
            uncached: pools,
            stamp: Stamp::new(),
            fronts: Registry::new(),
            counts: Counts::new(),
        }
    }

    /// Serves what fits from `pools`, in any order, from now on: [`PoolAllocs::install`].
    ///
    /// # Errors
    /// As for [`PoolAllocs::install`].
    ///
    /// ```
    /// use framepool::{CachedAllocs, Pool, PoolAllocs, PoolConfig};
    /// use std::alloc::System;
    ///
    /// #[global_allocator]
    /// static GLOBAL: CachedAllocs<System, 1> = CachedAllocs::new(PoolAllocs::late(System));
    ///
    /// let pool = Pool::allocate(PoolConfig::new(128, 4096))?.leak();
    /// let [pool] = GLOBAL.install([pool])?;
    /// assert!(pool.contains(String::from("in a block").as_ptr()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn install(
        &self,
        pools: [&'static mut Pool<'static>; N],
    ) -> Result<[&'static Pool<'static>; N], InstallError<[&'static mut Pool<'static>; N]>> {
        self.uncached.install(pools)
    }

    /// The pools, the smallest blocks first. Empty until some are installed.
    pub fn pools(&self) -> &[&'static Pool<'static>] {
        self.uncached.pools()
    }

    /// The fallback.
    pub const fn rest(&self) -> &F {
        self.uncached.rest()
    }

    /// Requests so far, by size, of all threads. O(number of threads). Exact while no request is in progress. A
    /// `realloc` counts if it moves out of a block, and then as a request for the new size.
    pub fn profile(&self) -> SizeProfile {
        let mut profile = SizeProfile::new();
        profile.add(&self.counts);
        for entry in self.fronts.iter() {
            profile.add(&entry.value.counts);
        }
        profile
    }

    /// The current thread's front, if it is the one that the thread used last.
    #[inline(always)]
    fn front(&self) -> Option<&Front<N>> {
        let head = thread_slot::front(self.stamp.known())?;
        // SAFETY: only fronts of this allocator have its stamp, and a thread's fronts are alive.
        Some(unsafe { head.cast::<Front<N>>().as_ref() })
    }
}

impl<F: GlobalAlloc, const N: usize> CachedAllocs<F, N> {
    /// Returns the blocks in the current thread's caches to the depots.
    pub fn flush(&self) {
        if let Some(mut lent) = self.lend() {
            lent.flush();
        }
    }

    /// The current thread's front, made if the thread has none. `None` if there are no pools yet, inside of a slow
    /// path, at the end of the thread, or if the fallback has no memory for it.
    fn lend(&self) -> Option<Lent<N>> {
        let pools = self.uncached.pools.get()?;
        let stamp = self.stamp.get()?;
        let mut loan = thread_slot::lend()?;
        let head = match loan.find(stamp) {
            Some(head) => head,
            None => {
                let entry = self.claim(stamp, pools)?;
                // SAFETY: just claimed, and alive for ever.
                if unsafe { !loan.add(head_of(entry)) } {
                    entry.release();
                    return None;
                }
                head_of(entry)
            }
        };
        // SAFETY: a front with this stamp, of this allocator, in this loan.
        Some(unsafe { Lent::new(head, loan) })
    }

    /// A front that the caller has claimed.
    fn claim(&self, stamp: Word, pools: &Pools<N>) -> Option<&'static Entry<Front<N>>> {
        let entry = match self.fronts.claim() {
            Some(entry) => entry,
            None => self.make(stamp)?,
        };
        // SAFETY: just claimed.
        unsafe { entry.value.set_up(pools) };
        Some(entry)
    }

    fn make(&self, stamp: Word) -> Option<&'static Entry<Front<N>>> {
        let layout = Layout::new::<Entry<Front<N>>>();
        // SAFETY: the layout is not empty. The memory is never freed.
        unsafe {
            let entry = NonNull::new(self.uncached.alloc_rest(layout, Fill::Any))?.cast();
            Front::begin(entry, stamp);
            self.fronts.add(entry);
            Some(entry.as_ref())
        }
    }

    /// # Safety
    /// As for [`GlobalAlloc::alloc`].
    #[inline(always)]
    unsafe fn take(&self, layout: Layout, fill: Fill) -> *mut u8 {
        // SAFETY: the front is from the slot.
        match self.front().and_then(|front| unsafe { front.pop(layout) }) {
            Some(block) => {
                // SAFETY: a block that was just taken, and that the layout fits.
                unsafe { fill.apply(block, layout.size()) };
                block.as_ptr()
            }
            // SAFETY: the caller's promise.
            None => unsafe { self.take_slowly(layout, fill) },
        }
    }

    /// # Safety
    /// As for [`GlobalAlloc::alloc`].
    #[cold]
    #[inline(never)]
    unsafe fn take_slowly(&self, layout: Layout, fill: Fill) -> *mut u8 {
        // SAFETY: the caller's promise; a block that was just taken, and that the layout fits.
        unsafe {
            match self.serve_slowly(layout) {
                Some(block) => {
                    fill.apply(block, layout.size());
                    block.as_ptr()
                }
                None => self.uncached.alloc_rest(layout, fill),
            }
        }
    }

    /// A block, or `None` if the fallback must serve the request.
    fn serve_slowly(&self, layout: Layout) -> Option<NonNull<u8>> {
        let class = class_of(layout.size());
        if let Some(front) = self.front() {
            // SAFETY: the front is from the slot.
            if unsafe { front.is_beyond(layout.size()) } {
                front.counts.count(class, Answer::Missed);
                return None;
            }
        }
        let answer = |served| match served {
            Some(_) => Answer::Served,
            None => Answer::Missed,
        };
        without_unwinding(|| match self.lend() {
            Some(mut lent) => {
                let served = lent.take(layout);
                lent.counts().count(class, answer(served));
                served
            }
            None => {
                let served = self.uncached.serve(layout, Fill::Any);
                self.counts.count_shared(class, answer(served));
                served
            }
        })
    }

    /// # Safety
    /// As for [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn free_slowly(&self, at: *mut u8, layout: Layout) {
        let Some(pool) = self.uncached.served(at) else {
            // SAFETY: `F` served it; otherwise the caller's promise.
            return unsafe { self.uncached.rest().dealloc(at, layout) };
        };
        let lent = self.lend();
        // SAFETY: the pool served it, and the caller gives it up.
        let kept = without_unwinding(|| lent.is_some_and(|mut lent| unsafe { lent.keep(at) }));
        if !kept {
            // SAFETY: as above.
            unsafe { give_back(pool, at, layout.size()) };
        }
    }
}

// SAFETY: as for `PoolAllocs`, which has the pools and asks the fallback. A thread's caches own free blocks of these
// pools; a block is in one cache or with one caller. An address goes to a cache only if it is the start of a block of the
// cache's pool; and of two pools that share addresses, to the one that comes first in `PoolAllocs`, as the
// fronts have the same order, and a size that fits the blocks of the first is no reason to begin after it.
unsafe impl<F: GlobalAlloc, const N: usize> GlobalAlloc for CachedAllocs<F, N> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.take(layout, Fill::Any) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.take(layout, Fill::Zeros) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the front is from the slot; the caller gives the memory up.
        let kept = (self.front()).is_some_and(|front| unsafe { front.push(at, layout.size()) });
        if !kept {
            // SAFETY: the caller's promise.
            unsafe { self.free_slowly(at, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match self.uncached.served(at) {
            Some(pool) if size <= pool.block_size() => at,
            // SAFETY: the caller's promise; a block holds `layout.size()` bytes, and `size` is more than a block.
            Some(_) => unsafe { moved(self, at, layout, size) },
            // SAFETY: `F` served it; otherwise the caller's promise.
            None => unsafe { self.uncached.realloc_rest(at, layout, size) },
        }
    }
}

describe!(impl[F, const N: usize] CachedAllocs<F, N> as CachedAllocs { pools, profile });
