//! A pool as the UMEM of AF_XDP sockets.
//!
//! Sources: Documentation/networking/af_xdp.rst and net/xdp/xdp_umem.c of the Linux kernel (`xdp_umem_reg`).

use core::fmt;

use crate::pool::Pool;

/// Bytes that the kernel keeps free in a chunk, in front of a received frame and after the headroom
/// (`XDP_PACKET_HEADROOM`).
const KERNELS_HEADROOM: usize = 256;
/// The smallest chunk (`XDP_UMEM_MIN_CHUNK_SIZE`).
const MIN_CHUNK: usize = 2048;
/// `XSK_UNALIGNED_BUF_OFFSET_SHIFT`: in unaligned mode, an address has its offset in the bits above.
const OFFSET_SHIFT: u32 = 48;

/// A pool that can be the UMEM of AF_XDP sockets, as `struct xdp_umem_reg` describes it (`XDP_UMEM_REG`). Chunks are
/// blocks, and the address of a chunk is [`Block::offset`](crate::Block::offset).
///
/// ```text
///  chunk  ┌────────────┬───────────┬──────────────────────────────┐
///         │ headroom   │ 256 bytes │ frame, at most room() bytes  │
///         └────────────┴───────────┴──────────────────────────────┘
///         ▲ Block::offset()        ▲ the address in a descriptor of the RX ring
/// ```
///
/// [`Pool::umem`] and [`Pool::unaligned_umem`] check what the kernel checks, and name what is wrong. The kernel's answer
/// would be `EINVAL` in every case.
///
/// ```
/// use framepool::{Pool, PoolConfig, UmemError};
///
/// let pool = Pool::map(PoolConfig::umem(2048, 64))?;
/// let umem = pool.umem()?;
/// assert_eq!((umem.len(), umem.chunk_size(), umem.room()), (64 * 2048, 2048, 2048 - 256));
///
/// // By default, a stride is not a power of two.
/// let padded = Pool::map(PoolConfig::new(2048, 64))?;
/// let error = padded.umem().unwrap_err();
/// assert_eq!(error, UmemError::Stride { stride: 2112, chunk: 2048 });
/// // In unaligned mode it need not be.
/// assert_eq!(padded.unaligned_umem()?.chunk_size(), 2048);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Umem {
    addr: usize,
    len: usize,
    /// Invariant: at least [`MIN_CHUNK`].
    chunk: usize,
    /// Invariant: at most `chunk - KERNELS_HEADROOM - 1`.
    headroom: usize,
    is_aligned: bool,
}

impl Umem {
    /// Checks the shape of a pool against a page size in bytes.
    fn new(pool: &Pool<'_>, page: usize, is_aligned: bool) -> Result<Self, UmemError> {
        let (addr, chunk) = (pool.blocks_ptr().addr().get(), pool.block_size());
        if !(MIN_CHUNK..=page).contains(&chunk) {
            let (min, max) = (MIN_CHUNK, page);
            return Err(UmemError::ChunkSize { chunk, min, max });
        }
        if is_aligned && !chunk.is_power_of_two() {
            return Err(UmemError::NotPowerOfTwo { chunk });
        }
        // With this, the length is a multiple of the chunk.
        if is_aligned && pool.stride() != chunk {
            let stride = pool.stride();
            return Err(UmemError::Stride { stride, chunk });
        }
        if addr % page != 0 {
            return Err(UmemError::Start { addr, page });
        }
        Ok(Self {
            addr,
            len: pool.blocks_len(),
            chunk,
            headroom: 0,
            is_aligned,
        })
    }

    /// The same with `bytes` of headroom at the start of each chunk, for the program's own use. Default: 0.
    ///
    /// # Errors
    /// [`UmemError::Headroom`] if no byte is left for a frame after the headroom and the kernel's 256 bytes.
    pub const fn with_headroom(mut self, bytes: usize) -> Result<Self, UmemError> {
        let max = self.chunk - KERNELS_HEADROOM - 1;
        if bytes > max {
            return Err(UmemError::Headroom { bytes, max });
        }
        self.headroom = bytes;
        Ok(self)
    }

    /// `addr`: the address of the first chunk, a multiple of the page size.
    pub const fn addr(&self) -> usize {
        self.addr
    }

    /// `len`: bytes from the start of the first chunk to the end of the last.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// `chunk_size`: bytes of a chunk, at most a page.
    pub const fn chunk_size(&self) -> usize {
        self.chunk
    }

