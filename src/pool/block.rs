//! The handle that owns one block.

use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::error::{Exhausted, TooLong};
use crate::pool::id::BlockId;

/// Owns one block of a [`Pool`]. Dropping it frees the block, from any thread or interrupt, with one
/// compare-and-swap; [`Cache::free`](crate::Cache::free) needs none. If tasks
/// [wait](Pool::alloc_async) for a block, freeing one runs their wakers.
///
/// A handle is two words: the pool and the index. The bytes of a new block are uninitialised: they are what
/// its last owner, or a device, left there.
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
    /// Invariant: less than the capacity, and owned by this handle alone. A whole word, so that the compiler
    /// moves many handles with vector instructions.
    id: usize,
}

impl<'p> Block<'p> {
    /// # Safety
    /// `id` is less than the capacity. The caller owns the block and passes it to the handle.
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

    /// Ends the handle without freeing the block: the caller owns it now.
    #[inline(always)]
    pub(crate) fn disown(self) -> u32 {
        let id = self.index();
        mem::forget(self);
        id
    }

    /// Whether this block belongs to `pool`. The lifetime does not tell: all statics have the same.
    #[inline(always)]
    pub(crate) fn is_of(&self, pool: &Pool<'_>) -> bool {
        core::ptr::eq(self.pool, pool)
    }

    /// The pool that this block belongs to.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.pool
    }

    /// The name of the block.
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

    /// Bytes from the start of the pool's first block. In a UMEM that starts with the pool, this is the address
    /// in an AF_XDP descriptor. [`Pool::id_at_offset`] is the inverse.
    #[inline]
    pub fn offset(&self) -> usize {
        self.id * self.pool.stride()
    }

    /// The address of the first byte.
    #[inline]
    pub fn addr(&self) -> usize {
        self.as_ptr().addr()
    }

    /// A pointer to the first byte, for reading.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.start().as_ptr()
    }

    /// A pointer to the first byte, for writing.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start().as_ptr()
    }

    #[inline(always)]
    fn start(&self) -> NonNull<u8> {
        // SAFETY: the index is less than the capacity.
        unsafe { self.pool.block_start(self.index()) }
    }

    /// All bytes, possibly uninitialised.
    #[inline]
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the block lies in the pool's memory, and only this handle accesses it.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_ref() }
    }

    /// All bytes, possibly uninitialised, for writing.
    #[inline]
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as in `as_uninit`, and `&mut self` is exclusive.
        unsafe { NonNull::slice_from_raw_parts(self.start().cast(), self.len()).as_mut() }
    }

    /// Zeroes the block and returns its bytes. O(len).
    pub fn zeroed(&mut self) -> &mut [u8] {
        let (start, len) = (self.start(), self.len());
        // SAFETY: as in `as_uninit_mut`; all bytes are written here.
        unsafe {
            start.write_bytes(0, len);
            NonNull::slice_from_raw_parts(start, len).as_mut()
        }
    }

    /// Copies `bytes` to the start of the block and returns the copy. O(`bytes.len()`).
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

    /// Returns the first `len` bytes (at most all) as initialised.
    ///
    /// # Safety
    /// They are initialised: by [`write`](Self::write), [`zeroed`](Self::zeroed), a system call or a
    /// device.
    #[inline]
    pub unsafe fn assume_init(&self, len: usize) -> &[u8] {
        let len = len.min(self.len());
        // SAFETY: as in `as_uninit`; initialised by the caller's promise.
        unsafe { NonNull::slice_from_raw_parts(self.start(), len).as_ref() }
    }

    /// Returns the first `len` bytes (at most all) as initialised, for writing.
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

const _: () = assert!(size_of::<Block<'_>>() == 2 * size_of::<usize>());
// The pointer is never null, which leaves room for the error.
const _: () = assert!(size_of::<Result<Block<'_>, Exhausted>>() <= 16);
