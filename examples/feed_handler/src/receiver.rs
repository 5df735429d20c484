//! The receiver: the kernel writes datagrams straight into blocks, which then go to the worker.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use framepool::feed::moldudp64::HEADER;
use framepool::time::{Clock, HostClock};
use framepool::{Block, Pool};

use crate::decode::Errors;
use crate::sys::{self, BATCH, Batch};
use crate::venues::{LIVE, Sequences};
use crate::worker::{self, Packet};

pub type Producer<'p> = framepool::ring::Producer<'static, Option<Packet<'p>>>;

/// What the receiver saw.
#[derive(Debug, Default)]
pub struct Received {
    /// All packets, including those that end the session.
    pub packets: u64,
    /// Packets for which there was no block: received into the scratch buffer and dropped.
    pub drops: u64,
    /// Packets longer than a block.
    pub truncated: u64,
    pub errors: Errors,
    pub sequences: Sequences,
    pub faults: u64,
    pub steady_packets: u64,
}

/// What the threads share in addition to frames.
pub struct Signals {
    /// The steady state has begun.
    pub warm: sys::Flag,
    /// Packets received so far, for the progress line.
    pub packets: AtomicU64,
    pub messages: AtomicU64,
}

/// Receives until the session ends, or until `deadline` if its end is lost.
pub fn receive<'p>(
    pool: &'p Pool<'_>,
    socket: &UdpSocket,
    mut frames: Producer<'p>,
    clock: &HostClock,
    signals: &Signals,
    warm_at: Instant,
    deadline: Instant,
) -> Result<Received, String> {
    sys::pin(sys::RECEIVER_CORE);
    let mut cache = worker::cache(pool);
    let mut ready: VecDeque<Block<'p>> = VecDeque::with_capacity(BATCH);
    let mut batch = Batch::new();
    let mut received = Received::default();
    let mut faults = None;
    while received.sequences.ends == 0 {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        if faults.is_none() && now >= warm_at {
            faults = Some(sys::thread_faults());
            received.steady_packets = received.packets;
            signals.warm.set();
        }
        while ready.len() < BATCH {
            match cache.alloc() {
                Ok(block) => ready.push_back(block),
                Err(_) => break,
            }
        }
        let n = match batch.receive(socket, ready.make_contiguous()) {
            Ok(n) => n,
            Err(e) if sys::is_timeout(&e) => continue,
            Err(e) => return Err(format!("receive: {e}")),
        };
        let received_at = clock.now();
        if ready.is_empty() {
            // The pool is exhausted. The socket is drained nevertheless, and the loss is counted.
            received.follow(batch.scratch());
            received.packets += n as u64;
            received.drops += n as u64;
        }
        for i in 0..n {
            let Some(block) = ready.pop_front() else {
                break;
            };
            if let Some(packet) =
                received.accept(block, batch.len(i), batch.truncated(i), received_at)
            {
                // The ring has a place for every block of the pool.
                drop(frames.push(Some(packet)));
            }
        }
        signals.packets.store(received.packets, Relaxed);
    }
    received.faults = sys::thread_faults() - faults.unwrap_or_else(sys::thread_faults);
    received.steady_packets = received.packets - received.steady_packets;
    Ok(received)
}

impl Received {
    fn accept<'p>(
        &mut self,
        block: Block<'p>,
        len: usize,
        truncated: bool,
        received_at: u64,
    ) -> Option<Packet<'p>> {
        self.packets += 1;
        // SAFETY: the kernel wrote that many bytes.
        let Ok(frame) = (unsafe { block.assume_init_range(0..len) }) else {
            self.truncated += 1;
            return None;
        };
        let header = frame.bytes().get(..HEADER).unwrap_or(frame.bytes());
        self.follow(header);
        if truncated {
            self.truncated += 1;
            return None;
        }
        Some(Packet {
            frame,
            payload: 0..len,
            stream: LIVE,
            received_at,
        })
    }

    fn follow(&mut self, packet: &[u8]) {
        if let Err(error) = self.sequences.follow(LIVE, packet, None) {
            self.errors.count(error);
        }
    }
}
