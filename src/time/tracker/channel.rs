//! The latencies of one channel.

use core::num::NonZeroU64;

use crate::time::{Clock, Count, Histogram, PercentileError, buckets};

/// The result of recording one latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a latency may be above the target"]
pub enum Outcome {
    /// The latency is within the target, or there is no target.
    Met {
        /// The latency.
        ns: u64,
    },
    /// The latency is above the target.
    Violated {
        /// The latency.
        ns: u64,
    },
    /// The end is before the start. This is counted, and not part of any other statistic.
    Backwards,
}

impl Outcome {
    /// Returns the latency; 0 if the clock went backwards.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Met { ns } | Self::Violated { ns } => ns,
            Self::Backwards => 0,
        }
    }

    /// Whether the latency is above the target.
    #[must_use]
    pub const fn is_violation(self) -> bool {
        matches!(self, Self::Violated { .. })
    }
}

/// The exact statistics of a channel, in ns. For an empty channel all of them are 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ChannelStats {
    /// The number of recorded latencies.
    pub count: u64,
    /// The least latency.
    pub min: u64,
    /// The greatest latency.
    pub max: u64,
    /// The mean.
    pub mean: f64,
    /// The last latency; 0 for a channel that keeps no recent latencies.
    pub last: u64,
    /// The latency that should not be exceeded.
    pub target: Option<NonZeroU64>,
    /// The number of latencies above the target.
    pub violations: u64,
    /// The number of times that the end was before the start.
    pub backwards: u64,
}

impl ChannelStats {
    /// Returns the percentage of latencies above the target; 0 for an empty channel.
    #[must_use]
    pub fn violation_percent(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.violations as f64 * 100.0 / count as f64,
        }
    }
}

/// Latencies of one channel (a venue, a queue, a kind of message), in ns: a histogram, the exact least and
/// greatest latency and mean, a target and the number of its violations, and the last `RECENT` latencies.
///
/// An empty one without a target is all zeros. With the histogram's defaults (one part in 128, up to 18
/// minutes) it takes 34 KiB. Recording is O(1): the histogram's cost and some ten instructions.
///
/// ```
/// use framepool::time::Channel;
///
/// let mut nasdaq: Channel = Channel::new();
/// nasdaq.set_target(1000);
/// assert!(!nasdaq.record(800).is_violation());
/// assert!(nasdaq.record(1200).is_violation());
/// let stats = nasdaq.stats();
/// assert_eq!((stats.min, stats.max, stats.violations), (800, 1200, 1));
/// assert!(nasdaq.recent().eq([1200, 800]));
/// ```
#[derive(Clone)]
pub struct Channel<
    const RECENT: usize = 32,
    const P: u32 = 7,
    const N: usize = { buckets(7, 40) },
    C: Count = u64,
> {
    histogram: Histogram<P, N, C>,
    count: u64,
    sum: u128,
    /// `!min`, so that an empty channel is all zeros.
    not_min: u64,
    max: u64,
    target: Option<NonZeroU64>,
    violations: u64,
    backwards: u64,
    recent: [u64; RECENT],
    /// The index in `recent` of the next latency. Invariant: less than `RECENT`, or 0.
    next: usize,
    /// The number of latencies in `recent`. Invariant: at most `RECENT`.
    kept: usize,
}