    /// `headroom`: bytes at the start of each chunk that the kernel does not write to.
    pub const fn headroom(&self) -> usize {
        self.headroom
    }

    /// Whether the flag `XDP_UMEM_UNALIGNED_CHUNK_FLAG` must be set.
    pub const fn is_unaligned(&self) -> bool {
        !self.is_aligned
    }

    /// Bytes of the longest frame that fits a chunk.
    pub const fn room(&self) -> usize {
        self.chunk - KERNELS_HEADROOM - self.headroom
    }

    /// The byte that the address in a descriptor means, counted from the first chunk:
    /// [`Posted::take`](crate::Posted::take) and [`Pool::id_at_offset`] take it. O(1).
    ///
    /// In aligned mode this is the address. In unaligned mode the upper 16 bits of an address are an offset, to be added
    /// to the lower 48. `None` if the byte is outside of the UMEM.
    pub fn offset_of(&self, address: u64) -> Option<usize> {
        let offset = match self.is_aligned {
            true => address,
            // The sum has 49 bits at most.
            false => (address & ((1 << OFFSET_SHIFT) - 1)) + (address >> OFFSET_SHIFT),
        };
        usize::try_from(offset).ok().filter(|&at| at < self.len)
    }
}

impl Pool<'_> {
    /// Checks that the pool can be a UMEM in aligned mode: [`PoolConfig::umem`](crate::PoolConfig::umem) in a mapping
    /// of its own can. O(1).
    ///
    /// # Errors
    /// [`UmemError`] with what the kernel would refuse: a chunk (block) that is not 2,048 bytes to a page, or not a power
    /// of two; a stride that differs from it; a start that is not at a page.
    pub fn umem(&self) -> Result<Umem, UmemError> {
        Umem::new(self, rustix::param::page_size(), true)
    }

    /// Checks that the pool can be a UMEM in unaligned mode (`XDP_UMEM_UNALIGNED_CHUNK_FLAG`, Linux 5.4): the chunk and
    /// the stride need not be powers of two. O(1).
    ///
    /// In this mode the kernel takes the addresses in the fill ring as they are: give it
    /// [`Block::offset`](crate::Block::offset). With zero-copy drivers, it refuses a block across two pages that are not
    /// physically contiguous. In hugepages, all pages but the last of each hugepage are.
    ///
    /// # Errors
    /// [`UmemError::ChunkSize`] or [`UmemError::Start`].
    pub fn unaligned_umem(&self) -> Result<Umem, UmemError> {
        Umem::new(self, rustix::param::page_size(), false)
    }
}

/// The pool cannot be a UMEM. The kernel would refuse it with `EINVAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UmemError {
    /// The chunk, which is the block size, is not from `min` to `max` bytes.
    ChunkSize {
        /// Bytes of a block.
        chunk: usize,
        /// The smallest chunk.
        min: usize,
        /// The largest chunk: a page.
        max: usize,
    },
    /// The chunk is not a power of two, as aligned mode requires.
    NotPowerOfTwo {
        /// Bytes of a block.
        chunk: usize,
    },
    /// There are gaps between blocks, and aligned mode allows none.
    Stride {
        /// Bytes from one block to the next.
        stride: usize,
        /// Bytes of a block.
        chunk: usize,
    },
    /// The first block does not start at a page.
    Start {
        /// The address of the first block.
        addr: usize,
        /// Bytes of a page.
        page: usize,
    },
    /// The headroom leaves no room for a frame.
    Headroom {
        /// Bytes requested.
        bytes: usize,
        /// The largest headroom of this chunk.
        max: usize,
    },
}

impl fmt::Display for UmemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ChunkSize { chunk, min, max } => write!(
                f,
                "the chunks of a UMEM have {min} to {max} bytes, the blocks of this pool {chunk}"
            ),
            Self::NotPowerOfTwo { chunk } => write!(
                f,
                "blocks of {chunk} bytes are not a power of two, which chunks in aligned mode must be"
            ),
            Self::Stride { stride, chunk } => write!(
                f,
                "stride {stride} is not the block size {chunk}, as aligned mode requires: use Stride::Exact"
            ),
            Self::Start { addr, page } => write!(
                f,
                "the first block is at {addr:#x}, which is not a multiple of the page size {page}"
            ),
            Self::Headroom { bytes, max } => write!(
                f,
                "a headroom of {bytes} bytes exceeds the maximum of this chunk, {max}"
            ),
        }
    }
}

