//! A worker's own front of a pool: allocation and freeing without an atomic.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};

use crate::error::{Exhausted, WrongPool};
use crate::pool::depot::Ids;
use crate::pool::exchange::{Slot, assume_init};
use crate::pool::stats::CacheStats;
use crate::pool::{Block, Burst, Pool};
use crate::sync::{self, Ordering::*, Word};

/// An explicit, per-worker front of a [`Pool`]: a LIFO array of up to `N` block indices.
///
/// [`alloc`](Self::alloc) and [`free`](Self::free) touch only this array: no atomic, no shared cache
/// line, no thread-local, no registry. When it is empty it draws a whole array of indices (a
/// magazine) from the depot, when it is full it gives its coldest ones back, by one compare-and-swap
/// each way, so that a core which only allocates and one which only frees exchange a few full cache
/// lines per several hundred blocks.
///
/// One worker has it: methods take `&mut self`, it is `Send` and not `Sync`. Blocks may be freed into
/// another cache of the same pool than they came from, or dropped anywhere. Dropping the cache gives
/// everything in it back.
///
/// **Choose `N`** at least twice the pool's magazine ([`Pool::magazine`], at most 256 by default),
/// which is what the default does; a smaller cache works with part of a magazine at a time. A cache
/// hides up to `N` free blocks from everyone else.
///
/// ```
/// use framepool::{Pool, PoolConfig};
///
/// let pool = Pool::allocate(PoolConfig::new(2048, 1024))?;
/// let mut cache = pool.cache();
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
/// shared(framepool::Pool::allocate(framepool::PoolConfig::new(64, 64)).unwrap().cache());
/// ```
#[cfg_attr(target_pointer_width = "64", repr(align(64)))]
pub struct Cache<'p, const N: usize = 512> {
    pool: &'p Pool<'p>,
    /// Invariant: at most `N`, and `ids[..len]` are written, different, and owned by this cache.
    len: usize,
    /// Blocks handed to the user; freed ones follow from the books.
    allocations: u64,
    ids: [MaybeUninit<u32>; N],
    books: Books,
    _not_sync: PhantomData<Cell<()>>,
}

