//! The blocks that the kernel has for one purpose: as framepool's table keeps them, or as raw ids.
//!
//! Raw ids are what a driver has without a table. They cost an atomic exchange for each block, and do not tell the blocks
//! of one ring from those of another.

use framepool::{Block, Frame, Pool, Posted};

use crate::error::Failure;

/// How blocks are lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handles {
    Posted,
    RawIds,
}

/// Blocks that the kernel has.
pub enum Lent<'p> {
    Posted(Posted<'p>),
    RawIds {
        pool: &'p Pool<'p>,
        /// Number of blocks.
        len: usize,
    },
}

impl<'p> Lent<'p> {
    /// # Safety
    /// As for [`Posted::new`].
    pub unsafe fn new(pool: &'p Pool<'p>, handles: Handles) -> Result<Self, Failure> {
        match handles {
            // SAFETY: the caller's promise.
            Handles::Posted => unsafe { Posted::new(pool) }
                .map(Self::Posted)
                .map_err(|e| Failure::failed("a table of blocks", e)),
            Handles::RawIds => Ok(Self::RawIds { pool, len: 0 }),
        }
    }

    /// Lends a block. Returns its offset, or a block of another pool.
    pub fn post(&mut self, block: Block<'p>) -> Result<usize, Block<'p>> {
        match self {
            Self::Posted(table) => table.post(block).map_err(|refused| refused.into_inner()),
            Self::RawIds { pool, .. } if !std::ptr::eq(*pool, block.pool()) => Err(block),
            Self::RawIds { len, .. } => {
                let offset = block.offset();
                // The offset names it as well.
                let _ = block.into_id();
                *len += 1;
                Ok(offset)
            }
        }
    }

    /// Lends a frame that is not empty. Returns the offset of its first byte, or a frame of another pool.
    pub fn post_frame(&mut self, frame: Frame<'p>) -> Result<usize, Frame<'p>> {
        match self {
            Self::Posted(table) => table
                .post_frame(frame)
                .map_err(|refused| refused.into_inner()),
            Self::RawIds { pool, .. } if !std::ptr::eq(*pool, frame.pool()) => Err(frame),
            Self::RawIds { len, .. } => {
                let offset = frame.offset();
                let _ = frame.into_block().into_id();
                *len += 1;
                Ok(offset)
            }
        }
    }

    /// Takes back the block with the byte at `offset`. Returns the place of that byte in the block, too.
    pub fn take(&mut self, offset: usize) -> Option<(Block<'p>, usize)> {
        match self {
            Self::Posted(table) => table.take(offset),
            Self::RawIds { pool, len } => {
                let id = pool.id_at_offset(offset)?;
                // SAFETY: the kernel returned the block, as the caller of `new` promised.
                let block = unsafe { pool.block_from_id(id) }.ok()?;
                *len = len.saturating_sub(1);
                let at = offset - block.offset();
                Some((block, at))
            }
        }
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        match self {
            Self::Posted(table) => table.len(),
            Self::RawIds { len, .. } => *len,
        }
    }

    /// The pool of the blocks.
    pub fn pool(&self) -> &'p Pool<'p> {
        match self {
            Self::Posted(table) => table.pool(),
            Self::RawIds { pool, .. } => pool,
        }
    }

    /// Frees all blocks. Returns their number.
    ///
    /// # Safety
    /// The kernel does not access any block of the pool any more. If these are raw ids, no other raw block of the pool
    /// exists, except those of tables to be stopped.
    pub unsafe fn stopped(self) -> usize {
        match self {
            // SAFETY: the caller's promise.
            Self::Posted(table) => unsafe { table.stopped() },
            Self::RawIds { pool, len } => {
                // Those of the other ring as well: the ids do not tell.
                // SAFETY: the caller's promise.
                unsafe { pool.reclaim_raw() };
                len
            }
        }
    }
}
