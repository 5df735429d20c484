//! A worker's own front of a pool: allocation and freeing without an atomic.
//!
//! | file | what |
//! |---|---|
//! | this one | the cache, one block at a time |
//! | `bulk`, `heapless` | bursts, arrays, vectors |
//! | `depot_side` | where the cache meets the depot |
//! | `tally` | length, allocations and budget in one word |

mod bulk;
mod depot_side;
#[cfg(feature = "heapless")]
mod heapless;
mod tally;

use core::cell::Cell;
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};

use crate::error::{Exhausted, WrongPool};
use crate::pool::audit::AuditKind;
use crate::pool::depot::magazines::Magazine;
use crate::pool::stats::CacheStats;
use crate::pool::{Block, Pool};
use tally::Tally;

/// An explicit, per-worker front of a [`Pool`]: a LIFO array of up to `N` block indices.
///
/// [`alloc`](Self::alloc) and [`free`](Self::free) touch only this array: no atomic, no shared cache
/// line, no thread-local, no registry. When it is empty it draws indices from the depot, and once it is
/// warm a whole array of them (a magazine); when it is full it gives its coldest ones back, by one
/// compare-and-swap each way, so that a core which only allocates and one which only frees exchange a few
/// full cache lines per several hundred blocks.
///
/// One worker has it: methods take `&mut self`, it is `Send` and not `Sync`. Blocks may be freed into
/// another cache of the same pool than they came from, or dropped anywhere. Dropping the cache gives
/// everything in it back.
///
/// **How much it takes.** Nobody can take blocks out of an idle cache, so a cache draws little before it
/// is used much. A draw brings the blocks that are missing, or if that is more, the least of
/// - an eighth of the blocks that this cache has handed out so far,
/// - half of the blocks that the depot has,
/// - a magazine ([`Pool::magazine`]: by default an eighth of the pool, at least 4 and at most 512), or half
///   the cache where that is less.
///
/// The guarantee: `w` workers with new caches that allocate `k` blocks each, one by one
/// or in bursts and in any order, are all served if `w * (k + (k - 1) / 8)` is at most the number of blocks
/// in the depot when they start, and nobody else takes some. For instance 300 workers have 8 blocks each of
/// 2,400. Two things are not promised: blocks that are freed go to the cache they are freed into, which may
/// keep as many as stated below; and a depot whose last magazine another thread is splitting at that moment
/// looks empty.
///
/// **How much it hides.** Frees, single or many at once, fill a cache up to two magazines or `N`,
/// whichever is less: with the default magazine, at most a quarter of a pool of 32 blocks or more per
/// worker, and at most 8 blocks of a smaller one; the same in a pool without magazines. After a draw less
/// than a magazine is left. While someone [waits](Pool::alloc_async) for a block it gives all it has to
/// the depot: every 1024 frees at the latest it looks.
///
/// **Choose `N`** at least twice the magazine, which is what the default does; a smaller cache works
/// with part of a magazine at a time. `N` is at least 2, at most 65,535, and no less than the largest
/// burst, checked when the code is compiled. The cache takes `4 N + 128` bytes or a little more.
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
    books: Books,
    _not_sync: PhantomData<Cell<()>>,
}

/// What a cache needs only when it meets the depot.
struct Books {
    /// Blocks that frees fill it to. Invariant: at most `N`.
    fill: usize,
    /// An empty magazine kept for the next flush.
    slot: Option<Magazine>,
    /// The length as the pool last heard of it, less what was to be handed out at once.
    told_len: usize,
    /// Allocations, less what is in the tally still.
    allocations: u64,
    /// Of `allocations`, those that the pool has not been told of.
    untold_allocations: u64,
    /// Blocks drawn from the depot, and given back to it.
    drawn: u64,
    given: u64,
    /// Of `drawn`, those that stack and frontier counted as allocations, since the last telling.
    counted_by_depot: u64,
    refills: u64,
    flushes: u64,
    exhaustions: u64,
    refusals: u64,
}

impl<'p, const N: usize> Cache<'p, N> {
    /// A cache of `pool` that holds up to `N` blocks, at first none. O(1), no atomic.
    pub fn new(pool: &'p Pool<'_>) -> Self {
        const {
            assert!(
                N >= 2 && N <= tally::MAX_LEN,
                "a cache holds at least 2 and at most 65,535 blocks"
            )
        };
        // A pool without magazines is hoarded no more than another of its size.
        let fill = match 2 * pool.magazine() {
            0 => (pool.capacity() / 4).clamp(8, 1024),
            two_magazines => two_magazines,
        };
        let fill = fill.min(N);
        Self {
            pool,
            tally: Tally::ZERO,
            ids: [const { MaybeUninit::uninit() }; N],
            books: Books {
                fill,
                slot: None,
                told_len: 0,
                allocations: 0,
                untold_allocations: 0,
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

    /// The pool behind this cache.
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

    /// Takes one block. O(1), no atomic; one exchange with the depot where the cache is empty.
    ///
    /// # Errors
    /// [`Exhausted`] if neither the cache nor the depot has one. [`Exhausted::cached`] tells how many lie
    /// in caches.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&mut self) -> Result<Block<'p>, Exhausted> {
        if self.is_empty() {
            self.refill_for_one()?;
        }
        // SAFETY: by the invariant of `tally`, whose length is at least 1 here, the index was written
        // and its block is this cache's to hand out.
        unsafe {
            let id = self.ids.get_unchecked(self.len() - 1).assume_init();
            self.tally.took(1);
            self.pool.note(id, AuditKind::Allocated);
            Ok(Block::own(self.pool, id))
        }
    }

    /// Gives a block back. O(1), no atomic; one exchange with the depot where the cache is full.
    ///
    /// # Errors
    /// [`WrongPool`] with the block in it, if it came from another pool.
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
                // SAFETY: by the invariant of `tally`, what is within the budget has a place. The block
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

    // By value and back: a handle that stays in registers costs the fast path no store.
    #[cold]
    #[inline(never)]
    fn refuse(&mut self, block: Block<'p>) -> WrongPool<Block<'p>> {
        self.count_refusal();
        WrongPool(block)
    }

    /// What this cache did and has: exact.
    pub fn stats(&self) -> CacheStats {
        let (books, len) = (&self.books, self.len() as u64);
        let allocations = books.allocations.wrapping_add(self.tally.allocated());
        CacheStats {
            capacity: N as u64,
            len,
            allocations,
            // What came in one way or the other, less what went out or is still here.
            frees: (len + books.given)
                .wrapping_add(allocations)
                .wrapping_sub(books.drawn),
            refills: books.refills,
            flushes: books.flushes,
            exhaustions: books.exhaustions,
            refusals: books.refusals,
        }
    }
}

impl<const N: usize> Drop for Cache<'_, N> {
    fn drop(&mut self) {
        self.give_all();
        // The last of the books: a cache whose blocks all went elsewhere.
        self.settle();
        // Last: it runs the user's code, which may unwind.
        self.pool.look_for_waiters();
    }
}

describe!(impl[const N: usize] Cache<'_, N> as Cache { capacity = |_| N, len });

const _: () = assert!(mem::size_of::<Option<Magazine>>() == 4);