/// What a cache needs only when it meets the depot.
struct Books {
    /// An empty magazine kept for the next flush.
    slot: Option<Slot>,
    /// `len` and `allocations` as the pool last heard of them.
    told_len: usize,
    told_allocations: u64,
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
    ///
    /// `N` is at least 2, checked when the code is compiled.
    pub fn new(pool: &'p Pool<'_>) -> Self {
        const { assert!(N >= 2, "a cache must hold at least two blocks") };
        Self {
            pool,
            len: 0,
            allocations: 0,
            ids: [const { MaybeUninit::uninit() }; N],
            books: Books {
                slot: None,
                told_len: 0,
                told_allocations: 0,
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
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether this cache holds no free block.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes one block. O(1), no atomic; one exchange with the depot where the cache is empty.
    ///
    /// # Errors
    /// [`Exhausted`] if neither the cache nor the depot has one.
    #[inline]
    pub fn alloc(&mut self) -> Result<Block<'p>, Exhausted> {
        if self.len == 0 {
            self.refill_for_one()?;
        }
        self.len -= 1;
        self.allocations += 1;
        // SAFETY: by the invariant of `len`, which was at least 1, the index was written and its
        // block is this cache's to hand out.
        unsafe {
            let id = self.ids.get_unchecked(self.len).assume_init();
            Ok(Block::own(self.pool, id))
        }
    }

    /// Gives a block back. O(1), no atomic; one exchange with the depot where the cache is full.
    ///
    /// # Errors
    /// [`WrongPool`] with the block in it, if it came from another pool.
    #[inline]
    pub fn free(&mut self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>> {
        if !block.is_of(self.pool) {
            return Err(self.refuse(block));
        }
        if self.len == N {
            self.flush_coldest(self.share());
        }
        // SAFETY: `len` is below `N`: a flush gives at least one block away.
        unsafe { self.ids.get_unchecked_mut(self.len) }.write(block.disown());
        self.len += 1;
        Ok(())
    }

    /// Takes `n` blocks, all or none, as one [`Burst`]: at most `K`. A copy of `n` indices.
    ///
    /// # Errors
    /// [`Exhausted`] if there are fewer; `n` greater than `K` finds `K` available at the most.
    #[inline]
    pub fn alloc_burst<const K: usize>(&mut self, n: usize) -> Result<Burst<'p, K>, Exhausted> {
        let mut burst = Burst::new(self.pool);
        // Up to K indices are copied whatever `n` is: a copy of fixed size is a few vector moves.
        if n <= self.len && n <= K && self.len - n + K <= N {
            self.len -= n;
            self.allocations += n as u64;
            // SAFETY: the range is within `ids` as just checked; by the invariant of `len` the
            // first `n` were written and are handed over.
            unsafe {
                let from = self.ids.as_ptr().add(self.len);
                core::ptr::copy_nonoverlapping(from, burst.ids_mut().as_mut_ptr(), K);
                burst.set_len(n);
            }
            return Ok(burst);
        }
        match self.alloc_burst_slowly(n, &mut burst) {
            Ok(()) => Ok(burst),
            Err(e) => Err(e),
        }
    }

    /// Takes up to `n` blocks (at most `K`), as many as there are, down to none.
    #[inline]
    pub fn alloc_up_to<const K: usize>(&mut self, n: usize) -> Burst<'p, K> {
        let n = n.min(K);
        if n <= self.len
            && let Ok(burst) = self.alloc_burst(n)
        {
            return burst;
        }
        let mut burst = Burst::new(self.pool);
        self.alloc_up_to_slowly(n, &mut burst);
        burst
    }

    /// Gives a burst back. A copy of its indices.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst in it, if it came from another pool.
    #[inline]
    pub fn free_burst<const K: usize>(
        &mut self,
        mut burst: Burst<'p, K>,
    ) -> Result<(), WrongPool<Burst<'p, K>>> {
        if !burst.is_of(self.pool) {
            return Err(self.refuse(burst));
        }
        let n = burst.len();
        if self.len + K > N {
            self.free_many(burst.disown());
            return Ok(());
        }
        // SAFETY: K slots are free, as just checked; of the burst's ids the first `n` are written,
        // and their blocks pass to this cache.
        unsafe {
            let to = self.ids.as_mut_ptr().add(self.len);
            core::ptr::copy_nonoverlapping(burst.ids_mut().as_ptr(), to, K);
            burst.set_len(0);
        }
        self.len += n;
        Ok(())
    }

    /// Takes `K` owning handles, all or none.
    ///
    /// Sixteen bytes a handle where a [`Burst`] moves four: prefer that where blocks travel together.
    ///
    /// # Errors
    /// [`Exhausted`] if there are fewer.
    #[inline]
    pub fn alloc_array<const K: usize>(&mut self) -> Result<[Block<'p>; K], Exhausted> {
        if K > self.len {
            return self.alloc_array_slowly();
        }
        self.len -= K;
        self.allocations += K as u64;
        let (ids, pool) = (self.ids.as_ptr(), self.pool);
        // SAFETY: `K` indices above the new `len` were written, by its invariant; their blocks are
        // handed out, each once.
        Ok(core::array::from_fn(|i| unsafe {
            Block::own(pool, (*ids.add(self.len + i)).assume_init())
        }))
    }

