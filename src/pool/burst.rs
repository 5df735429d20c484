//! Many blocks as one value.

use core::fmt;
use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use crate::error::PushError;
use crate::pool::audit::AuditKind;
use crate::pool::depot::assume_init;
use crate::pool::{Block, BlockId, Pool};

/// Owns up to `N` blocks of one pool: one pool reference and four bytes a block.
///
/// What a driver moves: a burst is drawn, filled, handed over and freed as a whole, and what crosses
/// to another core is a dense array of indices instead of sixteen-byte handles. Dropping it gives all
/// of its blocks back by one compare-and-swap; [`Cache::free_burst`](crate::Cache::free_burst) does
/// without.
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
// Indices start on a vector's boundary: what moves is whole vectors, none of them across two lines.
#[cfg_attr(target_pointer_width = "64", repr(C, align(16)))]
pub struct Burst<'p, const N: usize> {
    pool: &'p Pool<'p>,
    /// Invariant: at most `N`, and `ids[..len]` are written, different, and owned by this burst.
    len: usize,
    ids: [MaybeUninit<u32>; N],
}

impl<'p, const N: usize> Burst<'p, N> {
    /// An empty burst of `pool`.
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

    /// A burst of blocks that are already named.
    ///
    /// # Safety
    /// `len` is at most `N`; the first `len` of `ids` are written, different, and their blocks the
    /// caller's, who gives them to the burst.
    #[inline(always)]
    pub(crate) unsafe fn own(pool: &'p Pool<'p>, ids: [MaybeUninit<u32>; N], len: usize) -> Self {
        Self { pool, len, ids }
    }

    /// Blocks in the burst.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Blocks that the burst can hold: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The pool that the blocks are of.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Takes the last block out.
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
    /// [`PushError`] with the block in it, if the burst is full or of another pool.
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

    /// The block at position `i`, named.
    #[inline]
    pub fn id(&self, i: usize) -> Option<BlockId> {
        self.as_ids().get(i).copied().map(BlockId)
    }

    /// The blocks, named.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = BlockId> + '_ {
        self.as_ids().iter().copied().map(BlockId)
    }

    /// Bytes from the pool's first block to that at position `i`.
    #[inline]
    pub fn offset(&self, i: usize) -> Option<usize> {
        self.id(i).map(|id| id.index() * self.pool.stride())
    }

    /// All bytes of the block at position `i`, as they are.
    #[inline]
    pub fn block(&self, i: usize) -> Option<&[MaybeUninit<u8>]> {
        let id = self.id(i)?;
        // SAFETY: the burst owns the block, so the index is in range and nobody else reaches it.
        Some(unsafe { self.pool.bytes_of(id.0).as_ref() })
    }

    /// All bytes of the block at position `i`, to write.
    #[inline]
    pub fn block_mut(&mut self, i: usize) -> Option<&mut [MaybeUninit<u8>]> {
        let id = self.id(i)?;
        // SAFETY: as in `block`, and `&mut self` is the only way.
        Some(unsafe { self.pool.bytes_of(id.0).as_mut() })
    }

    /// All bytes of every block, one block after the other, to write: what reading a burst of packets
    /// into it takes, without a test a block.
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
            // SAFETY: the burst owns the block, so the index is in range; each is named once, so that
            // no two of the slices overlap; `&mut self` is the only way to them.
            unsafe {
                let start = first.add(id as usize * stride);
                NonNull::slice_from_raw_parts(start.cast(), len).as_mut()
            }
        })
    }

    #[inline]
    pub(crate) fn as_ids(&self) -> &[u32] {
        // SAFETY: by the invariant of `len`.
        unsafe { assume_init(self.ids.get_unchecked(..self.len)) }
    }

    /// Tells the audit of every block in here.
    #[inline(always)]
    #[cfg_attr(feature = "audit", track_caller)]
    pub(crate) fn note(&self, kind: AuditKind) {
        // Without the feature not even the slice is made.
        if cfg!(feature = "audit") {
            self.pool.note_all(self.as_ids(), kind);
        }
    }

    #[inline(always)]
    pub(crate) fn is_of(&self, pool: &Pool<'_>) -> bool {
        core::ptr::eq(self.pool, pool)
    }

    /// All indices, written or not.
    #[inline(always)]
    pub(crate) fn raw_ids(&self) -> &[MaybeUninit<u32>; N] {
        &self.ids
    }

    /// The places for indices, written or not.
    #[inline(always)]
    pub(crate) fn ids_mut(&mut self) -> &mut [MaybeUninit<u32>; N] {
        &mut self.ids
    }

    /// # Safety
    /// The first `len` indices are written, different, and their blocks the caller's, who gives them
    /// to the burst; blocks past `len` that the burst had are the caller's from now on.
    #[inline(always)]
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        self.len = len;
    }

    /// Empties the burst; the blocks are the caller's.
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
            // SAFETY: the burst owned the blocks, and gave them up.
            unsafe { pool.give_many(self.disown()) };
        }
    }
}

/// The blocks of a burst, one by one, the last first.
#[derive(Debug)]
pub struct IntoIter<'p, const N: usize>(Burst<'p, N>);

impl<'p, const N: usize> IntoIter<'p, N> {
    /// The blocks that are left.
    #[cfg(feature = "defmt")]
    pub(crate) fn as_burst(&self) -> &Burst<'p, N> {
        &self.0
    }
}

impl<'p, const N: usize> Iterator for IntoIter<'p, N> {
    type Item = Block<'p>;

    #[inline]
    fn next(&mut self) -> Option<Block<'p>> {
        self.0.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<const N: usize> ExactSizeIterator for IntoIter<'_, N> {}
impl<const N: usize> core::iter::FusedIterator for IntoIter<'_, N> {}

impl<'p, const N: usize> IntoIterator for Burst<'p, N> {
    type Item = Block<'p>;
    type IntoIter = IntoIter<'p, N>;

    fn into_iter(self) -> IntoIter<'p, N> {
        IntoIter(self)
    }
}

impl<const N: usize> fmt::Debug for Burst<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}
