//! Several blocks as one value.

use core::fmt;
use core::mem::{self, MaybeUninit};
use core::ops::Range;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::block::Block;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::{FreeError, PushError};
use crate::pool::id::BlockId;

/// Owns up to `N` blocks of one pool: one pool reference and four bytes for each block.
///
/// For drivers: a burst is allocated, filled, sent and freed as a whole. To another core it moves as a dense
/// array of indices, not as sixteen-byte handles. Dropping it frees all of its blocks with one
/// compare-and-swap; [`Cache::free_burst`](crate::Cache::free_burst) needs none.
///
/// ```
/// use framepool::Burst;
///
/// framepool::pool!(static FRAMES: [2048; 256]);
///
/// let mut cache = FRAMES.cache();
/// let mut burst: Burst<'_, 32> = cache.alloc_burst(32)?;
/// for i in 0..burst.len() {
///     let bytes = burst.block_mut(i).unwrap();
///     bytes[0].write(i as u8);
/// }
/// let last = burst.pop().unwrap();
/// assert_eq!(burst.len(), 31);
/// assert!(cache.free_burst(burst).is_ok());
/// assert!(cache.free(last).is_ok());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a burst frees its blocks"]
// Indices are aligned for vector instructions: no vector lies across two cache lines.
#[cfg_attr(target_pointer_width = "64", repr(C, align(16)))]
pub struct Burst<'p, const N: usize> {
    pool: &'p Pool<'p>,
    /// Invariant: at most `N`, and `ids[..len]` are written, different, and owned by this burst.
    len: usize,
    ids: [MaybeUninit<u32>; N],
}

impl<'p, const N: usize> Burst<'p, N> {
    /// An empty burst for blocks of `pool`.
    #[inline(always)]
    pub fn new(pool: &'p Pool<'p>) -> Self {
        const {
            assert!(
                N > 0 && N <= u32::MAX as usize,
                "a burst holds at least one block"
            )
        };
        Self {
            pool,
            len: 0,
            ids: [const { MaybeUninit::uninit() }; N],
        }
    }

    /// A burst of the blocks with these indices.
    ///
    /// # Safety
    /// `len` is at most `N`. The first `len` of `ids` are written and different. The caller owns their
    /// blocks and passes them to the burst.
    #[inline(always)]
    pub(crate) unsafe fn own(pool: &'p Pool<'p>, ids: [MaybeUninit<u32>; N], len: usize) -> Self {
        Self { pool, len, ids }
    }

