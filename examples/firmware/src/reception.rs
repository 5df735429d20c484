//! The interrupt's part: from the controller into blocks, and into the ring.

use core::sync::atomic::{AtomicU32, Ordering};

use framepool::ring::Producer;
use framepool::{Block, Frame, Pool};

use crate::lan9118::{Arrival, Receiver};

/// A number that the interrupt changes and the main loop reads. It needs no compare-and-swap, since one of them writes.
pub struct Count(AtomicU32);

impl Count {
    const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn add_one(&self) {
        let next = self.get().wrapping_add(1);
        self.0.store(next, Ordering::Relaxed);
    }

    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of the frames that the controller received.
pub struct Counts {
    /// All of them.
    pub received: Count,
    /// Dropped: damaged, or longer than a block.
    pub damaged: Count,
    /// Dropped: no block was free.
    pub no_block: Count,
    /// Dropped: the ring was full.
    pub ring_full: Count,
}

impl Counts {
    pub const fn new() -> Self {
        Self {
            received: Count::new(),
            damaged: Count::new(),
            no_block: Count::new(),
            ring_full: Count::new(),
        }
    }
}

/// What the interrupt uses.
pub struct Reception<'i> {
    pub nic: &'i mut Receiver,
    pub pool: &'static Pool<'static>,
    pub to_main: Producer<'static, Frame<'static>>,
    pub counts: &'static Counts,
}

impl Reception<'_> {
    /// Moves all frames that have arrived to the main loop.
    pub fn run(&mut self) {
        self.nic.acknowledge();
        while let Some(arrival) = self.nic.next() {
            self.counts.received.add_one();
            if !arrival.is_good() {
                self.counts.damaged.add_one();
                continue;
            }
            let Ok(block) = self.pool.alloc() else {
                self.counts.no_block.add_one();
                continue;
            };
            let Some(frame) = store(block, arrival) else {
                self.counts.damaged.add_one();
                continue;
            };
            // A full ring hands the frame back; dropping it frees its block.
            if self.to_main.push(frame).is_err() {
                self.counts.ring_full.add_one();
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
