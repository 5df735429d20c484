//! Clocks, histograms, trackers.

use framepool::time::{Channel, Clock, Histogram, Outcome, Recorder, Scale, Widened, buckets};

/// One part in 128, up to 18 minutes: 34 KiB of 64-bit counters.
pub(crate) const PRECISION: u32 = 7;
pub(crate) const BUCKETS: usize = buckets(PRECISION, 40);

pub(crate) type Latency = Histogram<PRECISION, BUCKETS>;
type Venue = Channel<32, PRECISION, BUCKETS>;

/// The processor's own counter.
#[cfg(target_arch = "arm")]
type Cycles = framepool::time::Dwt;
/// The processor's own counter.
#[cfg(target_arch = "x86_64")]
type Cycles = framepool::time::Tsc;

/// A 32-bit counter in memory, as a peripheral's is.
pub struct Timer(*const u32);

impl Clock for Timer {
    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the creator of the counter passed a register that may be read.
        unsafe { self.0.read_volatile() }.into()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        Scale::NANOSECOND
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        32
    }
}

crate::probes! {
    /// [`Clock::now`] of the processor's counter: the instruction, and its extension to 64 bits.
    fn cycles_now(clock: &Cycles) -> u64 {
        clock.now()
    }

    /// [`Clock::now`] of a counter in memory.
    fn timer_now(clock: &Timer) -> u64 {
        clock.now()
    }

    /// [`Clock::now`] of a widened counter.
    fn widened_now(clock: &Widened<Timer>) -> u64 {
        clock.now()
    }

    /// [`Scale::ns`].
    fn scale_ns(scale: &Scale, ticks: u64) -> u64 {
        scale.ns(ticks)
    }

    /// [`Histogram::record`].
    fn histogram_record(histogram: &mut Latency, value: u64) {
        histogram.record(value);
    }

    /// [`Recorder::record`].
    fn recorder_record(recorder: &mut Recorder<'static, PRECISION, BUCKETS>, value: u64) {
        recorder.record(value);
    }

    /// [`Channel::record_packet`].
    fn channel_record(channel: &mut Venue, sent: u64, received: u64) -> bool {
        let outcome: Outcome = channel.record_packet(sent, received);
        outcome.is_violation()
    }
}