    /// Blocks in the burst.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the burst has no blocks.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Blocks that the burst can hold: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The pool that the blocks belong to.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Removes the last block and returns it.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn pop(&mut self) -> Option<Block<'p>> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: by the invariant of `len`, the index is written and owned, and passes to the
        // handle.
        unsafe {
            let id = self.ids.get_unchecked(self.len).assume_init();
            self.pool.note(id, AuditKind::FromBurst);
            Some(Block::own(self.pool, id))
        }
    }

    /// Adds a block at the end.
    ///
    /// # Errors
    /// [`PushError`] with the block, if the burst is full or belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn push(&mut self, block: Block<'p>) -> Result<(), PushError<Block<'p>>> {
        if !block.is_of(self.pool) {
            return Err(PushError::WrongPool(block));
        }
        match self.ids.get_mut(self.len) {
            Some(place) => {
                self.pool.note(block.index(), AuditKind::IntoBurst);
                place.write(block.disown());
                self.len += 1;
                Ok(())
            }
            None => Err(PushError::Full(block)),
        }
    }

    /// The name of the block at position `i`.
    #[inline]
    pub fn id(&self, i: usize) -> Option<BlockId> {
        self.as_ids().get(i).copied().map(BlockId)
    }

    /// The names of the blocks.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = BlockId> + '_ {
        self.as_ids().iter().copied().map(BlockId)
    }

    /// Bytes from the start of the pool's first block to the block at position `i`.
    #[inline]
    pub fn offset(&self, i: usize) -> Option<usize> {
        self.id(i).map(|id| id.index() * self.pool.stride())
    }

    /// All bytes of the block at position `i`, possibly uninitialised.
    #[inline]
    pub fn block(&self, i: usize) -> Option<&[MaybeUninit<u8>]> {
        let id = self.id(i)?;
        // SAFETY: the burst owns the block, so the index is in range and only the burst accesses it.
        Some(unsafe { self.pool.bytes_of(id.0).as_ref() })
    }

    /// All bytes of the block at position `i`, possibly uninitialised, for writing.
    #[inline]
    pub fn block_mut(&mut self, i: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let id = self.id(i)?;
        // SAFETY: as in `block`, and `&mut self` is exclusive.
        Some(unsafe { self.pool.bytes_of(id.0).as_mut() })
    }

    /// The bytes of each block in turn, possibly uninitialised, for writing: to read a burst of packets into
    /// it without a bounds check for each block.
    ///
    /// ```
    /// framepool::pool!(static POOL: [64; 8]);
    ///
    /// let mut burst = POOL.alloc_up_to::<8>(8);
    /// for (i, bytes) in burst.blocks_mut().enumerate() {
    ///     bytes[0].write(i as u8);
    /// }
    /// ```
    #[inline]
    pub fn blocks_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [MaybeUninit<u8>]> {
        let pool = self.pool;
        let (first, stride, len) = (pool.blocks, pool.stride(), pool.block_size());
        self.as_ids().iter().map(move |&id| {
            // SAFETY: the burst owns the block, so the index is in range; all indices differ,
            // so that no two of the slices overlap; `&mut self` is exclusive.
            unsafe {
                let start = first.add(id as usize * stride);
                NonNull::slice_from_raw_parts(start.cast(), len).as_mut()
            }
        })
    }

    /// The first bytes of the block at position `i`, which something has written: a received frame. `None` if
    /// there is no such block, or the range does not lie in it.
    ///
    /// # Safety
    /// The bytes of the range are initialised.
    #[inline]
    pub unsafe fn assume_init_range(&self, i: usize, range: Range<usize>) -> Option<&[u8]> {
        let bytes = self.block(i)?.get(range)?;
        // SAFETY: the caller's promise; the layouts are the same.
        Some(unsafe { &*(core::ptr::from_ref(bytes) as *const [u8]) })
    }

    /// Converts the handles into the names of the blocks, which stay in use as [raw](Pool::raw_out) blocks until
    /// [`from_ids`](Self::from_ids), [`Pool::free_id`] or [`Pool::block_from_id`]. Changes the pool's count of raw
    /// blocks once.
    ///
    /// ```
    /// use framepool::Burst;
    ///
    /// framepool::pool!(static UMEM: [2048; 64]);
    ///
    /// let burst: Burst<'_, 32> = UMEM.alloc_burst(3)?;
    /// let mut names = [framepool::BlockId(0); 32];
    /// let names = burst.into_ids(&mut names);
    /// assert_eq!((names.len(), UMEM.raw_out()), (3, 3));
    /// // SAFETY: nothing uses these blocks, and no one else returns them.
    /// let burst = unsafe { Burst::<32>::from_ids(&UMEM, names) }?;
    /// assert_eq!((burst.len(), UMEM.raw_out()), (3, 0));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use = "the blocks leak unless the names are returned to the pool"]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn into_ids(mut self, names: &mut [BlockId; N]) -> &[BlockId] {
        self.note(AuditKind::IntoRaw);
        let pool = self.pool;
        let ids = self.disown();
        // SAFETY: the burst owned these blocks.
        unsafe { pool.mark_raw(ids) };
        for (name, &id) in names.iter_mut().zip(ids) {
            *name = BlockId(id);
        }
        names.get(..ids.len()).unwrap_or_default()
    }

    /// Makes a burst of raw blocks, of all or none. O(their number), one compare-and-swap each. The names of another
    /// pool are not detected.
    ///
    /// # Errors
    /// [`FromIdsError`]: there are more than `N` names, or one is not the name of a raw block. All blocks stay as they
    /// were.
    ///
    /// # Safety
    /// As for [`Pool::free_raw`], for each of them: the burst owns the blocks from now on.
    #[track_caller]
    pub unsafe fn from_ids(pool: &'p Pool<'p>, names: &[BlockId]) -> Result<Self, FromIdsError> {
        if names.len() > N {
            pool.count_refusal();
            return Err(FromIdsError::TooMany {
                requested: names.len(),
                limit: N,
            });
        }
        let mut burst = Self::new(pool);
        for &name in names {
            match pool.claim_raw(Ok(name)) {
                Ok(id) => {
                    if let Some(place) = burst.ids.get_mut(burst.len) {
                        place.write(id.0);
                        burst.len += 1;
                    }
                }
                Err(error) => {
                    // SAFETY: the burst owned these blocks.
                    unsafe { pool.mark_raw(burst.disown()) };
                    return Err(FromIdsError::Free(error));
                }
            }
        }
        burst.note(AuditKind::FromRaw);
        Ok(burst)
    }

    #[inline]
    pub(crate) fn as_ids(&self) -> &[u32] {
        // SAFETY: by the invariant of `len`.
        unsafe { assume_init(self.ids.get_unchecked(..self.len)) }
    }

    /// Records an event of every block for the audit.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) fn note(&self, kind: AuditKind) {
        self.pool.note_all(self.as_ids(), kind);
    }

    #[inline(always)]
    pub(crate) fn is_of(&self, pool: &Pool<'_>) -> bool {
        core::ptr::eq(self.pool, pool)
    }

    /// The array of indices; those from `len` on may be uninitialised.
    #[inline(always)]
    pub(crate) fn raw_ids(&self) -> &[MaybeUninit<u32>; N] {
        &self.ids
    }

    /// The array of indices; those from `len` on may be uninitialised.
    #[inline(always)]
    pub(crate) fn ids_mut(&mut self) -> &mut [MaybeUninit<u32>; N] {
        &mut self.ids
    }

    /// # Safety
    /// The first `len` indices are written and different. The caller owns their blocks and passes them to the
    /// burst; blocks of the burst from `len` on pass to the caller.
    #[inline(always)]
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    /// Empties the burst: the caller owns the blocks now.
    #[inline(always)]
    pub(crate) fn disown(&mut self) -> &[u32] {
        let len = mem::take(&mut self.len);
        // SAFETY: by the invariant of `len`, as it was.
        unsafe { assume_init(self.ids.get_unchecked(..len)) }
    }
}

