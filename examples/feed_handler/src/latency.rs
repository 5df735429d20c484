//! From a block's reception to its consumption, by venue.

use std::hint::black_box;

use framepool::time::{HostClock, Tracker};

use crate::venues::VENUES;

/// Latencies in ns, one part in 128 exact, up to 18 minutes.
pub type Latency = Tracker<VENUES>;

/// Nothing recorded, every page of it touched.
pub fn tracker(target_ns: u64) -> Box<Latency> {
    // The allocator maps zeroed pages and touches none: each would be a page fault later, with the first
    // latency of that size. So all of it is written here. An optimizer that can see that the memory is
    // new drops the writes, as they change nothing: it is not let see it.
    let mut latency = black_box(Latency::boxed());
    latency.reset();
    for venue in 0..VENUES {
        // There is each of them.
        let _ = latency.set_target(venue, target_ns);
    }
    latency
}

/// What the stamps were made with.
pub fn describe(clock: &HostClock) -> String {
    match clock.fell_back() {
        Some(why) => format!("{}, because {why}", clock.calibration()),
        None => clock.calibration().to_string(),
    }
}