    /// Gives owning handles back, all of this pool or none.
    ///
    /// # Errors
    /// [`WrongPool`] with all of them in it, if one came from another pool.
    #[inline]
    pub fn free_array<const K: usize>(
        &mut self,
        blocks: [Block<'p>; K],
    ) -> Result<(), WrongPool<[Block<'p>; K]>> {
        if self.len + K > N {
            return self.free_array_slowly(blocks);
        }
        // One pass: the indices are copied to where they will be, and count only once all pools
        // were compared.
        let (pool, len) = (self.pool, self.len);
        // SAFETY: `K` slots are free, as just checked.
        let places = unsafe { self.ids.get_unchecked_mut(len..len + K) };
        let mut all = true;
        for (place, block) in places.iter_mut().zip(&blocks) {
            all &= block.is_of(pool);
            place.write(block.id().0);
        }
        if !all {
            return Err(self.refuse(blocks));
        }
        // The blocks are the cache's now.
        mem::forget(blocks);
        self.len = len + K;
        Ok(())
    }

    /// Gives every block in this cache back to the depot.
    pub fn flush(&mut self) {
        while self.len > 0 {
            self.flush_coldest(self.share());
        }
        sync::section(|s| self.pool.return_slot(s, &mut self.books.slot));
    }

    /// What this cache did and has: exact.
    pub fn stats(&self) -> CacheStats {
        let books = &self.books;
        CacheStats {
            capacity: N as u64,
            len: self.len as u64,
            allocations: self.allocations,
            // What came in one way or the other, less what went out or is still here.
            frees: (self.len as u64 + books.given + self.allocations).wrapping_sub(books.drawn),
            refills: books.refills,
            flushes: books.flushes,
            exhaustions: books.exhaustions,
            refusals: books.refusals,
        }
    }
}

/// The slow half: where the cache meets the depot.
impl<'p, const N: usize> Cache<'p, N> {
    /// Blocks per exchange: a magazine, or half the cache where that is less.
    fn share(&self) -> usize {
        let magazine = match self.pool.magazine() {
            0 => N / 2,
            n => n,
        };
        magazine.min(N / 2).max(1)
    }

    #[cold]
    #[inline(never)]
    fn refuse<T>(&mut self, handle: T) -> WrongPool<T> {
        self.books.refusals += 1;
        self.pool.count_refusal();
        WrongPool(handle)
    }

    #[cold]
    #[inline(never)]
    fn refill_for_one(&mut self) -> Result<(), Exhausted> {
        match self.refill() {
            0 => Err(self.exhausted(1, 0)),
            _ => Ok(()),
        }
    }

    fn exhausted(&mut self, requested: usize, available: usize) -> Exhausted {
        self.books.exhaustions += 1;
        self.pool.exhausted(requested, available)
    }

    /// Draws a magazine, or else a chain of the stack, or else blocks never handed out: as many as
    /// one exchange gives and there is room for. Returns how many.
    fn refill(&mut self) -> usize {
        let share = self.share();
        let room = self.ids.get_mut(self.len..).unwrap_or_default();
        let (pool, books) = (self.pool, &mut self.books);
        let drawn = sync::section(|s| {
            if let Some((_, fits)) = pool.unload(s, &mut books.slot, room) {
                return fits;
            }
            let want = share.min(room.len());
            let some = room.get_mut(..want).unwrap_or_default();
            let mut n = pool.pop_chain(s, some);
            if n == 0 {
                n = pool.take_new(s, some);
            }
            books.counted_by_depot += n as u64;
            n
        });
        self.len += drawn;
        self.books.drawn += drawn as u64;
        self.books.refills += 1;
        self.tell();
        drawn
    }

    /// Gives the `n` blocks that were freed longest ago to the depot; at most all.
    #[cold]
    #[inline(never)]
    fn flush_coldest(&mut self, n: usize) {
        let n = n.min(self.len);
        let cold = self.ids.get(..n).unwrap_or_default();
        // SAFETY: by the invariant of `len` these were written, and their blocks are this cache's;
        // they are forgotten below.
        sync::section(|s| unsafe {
            self.pool.load(s, &mut self.books.slot, assume_init(cold));
        });
        if n < self.len {
            // `n` is at most `len`, which is at most `N`.
            self.ids.copy_within(n..self.len, 0);
        }
        self.len -= n;
        self.books.given += n as u64;
        self.books.flushes += 1;
        self.tell();
    }

    /// Tells the pool's counters what happened here since the last exchange.
    fn tell(&mut self) {
        let books = &mut self.books;
        let exchange = &self.pool.header().exchange;
        let cached = (self.len as Word).wrapping_sub(books.told_len as Word);
        let beside = self
            .allocations
            .wrapping_sub(books.told_allocations)
            .wrapping_sub(books.counted_by_depot) as Word;
        sync::section(|s| {
            exchange.cached.fetch_add(s, cached, Relaxed);
            if beside != 0 {
                exchange.allocations_beside.fetch_add(s, beside, Relaxed);
            }
            self.pool.note_peak(s);
        });
        books.told_len = self.len;
        books.told_allocations = self.allocations;
        books.counted_by_depot = 0;
    }

