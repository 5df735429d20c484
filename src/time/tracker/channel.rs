//! What is known of one channel.

use core::num::NonZeroU64;

use crate::time::{Clock, Count, Histogram, PercentileError, buckets};

/// What recording one latency said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a latency may be beyond the target"]
pub enum Outcome {
    /// Within the target, or there is none.
    Met {
        /// The latency.
        ns: u64,
    },
    /// Above the target.
    Violated {
        /// The latency.
        ns: u64,
    },
    /// The end came before the beginning: counted, and in no figure.
    Backwards,
}

impl Outcome {
    /// The latency; 0 if the clock went backwards.
    #[must_use]
    pub const fn ns(self) -> u64 {
        match self {
            Self::Met { ns } | Self::Violated { ns } => ns,
            Self::Backwards => 0,
        }
    }

    /// Whether it was above the target.
    #[must_use]
    pub const fn is_violation(self) -> bool {
        matches!(self, Self::Violated { .. })
    }
}

/// The exact figures of a channel, in ns. All are 0 where nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ChannelStats {
    /// Latencies recorded.
    pub count: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
    /// The last; 0 for a channel that keeps no recent samples.
    pub last: u64,
    /// What should not be exceeded.
    pub target: Option<NonZeroU64>,
    /// How many exceeded it.
    pub violations: u64,
    /// How often the end came before the beginning.
    pub backwards: u64,
}

impl ChannelStats {
    /// The part of all latencies that was above the target, in percent; 0 where nothing was recorded.
    #[must_use]
    pub fn violation_percent(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => self.violations as f64 * 100.0 / count as f64,
        }
    }
}

/// Latencies of one channel (a venue, a queue, a kind of message), in ns: a histogram, exact least,
/// greatest and mean, a target and how often it was missed, and the last `RECENT` of them.
///
/// All zeros is an empty one without a target. With the histogram's defaults (one part in 128, up
/// to 18 minutes) it takes 34 KiB. Recording is O(1): the histogram's, and some ten instructions.
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
    /// `!min`, so that zeros are the least of nothing.
    not_min: u64,
    max: u64,
    target: Option<NonZeroU64>,
    violations: u64,
    backwards: u64,
    recent: [u64; RECENT],
    /// Where the next one goes. Invariant: less than `RECENT`, or 0.
    next: usize,
    /// How many of them there are. Invariant: at most `RECENT`.
    kept: usize,
}

impl<const RECENT: usize, const P: u32, const N: usize, C: Count> Channel<RECENT, P, N, C> {
    /// Nothing recorded, no target: all zeros. Large ones are better made in a `static`, or by `boxed`, than
    /// on a stack.
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

    /// Nothing recorded, no target, on the heap, without passing through the stack.
    ///
    /// Its pages may come with their first touch, each a page fault. `reset` right after `boxed` does not
    /// bring them: an optimizer drops writes of zeros to new memory. Pass the box through
    /// [`black_box`](core::hint::black_box) before `reset`.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn boxed() -> std::boxed::Box<Self> {
        const { assert!(Histogram::<P, N, C>::MAX > 0) };
        // SAFETY: it is integers alone (`Count` is sealed) and a target, of which zeros are `None`: the value of
        // `new`.
        unsafe { crate::time::zeroed::zeroed() }
    }

    /// What latencies should not exceed from now on, in ns; 0 for no target. Violations counted before
    /// stay counted.
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

    /// Whether anything has been recorded, if only a clock that went backwards.
    #[must_use]
    pub const fn is_used(&self) -> bool {
        self.count > 0 || self.backwards > 0
    }

    /// The exact figures. O(1).
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

    /// Within the least and the greatest, even where the count could not go on and the sum did.
    fn mean(&self) -> f64 {
        let mean = self.sum as f64 / self.count.max(1) as f64;
        match self.count {
            0 => 0.0,
            _ => mean.max(!self.not_min as f64).min(self.max as f64),
        }
    }

    /// A percentile: see [`Histogram::percentile`]; never outside the least and the greatest latency, which
    /// are known. 100 gives the greatest. A percentile among latencies above the histogram's maximum is the
    /// greatest too, so that no answer is less than the exact one among the latencies that the histogram
    /// counts: all, unless [`lost`](Histogram::lost) says otherwise. O(`N`).
    ///
    /// ```
    /// use framepool::time::Channel;
    ///
    /// let mut channel: Channel = Channel::new(); // of buckets up to 18 minutes
    /// let _ = channel.record(100);
    /// let _ = channel.record(3_600_000_000_000);
    /// assert_eq!(channel.percentile(50.0), Ok(100));
    /// assert_eq!(channel.percentile(100.0), Ok(3_600_000_000_000));
    /// ```
    ///
    /// # Errors
    /// [`PercentileError`] if it is not within `0..=100`, and if nothing has been recorded.
    pub fn percentile(&self, percentile: f64) -> Result<u64, PercentileError> {
        let bucket = self.histogram.percentile_up_to(percentile, self.max)?;
        Ok(bucket.min(self.max).max(!self.not_min))
    }

    /// The distribution.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<P, N, C> {
        &self.histogram
    }

    /// The last `RECENT` latencies at most, the latest first.
    pub fn recent(&self) -> impl Iterator<Item = u64> + '_ {
        let (new, old) = self.recent.split_at_checked(self.next).unwrap_or_default();
        { new.iter().rev().chain(old.iter().rev()).copied() }.take(self.kept)
    }

    /// Adds all that `other` recorded, as of another worker or another venue: all but its target and its recent latencies,
    /// of which nobody knows when they came. O(`N`).
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

    /// Forgets everything but the target. O(`N`).
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

/// The figures, not the buckets.
impl<const RECENT: usize, const P: u32, const N: usize, C: Count> core::fmt::Debug
    for Channel<RECENT, P, N, C>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Channel")
            .field("stats", &self.stats())
            .field("histogram", &self.histogram)
            .finish_non_exhaustive()
    }
}
