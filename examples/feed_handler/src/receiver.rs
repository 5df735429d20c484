//! The receiver: the kernel writes datagrams straight into blocks, which then go to the worker.

use std::collections::VecDeque;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use framepool::adapters::metrics::{Publish, Sink};
use framepool::feed::moldudp64::HEADER;
use framepool::packet::{Blank, PacketFlags, PacketMeta, PacketPool};
use framepool::time::HostClock;

use crate::decode::Errors;
use crate::exporter::Publishers;
use crate::stamps::{Moment, Stamps};
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
    pub stamps: Stamps,
    pub faults: u64,
    pub steady_packets: u64,
}

/// What the threads share in addition to frames.
#[derive(Debug, Default)]
pub struct Signals {
    /// The steady state has begun.
    pub warm: sys::Flag,
    /// Packets received so far, for the progress line.
    pub packets: AtomicU64,
    pub messages: AtomicU64,
    /// Whether somebody may ask for metrics.
    pub scraped: bool,
}

impl Signals {
    pub fn new(scraped: bool) -> Self {
        Self {
            scraped,
            ..Self::default()
        }
    }

    /// The publishers of a thread, if there are metrics.
    pub fn publishers(&self, thread: &'static str) -> Option<Publishers> {
        self.scraped.then(|| Publishers::new(thread))
    }
}

/// Receives until the session ends, or until `deadline` if its end is lost.
pub fn receive<'p>(
    pool: &'p PacketPool<'p>,
    socket: &UdpSocket,
    mut frames: Producer<'p>,
    clock: &HostClock,
    signals: &Signals,
    warm_at: Instant,
    deadline: Instant,
) -> Result<Received, String> {
    sys::pin(sys::RECEIVER_CORE);
    let mut cache = worker::cache(pool);
    let mut ready: VecDeque<Blank<'p>> = VecDeque::with_capacity(BATCH);
    let mut batch = Batch::new();
    let mut received = Received::default();
    let mut publishers = signals.publishers("receiver");
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
        if let Some(publishers) = publishers.as_mut().filter(|p| p.due(now)) {
            publishers.publish(&*cache, &frames, &received);
        }
        while ready.len() < BATCH {
            match cache.alloc_blank() {
                Ok(blank) => ready.push_back(blank),
                Err(_) => break,
            }
        }
        let n = match batch.receive(socket, ready.make_contiguous()) {
            Ok(n) => n,
            Err(e) if sys::is_timeout(&e) => continue,
            Err(e) => return Err(format!("receive: {e}")),
        };
        let moment = Moment::now(clock);
        received.stamps.pair(clock, &moment);
        if ready.is_empty() {
            // The pool is exhausted. The socket is drained nevertheless, and the loss is counted.
            received.follow(batch.scratch());
            received.packets += n as u64;
            received.drops += n as u64;
        }
        for i in 0..n {
            let Some(blank) = ready.pop_front() else {
                break;
            };
            if let Some(packet) = received.accept(blank, &batch, i, clock, &moment) {
                // The ring has a place for every block of the pool.
                drop(frames.push(Some(packet)));
            }
        }
        signals.packets.store(received.packets, Relaxed);
    }
    ready.clear();
    if let Some(publishers) = &mut publishers {
        publishers.publish(&*cache, &frames, &received);
    }
    received.faults = sys::thread_faults() - faults.unwrap_or_else(sys::thread_faults);
    received.steady_packets = received.packets - received.steady_packets;
    Ok(received)
}

impl Publish for Received {
    const LABEL: &'static str = "thread";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        for (metric, help, count) in [
            (
                "feed_handler_packets_total",
                "Packets received.",
                self.packets,
            ),
            (
                "feed_handler_drops_total",
                "Packets for which there was no block.",
                self.drops,
            ),
            (
                "feed_handler_truncated_total",
                "Packets longer than a block.",
                self.truncated,
            ),
        ] {
            sink.counter(metric, help, count);
        }
    }
}

impl Received {
    fn accept<'p>(
        &mut self,
        blank: Blank<'p>,
        batch: &Batch,
        i: usize,
        clock: &HostClock,
        moment: &Moment,
    ) -> Option<Packet<'p>> {
        self.packets += 1;
        let mut facts = PacketMeta::default();
        facts.user = moment.ticks;
        if let Some(stamp) = self.stamps.of(batch.stamp(i), clock, moment) {
            facts.timestamp = stamp;
            facts.flags |= PacketFlags::TIMESTAMP;
        }
        let start = blank.pool().headroom();
        let Ok(packet) = blank.receive(start..start + batch.len(i), facts) else {
            // Not reached: the kernel wrote no more bytes than fit after the headroom.
            self.truncated += 1;
            return None;
        };
        self.follow(packet.bytes().get(..HEADER).unwrap_or(packet.bytes()));
        if batch.truncated(i) {
            self.truncated += 1;
            return None;
        }
        Some(Packet {
            packet,
            stream: LIVE,
        })
    }

    fn follow(&mut self, packet: &[u8]) {
        if let Err(error) = self.sequences.follow(LIVE, packet, None) {
            self.errors.count(error);
        }
    }
}