    #[cold]
    #[inline(never)]
    fn alloc_burst_slowly<const K: usize>(
        &mut self,
        n: usize,
        burst: &mut Burst<'p, K>,
    ) -> Result<(), Exhausted> {
        if n > K {
            let available = K.min(self.len + self.pool.available());
            return Err(self.exhausted(n, available));
        }
        let into = burst.ids_mut().get_mut(..n).unwrap_or_default();
        let taken = self.take_many(into);
        if taken == n {
            // SAFETY: `n` indices were written, and their blocks pass to the burst.
            unsafe { burst.set_len(n) };
            return Ok(());
        }
        let into = into.get(..taken).unwrap_or_default();
        // SAFETY: these were just taken.
        self.untake(unsafe { assume_init(into) });
        Err(self.exhausted(n, taken))
    }

    #[cold]
    #[inline(never)]
    fn alloc_up_to_slowly<const K: usize>(&mut self, n: usize, burst: &mut Burst<'p, K>) {
        let taken = self.take_many(burst.ids_mut().get_mut(..n).unwrap_or_default());
        // SAFETY: `taken` indices were written, and their blocks pass to the burst.
        unsafe { burst.set_len(taken) };
        if taken == 0 && n > 0 {
            self.exhausted(n, 0);
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_array_slowly<const K: usize>(&mut self) -> Result<[Block<'p>; K], Exhausted> {
        let mut ids = [const { MaybeUninit::uninit() }; K];
        let taken = self.take_many(&mut ids);
        if taken < K {
            let taken = ids.get(..taken).unwrap_or_default();
            // SAFETY: these were just taken.
            self.untake(unsafe { assume_init(taken) });
            return Err(self.exhausted(K, taken.len()));
        }
        let pool = self.pool;
        // SAFETY: all were just taken, and are handed out each once.
        Ok(ids.map(|id| unsafe { Block::own(pool, id.assume_init()) }))
    }

    /// Moves up to `into.len()` blocks out of this cache and, where it has too few, the depot.
    fn take_many(&mut self, into: &mut Ids) -> usize {
        let want = into.len();
        while self.len < want && self.len < N && self.refill() > 0 {}
        let from_cache = want.min(self.len);
        let from = self
            .ids
            .get(self.len - from_cache..self.len)
            .unwrap_or_default();
        let (head, tail) = into.split_at_mut(from_cache.min(want));
        head.copy_from_slice(from);
        self.len -= from_cache;
        self.allocations += from_cache as u64;
        if tail.is_empty() {
            return from_cache;
        }
        // The burst is larger than the cache: the rest comes straight from the depot.
        let direct = self.pool.take_many(tail);
        self.books.drawn += direct as u64;
        self.books.counted_by_depot += direct as u64;
        self.allocations += direct as u64;
        self.tell();
        from_cache + direct
    }

    /// Takes back what a failed operation took, as if it had not.
    fn untake(&mut self, ids: &[u32]) {
        self.allocations -= ids.len() as u64;
        self.free_many(ids);
    }

    #[cold]
    #[inline(never)]
    fn free_many(&mut self, ids: &[u32]) {
        for &id in ids {
            if self.len == N {
                self.flush_coldest(self.share());
            }
            // SAFETY: `len` is below `N`: a flush gives at least one block away.
            unsafe { self.ids.get_unchecked_mut(self.len) }.write(id);
            self.len += 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn free_array_slowly<const K: usize>(
        &mut self,
        blocks: [Block<'p>; K],
    ) -> Result<(), WrongPool<[Block<'p>; K]>> {
        if !blocks.iter().all(|block| block.is_of(self.pool)) {
            return Err(self.refuse(blocks));
        }
        for block in blocks {
            self.free_many(&[block.disown()]);
        }
        Ok(())
    }
}

impl<const N: usize> Drop for Cache<'_, N> {
    fn drop(&mut self) {
        self.flush();
        // The last of the books: a cache that only ever failed, or whose blocks all went elsewhere.
        if self.allocations != self.books.told_allocations {
            self.tell();
        }
    }
}

impl<const N: usize> fmt::Debug for Cache<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("capacity", &N)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

const _: () = assert!(mem::size_of::<Option<Slot>>() == 4);
