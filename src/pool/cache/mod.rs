//! A worker's own cache of free blocks: allocation and freeing without an atomic.

// | file | what |
// |---|---|
// | this one | the cache, one block at a time |
// | `bulk` | bursts and arrays |
// | `by_index` | one block by its index, for allocators |
// | `vectors`, `heapless` | vectors of handles |
// | `depot_side` | exchanges with the depot |
// | `tally` | length, allocations and budget in one word |

mod bulk;
#[cfg(any(
    all(feature = "std", not(loom)),
    feature = "allocator-api2",
    framepool_nightly
))]
mod by_index;
mod depot_side;
#[cfg(feature = "heapless")]
mod heapless;
mod tally;
#[cfg(any(feature = "std", feature = "heapless"))]
mod vectors;

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::depot::magazines::Magazine;
use crate::pool::error::{Exhausted, WrongPool};
use crate::pool::stats::CacheStats;
use tally::Tally;

/// A worker's own cache of a [`Pool`]'s free blocks: a LIFO array of up to `N` block indices.
///
/// [`alloc`](Self::alloc) and [`free`](Self::free) touch only this array: no atomic, no shared cache
/// line, no thread-local, no registry. An empty cache draws indices from the depot; after some use, it draws a
/// whole array of them (a magazine). A full cache gives the indices that were freed first back. Each way is
/// one compare-and-swap. So a core that only allocates and a core that only frees exchange a few full cache
/// lines per several hundred blocks.
///
/// A cache belongs to one worker: methods take `&mut self`; it is `Send` and not `Sync`. Blocks may be freed
/// into another cache of the same pool, or dropped anywhere. Dropping the cache returns all its blocks.
///
/// **How many blocks it takes.** No other thread can take blocks out of an idle cache, so a new cache draws
/// few. A draw takes the blocks that are missing, or if that is more, the least of
/// - an eighth of the blocks that this cache has handed out so far,
/// - half of the blocks in the depot,
/// - a magazine ([`Pool::magazine`]; default: an eighth of the pool, at least 4 and at most 512), or half
///   the cache if that is less.
///
/// The guarantee: let `w` workers with new caches allocate `k` blocks each, one by one or in bursts, in any order.
/// All are served if `w * (k + (k - 1) / 8)` is at most the number of blocks in the depot when they start, and
/// nothing else takes blocks. For instance, 300 workers get 8 blocks each from 2,400. Two things are not
/// guaranteed. Freed blocks go to the cache that they are freed into, which may keep the number stated below.
/// And a depot whose last magazine another thread is splitting looks empty for that moment.
///
/// **How many blocks it hides.** Frees, single or many at once, fill a cache up to two magazines or `N`,
/// whichever is less. With the default magazine, that is at most a quarter of a pool of 32 blocks or more per
/// worker, and at most 8 blocks of a smaller one; the same holds in a pool without magazines. After a draw, less
/// than a magazine is left. While a task [waits](Pool::alloc_async) for a block, the cache gives all its
/// blocks to the depot; it checks for waiting tasks after at most 1024 frees.
///
/// **Choose `N`** at least twice the magazine. The default, 1024, is twice the largest default magazine. A
/// smaller cache works with part of a magazine at a time. `N` is at least 2, at most 65,535, and no less than
/// the largest burst; this is checked at compile time. The cache takes `4 N + 128` bytes or a little more.
///
/// ```
/// framepool::pool!(static FRAMES: [2048; 1024]);
///
/// let mut cache = FRAMES.cache();
/// let mut block = cache.alloc()?;
/// block.write(b"ping")?;
/// assert!(cache.free(block).is_ok());
/// assert_eq!(cache.stats().allocations, 1);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// Two threads cannot share one:
/// ```compile_fail,E0277
/// fn shared<T: Sync>(_: T) {}
/// framepool::pool!(static FRAMES: [64; 64]);
/// shared(FRAMES.cache());
/// ```
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
pub struct Cache<'p, const N: usize = 1024> {
    pool: &'p Pool<'p>,
    /// Invariant: `len` and budget together are at most `N`, and `ids[..len]` are written, different, and
    /// owned by this cache.
    tally: Tally,
    ids: [MaybeUninit<u32>; N],
    account: Account,
    _not_sync: PhantomData<Cell<()>>,
}

/// The counters that a cache needs only for exchanges with the depot.
struct Account {
    /// Frees fill the cache up to this length. Invariant: at most `N`.
    fill: usize,
    /// An empty magazine kept for the next flush.
    spare: Option<Magazine>,
    /// The length as last reported to the pool, less the blocks that were about to be handed out.
    reported_len: usize,
    /// Allocations, without those still in the tally.
    allocations: u64,
    /// Of `allocations`, those not yet reported to the pool.
    unreported_allocations: u64,
    /// Blocks drawn from the depot, and given back to it.
    drawn: u64,
    given: u64,
    /// Of `drawn` since the last report, those that stack and frontier counted as allocations.
    counted_by_depot: u64,
    refills: u64,
    flushes: u64,
    exhaustions: u64,
    refusals: u64,
}

