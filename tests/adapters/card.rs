//! A card with two queues, for the adapters of network stacks.

use std::collections::VecDeque;

use framepool::adapters::Driver;
use framepool::packet::{PacketBuf, PacketConfig, PacketPool};

pub fn pool(blocks: usize) -> PacketPool<'static> {
    PacketPool::allocate(PacketConfig::new(2048, blocks)).unwrap()
}

pub fn in_use(packets: &PacketPool<'_>) -> u64 {
    packets.stats().blocks.in_use
}

pub struct Card<'p> {
    pub received: VecDeque<PacketBuf<'p>>,
    pub to_send: VecDeque<PacketBuf<'p>>,
    /// Frames that it takes to send.
    pub room: usize,
}

impl Card<'_> {
    pub fn new(room: usize) -> Self {
        Self {
            received: VecDeque::new(),
            to_send: VecDeque::new(),
            room,
        }
    }
}

impl<'p> Driver<'p> for Card<'p> {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        self.received.pop_front()
    }

    fn can_send(&mut self) -> bool {
        self.to_send.len() < self.room
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        if !self.can_send() {
            return Err(frame);
        }
        self.to_send.push_back(frame);
        Ok(())
    }
}
