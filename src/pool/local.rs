//! The caches of the current thread, found through a thread-local list.
//!
//! ```text
//!  thread 1                             thread 2
//!  ┌───────────────────────────┐        ┌─────────────────────────┐
//!  │ &RX ─► cache │ &TX ─► lent │        │ &RX ─► cache            │      one list per thread
//!  └────────┬──────────────────┘        └────────┬────────────────┘
//!           └──────────────► depot of RX ◄───────┘
//! ```
//!
//! An operation takes the cache out of the list and puts it back afterwards. So no borrow of the list is open
//! while a cache, or a user's closure, runs, and these may call functions of this module again. Meanwhile the
//! list entry says that the cache is lent.

use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use std::boxed::Box;
use std::cell::RefCell;
use std::thread_local;
use std::vec::Vec;

use crate::pool::Pool;
use crate::pool::block::Block;
use crate::pool::cache::Cache;
use crate::pool::error::{Exhausted, WrongPool};

type Local = Box<Cache<'static>>;

/// A pool that this thread has used, and the thread's cache of it, unless that is lent.
struct Entry {
    pool: &'static Pool<'static>,
    cache: Option<Local>,
}

thread_local! {
    // Dropped when the thread ends; every cache in it flushes.
    static CACHES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` on the current thread's list, if there is one that is not borrowed.
fn with_list<R>(f: impl FnOnce(&mut Vec<Entry>) -> R) -> Option<R> {
    CACHES
        .try_with(|list| Some(f(&mut *list.try_borrow_mut().ok()?)))
        .ok()
        .flatten()
}

/// Takes the cache of a pool out of the list. Makes one if the thread has none.
///
/// `None` if a function further up this thread's stack uses the cache, or if there is no list: the thread is
/// ending, or the global allocator called this during a change of the list.
fn lend(pool: &'static Pool<'static>) -> Option<Loan> {
    let cache = with_list(|list| {
        match list
            .iter_mut()
            .find(|entry| core::ptr::eq(entry.pool, pool))
        {
            Some(entry) => entry.cache.take().map(Some),
            None => {
                // Lent from the start: the cache is made while the list is not borrowed.
                list.push(Entry { pool, cache: None });
                Some(None)
            }
        }
    })??;
    let cache = cache.unwrap_or_else(|| Box::new(Cache::new(pool)));
    let cache = ManuallyDrop::new(cache);
    Some(Loan { pool, cache })
}

/// Puts a cache back into its entry; if the list is gone, drops it.
fn put_back(pool: &'static Pool<'static>, cache: Local) {
    let mut cache = Some(cache);
    with_list(|list| {
        let of = |entry: &Entry| core::ptr::eq(entry.pool, pool);
        let Some(at) = list.iter().position(of) else {
            return;
        };
        let is_of_pool = |cache: &Local| core::ptr::eq(cache.pool(), pool);
        if cache.as_ref().is_some_and(is_of_pool) {
            if let Some(entry) = list.get_mut(at) {
                core::mem::swap(&mut entry.cache, &mut cache);
            }
        } else {
            // The user swapped it for a cache of another pool: the next use makes a new one.
            list.swap_remove(at);
        }
    });
}

/// A lent cache. Dropping this puts it back, also after a panic.
struct Loan {
    pool: &'static Pool<'static>,
    cache: ManuallyDrop<Local>,
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
        // SAFETY: taken here only, and not used afterwards.
        let cache = unsafe { ManuallyDrop::take(&mut self.cache) };
        put_back(self.pool, cache);
    }
}

/// The current thread's cache, found through a thread-local. For code that cannot pass a [`Cache`] along:
/// callbacks, destructors, libraries in between. An explicit cache is faster.
///
/// **Cost.** No atomic while the cache can serve the request, as with any cache. In addition: a thread-local
/// access, a linear search through the pools that this thread has used, and moving the cache out of its entry
/// and back. The first use of a pool by a thread allocates the cache, 4 KiB, from the global allocator.
///
/// **Thread exit.** The thread's caches are flushed: no block is lost. Destructors of other thread-locals that
/// run later can still allocate and free, from the depot.
///
/// **How many blocks they take and hide.** As stated at [`Cache`]: `w` new threads get `k` blocks each from an
/// unused pool if `w * (k + (k - 1) / 8)` is at most its capacity. A thread that freed blocks hides up to
/// two magazines of them ([`Pool::magazine`]) until it ends, or calls
/// [`local_flush`](Pool::local_flush).
///
/// Not for signal handlers; these can use [`Pool::alloc`].
impl Pool<'static> {
    /// Takes one block from the current thread's cache. At first a cache takes few blocks beyond those
    /// requested: 300 threads get 8 blocks each from a pool of 2,400. [`Cache`] states the rule.
    ///
    /// Takes the block from the depot if the cache is in use further up the stack
    /// ([`with_local`](Self::with_local)), or if the thread is ending.
    ///
    /// # Errors
    /// [`Exhausted`] if neither the cache nor the depot has a block.
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
            Some(mut cache) => cache.alloc(),
            None => self.alloc(),
        }
    }

    /// Frees a block into the current thread's cache, or into the depot in the cases that
    /// [`local_alloc`](Self::local_alloc) names.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it belongs to another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn local_free(
        &'static self,
        block: Block<'static>,
    ) -> Result<(), WrongPool<Block<'static>>> {
        match lend(self) {
            Some(mut cache) => cache.free(block),
            None => self.free(block),
        }
    }

    /// Lends the current thread's cache to `f`: for bursts, statistics, or several operations with one
    /// search.
    ///
    /// `f` may call any function. If it calls `with_local` of the same pool, or if the thread is ending, that
    /// call gets a temporary cache, which is flushed at its end. Dropped blocks go to the depot, as always. If
    /// `f` panics, the cache is put back.
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
            Some(mut cache) => f(&mut cache),
            // On the stack: the global allocator may have called this.
            None => f(&mut Cache::new(self)),
        }
    }

    /// Returns every block in the current thread's cache to the depot. The cache stays.
    pub fn local_flush(&'static self) {
        if let Some(mut cache) = lend(self) {
            cache.flush();
        }
    }
}
