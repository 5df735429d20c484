//! Blocks and frames to and from the kernel: the socket, and the blocks that it has.
//!
//! A [`Device`] takes and returns handles; offsets exist only in here.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use framepool::{Block, Frame, Pool};
use rustix::net::xdp::{XdpDesc, XdpDescOptions, XdpStatistics};

use crate::error::Failure;
use crate::lent::{Handles, Lent};
use crate::socket::Socket;

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
    /// Blocks of the pool that were neither at home nor with the kernel by the end: 0.
    pub astray: usize,
    /// Descriptors and completions from the kernel that named no block lent to it.
    pub refused: u64,
}

/// One queue of a device.
pub struct Device<'p> {
    socket: Socket<'p>,
    /// Blocks in the fill ring, with the kernel, or in the RX ring.
    receiving: Lent<'p>,
    /// Blocks in the TX ring, with the kernel, or in the completion ring.
    transmitting: Lent<'p>,
    /// Offsets from the kernel that named no block posted for that purpose.
    refused: u64,
}

impl<'p> Device<'p> {
    /// A device over a socket whose UMEM is the pool. No other raw block of the pool may exist.
    pub fn over(pool: &'p Pool<'_>, socket: Socket<'p>, handles: Handles) -> Result<Self, Failure> {
        // SAFETY: the kernel accesses only blocks in its rings. All offsets that are taken below come from a ring
        // that gives a block back. The pool outlives the socket, which `'p` says.
        let (receiving, transmitting) =
            unsafe { (Lent::new(pool, handles)?, Lent::new(pool, handles)?) };
        Ok(Self {
            socket,
            receiving,
            transmitting,
            refused: 0,
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
            // All blocks are of one pool; another's would go home here.
            let Ok(offset) = self.receiving.post(block) else {
                continue;
            };
            // There is room. SAFETY: just posted, so no handle of the block is left.
            let _ = unsafe { self.socket.fill.push(offset as u64) };
        }
        self.socket.fill.publish();
    }

    /// The next frame. Call [`release_received`](Self::release_received) after a burst of them.
    pub fn receive(&mut self) -> Option<Received<'p>> {
        let descriptor = self.socket.received.pop()?;
        let offset = usize::try_from(descriptor.addr).ok();
        let Some((block, start)) = offset.and_then(|offset| self.receiving.take(offset)) else {
            self.refused += 1;
            return Some(Received::Foreign);
        };
        let end = start.saturating_add(descriptor.len as usize);
        // SAFETY: the kernel wrote these bytes.
        Some(match unsafe { block.assume_init_range(start..end) } {
            // A frame in several chunks was not asked for (XDP_USE_SG).
            Ok(frame) if frame.is_empty() || !descriptor.options.is_empty() => {
                Received::Malformed(frame.into_block())
            }
            Ok(frame) => Received::Frame(frame),
            Err(error) => Received::Malformed(error.into_block()),
        })
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
        if frame.is_empty() || self.socket.transmit.free(1) == 0 {
            return Err(frame);
        }
        // At most that of a block.
        let len = frame.len() as u32;
        let addr = match self.transmitting.post_frame(frame) {
            Ok(offset) => offset as u64,
            Err(foreign) => return Err(foreign),
        };
        let descriptor = XdpDesc {
            addr,
            len,
            options: XdpDescOptions::empty(),
        };
        // There is room. SAFETY: just posted, so no handle of the block is left.
        let _ = unsafe { self.socket.transmit.push(descriptor) };
        Ok(())
    }

    /// Shows the kernel the frames to send.
    pub fn flush(&mut self) {
        self.socket.transmit.publish();
    }

    /// Calls the kernel if it has frames to send and sleeps, whether or not there is a new one: a full ring would never
    /// become empty otherwise. Returns whether it did.
    pub fn kick(&self) -> Result<bool, Failure> {
        if self.transmitting.len() == 0 || !self.socket.transmit.needs_wakeup() {
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
            let offset = usize::try_from(offset).ok();
            match offset.and_then(|offset| self.transmitting.take(offset)) {
                Some((block, _)) => free(block),
                None => self.refused += 1,
            }
        }
        if completions > 0 {
            self.socket.completed.release();
        }
        completions
    }

    /// Frames given to the kernel and not yet completed.
    pub fn under_way(&self) -> usize {
        self.transmitting.len()
    }

    /// Sleeps until a frame has come, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<(), Failure> {
        self.socket.wait(timeout)
    }

    /// Closes the socket and brings all blocks home.
    pub fn close(self) -> Result<Closed, Failure> {
        let Self {
            socket,
            receiving,
            transmitting,
            refused,
        } = self;
        let statistics = socket.statistics()?;
        let pool = receiving.pool();
        // Unmaps the rings, then closes the socket. The kernel leaves the device before the call returns.
        drop(socket);
        // SAFETY: the socket is closed, so the kernel accesses no block.
        let (receiving, transmitting) = unsafe { (receiving.stopped(), transmitting.stopped()) };
        Ok(Closed {
            statistics,
            receiving,
            transmitting,
            astray: pool.raw_out(),
            refused,
        })
    }
}

impl AsFd for Device<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
