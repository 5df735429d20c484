//! Latency by channel: by venue, by queue, by kind of message.
//!
//! ```text
//!   record(channel, sent, received)
//!        |
//!        v  one Channel each
//!   [ histogram | count sum min max | target violations | backwards | recent … ]
//! ```

mod channel;

use core::fmt;

pub use channel::{Channel, ChannelStats, Outcome};

use super::{Clock, Count, buckets};

/// The channel's number is out of range. Nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoChannel {
    /// The requested channel.
    pub asked: usize,
    /// The number of channels.
    pub channels: usize,
}

impl fmt::Display for NoChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, channels } = self;
        write!(
            f,
            "channel {asked} is out of range: the tracker has {channels}"
        )
    }
}

impl core::error::Error for NoChannel {}

/// Latencies of several channels, each a [`Channel`]: per-venue statistics.
///
/// A tracker has one owner, which records. Give each worker a tracker and [`merge`](Self::merge) them, or use an
/// [`AtomicHistogram`](super::AtomicHistogram) if other threads read during recording. The memory is inside the
/// value (34 KiB a channel with the defaults): put it in a `static` with a lock around it, into your worker, or
/// on the heap by `boxed`. An empty tracker is all zeros.
///
/// ```
/// use framepool::time::Tracker;
///
/// const NASDAQ: usize = 0;
/// const CBOE: usize = 1;
///
/// let mut latency: Tracker<2> = Tracker::new();
/// latency.set_target(NASDAQ, 1_000)?;
/// let _ = latency.record_packet(NASDAQ, 5_000, 5_700)?; // sent and received, in ns of one clock
/// let late = latency.record_packet(NASDAQ, 6_000, 9_000)?;
/// assert!(late.is_violation());
/// assert_eq!(latency.channel(NASDAQ)?.stats().violations, 1);
/// println!("{}", latency.table(&["nasdaq", "cboe"]));
/// # assert_eq!(latency.channel(CBOE)?.stats().count, 0);
/// assert!(latency.record(7, 100).is_err());
/// # Ok::<(), framepool::time::NoChannel>(())
/// ```
#[derive(Clone)]
pub struct Tracker<
    const CHANNELS: usize,
    const RECENT: usize = 32,
    const P: u32 = 7,
    const N: usize = { buckets(7, 40) },
    C: Count = u64,
> {
    channels: [Channel<RECENT, P, N, C>; CHANNELS],
}

impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count>
    Tracker<CHANNELS, RECENT, P, N, C>
{
    /// Makes an empty tracker without targets: all zeros. Make a large one in a `static` or by `boxed`, not on a
    /// stack.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            channels: [const { Channel::new() }; CHANNELS],
        }
    }

    /// Sets the latency of a channel that should not be exceeded, in ns; 0 removes the target.
    ///
    /// # Errors
    /// [`NoChannel`].
    pub fn set_target(&mut self, channel: usize, ns: u64) -> Result<(), NoChannel> {
        self.channel_mut(channel).map(|c| c.set_target(ns))
    }

    /// Records a latency in ns. O(1).
    ///
    /// # Errors
    /// [`NoChannel`].
    #[inline]
    pub fn record(&mut self, channel: usize, ns: u64) -> Result<Outcome, NoChannel> {
        self.channel_mut(channel).map(|c| c.record(ns))
    }

    /// Records the time from `sent` to `received`, both in ns of one clock. O(1).
    ///
    /// # Errors
    /// [`NoChannel`]. A clock that went backwards is an [`Outcome`] and not an error.
    #[inline]
    pub fn record_packet(
        &mut self,
        channel: usize,
        sent: u64,
        received: u64,
    ) -> Result<Outcome, NoChannel> {
        self.channel_mut(channel)
            .map(|c| c.record_packet(sent, received))
    }

    /// Records the time from `sent` to `received`, both ticks of `clock`. O(1).
    ///
    /// # Errors
    /// [`NoChannel`].
    #[inline]
    pub fn record_ticks<K: Clock + ?Sized>(
        &mut self,
        channel: usize,
        clock: &K,
        sent: u64,
        received: u64,
    ) -> Result<Outcome, NoChannel> {
        self.channel_mut(channel)
            .map(|c| c.record_ticks(clock, sent, received))
    }

    /// Returns a channel.
    ///
    /// # Errors
    /// [`NoChannel`].
    #[inline]
    pub fn channel(&self, channel: usize) -> Result<&Channel<RECENT, P, N, C>, NoChannel> {
        self.channels.get(channel).ok_or(Self::none(channel))
    }

    /// Returns a channel, to record into.
    ///
    /// # Errors
    /// [`NoChannel`].
    #[inline]
    pub fn channel_mut(
        &mut self,
        channel: usize,
    ) -> Result<&mut Channel<RECENT, P, N, C>, NoChannel> {
        self.channels.get_mut(channel).ok_or(Self::none(channel))
    }

    const fn none(asked: usize) -> NoChannel {
        NoChannel {
            asked,
            channels: CHANNELS,
        }
    }

    /// Returns all channels, in order.
    #[must_use]
    pub const fn channels(&self) -> &[Channel<RECENT, P, N, C>; CHANNELS] {
        &self.channels
    }

    /// Adds all that `other` recorded, channel by channel, as [`Channel::merge`] does. O(`CHANNELS` · `N`).
    pub fn merge<const R: usize, D: Count>(&mut self, other: &Tracker<CHANNELS, R, P, N, D>) {
        for (channel, theirs) in self.channels.iter_mut().zip(&other.channels) {
            channel.merge(theirs);
        }
    }

    /// Clears everything but the targets. O(`CHANNELS` · `N`).
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(Channel::reset);
    }

    /// Returns a table with a line for each channel that is not empty. `names` are the channels' names, in order;
    /// a channel without a name shows its number.
    pub const fn table<'t>(&'t self, names: &'t [&'t str]) -> Table<'t, CHANNELS, RECENT, P, N, C> {
        Table {
            tracker: self,
            names,
        }
    }
}

impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count> Default
    for Tracker<CHANNELS, RECENT, P, N, C>
{
    fn default() -> Self {
        Self::new()
    }
}

describe!(
    impl[const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count]
    Tracker<CHANNELS, RECENT, P, N, C> as Tracker { channels }
);

/// The statistics of all channels in ns, a line each, which `Display` prints: see [`Tracker::table`].
#[derive(Debug, Clone, Copy)]
pub struct Table<
    't,
    const CHANNELS: usize,
    const RECENT: usize,
    const P: u32,
    const N: usize,
    C: Count,
> {
    tracker: &'t Tracker<CHANNELS, RECENT, P, N, C>,
    names: &'t [&'t str],
}

impl<'t, const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count>
    Table<'t, CHANNELS, RECENT, P, N, C>
{
    /// The number, name and statistics of each channel.
    pub(crate) fn rows(
        &self,
    ) -> impl Iterator<Item = (usize, Option<&'t str>, &'t Channel<RECENT, P, N, C>)> {
        let names = self.names.iter().copied().map(Some);
        let names = names.chain(core::iter::repeat(None));
        let channels = self.tracker.channels.iter().enumerate();
        { channels.zip(names) }.map(|((number, channel), name)| (number, name, channel))
    }
}

impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count>
    fmt::Display for Table<'_, CHANNELS, RECENT, P, N, C>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut heads = "min mean p50 p99 p99.9 max target over backwards".split(' ');
        let lengths = self.names.iter().map(|name| name.chars().count());
        let width = lengths.max().unwrap_or(0).max(12);
        write!(f, "{:<width$} {:>12}", "ns", "count")?;
        heads.try_for_each(|head| write!(f, " {head:>9}"))?;
        for (number, name, channel) in self.rows().filter(|(_, _, c)| c.is_used()) {
            f.write_str("\n")?;
            match name {
                Some(name) => write!(f, "{name:<width$}")?,
                None => write!(f, "{number:<width$}")?,
            }
            line(f, channel)?;
        }
        Ok(())
    }
}

#[cfg(feature = "defmt")]
impl<const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count>
    defmt::Format for Table<'_, CHANNELS, RECENT, P, N, C>
{
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self));
    }
}

fn line<const RECENT: usize, const P: u32, const N: usize, C: Count>(
    f: &mut fmt::Formatter<'_>,
    channel: &Channel<RECENT, P, N, C>,
) -> fmt::Result {
    let s = channel.stats();
    write!(f, " {:>12} {:>9} {:>9.0}", s.count, s.min, s.mean)?;
    for p in [50.0, 99.0, 99.9] {
        write!(f, " {:>9}", channel.percentile(p).unwrap_or_default())?;
    }
    write!(f, " {:>9}", s.max)?;
    match s.target {
        Some(target) => write!(f, " {target:>9}")?,
        None => write!(f, " {:>9}", "-")?,
    }
    write!(f, " {:>9} {:>9}", s.violations, s.backwards)
}
