//! Cycle clocks, histograms and latency trackers: nanosecond measurements at low cost.
//!
//! ```text
//!   Clock ── span() ──> Span ── stop() ──> ticks ── Scale::ns ──> ns ── record ──> Histogram
//!   Tsc, Cntvct,        (a reading)                                      or        percentiles, bars,
//!   Rdtime, Dwt,                                                      Tracker      Summary, Buckets
//!   StdClock, yours                                               (by venue)
//! ```
//!
//! | I want | take |
//! |---|---|
//! | the best clock of a hosted machine | `HostClock` (feature `std`) |
//! | a reading that is one instruction | [`Tsc`] (x86_64), [`Cntvct`] (aarch64), [`Rdtime`] (RISC-V), [`Dwt`] (Cortex-M3 and later) |
//! | a clock on a Cortex-M0, or a mock | a [`Clock`] of your own, [`ManualClock`] |
//! | a 32-bit counter widened so that it does not wrap | [`Widened`] |
//! | an ordered (fenced) reading | [`Clock::now_fenced`], [`Fenced`] |
//! | a clock that never goes backwards | [`Monotonic`]; without it, a span in which the clock goes backwards is 0 |
//! | ticks as ns | [`Scale`], [`Clock::now_ns`], [`Span::stop_ns`] |
//! | the error of a frequency | [`Calibration`]; [`Calibrator`] measures a better one |
//! | percentiles of a million values | [`Histogram`]: [`Histogram2`], or [`Histogram3`] for a third digit |
//! | several percentiles, or a plot of all | [`Histogram::percentiles`], [`Histogram::percentile_steps`] |
//! | the number of values in a range | [`Histogram::count_at`], [`Histogram::count_between`], [`Histogram::iter`] |
//! | to read while another thread records | [`AtomicHistogram`] |
//! | latency by venue, against a target | [`Tracker`], or a single [`Channel`] |
//!
//! ```
//! use framepool::time::{Clock, Histogram2, HostClock};
//!
//! let clock = HostClock::new();
//! let mut latency = Histogram2::new();
//! for _ in 0..1000 {
//!     let span = clock.span();
//!     std::hint::black_box((0..10).sum::<u64>()); // the work
//!     latency.record(span.stop_ns());
//! }
//! println!("{latency}"); // p50 … p99.999, max, and a bar chart
//! assert!(latency.percentile(99.0)? >= latency.percentile(50.0)?);
//! # Ok::<(), framepool::time::PercentileError>(())
//! ```
//!
//! # Bad input
//!
//! | what | result |
//! |---|---|
//! | a percentile outside `0..=100`, or not a number | [`PercentileError::OutOfRange`] |
//! | a percentile of an empty histogram | [`PercentileError::Empty`] |
//! | a clock that went backwards | 0 from [`Span::stop`]; [`Backwards`] from [`Clock::ticks_between`] and [`Span::checked_stop`]; [`Channel`] and [`Monotonic`] count it and leave it out of all statistics |
//! | a value above the histogram's maximum | counted in the last bucket and in [`Histogram::clamped`] |
//! | a counter at its maximum | stays there; [`Histogram::lost`] counts the rest |
//! | ticks that are more than 2⁶⁴ ns | [`u64::MAX`] |
//! | a frequency of 0 | `None` |
//! | a TSC that is not invariant, or that Linux has rejected | [`TscError::NotInvariant`], [`TscError::Rejected`]; `HostClock` falls back to the system's clock and reports it |
//! | a late reading of another core's counter | [`Widened`] converts it correctly and does not jump |

// | file | what |
// |---|---|
// | `clock` | the trait; spans; fenced, monotonic and manual clocks |
// | `widen` | counters of 32 bits and fewer, made wide |
// | `scale` | ticks to ns |
// | `calibrate` | a counter's rate, measured against another clock, with its error |
// | `tsc`, `cntvct`, `rdtime`, `dwt` | the counters of x86_64, aarch64, RISC-V and Cortex-M |
// | `host` | the system's clock, and the best clock of a hosted machine |
// | `histogram` | distributions |
// | `tracker` | latency by channel |
// | `boxed` | histograms and trackers that are too large for a stack |

#[cfg(feature = "std")]
mod boxed;
mod calibrate;
mod clock;
// A counter is compiled for its own processor, and documented on every host. Doctests run against a library that is
// built without `doc`, so they must not see the others.
#[cfg(any(target_arch = "aarch64", all(doc, not(doctest))))]
mod cntvct;
#[cfg(any(all(target_arch = "arm", target_os = "none"), all(doc, not(doctest))))]
mod dwt;
mod histogram;
#[cfg(feature = "std")]
mod host;
#[cfg(any(
    target_arch = "riscv32",
    target_arch = "riscv64",
    all(doc, not(doctest))
))]
mod rdtime;
mod scale;
mod tracker;
#[cfg(any(target_arch = "x86_64", all(doc, not(doctest))))]
mod tsc;
mod widen;

pub use calibrate::{Calibration, CalibrationError, Calibrator, Source};
pub use clock::{Backwards, Clock, Fenced, ManualClock, Monotonic, Span};
#[cfg(any(target_arch = "aarch64", all(doc, not(doctest))))]
#[cfg_attr(docsrs, doc(cfg(target_arch = "aarch64")))]
pub use cntvct::{Cntvct, CntvctError};
#[cfg(any(all(target_arch = "arm", target_os = "none"), all(doc, not(doctest))))]
#[cfg_attr(docsrs, doc(cfg(all(target_arch = "arm", target_os = "none"))))]
pub use dwt::{Dwt, DwtError};
pub use histogram::{
    AtomicHistogram, Bars, Bucket, Buckets, Count, Histogram, Histogram1, Histogram2, Histogram3,
    PERCENTILES, PercentileError, PercentileStep, PercentileSteps, Recorder, Summary, buckets,
};
#[cfg(feature = "std")]
pub use host::{HostClock, StdClock, system_ns};
#[cfg(any(
    target_arch = "riscv32",
    target_arch = "riscv64",
    all(doc, not(doctest))
))]
#[cfg_attr(
    docsrs,
    doc(cfg(any(target_arch = "riscv32", target_arch = "riscv64")))
)]
pub use rdtime::Rdtime;
pub use scale::Scale;
pub use tracker::{Channel, ChannelStats, NoChannel, Outcome, Table, Tracker};
#[cfg(any(target_arch = "x86_64", all(doc, not(doctest))))]
#[cfg_attr(docsrs, doc(cfg(target_arch = "x86_64")))]
pub use tsc::{CpuidLeaves, Leaf, Tsc, TscError};
pub use widen::Widened;

/// The value, or [`u64::MAX`] if it is greater.
const fn saturated(value: u128) -> u64 {
    if value > u64::MAX as u128 {
        return u64::MAX;
    }
    value as u64
}
