//! Blocks and frames to and from the kernel: the socket, and the blocks that it has.
//!
//! A [`Device`] takes and returns handles; offsets exist only in here.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use framepool::{Block, Pool};
use rustix::net::xdp::{XdpDesc, XdpDescOptions, XdpStatistics};

use crate::error::Failure;
use crate::lent::{Lent, Purpose};
use crate::socket::Socket;

/// A frame in a block: the kernel writes it after a headroom of its own, of 256 bytes.
pub struct Frame<'p> {
    block: Block<'p>,
    start: usize,
    len: usize,
}

impl<'p> Frame<'p> {
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let bytes = &mut self.block.as_uninit_mut()[self.start..self.start + self.len];
        // SAFETY: the kernel wrote these bytes.
        unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [u8]) }
    }

    pub fn into_block(self) -> Block<'p> {
        self.block
    }
}

/// What the kernel left in the RX ring.
pub enum Received<'p> {
    Frame(Frame<'p>),
    /// A descriptor of no bytes, or with bytes outside of its block: the block, to be used again.
    Malformed(Block<'p>),
    /// A descriptor of a block that was not lent for receiving.
    Foreign,
}

/// The end of a device: where its blocks were.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    pub statistics: XdpStatistics,
    /// Blocks that waited with the kernel for a frame, and are home now.
    pub receiving: usize,
    /// Blocks whose transmission was never completed, and are home now.
    pub transmitting: usize,
    /// Raw blocks of the pool that were in no table, less blocks in the table that were not raw: 0.
    pub astray: usize,
    /// Descriptors and completions from the kernel that named no block lent to it.
    pub refused: u64,
}

/// One queue of a device.
pub struct Device<'p> {
    socket: Socket<'p>,
    lent: Lent<'p>,
    pool: &'p Pool<'p>,
}

impl<'p> Device<'p> {
    /// Opens a queue: see [`Socket::open`]. No other raw block of the pool may exist.
    pub fn open(pool: &'p Pool<'_>, ifindex: u32, queue: u32, slots: u32) -> Result<Self, Failure> {
        Ok(Self {
            socket: Socket::open(pool, ifindex, queue, slots)?,
            lent: Lent::new(pool),
            pool,
        })
    }

    /// Blocks that the fill ring has room for.
    pub fn wanted(&mut self, most: usize) -> usize {
        self.socket.fill.free(most).min(most)
    }

    /// Lends blocks to receive into. Takes no more of them than the fill ring has room for.
    pub fn post(&mut self, mut blocks: impl Iterator<Item = Block<'p>>) {
        while self.socket.fill.free(1) > 0 {
            let Some(block) = blocks.next() else {
                break;
            };
            let offset = self.lent.lend(block, Purpose::Receive);
            // There is room. SAFETY: just lent, so no handle of the block is left.
            let _ = unsafe { self.socket.fill.push(offset) };
        }
        self.socket.fill.publish();
    }

    /// The next frame. Call [`release_received`](Self::release_received) after a burst of them.
    pub fn receive(&mut self) -> Option<Received<'p>> {
        let descriptor = self.socket.received.pop()?;
        // SAFETY: a block whose descriptor is in the RX ring is the program's.
        let taken = unsafe { self.lent.take(descriptor.addr, Purpose::Receive) };
        let Some((block, start)) = taken else {
            return Some(Received::Foreign);
        };
        let len = descriptor.len as usize;
        // A frame in several chunks was not asked for (XDP_USE_SG).
        if !lies_within(&block, start, len) || !descriptor.options.is_empty() {
            return Some(Received::Malformed(block));
        }
        Some(Received::Frame(Frame { block, start, len }))
    }

    /// Gives the slots of received frames back to the kernel.
    pub fn release_received(&mut self) {
        self.socket.received.release();
    }

    /// Puts a frame in the TX ring; the kernel sees it at [`flush`](Self::flush).
    ///
    /// # Errors
    /// The frame, if the ring is full or the kernel would not take the descriptor. The kernel drops an invalid
    /// descriptor without a completion, and the block would be lost.
    pub fn transmit(&mut self, frame: Frame<'p>) -> Result<(), Frame<'p>> {
        let Frame { block, start, len } = &frame;
        if !lies_within(block, *start, *len) || self.socket.transmit.free(1) == 0 {
            return Err(frame);
        }
        let Frame { block, start, len } = frame;
        let offset = self.lent.lend(block, Purpose::Transmit);
        let descriptor = XdpDesc {
            addr: offset + start as u64,
            // At most that of a block.
            len: len as u32,
            options: XdpDescOptions::empty(),
        };
        // There is room. SAFETY: just lent, so no handle of the block is left.
        let _ = unsafe { self.socket.transmit.push(descriptor) };
        Ok(())
    }

    /// Shows the kernel the frames to send.
    pub fn flush(&mut self) {
        self.socket.transmit.publish();
    }

    /// Calls the kernel if it has frames to send and sleeps. Returns whether it did.
    pub fn kick(&self) -> Result<bool, Failure> {
        if self.lent.count(Purpose::Transmit) == 0 || !self.socket.transmit.needs_wakeup() {
            return Ok(false);
        }
        self.socket.kick().map(|()| true)
    }

    /// Takes back the blocks of frames that were sent. Returns the number of completions, at most `most`.
    pub fn completed(&mut self, most: usize, mut free: impl FnMut(Block<'p>)) -> usize {
        let mut completions = 0;
        while completions < most {
            let Some(offset) = self.socket.completed.pop() else {
                break;
            };
            completions += 1;
            // SAFETY: a block in the completion ring is the program's.
            if let Some((block, _)) = unsafe { self.lent.take(offset, Purpose::Transmit) } {
                free(block);
            }
        }
        if completions > 0 {
            self.socket.completed.release();
        }
        completions
    }

    /// Frames given to the kernel and not yet completed.
    pub fn under_way(&self) -> usize {
        self.lent.count(Purpose::Transmit)
    }

    /// Sleeps until a frame has come, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<(), Failure> {
        self.socket.wait(timeout)
    }

    /// Closes the socket and brings all blocks home.
    pub fn close(self) -> Result<Closed, Failure> {
        let Self { socket, lent, pool } = self;
        let statistics = socket.statistics()?;
        let (receiving, transmitting) =
            (lent.count(Purpose::Receive), lent.count(Purpose::Transmit));
        let refused = lent.refused();
        let astray = pool.raw_out().abs_diff(receiving + transmitting);
        // Unmaps the rings, then closes the socket. The kernel leaves the device before the call returns.
        drop(socket);
        // SAFETY: the socket is closed, so the kernel accesses no block.
        let home = unsafe { lent.reclaim() };
        Ok(Closed {
            statistics,
            receiving,
            transmitting,
            astray: astray + (receiving + transmitting - home),
            refused,
        })
    }
}

impl AsFd for Device<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the kernel asks of a descriptor: some bytes, all in one chunk.
pub fn lies_within(block: &Block<'_>, start: usize, len: usize) -> bool {
    len > 0 && start.checked_add(len).is_some_and(|end| end <= block.len())
}
