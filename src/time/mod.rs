//! Cycle clocks, histograms, latency trackers: measuring in nanoseconds without spending many.
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
//! | a reading that is one instruction | `Tsc` (x86_64), `Cntvct` (aarch64), `Rdtime` (RISC-V), `Dwt` (Cortex-M3 and later) |
//! | a clock on a Cortex-M0, or a mock | a [`Clock`] of your own, [`ManualClock`] |
//! | a 32-bit counter widened so that it does not wrap | [`Widened`] |
//! | a reading that nothing overtakes | [`Clock::now_fenced`], [`Fenced`] |
//! | a clock that never goes backwards | [`Monotonic`]; spans answer 0 without it |
//! | ticks as ns | [`Scale`], [`Clock::now_ns`], [`Span::stop_ns`] |
//! | to know how good a frequency is | [`Calibration`], and [`Calibrator`] for a better one |
//! | percentiles of a million values | [`Histogram`]; [`Histogram2`] unless you need a third digit |
//! | to read while another thread records | [`AtomicHistogram`] |
//! | latency by venue, against a target | [`Tracker`], or a [`Channel`] alone |
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
//! println!("{latency}"); // p50 … p99.999, max, and a picture
//! assert!(latency.percentile(99.0)? >= latency.percentile(50.0)?);
//! # Ok::<(), framepool::time::PercentileError>(())
//! ```
//!
//! # Bad input
//!
//! | what | answer |
//! |---|---|
//! | a percentile outside `0..=100`, or no number | [`PercentileError::OutOfRange`] |
//! | a percentile of nothing | [`PercentileError::Empty`] |
//! | a clock that went backwards | 0 from [`Span::stop`]; [`Backwards`] from [`Clock::ticks_between`] and [`Span::checked_stop`]; counted by [`Channel`] and [`Monotonic`], and in no figure |
//! | a value above the histogram's maximum | in the last bucket, and counted: [`Histogram::clamped`] |
//! | a counter at its maximum | stays there; a histogram counts the rest: [`Histogram::lost`] |
//! | ticks that are more than 2⁶⁴ ns | [`u64::MAX`] |
//! | a frequency of 0 | `None` |
//! | a TSC that is not invariant, or that Linux has rejected | `TscError::NotInvariant`, `TscError::Rejected`; `HostClock` takes the system's clock and says so |
//! | a counter's late reading, of another core | its own time: [`Widened`] does not jump |
//!
//! | file | what |
//! |---|---|
//! | `clock` | the trait; spans; fenced, monotonic and manual clocks |
//! | `widen` | 32-bit counters made wide |
//! | `scale` | ticks to ns |
//! | `calibrate` | a counter's rate by another clock, and how well it is known |
//! | `tsc` | x86_64 |
//! | `cntvct`, `rdtime`, `dwt` | aarch64, RISC-V, Cortex-M |
//! | `host` | the system's clock, and the best of a hosted machine |
//! | `histogram` | distributions |
//! | `tracker` | latency by channel |
//! | `zeroed` | boxes of what is too large for a stack |

mod calibrate;
mod clock;
#[cfg(all(target_arch = "aarch64", not(miri)))]
mod cntvct;
#[cfg(all(target_arch = "arm", target_os = "none"))]
mod dwt;
mod histogram;
#[cfg(feature = "std")]
mod host;
#[cfg(feature = "defmt")]
mod log;
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), not(miri)))]
mod rdtime;
mod scale;
mod tracker;
#[cfg(target_arch = "x86_64")]
mod tsc;
mod widen;
#[cfg(feature = "std")]
mod zeroed;

pub use calibrate::{Calibration, CalibrationError, Calibrator, Source};
pub use clock::{Backwards, Clock, Fenced, ManualClock, Monotonic, Span};
#[cfg(all(target_arch = "aarch64", not(miri)))]
pub use cntvct::{Cntvct, CntvctError};
#[cfg(all(target_arch = "arm", target_os = "none"))]
pub use dwt::{Dwt, DwtError};
pub use histogram::{
    AtomicHistogram, Bars, Bucket, Buckets, Count, Histogram, Histogram1, Histogram2, Histogram3,
    PERCENTILES, PercentileError, Recorder, Summary, buckets,
};
#[cfg(feature = "std")]
pub use host::{HostClock, StdClock, system_ns};
#[cfg(all(any(target_arch = "riscv32", target_arch = "riscv64"), not(miri)))]
pub use rdtime::Rdtime;
pub use scale::Scale;
pub use tracker::{Channel, ChannelStats, NoChannel, Outcome, Table, Tracker};
#[cfg(target_arch = "x86_64")]
pub use tsc::{CpuidLeaves, Leaf, Tsc, TscError};
pub use widen::Widened;
