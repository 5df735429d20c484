//! The kernel's receive timestamps, and how old a datagram is when the receiver gets it.
//!
//! ```text
//!   CLOCK_REALTIME   stamp ···················· reading
//!                    │<──────── age ───────────>│
//!   clock's ticks                      before ──┼── after        latencies are measured in these
//!                                               received_at
//! ```
//!
//! The kernel stamps a datagram by CLOCK_REALTIME when it comes from the network card, or from the sender on loopback.
//! Latencies are measured in ticks of a counter, and so the stamp is converted to them. After each system call that received something, both clocks are read
//! as a pair, the counter before and after CLOCK_REALTIME. So the counter showed `received_at` at the reading, with an
//! error of at most half of the pair's width, and no rate has to be known: NTP changes that of CLOCK_REALTIME by at
//! most 500 ppm, which is 0.5 ns for each µs of age. If CLOCK_REALTIME is set between stamp and reading, the age is
//! wrong by that step; an age below zero is counted, and is not recorded.

use framepool::time::{Clock, Histogram1, HostClock};

use crate::sys;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Ticks of the clock.
    pub ticks: u64,
    /// CLOCK_REALTIME in ns.
    real_ns: u64,
    /// Ticks between the reading before and the one after.
    width: u64,
}

impl Moment {
    pub fn now(clock: &HostClock) -> Self {
        let before = clock.now_fenced();
        let real_ns = sys::real_ns();
        let width = clock.now_fenced().saturating_sub(before);
        Self {
            ticks: before + width / 2,
            real_ns,
            width,
        }
    }
}

/// What became of the timestamps.
#[derive(Debug, Default)]
pub struct Stamps {
    /// Datagrams with a timestamp.
    pub stamped: u64,
    /// Datagrams without one.
    pub missing: u64,
    /// Datagrams whose timestamp is later than their reception.
    pub ahead: u64,
    /// The errors of the pairs, in ns.
    pub errors: Histogram1,
}

impl Stamps {
    /// Records the error of a pair.
    pub fn pair(&mut self, clock: &HostClock, moment: &Moment) {
        self.errors
            .record(clock.scale().ns(moment.width).div_ceil(2));
    }

    /// Returns what the counter showed at a datagram's timestamp.
    pub fn of(
        &mut self,
        stamp_ns: Option<u64>,
        clock: &HostClock,
        received: &Moment,
    ) -> Option<u64> {
        let Some(stamp_ns) = stamp_ns else {
            self.missing += 1;
            return None;
        };
        self.stamped += 1;
        let age = received.real_ns.checked_sub(stamp_ns);
        self.ahead += u64::from(age.is_none());
        // Older than the counter: it showed 0.
        Some(received.ticks.saturating_sub(clock.scale().ticks(age?)))
    }
}