impl<const N: usize> Drop for Burst<'_, N> {
    #[inline]
    fn drop(&mut self) {
        if self.len > 0 {
            let pool = self.pool;
            self.note(AuditKind::Dropped);
            // SAFETY: the burst owned the blocks, and does not any more.
            unsafe { pool.give_many(self.disown()) };
        }
    }
}

describe!(impl[const N: usize] Burst<'_, N> as Burst { ids = |it| it.as_ids() });

/// Iterates over the blocks of a burst by value, from the first to the last. Dropping it frees the rest.
pub struct BurstIntoIter<'p, const N: usize> {
    burst: Burst<'p, N>,
    /// Invariant: `from <= burst.len()`, and blocks before it are not the burst's any more.
    from: usize,
}

impl<'p, const N: usize> BurstIntoIter<'p, N> {
    /// The blocks that are left, named.
    fn as_ids(&self) -> &[u32] {
        self.burst.as_ids().get(self.from..).unwrap_or_default()
    }
}

impl<'p, const N: usize> Iterator for BurstIntoIter<'p, N> {
    type Item = Block<'p>;

    #[inline]
    fn next(&mut self) -> Option<Block<'p>> {
        let &id = self.as_ids().first()?;
        self.from += 1;
        self.burst.pool.note(id, AuditKind::FromBurst);
        // SAFETY: by the invariants of `len` and `from` the block is owned, and passes to the handle.
        Some(unsafe { Block::own(self.burst.pool, id) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.burst.len() - self.from;
        (left, Some(left))
    }
}

impl<'p, const N: usize> DoubleEndedIterator for BurstIntoIter<'p, N> {
    #[inline]
    fn next_back(&mut self) -> Option<Block<'p>> {
        if self.from == self.burst.len() {
            return None;
        }
        self.burst.pop()
    }
}

impl<const N: usize> ExactSizeIterator for BurstIntoIter<'_, N> {}
impl<const N: usize> core::iter::FusedIterator for BurstIntoIter<'_, N> {}

impl<const N: usize> Drop for BurstIntoIter<'_, N> {
    fn drop(&mut self) {
        let (pool, from) = (self.burst.pool, self.from);
        let left = self.burst.disown().get(from..).unwrap_or_default();
        if !left.is_empty() {
            pool.note_all(left, AuditKind::Dropped);
            // SAFETY: by the invariant of `from` these were owned, and are given up here.
            unsafe { pool.give_many(left) };
        }
    }
}

describe!(impl[const N: usize] BurstIntoIter<'_, N> as BurstIntoIter { ids = |it| it.as_ids() });

impl<'p, const N: usize> IntoIterator for Burst<'p, N> {
    type Item = Block<'p>;
    type IntoIter = BurstIntoIter<'p, N>;

    fn into_iter(self) -> BurstIntoIter<'p, N> {
        BurstIntoIter {
            burst: self,
            from: 0,
        }
    }
}

/// No burst was made of the names. Nothing changed except the count of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FromIdsError {
    /// More names than the burst holds.
    TooMany {
        /// Number of names.
        requested: usize,
        /// The capacity of the burst.
        limit: usize,
    },
    /// A name is not the name of a raw block.
    Free(FreeError),
}

impl fmt::Display for FromIdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { requested, limit } => {
                write!(f, "{requested} names do not fit a burst of {limit} blocks")
            }
            Self::Free(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for FromIdsError {}
