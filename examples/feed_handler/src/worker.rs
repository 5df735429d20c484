//! The consumer: counts the messages of each frame, records its latency, then frees it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use framepool::time::{Clock, HostClock};
use framepool::{Cache, Frame, Pool};

use crate::decode::Decoded;
use crate::latency::{self, Latency};
use crate::sys;
use crate::venues::Stream;

/// What the receiver sends: the block itself, and what a NIC's descriptor would state about it.
pub struct Packet<'p> {
    /// What was received, in its block.
    pub frame: Frame<'p>,
    /// Where in the frame the feed's packet is, and which feed it is.
    pub payload: Range<usize>,
    pub stream: Stream,
    /// When it was received, in ticks of the clock.
    pub received_at: u64,
}

/// The ring first carries `None`s, which touch its memory before the run.
pub type Consumer<'p> = framepool::ring::Consumer<'static, Option<Packet<'p>>>;

/// A thread's cache. Each of the two may hide at most an eighth of the pool.
pub fn cache<'p>(pool: &'p Pool<'_>) -> Box<Cache<'p, 512>> {
    Box::new(Cache::holding(pool, pool.capacity() / 8))
}

/// What the consumer found.
#[derive(Debug)]
pub struct Consumed {
    pub packets: u64,
    pub bytes: u64,
    pub decoded: Decoded,
    pub latency: Box<Latency>,
    pub faults: u64,
}

/// Consumes until the receiver is gone and the ring is empty. `warm` says when the steady state begins;
/// `progress` is the number of messages so far.
pub fn consume<'p>(
    pool: &'p Pool<'_>,
    mut frames: Consumer<'p>,
    clock: &HostClock,
    target_ns: u64,
    warm: &sys::Flag,
    progress: &AtomicU64,
) -> Consumed {
    sys::pin(sys::WORKER_CORE);
    let mut cache = cache(pool);
    let mut consumed = Consumed {
        packets: 0,
        bytes: 0,
        decoded: Decoded::default(),
        latency: latency::tracker(target_ns),
        faults: 0,
    };
    let mut faults = None;
    let mut idle = 0u32;
    loop {
        let Some(packet) = frames.pop() else {
            if frames.is_abandoned() && frames.is_empty() {
                break;
            }
            idle = idle.saturating_add(1);
            sys::back_off(idle);
            continue;
        };
        idle = 0;
        if faults.is_none() && warm.is_set() {
            faults = Some(sys::thread_faults());
        }
        if let Some(packet) = packet {
            consumed.take(&packet, clock);
            // All blocks belong to one pool, so that the cache refuses none.
            drop(cache.free(packet.frame.into_block()));
            progress.store(consumed.decoded.messages, Relaxed);
        }
    }
    consumed.faults = sys::thread_faults() - faults.unwrap_or_else(sys::thread_faults);
    consumed
}

impl Consumed {
    fn take(&mut self, packet: &Packet<'_>, clock: &HostClock) {
        let bytes = packet.frame.bytes();
        self.packets += 1;
        self.bytes += bytes.len() as u64;
        let payload = bytes.get(packet.payload.clone()).unwrap_or_default();
        self.decoded.take(packet.stream, payload);
        let venue = packet.stream.venue;
        // The tracker counts the outcome, and every venue has a channel.
        let _ = self
            .latency
            .record_ticks(venue, clock, packet.received_at, clock.now());
    }
}