impl core::error::Error for UmemError {}

#[cfg(all(test, not(miri)))]
mod tests {
    use core::mem::MaybeUninit;
    use core::ptr::NonNull;
    use std::string::ToString;

    use super::*;
    use crate::pool::config::{PoolConfig, Stride};
    use crate::region::MappedRegion;

    fn umem(config: PoolConfig, is_aligned: bool) -> Result<Umem, UmemError> {
        Umem::new(&Pool::map(config).unwrap(), 4096, is_aligned)
    }

    #[test]
    fn the_shape_of_a_umem_is_one_and_others_say_why_not() {
        for chunk in [2048, 4096] {
            let umem = umem(PoolConfig::umem(chunk, 32), true).unwrap();
            assert_eq!((umem.chunk_size(), umem.len()), (chunk, 32 * chunk));
            assert_eq!((umem.addr() % 4096, umem.is_unaligned()), (0, false));
        }
        let exact = |size| PoolConfig::new(size, 8).align(1).stride(Stride::Exact);
        for (size, chunk) in [(1024, 1024), (2047, 2047), (8192, 8192)] {
            let error = umem(exact(size), true).unwrap_err();
            let (min, max) = (2048, 4096);
            assert_eq!(error, UmemError::ChunkSize { chunk, min, max });
            assert!(umem(exact(size), false).is_err());
        }
        let chunk = 3000;
        assert_eq!(
            umem(exact(3000), true),
            Err(UmemError::NotPowerOfTwo { chunk })
        );
        assert_eq!(umem(exact(3000), false).unwrap().len(), 8 * 3000);
        let error = umem(PoolConfig::new(2048, 8), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            "stride 2112 is not the block size 2048, as aligned mode requires: use Stride::Exact"
        );
    }

    #[test]
    fn a_start_within_a_page_is_refused() {
        let mut region = MappedRegion::builder(1 << 16).map().unwrap();
        let start = NonNull::from(region.as_uninit_mut())
            .cast::<u8>()
            .addr()
            .get()
            + 2048;
        let memory: &mut [MaybeUninit<u8>] = &mut region.as_uninit_mut()[2048..];
        let pool = Pool::new(memory, PoolConfig::umem(2048, 8)).unwrap();
        for is_aligned in [true, false] {
            let (addr, page) = (start, 4096);
            let error = Umem::new(&pool, page, is_aligned).unwrap_err();
            assert_eq!(error, UmemError::Start { addr, page });
        }
    }

    #[test]
    fn headroom_leaves_room_for_a_byte_at_least() {
        let umem = umem(PoolConfig::umem(2048, 2), true).unwrap();
        assert_eq!(umem.room(), 1792);
        assert_eq!(umem.with_headroom(64).unwrap().room(), 1728);
        let most = umem.with_headroom(1791).unwrap();
        assert_eq!((most.headroom(), most.room()), (1791, 1));
        let (bytes, max) = (1792, 1791);
        assert_eq!(
            umem.with_headroom(bytes),
            Err(UmemError::Headroom { bytes, max })
        );
        assert!(umem.with_headroom(usize::MAX).is_err());
    }

    #[test]
    fn addresses_of_descriptors_become_blocks_and_back() {
        let pool = Pool::map(PoolConfig::new(3000, 8).align(8)).unwrap();
        let umem = pool.unaligned_umem().unwrap();
        for id in 0..8 {
            let base = pool.offset_of(crate::BlockId(id)).unwrap();
            let address = base as u64 | 256 << 48;
            let offset = umem.offset_of(address).unwrap();
            assert_eq!(offset, base + 256);
            assert_eq!(pool.id_at_offset(offset), Some(crate::BlockId(id)));
            assert_eq!(umem.offset_of(base as u64), Some(base));
        }
        let end = umem.len() as u64;
        assert_eq!(umem.offset_of(end - 1), Some(umem.len() - 1));
        assert_eq!(umem.offset_of(end), None);
        assert_eq!(umem.offset_of((end - 1) | 1 << 48), None);
        assert_eq!(umem.offset_of(u64::MAX), None);
        let aligned = Pool::map(PoolConfig::umem(2048, 8)).unwrap();
        let aligned = aligned.umem().unwrap();
        assert_eq!(aligned.offset_of(2048 + 256), Some(2304));
        assert_eq!(aligned.offset_of(256 << 48), None);
    }
}
