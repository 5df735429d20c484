//! The handle that owns one block.

use core::fmt;
use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::error::{Exhausted, TooLong};

/// Names a block of a pool: its index, in `0..capacity`.
///
/// A name, not a right: having one gives no access. It is the same for as long as the pool lives, so
/// it can index a side table of the user's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct BlockId(pub u32);

impl BlockId {
    /// The index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.0)
    }
}

/// Owns one block of a [`Pool`]. Dropping it gives the block back, from any thread or interrupt, by
/// one compare-and-swap; [`Cache::free`](crate::Cache::free) does without. Where someone
/// [waits](Pool::alloc_async) for a block, giving one back runs their wakers.
///
/// Two words: which pool, which block. The bytes are uninitialised until something writes them: a
/// block holds what its last owner, or a device, left there, and the types do not pretend otherwise.
///
/// ```text
/// pool: base ──► ┌──────────┬─────┬──────────┬─────┬──────────┬─────┐
///                │ block 0  │ pad │ block 1  │ pad │ block 2  │ pad │
///                └──────────┴─────┴──────────┴─────┴──────────┴─────┘
///                                 ▲ offset() = id × stride
///                                 ◄──────────► len() = block size
/// ```
///
/// ```
/// framepool::pool!(static POOL: [64; 8]);
///
/// let mut block = POOL.alloc()?;
/// let text: &mut [u8] = block.write(b"0123456789")?;
/// text[0] = b'#';
/// assert_eq!(text, b"#123456789");
/// assert_eq!(POOL.stats().in_use, 1);
/// drop(block);
/// assert_eq!(POOL.stats().in_use, 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A block does not outlive its pool:
/// ```compile_fail,E0597
/// use framepool::{Pool, PoolConfig};
/// let block = {
///     let mut region = [core::mem::MaybeUninit::uninit(); 4096];
///     let pool = Pool::new(&mut region, PoolConfig::new(64, 8)).unwrap();
///     pool.alloc().unwrap()
/// };
/// ```
#[must_use = "dropping a block frees it"]
pub struct Block<'p> {
    pool: &'p Pool<'p>,
    /// Invariant: less than the capacity, and owned by this handle alone. A whole word, so that many
    /// handles are written and read as vectors.
    id: usize,
}

impl<'p> Block<'p> {
    /// # Safety
    /// `id` is less than the capacity, and the caller owns the block, which passes to the handle.
    #[inline(always)]
    pub(crate) unsafe fn own(pool: &'p Pool<'p>, id: u32) -> Self {
        Self {
            pool,
            id: id as usize,
        }
    }

    #[inline(always)]
    pub(crate) fn index(&self) -> u32 {
        // Less than the capacity, which is a u32.
        self.id as u32
    }

    /// Gives up the handle without freeing: the caller owns the block now.
    #[inline(always)]
    pub(crate) fn disown(self) -> u32 {
        let id = self.index();
        mem::forget(self);
        id
    }

    /// Whether this block is of `pool`. Two statics share a lifetime: lifetimes cannot tell.
    #[inline(always)]
    pub(crate) fn is_of(&self, pool: &Pool<'_>) -> bool {
        core::ptr::eq(self.pool, pool)
    }

    /// The pool that this block is of.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// Names the block.
    #[inline]
    pub fn id(&self) -> BlockId {
        BlockId(self.index())
    }

    /// Bytes in the block: the pool's block size. Never 0.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.pool.block_size()
    }

    /// Bytes from the pool's first block: in a UMEM that starts with the pool, the address that an
    /// AF_XDP descriptor carries. [`Pool::id_at_offset`] is the way back.
    #[inline]
    pub fn offset(&self) -> usize {
        self.id * self.pool.stride()
    }

    /// The address of the first byte.
    #[inline]
    pub fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    /// The first byte, to read.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.start().as_ptr()
    }

    /// The first byte, to write.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start().as_ptr()
    }

    #[inline(always)]
    fn start(&self) -> NonNull<u8> {
        // SAFETY: the index is less than the capacity.
        unsafe { self.pool.block_start(self.index()) }
    }

    /// All bytes, as they are.
    #[inline]
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block lies in the pool's memory, and nobody but this handle reaches it.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_ref() }
    }

    /// All bytes, to write.
    #[inline]
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as in `as_uninit`, and `&mut self` is the only way.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_mut() }
    }

    /// Zeroes the block and gives its bytes. O(len).
    pub fn zeroed(&mut self) -> &mut [u8] {
        let (start, len) = (self.start(), self.len());
        // SAFETY: as in `as_uninit_mut`; all bytes are written here.
        unsafe {
            start.write_bytes(0, len);
            NonNull::slice_from_raw_parts(start, len).as_mut()
        }
    }

    /// Copies `bytes` to the front and gives them there. O(their length).
    ///
    /// # Errors
    /// [`TooLong`] if the block is shorter; nothing is written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<&mut [u8], TooLong> {
        if bytes.len() > self.len() {
            return Err(TooLong {
                len: bytes.len(),
                block_size: self.len(),
            });
        }
        let start = self.start();
        // SAFETY: as in `as_uninit_mut`; the bytes fit, and all that is returned was written.
        unsafe {
            start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            Ok(NonNull::slice_from_raw_parts(start, bytes.len()).as_mut())
        }
    }

    /// The first `len` bytes (at most all), which something has written.
    ///
    /// # Safety
    /// They are initialised: by [`write`](Self::write), [`zeroed`](Self::zeroed), a system call, a
    /// device.
    #[inline]
    pub unsafe fn assume_init(&self, len: usize) -> &[u8] {
        let len = len.min(self.len());
        // SAFETY: as in `as_uninit`; initialised by the caller's promise.
        unsafe { NonNull::slice_from_raw_parts(self.start(), len).as_ref() }
    }

    /// The first `len` bytes (at most all), which something has written, to change.
    ///
    /// # Safety
    /// As for [`assume_init`](Self::assume_init).
    #[inline]
    pub unsafe fn assume_init_mut(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(self.len());
        // SAFETY: as in `as_uninit_mut`; initialised by the caller's promise.
        unsafe { NonNull::slice_from_raw_parts(self.start(), len).as_mut() }
    }
}

impl Drop for Block<'_> {
    #[inline]
    fn drop(&mut self) {
        self.pool.note(self.index(), AuditKind::Dropped);
        // SAFETY: the handle owns the block, and ends here.
        unsafe { self.pool.give_one(self.index()) };
    }
}

describe!(Block<'_> as Block { id, len });

// One pointer that is never null leaves room for the error beside it.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Block<'_>>() == 16);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Result<Block<'_>, Exhausted>>() == 16);
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Block<'_>>() == 8);
#[cfg(not(target_pointer_width = "64"))]
const _: Option<Exhausted> = None;
