//! The interrupt's part: from the controller into blocks, and into the ring.

use framepool::ring::Producer;
use framepool::{Block, Frame, Pool};

use crate::lan9118::{Arrival, Receiver};

/// What became of the frames that the controller received.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// All of them.
    pub received: u32,
    /// Dropped: damaged, or longer than a block.
    pub damaged: u32,
    /// Dropped: no block was free.
    pub no_block: u32,
    /// Dropped: the ring was full.
    pub ring_full: u32,
}

/// What the interrupt owns.
pub struct Reception {
    pub nic: Receiver,
    pub pool: &'static Pool<'static>,
    pub to_main: Producer<'static, Frame<'static>>,
    pub counts: Counts,
}

impl Reception {
    /// Moves all frames that have arrived to the main loop.
    pub fn run(&mut self) {
        self.nic.acknowledge();
        while let Some(arrival) = self.nic.next() {
            let counts = &mut self.counts;
            counts.received = counts.received.wrapping_add(1);
            if !arrival.is_good() {
                counts.damaged = counts.damaged.wrapping_add(1);
                continue;
            }
            let Ok(block) = self.pool.alloc() else {
                counts.no_block = counts.no_block.wrapping_add(1);
                continue;
            };
            let Some(frame) = store(block, arrival) else {
                counts.damaged = counts.damaged.wrapping_add(1);
                continue;
            };
            // A full ring hands the frame back; dropping it frees its block.
            if self.to_main.push(frame).is_err() {
                counts.ring_full = counts.ring_full.wrapping_add(1);
            }
        }
    }
}

/// Copies a frame from the controller's FIFO into a block, if it fits.
fn store(block: Block<'static>, arrival: Arrival<'_>) -> Option<Frame<'static>> {
    let mut frame = block.fill(&[]).ok()?;
    let len = arrival.len();
    for word in arrival.take(len.div_ceil(4)) {
        frame.extend(&word.to_le_bytes()).ok()?;
    }
    frame.truncate(len);
    Some(frame)
}
