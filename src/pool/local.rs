//! The current thread's caches: found, not carried.
//!
//! ```text
//!  thread 1                             thread 2
//!  ┌───────────────────────────┐        ┌─────────────────────────┐
//!  │ &RX ─► cache │ &TX ─► lent │        │ &RX ─► cache            │      one list a thread
//!  └────────┬──────────────────┘        └────────┬────────────────┘
//!           └──────────────► depot of RX ◄───────┘
//! ```
//!
//! Whoever works with a cache takes it out of the list and puts it back afterwards: no borrow is open while
//! a cache, or a user's closure, is at work, so that whatever these do may come here again. Meanwhile the
//! list says that it is lent.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::boxed::Box;
use std::cell::RefCell;
use std::thread_local;
use std::vec::Vec;

use crate::pool::error::{Exhausted, WrongPool};
use crate::pool::{Block, Cache, Pool};

type Local = Box<Cache<'static>>;

/// A pool that this thread has a cache of, and the cache, unless it is lent.
struct Place {
    pool: &'static Pool<'static>,
    cache: Option<Local>,
}

thread_local! {
    // Dropped when the thread ends, and every cache in it flushes.
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// What the list has for a pool.
enum Found {
    Cache(Local),
    /// Further up this thread's stack someone works with it.
    Lent,
    /// There is no list: the thread is ending, or this is inside of a change of the list, by way of the
    /// global allocator.
    NoList,
}

/// Runs `f` on the current thread's list, if there is one that nobody is in.
fn with_places<R>(f: impl FnOnce(&mut Vec<Place>) -> R) -> Option<R> {
    PLACES
        .try_with(|places| Some(f(&mut *places.try_borrow_mut().ok()?)))
        .ok()
        .flatten()
}

/// Takes the cache of a pool out of the list; a thread that has none gets one.
fn lend(pool: &'static Pool<'static>) -> Found {
    let found = with_places(|places| {
        match places
            .iter_mut()
            .find(|place| core::ptr::eq(place.pool, pool))
        {
            Some(place) => Some(place.cache.take()),
            None => {
                // Lent from the start: the cache is made outside of the list.
                places.push(Place { pool, cache: None });
                None
            }
        }
    });
    match found {
        Some(Some(Some(cache))) => Found::Cache(cache),
        Some(Some(None)) => Found::Lent,
        Some(None) => Found::Cache(Box::new(Cache::new(pool))),
        None => Found::NoList,
    }
}

/// Puts a cache back to where it was lent from; where the list is gone, drops it.
fn put_back(pool: &'static Pool<'static>, cache: Local) {
    let mut cache = Some(cache);
    with_places(|places| {
        let of = |place: &Place| core::ptr::eq(place.pool, pool);
        let Some(at) = places.iter().position(of) else {
            return;
        };
        if cache
            .as_ref()
            .is_some_and(|cache| core::ptr::eq(cache.pool(), pool))
        {
            if let Some(place) = places.get_mut(at) {
                core::mem::swap(&mut place.cache, &mut cache);
            }
        } else {
            // Someone swapped it for another pool's: let the next make a new one.
            places.swap_remove(at);
        }
    });
}

/// A cache that goes back when this is dropped, also by a panic.
struct Loan {
    pool: &'static Pool<'static>,
    cache: ManuallyDrop<Local>,
}

impl Loan {
    fn new(pool: &'static Pool<'static>, cache: Local) -> Self {
        let cache = ManuallyDrop::new(cache);
        Self { pool, cache }
    }
}

impl Deref for Loan {
    type Target = Cache<'static>;

    fn deref(&self) -> &Cache<'static> {
        &self.cache
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Cache<'static> {
        &mut self.cache
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // SAFETY: taken here only, and not used any more.
        let cache = unsafe { ManuallyDrop::take(&mut self.cache) };
        put_back(self.pool, cache);
    }
}