impl<'p, const N: usize> Cache<'p, N> {
    /// An empty cache of `pool` for up to `N` blocks. O(1), no atomic.
    pub fn new(pool: &'p Pool<'_>) -> Self {
        const {
            assert!(
                N >= 2 && N <= tally::MAX_LEN,
                "a cache holds at least 2 and at most 65,535 blocks"
            )
        };
        // Without magazines, a cache hides no more blocks than with the default ones.
        let fill = match 2 * pool.magazine() {
            0 => (pool.capacity() / 4).clamp(8, 1024),
            two_magazines => two_magazines,
        };
        let fill = fill.min(N);
        Self {
            pool,
            tally: Tally::ZERO,
            ids: [const { MaybeUninit::uninit() }; N],
            account: Account {
                fill,
                spare: None,
                reported_len: 0,
                allocations: 0,
                unreported_allocations: 0,
                drawn: 0,
                given: 0,
                counted_by_depot: 0,
                refills: 0,
                flushes: 0,
                exhaustions: 0,
                refusals: 0,
            },
            _not_sync: PhantomData,
        }
    }

    /// An empty cache that keeps at most `most` free blocks: at least 2, at most `N`. For a small pool, in which
    /// one cache should not hide `N` blocks. While a burst is freed, the cache may hold more, until the call returns.
    ///
    /// ```
    /// framepool::pool!(static FRAMES: [64; 32]);
    ///
    /// let mut cache: framepool::Cache<'_, 64> = framepool::Cache::holding(&FRAMES, 4);
    /// let all = FRAMES.alloc_burst::<32>(32)?;
    /// for block in all {
    ///     drop(cache.free(block));
    /// }
    /// assert!(cache.len() <= 4 && FRAMES.available() >= 28);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn holding(pool: &'p Pool<'_>, most: usize) -> Self {
        let mut cache = Self::new(pool);
        cache.account.fill = cache.account.fill.min(most).max(2);
        cache
    }

    /// The pool of this cache.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Free blocks in this cache.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.tally.len()
    }

    /// Whether this cache holds no free block.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.tally.len() == 0
    }

    /// Takes one block. O(1), no atomic; one exchange with the depot if the cache is empty.
    ///
    /// # Errors
    /// [`Exhausted`] if neither the cache nor the depot has a block. [`Exhausted::cached`] is the number of
    /// blocks in caches.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&mut self) -> Result<Block<'p>, Exhausted> {
        if self.is_empty() {
            self.refill_for_one()?;
        }
        // SAFETY: by the invariant of `tally`, whose length is at least 1 here, the index was written, and the
        // cache owns its block.
        unsafe {
            let id = self.ids.get_unchecked(self.len() - 1).assume_init();
            self.tally.took(1);
            self.pool.note(id, AuditKind::Allocated);
            Ok(Block::own(self.pool, id))
        }
    }

    /// Frees a block. O(1), no atomic; one exchange with the depot if the cache is full.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it belongs to another pool. It shows what to write for `?`.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free(&mut self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>> {
        if !block.is_of(self.pool) {
            return Err(self.refuse(block));
        }
        match self.tally.gave(1) {
            Some(after) => {
                let len = self.len();
                self.pool.note(block.index(), AuditKind::FreedToCache);
                // SAFETY: by the invariant of `tally`, there is room for blocks within the budget. The block
                // passes to this cache.
                unsafe { self.ids.get_unchecked_mut(len) }.write(block.disown());
                self.tally = after;
            }
            None => self.keep_slowly(block),
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn keep_slowly(&mut self, block: Block<'p>) {
        self.make_room(1);
        let len = self.len();
        self.pool.note(block.index(), AuditKind::FreedToCache);
        if let (Some(after), Some(place)) = (self.tally.gave(1), self.ids.get_mut(len)) {
            place.write(block.disown());
            self.tally = after;
        }
        self.pass_on();
    }

    // By value and back: the handle stays in registers, which saves the fast path a store.
    #[cold]
    #[inline(never)]
    fn refuse(&mut self, block: Block<'p>) -> WrongPool<Block<'p>> {
        self.count_refusal();
        WrongPool(block)
    }

    /// Returns all blocks to the depot, and reports everything.
    pub(crate) fn retire(&mut self) {
        self.give_all();
        // For a cache whose blocks all went elsewhere.
        self.settle();
        // Last: it runs the user's code, which may unwind.
        self.pool.look_for_waiters();
    }

    /// Returns the statistics of this cache. Exact.
    pub fn stats(&self) -> CacheStats {
        let (account, len) = (&self.account, self.len() as u64);
        let allocations = account.allocations.wrapping_add(self.tally.allocated());
        CacheStats {
            capacity: N as u64,
            len,
            allocations,
            // All that came in were freed or drawn; they are here, were given to the depot or handed out.
            frees: (len + account.given)
                .wrapping_add(allocations)
                .wrapping_sub(account.drawn),
            refills: account.refills,
            flushes: account.flushes,
            exhaustions: account.exhaustions,
            refusals: account.refusals,
        }
    }
}

impl<const N: usize> Drop for Cache<'_, N> {
    fn drop(&mut self) {
        self.retire();
    }
}

describe!(impl[const N: usize] Cache<'_, N> as Cache { capacity = |_| N, len });

const _: () = assert!(mem::size_of::<Option<Magazine>>() == 4);
