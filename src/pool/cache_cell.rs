//! A cache that several collections of one thread share as their allocator.

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::allocator::Memory;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::{Fill, Unserved, dangling};
use crate::pool::cache::Cache;
use crate::pool::finder::Finder;
use crate::pool::stats::CacheStats;

/// A [`Cache`] in a cell: `&CacheCell` is an `Allocator` for collections of one thread, which pay no atomic for most
/// allocations and frees. Of the crate `allocator-api2` (feature), or the unstable one of `core` (`--cfg
/// framepool_nightly`).
///
/// Any layout that fits a block is served, as by `&Pool`. Each call is O(1); one that finds the cache empty or full
/// exchanges blocks with the depot. `N` is that of the [`Cache`].
///
/// During a call, the cell lends its cache out. An exchange may run the user's code, a waker or the low-water callback;
/// if that uses the cell again, it is served by the depot.
///
/// ```
/// use allocator_api2::{boxed::Box, vec::Vec};
/// use framepool::CacheCell;
///
/// framepool::pool!(static MESSAGES: [256; 1024]);
///
/// let cell = CacheCell::new(MESSAGES.cache());
/// for round in 0..100 {
///     let mut orders = Vec::new_in(&cell);
///     orders.extend([round, 8, 9]);
///     let best = Box::new_in(orders[0], &cell);
///     assert_eq!(*best, round);
/// }
/// let stats = cell.stats().unwrap();
/// assert!(stats.allocations == 200 && stats.refills < 20);
/// assert_eq!(cell.into_inner().stats().frees, 200);
/// ```
///
/// A hash map, as far as its table fits a block:
///
/// ```
/// use framepool::CacheCell;
/// use hashbrown::{DefaultHashBuilder, HashMap};
///
/// framepool::pool!(static TABLES: [4096; 64]);
///
/// let cell = CacheCell::new(TABLES.cache());
/// let hasher = DefaultHashBuilder::default();
/// let mut prices = HashMap::with_capacity_and_hasher_in(100, hasher, &cell);
/// prices.insert("AAPL", 21_870_u64);
/// assert_eq!(prices["AAPL"], 21_870);
/// assert_eq!(cell.stats().unwrap().allocations, 1);
/// ```
///
/// Two threads cannot share one:
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// framepool::pool!(static FRAMES: [64; 64]);
/// shared(framepool::CacheCell::new(FRAMES.cache()));
/// ```
//
// Invariants:
// - `finder` is of the cache's pool.
// - While `is_lent`, one [`Loan`] alone uses `cache`; at other times nothing does.
pub struct CacheCell<'p, const N: usize = 1024> {
    cache: UnsafeCell<Cache<'p, N>>,
    is_lent: Cell<bool>,
    pool: &'p Pool<'p>,
    finder: Finder,
}

// SAFETY: a cache may go to another thread, and a finder is an address in the pool, which may too.
unsafe impl<const N: usize> Send for CacheCell<'_, N> {}

impl<'p, const N: usize> CacheCell<'p, N> {
    /// Puts the cache into a cell.
    pub fn new(cache: Cache<'p, N>) -> Self {
        let pool = cache.pool();
        Self {
            cache: UnsafeCell::new(cache),
            is_lent: Cell::new(false),
            pool,
            finder: Finder::of(pool),
        }
    }

    /// Takes the cache out. Its blocks stay in it.
    pub fn into_inner(self) -> Cache<'p, N> {
        self.cache.into_inner()
    }

    /// The pool of the cache.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Returns the statistics of the cache. `None` inside of a call of this cell: from a waker or callback.
    pub fn stats(&self) -> Option<CacheStats> {
        self.lend().map(|cache| cache.stats())
    }

    /// Returns every block in the cache to the depot. Does nothing inside of a call of this cell.
    pub fn flush(&self) {
        if let Some(mut cache) = self.lend() {
            cache.flush();
        }
    }

    /// Lends the cache out, unless it is lent.
    #[inline(always)]
    fn lend(&self) -> Option<Loan<'_, 'p, N>> {
        // Not `then_some`: a loan that is made and dropped would end the other one.
        (!self.is_lent.replace(true)).then(|| Loan(self))
    }
}

/// The cache, lent until this is dropped, also by unwinding.
struct Loan<'c, 'p, const N: usize>(&'c CacheCell<'p, N>);

impl<'p, const N: usize> Deref for Loan<'_, 'p, N> {
    type Target = Cache<'p, N>;

    #[inline(always)]
    fn deref(&self) -> &Cache<'p, N> {
        // SAFETY: by the invariant, only this loan uses the cache.
        unsafe { &*self.0.cache.get() }
    }
}

impl<'p, const N: usize> DerefMut for Loan<'_, 'p, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Cache<'p, N> {
        // SAFETY: by the invariant, only this loan uses the cache.
        unsafe { &mut *self.0.cache.get() }
    }
}

impl<const N: usize> Drop for Loan<'_, '_, N> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.is_lent.set(false);
    }
}

impl<const N: usize> Memory for CacheCell<'_, N> {
    #[inline]
    fn holds(&self, layout: Layout) -> bool {
        self.pool.fits(layout)
    }

    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    fn take(&self, layout: Layout, fill: Fill) -> Result<NonNull<u8>, Unserved> {
        let kind = AuditKind::AllocatedAsMemory;
        if layout.size() == 0 {
            return Ok(dangling(layout));
        }
        if !self.holds(layout) {
            return Err(Unserved);
        }
        let Some(mut cache) = self.lend() else {
            return self.pool.take_layout(layout, fill, kind);
        };
        let id = cache.take(kind).ok_or(Unserved)?;
        // SAFETY: the block was just taken, so it is in range and the caller's; the layout fits it.
        unsafe {
            let start = self.finder.start_of(id);
            fill.apply(start, layout.size());
            Ok(start)
        }
    }

    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    unsafe fn give(&self, at: NonNull<u8>, size: usize) {
        if size == 0 {
            return;
        }
        let Some(id) = self.finder.find(at.as_ptr()) else {
            // The caller broke its promise: losing the memory is the least harmful answer.
            return self.pool.count_refusal();
        };
        // SAFETY: the caller owns the block, which is of the cache's pool, and gives it up.
        unsafe {
            if let Some(mut cache) = self.lend() {
                cache.keep_index(id, AuditKind::FreedToCache);
            } else {
                self.pool.note(id, AuditKind::FreedAsMemory);
                self.pool.give_one(id);
            }
        }
    }
}

describe!(impl[const N: usize] CacheCell<'_, N> as CacheCell { pool, stats });
