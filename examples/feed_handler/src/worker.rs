//! The consumer: counts the messages of each frame, records its latency, then frees it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use framepool::packet::{PacketBuf, PacketCache, PacketFlags, PacketPool};
use framepool::time::{Clock, HostClock};

use crate::decode::Decoded;
use crate::latency::{self, Latency};
use crate::receiver::Signals;
use crate::sys;
use crate::venues::{NAMES, Stream};

/// What the receiver sends: the packet itself, and which feed it is.
///
/// | fact of the packet | meaning |
/// |---|---|
/// | `user` | when it was received, in ticks of the clock |
/// | `timestamp` | when the kernel stamped it, in the same ticks, if `TIMESTAMP` is set |
/// | the layers' lengths | where the feed's packet begins |
pub struct Packet<'p> {
    pub packet: PacketBuf<'p>,
    pub stream: Stream,
}

/// The ring first carries `None`s, which touch its memory before the run.
pub type Consumer<'p> = framepool::ring::Consumer<'static, Option<Packet<'p>>>;

/// A thread's cache. Each of the two may hide at most an eighth of the pool.
pub fn cache<'p>(pool: &'p PacketPool<'p>) -> Box<PacketCache<'p, 512>> {
    Box::new(PacketCache::holding(pool, pool.capacity() / 8))
}

/// What the consumer found.
#[derive(Debug)]
pub struct Consumed {
    pub packets: u64,
    pub bytes: u64,
    pub decoded: Decoded,
    /// From reception to consumption.
    pub latency: Box<Latency>,
    /// From the kernel's timestamp to consumption.
    pub wire_latency: Box<Latency>,
    pub faults: u64,
}

/// Rounds of the worker's loop between two looks at the time for metrics.
const LOOK: u32 = 1024;

/// Consumes until the receiver is gone and the ring is empty.
pub fn consume<'p>(
    pool: &'p PacketPool<'p>,
    mut frames: Consumer<'p>,
    clock: &HostClock,
    target_ns: u64,
    signals: &Signals,
) -> Consumed {
    sys::pin(sys::WORKER_CORE);
    let mut cache = cache(pool);
    let mut consumed = Consumed {
        packets: 0,
        bytes: 0,
        decoded: Decoded::default(),
        latency: latency::tracker(target_ns),
        wire_latency: latency::tracker(0),
        faults: 0,
    };
    let mut faults = None;
    let mut idle = 0u32;
    let mut publishers = signals.publishers("worker");
    let mut rounds = 0u32;
    loop {
        if let Some(publishers) = &mut publishers {
            if rounds % LOOK == 0 && publishers.due(Instant::now()) {
                publishers.publish(&*cache, &frames, &consumed.latency.table(&NAMES));
            }
            rounds = rounds.wrapping_add(1);
        }
        let Some(packet) = frames.pop() else {
            if frames.is_abandoned() && frames.is_empty() {
                break;
            }
            idle = idle.saturating_add(1);
            sys::back_off(idle);
            continue;
        };
        idle = 0;
        if faults.is_none() && signals.warm.is_set() {
            faults = Some(sys::thread_faults());
        }
        if let Some(packet) = packet {
            consumed.take(&packet, clock);
            // All packets belong to one pool, so that the cache refuses none.
            drop(cache.free(packet.packet));
            signals.messages.store(consumed.decoded.messages, Relaxed);
        }
    }
    if let Some(publishers) = &mut publishers {
        publishers.publish(&*cache, &frames, &consumed.latency.table(&NAMES));
    }
    consumed.faults = sys::thread_faults() - faults.unwrap_or_else(sys::thread_faults);
    consumed
}

impl Consumed {
    fn take(&mut self, packet: &Packet<'_>, clock: &HostClock) {
        let (bytes, facts) = (packet.packet.bytes(), packet.packet.meta());
        self.packets += 1;
        self.bytes += bytes.len() as u64;
        let payload = bytes.get(facts.payload_offset()..).unwrap_or_default();
        self.decoded.take(packet.stream, payload);
        let venue = packet.stream.venue;
        let now = clock.now();
        // The trackers count the outcomes, and every venue has a channel.
        let _ = self.latency.record_ticks(venue, clock, facts.user, now);
        if facts.flags.contains(PacketFlags::TIMESTAMP) {
            let wire = &mut self.wire_latency;
            let _ = wire.record_ticks(venue, clock, facts.timestamp, now);
        }
    }
}
