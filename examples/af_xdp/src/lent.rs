//! The blocks that the kernel has, and for what.
//!
//! A block that is lent has no handle: it is a raw block of the pool, and its offset is in a ring. The table says
//! in which one, so that an offset the kernel names is only taken if the block was lent for that. The pool's own
//! mark, checked by [`Pool::block_from_id`], is the second line.

use framepool::{Block, Pool};

/// For what the kernel has a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To write a frame to it. It is in the fill ring, with the kernel, or in the RX ring.
    Receive,
    /// To send the frame in it. It is in the TX ring, with the kernel, or in the completion ring.
    Transmit,
}

/// The table of lent blocks of one pool.
pub struct Lent<'p> {
    pool: &'p Pool<'p>,
    /// By block.
    purposes: Box<[Option<Purpose>]>,
    receiving: usize,
    transmitting: usize,
    refused: u64,
}

impl<'p> Lent<'p> {
    /// A table for a pool, with nothing lent.
    pub fn new(pool: &'p Pool<'_>) -> Self {
        Self {
            pool,
            purposes: vec![None; pool.capacity()].into_boxed_slice(),
            receiving: 0,
            transmitting: 0,
            refused: 0,
        }
    }

    /// Blocks that are lent for a purpose.
    pub fn count(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Receive => self.receiving,
            Purpose::Transmit => self.transmitting,
        }
    }

    /// Offsets from the kernel that named no block lent for that purpose.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Lends a block and returns its offset in the pool, which is that in the UMEM.
    pub fn lend(&mut self, block: Block<'p>, purpose: Purpose) -> u64 {
        let offset = block.offset() as u64;
        let id = block.into_id();
        self.purposes[id.index()] = Some(purpose);
        *self.counter(purpose) += 1;
        offset
    }

    /// Takes back the block that contains an offset, and the offset within the block. `None` if no block there is
    /// lent for that purpose; this is counted.
    ///
    /// # Safety
    /// If a block there is lent for this purpose, the kernel has returned it and accesses it no more.
    pub unsafe fn take(&mut self, offset: u64, purpose: Purpose) -> Option<(Block<'p>, usize)> {
        // SAFETY: by the caller's promise.
        let taken = unsafe { self.take_checked(offset, purpose) };
        match taken {
            Some(_) => *self.counter(purpose) -= 1,
            None => self.refused += 1,
        }
        taken
    }

    /// # Safety
    /// As for [`take`](Self::take).
    unsafe fn take_checked(&mut self, offset: u64, purpose: Purpose) -> Option<(Block<'p>, usize)> {
        let offset = usize::try_from(offset).ok()?;
        let id = self.pool.id_at_offset(offset)?;
        let lent_for = self.purposes.get_mut(id.index())?;
        if *lent_for != Some(purpose) {
            return None;
        }
        *lent_for = None;
        // SAFETY: this table made it raw and lent it; by the caller's promise the kernel is done with it.
        let block = unsafe { self.pool.block_from_id(id) }.ok()?;
        let inside = offset - block.offset();
        Some((block, inside))
    }

    /// Brings all lent blocks home. Returns the number of blocks.
    ///
    /// # Safety
    /// The kernel accesses no block any more: the socket is closed.
    pub unsafe fn reclaim(mut self) -> usize {
        let mut home = 0;
        for id in 0..self.purposes.len() {
            let Some(purpose) = self.purposes[id] else {
                continue;
            };
            let offset = (id * self.pool.stride()) as u64;
            // SAFETY: the kernel is done with all blocks, by the caller's promise.
            home += usize::from(unsafe { self.take(offset, purpose) }.is_some());
        }
        home
    }

    fn counter(&mut self, purpose: Purpose) -> &mut usize {
        match purpose {
            Purpose::Receive => &mut self.receiving,
            Purpose::Transmit => &mut self.transmitting,
        }
    }
}