impl<const RECENT: usize, const P: u32, const N: usize, C: Count> Channel<RECENT, P, N, C> {
    /// Makes an empty channel without a target: all zeros. Make a large one in a `static` or by `boxed`, not on
    /// a stack.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            histogram: Histogram::new(),
            count: 0,
            sum: 0,
            not_min: 0,
            max: 0,
            target: None,
            violations: 0,
            backwards: 0,
            recent: [0; RECENT],
            next: 0,
            kept: 0,
        }
    }

    /// Sets the latency that should not be exceeded from now on, in ns; 0 removes the target. Violations that
    /// were counted before stay counted.
    pub const fn set_target(&mut self, ns: u64) {
        self.target = NonZeroU64::new(ns);
    }

    /// Records a latency in ns. O(1).
    #[inline]
    pub fn record(&mut self, ns: u64) -> Outcome {
        self.histogram.record(ns);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(ns.into());
        self.not_min = self.not_min.max(!ns);
        self.max = self.max.max(ns);
        if let Some(slot) = self.recent.get_mut(self.next) {
            *slot = ns;
            self.kept = self.kept.max(self.next + 1);
            self.next += 1;
            if self.next == RECENT {
                self.next = 0;
            }
        }
        match self.target {
            Some(target) if ns > target.get() => {
                self.violations = self.violations.saturating_add(1);
                Outcome::Violated { ns }
            }
            _ => Outcome::Met { ns },
        }
    }

    /// Records the time from `sent` to `received`, both in ns of one clock. O(1).
    #[inline]
    pub fn record_packet(&mut self, sent: u64, received: u64) -> Outcome {
        match received.checked_sub(sent) {
            Some(ns) => self.record(ns),
            None => self.record_backwards(),
        }
    }

    /// Records the time from `sent` to `received`, both ticks of `clock`. O(1).
    #[inline]
    pub fn record_ticks<K: Clock + ?Sized>(
        &mut self,
        clock: &K,
        sent: u64,
        received: u64,
    ) -> Outcome {
        match clock.ticks_between(sent, received) {
            Ok(ticks) => self.record(clock.scale().ns(ticks)),
            Err(_) => self.record_backwards(),
        }
    }

    #[cold]
    fn record_backwards(&mut self) -> Outcome {
        self.backwards = self.backwards.saturating_add(1);
        Outcome::Backwards
    }

    /// Whether a latency or a clock that went backwards has been recorded.
    #[must_use]
    pub const fn is_used(&self) -> bool {
        self.count > 0 || self.backwards > 0
    }

    /// Returns the exact statistics. O(1).
    #[must_use]
    pub fn stats(&self) -> ChannelStats {
        let last = self.recent().next();
        let any = self.count > 0;
        ChannelStats {
            count: self.count,
            min: if any { !self.not_min } else { 0 },
            max: self.max,
            mean: self.mean(),
            last: last.unwrap_or_default(),
            target: self.target,
            violations: self.violations,
            backwards: self.backwards,
        }
    }

    /// Clamped to the least and the greatest latency, as the count may have saturated before the sum.
    fn mean(&self) -> f64 {
        let mean = self.sum as f64 / self.count.max(1) as f64;
        match self.count {
            0 => 0.0,
            _ => mean.max(!self.not_min as f64).min(self.max as f64),
        }
    }

    /// Returns a percentile as [`Histogram::percentile`] does, but never less than the least latency or greater
    /// than the greatest, which are exact. 100 returns the greatest latency. So does a percentile among the
    /// latencies above the histogram's maximum. So the result is never less than the exact one, if the
    /// histogram has [lost](Histogram::lost) none. O(`N`).
    ///
    /// ```
    /// use framepool::time::Channel;
    ///
    /// let mut channel: Channel = Channel::new(); // buckets up to 18 minutes
    /// let _ = channel.record(100);
    /// let _ = channel.record(3_600_000_000_000);
    /// assert_eq!(channel.percentile(50.0), Ok(100));
    /// assert_eq!(channel.percentile(100.0), Ok(3_600_000_000_000));
    /// ```
    ///
    /// # Errors
    /// [`PercentileError`] if `percentile` is not within `0..=100`, and if nothing has been recorded.
    pub fn percentile(&self, percentile: f64) -> Result<u64, PercentileError> {
        self.percentiles([percentile]).map(|[value]| value)
    }

    /// Returns several percentiles as [`percentile`](Self::percentile) does, in less time than one by one. O(`N`).
    ///
    /// ```
    /// use framepool::time::Channel;
    ///
    /// let mut channel: Channel = Channel::new();
    /// for ns in 1..=100 {
    ///     let _ = channel.record(ns);
    /// }
    /// assert_eq!(channel.percentiles([50.0, 99.0, 100.0]), Ok([50, 99, 100]));
    /// ```
    ///
    /// # Errors
    /// As for [`percentile`](Self::percentile), if one of them is out of range.
    pub fn percentiles<const K: usize>(
        &self,
        percentiles: [f64; K],
    ) -> Result<[u64; K], PercentileError> {
        let buckets = self.histogram.percentiles_up_to(percentiles, self.max)?;
        Ok(buckets.map(|bucket| bucket.min(self.max).max(!self.not_min)))
    }

    /// Returns the distribution.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<P, N, C> {
        &self.histogram
    }

    /// Iterates over the last latencies, at most `RECENT`, the latest first.
    pub fn recent(&self) -> impl Iterator<Item = u64> + '_ {
        let (new, old) = self.recent.split_at_checked(self.next).unwrap_or_default();
        { new.iter().rev().chain(old.iter().rev()).copied() }.take(self.kept)
    }

    /// Adds all that `other` recorded, for example by another worker or for another venue. Its target is not added, nor
    /// are its recent latencies, as their order relative to these is not known. O(`N`).
    ///
    /// ```
    /// use framepool::time::Channel;
    ///
    /// let (mut all, mut worker): (Channel, Channel) = (Channel::new(), Channel::new());
    /// let _ = worker.record(70);
    /// all.merge(&worker);
    /// assert_eq!((all.stats().count, all.stats().max), (1, 70));
    /// ```
    pub fn merge<const R: usize, D: Count>(&mut self, other: &Channel<R, P, N, D>) {
        self.histogram.merge(&other.histogram);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.not_min = self.not_min.max(other.not_min);
        self.max = self.max.max(other.max);
        self.violations = self.violations.saturating_add(other.violations);
        self.backwards = self.backwards.saturating_add(other.backwards);
    }

    /// Clears everything but the target. O(`N`).
    pub fn reset(&mut self) {
        self.histogram.reset();
        (self.count, self.sum) = (0, 0);
        (self.not_min, self.max) = (0, 0);
        (self.violations, self.backwards) = (0, 0);
        (self.next, self.kept) = (0, 0);
    }
}

impl<const RECENT: usize, const P: u32, const N: usize, C: Count> Default
    for Channel<RECENT, P, N, C>
{
    fn default() -> Self {
        Self::new()
    }
}

// The statistics, not the buckets.
describe!(impl[const RECENT: usize, const P: u32, const N: usize, C: Count] Channel<RECENT, P, N, C> as Channel {
    stats,
    histogram,
});