/// The current thread's cache, without carrying one. For code that cannot pass a [`Cache`] along: callbacks,
/// destructors, libraries in between. Where it can, an explicit cache is faster.
///
/// **Cost.** No atomic while the cache has what is asked for, as with any cache; on top of that a
/// thread-local access, a search through the pools that this thread has used so, one after the other, and
/// taking the cache out of its place and putting it back. The first use of a pool by a thread allocates the
/// cache, 4 KiB, from the global allocator.
///
/// **Thread exit.** The thread's caches are flushed: no block stays behind. Destructors of other
/// thread-locals that run later still allocate and free, from the depot.
///
/// **How much they take and hide.** What [`Cache`] says: of a pool that is not in use, `w` new threads
/// have `k` blocks each if `w * (k + (k - 1) / 8)` is at most its capacity. A thread that freed blocks hides
/// up to two magazines of them ([`Pool::magazine`]) until it ends, or calls
/// [`local_flush`](Pool::local_flush).
///
/// Not for signal handlers, which have [`Pool::alloc`].
impl Pool<'static> {
    /// Takes one block, from the current thread's cache. A thread takes few blocks more than it is asked
    /// for at first: 300 threads have 8 blocks each of 2,400. [`Cache`] states the rule.
    ///
    /// From the depot where that cache is at work further up the stack ([`with_local`](Self::with_local)), or
    /// the thread is ending.
    ///
    /// # Errors
    /// [`Exhausted`] if neither has one.
    ///
    /// ```
    /// framepool::pool!(static FRAMES: [2048; 1024]);
    ///
    /// let block = FRAMES.local_alloc()?;
    /// assert!(FRAMES.local_free(block).is_ok());
    /// assert_eq!(FRAMES.with_local(|cache| cache.stats().allocations), 1);
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn local_alloc(&'static self) -> Result<Block<'static>, Exhausted> {
        match lend(self) {
            Found::Cache(cache) => Loan::new(self, cache).alloc(),
            Found::Lent | Found::NoList => self.alloc(),
        }
    }

    /// Gives a block back, to the current thread's cache; to the depot in the cases that
    /// [`local_alloc`](Self::local_alloc) names.
    ///
    /// # Errors
    /// [`WrongPool`] with the block in it, if it came from another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn local_free(
        &'static self,
        block: Block<'static>,
    ) -> Result<(), WrongPool<Block<'static>>> {
        match lend(self) {
            Found::Cache(cache) => Loan::new(self, cache).free(block),
            Found::Lent | Found::NoList => self.free(block),
        }
    }

    /// Lends the current thread's cache to `f`: for bursts, statistics, or several operations for one
    /// search.
    ///
    /// Inside of `f` anything may be called. A `with_local` of the same pool finds the cache lent, and
    /// gets one that is made for it and flushed when it ends; so does one on a thread that is ending.
    /// Blocks that are dropped go to the depot, as they always do. If `f` panics, the cache goes back to
    /// its place.
    ///
    /// ```
    /// use framepool::Burst;
    ///
    /// framepool::pool!(static FRAMES: [2048; 1024]);
    ///
    /// let burst: Burst<'_, 32> = FRAMES.with_local(|cache| cache.alloc_burst(32))?;
    /// assert!(FRAMES.with_local(|cache| cache.free_burst(burst)).is_ok());
    /// # Ok::<(), framepool::AllocManyError>(())
    /// ```
    pub fn with_local<R>(&'static self, f: impl FnOnce(&mut Cache<'static>) -> R) -> R {
        match lend(self) {
            Found::Cache(cache) => f(&mut Loan::new(self, cache)),
            // On the stack: the global allocator may be what this is inside of.
            Found::Lent | Found::NoList => f(&mut Cache::new(self)),
        }
    }

    /// Gives every block in the current thread's cache back to the depot. The cache stays.
    pub fn local_flush(&'static self) {
        if let Found::Cache(cache) = lend(self) {
            Loan::new(self, cache).flush();
        }
    }
}
