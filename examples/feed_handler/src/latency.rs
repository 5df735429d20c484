//! From a block's reception to its consumption, by venue.

use framepool::time::{HostClock, Tracker};

use crate::venues::VENUES;

/// Latencies in ns, one part in 128 exact, up to 18 minutes.
pub type Latency = Tracker<VENUES>;

/// Nothing recorded, every page of it touched.
pub fn tracker(target_ns: u64) -> Box<Latency> {
    let mut latency = Latency::boxed();
    // Writes all of it: memory that was only mapped would be had page by page, later.
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
