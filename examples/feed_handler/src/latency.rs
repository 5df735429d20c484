//! Latency by venue, from the reception of a block to its consumption.

use std::hint::black_box;

use framepool::time::{HostClock, Tracker};

use crate::venues::VENUES;

/// Latencies in ns, exact to one part in 128, up to 18 minutes.
pub type Latency = Tracker<VENUES>;

/// An empty tracker. Every page of it is touched.
pub fn tracker(target_ns: u64) -> Box<Latency> {
    // The allocator maps zeroed pages and touches none. Each page would cause a fault later, at the first
    // latency of its size, so all of it is written here. `black_box` hides from the optimizer that the
    // memory is new. Otherwise it removes the writes.
    let mut latency = black_box(Latency::boxed());
    latency.reset();
    for venue in 0..VENUES {
        // Every venue has a channel.
        let _ = latency.set_target(venue, target_ns);
    }
    latency
}

/// Describes the clock that made the timestamps.
pub fn describe(clock: &HostClock) -> String {
    match clock.fell_back() {
        Some(why) => format!("{}, because {why}", clock.calibration()),
        None => clock.calibration().to_string(),
    }
}
