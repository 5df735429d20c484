//! What a `defmt` log shows of the types that cannot derive it: figures, not buckets.

use defmt::{Debug2Format, Format, Formatter, write};

use super::*;

impl<const P: u32, const N: usize, C: Count> Format for Histogram<P, N, C> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Histogram {{ summary: {} }}", self.summary());
    }
}

impl<const P: u32, const N: usize, C: Count> Format for Bars<'_, P, N, C> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", defmt::Display2Format(self));
    }
}

impl<const P: u32, const N: usize, C: Count> Format for Buckets<'_, P, N, C> {
    fn format(&self, f: Formatter<'_>) {
        for (i, bucket) in self.clone().enumerate() {
            write!(f, "{=str}{}", if i == 0 { "" } else { "; " }, bucket);
        }
    }
}

impl<const P: u32, const N: usize> Format for AtomicHistogram<P, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "AtomicHistogram {{ buckets: {=usize} }}", N);
    }
}

impl<const P: u32, const N: usize> Format for Recorder<'_, P, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Recorder {{ buckets: {=usize} }}", N);
    }
}

impl<const RECENT: usize, const P: u32, const N: usize, C: Count> Format
    for Channel<RECENT, P, N, C>
{
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Channel {{ stats: {} }}", self.stats());
    }
}

impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count> Format
    for Tracker<CHANNELS, RECENT, P, N, C>
{
    fn format(&self, f: Formatter<'_>) {
        let all = self.channels().iter().enumerate();
        for (i, (number, channel)) in all.filter(|(_, c)| c.is_used()).enumerate() {
            let between = if i == 0 { "" } else { "; " };
            write!(f, "{=str}{=usize}: {}", between, number, channel);
        }
    }
}

impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count> Format
    for Table<'_, CHANNELS, RECENT, P, N, C>
{
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", defmt::Display2Format(self));
    }
}

impl<C: Clock + ?Sized> Format for Span<'_, C> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Span {{ started_at: {=u64} }}", self.started_at());
    }
}

impl Format for Scale {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{=u64} Hz", self.hz());
    }
}

impl Format for ManualClock {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "ManualClock {{ now: {=u64} }}", self.now());
    }
}

impl<C: Format + Clock> Format for Monotonic<C> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Monotonic {{ clock: {}, went_backwards: {=u64} }}",
            self.get_ref(),
            self.went_backwards()
        );
    }
}

impl<C: Format + Clock> Format for Widened<C> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Widened {{ clock: {} }}", self.get_ref());
    }
}

impl<T, R> Format for Calibrator<T, R> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "{}", Debug2Format(self));
    }
}

#[cfg(feature = "std")]
mod host {
    use defmt::{Format, Formatter, write};

    use crate::time::{Clock, HostClock, StdClock};

    impl Format for StdClock {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "StdClock {{ now: {=u64} }}", self.now());
        }
    }

    impl Format for HostClock {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "HostClock {{ calibration: {} }}", self.calibration());
        }
    }
}
