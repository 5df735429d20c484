//! Received, missing and duplicate messages of a sequence.

/// The size of a feed's sequence numbers, after which they wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Width {
    /// 32 bits: PITCH, XDP.
    Bits32,
    /// 64 bits: MoldUDP64, SoupBinTCP.
    #[default]
    Bits64,
}

/// The verdict on the messages of a [`Run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Verdict {
    /// New, and in order.
    InOrder,
    /// New, but messages before it are missing.
    AfterGap {
        /// The number of missing messages.
        missing: u64,
    },
    /// New: they were missing until now.
    Filled,
    /// Received before.
    Duplicate,
    /// Too old: it is not known whether they were received before.
    Stale,
    /// Their numbers are after the end of the session.
    AfterEnd,
}

impl Verdict {
    /// Whether the messages are received for the first time.
    pub const fn is_new(self) -> bool {
        matches!(self, Self::InOrder | Self::AfterGap { .. } | Self::Filled)
    }
}

/// Consecutive messages with the same verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    /// The number of messages in the packet before these.
    pub index: u64,
    /// The first one's sequence number.
    pub first: u64,
    /// The number of messages.
    pub count: u64,
    /// The verdict on them.
    pub verdict: Verdict,
}

/// Consecutive messages that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gap {
    /// The first one's sequence number.
    pub first: u64,
    /// The number of messages.
    pub count: u64,
}

impl Gap {
    const fn end(&self) -> u64 {
        self.first.wrapping_add(self.count)
    }
}

/// Numbers of messages, except for heartbeats and resets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SequenceStats {
    /// Received for the first time.
    pub new: u64,
    /// Missing at some time, including those received later.
    pub missing: u64,
    /// Of the missing ones, those received later.
    pub filled: u64,
    /// Of the missing ones, those given up.
    pub lost: u64,
    /// Received again.
    pub duplicates: u64,
    /// Too old to know whether they were received before.
    pub stale: u64,
    /// Received after the end of the session.
    pub after_end: u64,
    /// The number of heartbeats.
    pub heartbeats: u64,
    /// The number of resets.
    pub resets: u64,
}

/// Tracks the sequence numbers of one session, unit or channel, with up to `GAPS` gaps.
///
/// ```text
///      stale          │   known: received, except for the gaps    │ not received yet
///  ───────────────────┼──────▒▒▒▒──────────────▒▒▒▒▒▒▒▒───────────┼─────────────────►
///                   floor    gap                 gap             next
///                     └── at most the reorder window ─────────────┘
/// ```
///
/// - A message at `next` is in order. If a later one arrives, the numbers in between become a gap.
/// - A message in a gap fills it, wholly or in part. It may have been reordered, sent again, or received on
///   another line.
/// - A message before the floor is stale: the tracker no longer knows whether it was received.
/// - A gap is given up, and its messages count as lost, if the floor passes it, or if it is the oldest of more
///   than `GAPS`.
///
/// Numbers may wrap: they are compared by their distance, as in RFC 1982. A number is later or earlier if its
/// distance is less than half of the range.
///
/// The cost of a packet is O(`GAPS`) in the worst case, and a few instructions if it is in order.
///
/// ```
/// use framepool::feed::{Gap, Run, SequenceTracker, Verdict, Width};
///
/// let mut tracker = SequenceTracker::<8>::new(Width::Bits64);
/// assert_eq!(tracker.observe(1, 10), 10);
/// // 11 and 12 are missing.
/// let run = tracker.accept(13, 2).next().unwrap();
/// assert_eq!(run.verdict, Verdict::AfterGap { missing: 2 });
/// assert_eq!(tracker.gaps().next(), Some(Gap { first: 11, count: 2 }));
/// // A retransmission brings 10 again, then 11.
/// let runs: Vec<Run> = tracker.accept(10, 2).collect();
/// assert_eq!(runs[0], Run { index: 0, first: 10, count: 1, verdict: Verdict::Duplicate });
/// assert_eq!(runs[1], Run { index: 1, first: 11, count: 1, verdict: Verdict::Filled });
/// assert_eq!(tracker.outstanding(), 1);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SequenceTracker<const GAPS: usize = 8> {
    width: Width,
    window: u64,
    /// The next expected number, in 64 bits even if the feed's numbers have 32.
    next: Option<u64>,
    /// Nothing is known of earlier numbers.
    floor: u64,
    /// Sorted by their numbers. None is empty, and none touches another.
    gaps: [Gap; GAPS],
    used: usize,
    ended: bool,
    stats: SequenceStats,
}

impl<const GAPS: usize> SequenceTracker<GAPS> {
    /// A tracker that starts with the first message it gets, with the widest possible reorder window.
    pub const fn new(width: Width) -> Self {
        let window = match width {
            Width::Bits32 => i32::MAX as u64,
            Width::Bits64 => i64::MAX as u64,
        };
        let none = Gap { first: 0, count: 0 };
        Self {
            width,
            window,
            next: None,
            floor: 0,
            gaps: [none; GAPS],
            used: 0,
            ended: false,
            stats: SequenceStats {
                new: 0,
                missing: 0,
                filled: 0,
                lost: 0,
                duplicates: 0,
                stale: 0,
                after_end: 0,
                heartbeats: 0,
                resets: 0,
            },
        }
    }

    /// Sets the first expected number. Earlier numbers are stale; a later one shows a gap.
    pub const fn starting_at(mut self, next: u64) -> Self {
        self.next = Some(next);
        self.floor = next;
        self
    }

    /// Sets the reorder window: a missing message is given up once `window` later numbers are known. Default: half
    /// of the range of numbers.
    pub const fn reorder_window(mut self, window: u64) -> Self {
        if window < self.window {
            self.window = window;
        }
        self
    }

    /// Judges the `count` messages of a packet, numbered from `first` on, and returns them in runs with the same
    /// verdict. A packet in order is one run.
    ///
    /// A packet without messages is a heartbeat, whose number is that of the next message. As numbers are compared
    /// by their distance, `count` must be less than 2^63.
    pub fn accept(&mut self, first: u64, count: u64) -> Runs<'_, GAPS> {
        let at = self.widen(first);
        if count == 0 {
            self.stats.heartbeats = self.stats.heartbeats.saturating_add(1);
            // No message follows the end, whatever a late heartbeat says.
            if !self.ended {
                self.expect(at);
            }
        }
        Runs {
            tracker: self,
            at,
            index: 0,
            left: count,
        }
    }

    /// Judges the messages of a packet and returns the number of new ones.
    pub fn observe(&mut self, first: u64, count: u64) -> u64 {
        let new = |run: Run| if run.verdict.is_new() { run.count } else { 0 };
        self.accept(first, count).map(new).sum()
    }

    /// Ends the session: the last message has the number before `next`. Messages not received yet are missing.
    pub fn end(&mut self, next: u64) {
        let next = self.widen(next);
        self.expect(next);
        self.ended = true;
    }

    /// Restarts the numbers at `next`, as the reset message of a feed demands. Gaps are given up.
    pub fn reset(&mut self, next: u64) {
        let missing = self.outstanding();
        self.stats.lost = self.stats.lost.saturating_add(missing);
        self.stats.resets = self.stats.resets.saturating_add(1);
        self.used = 0;
        self.ended = false;
        self.next = Some(next);
        self.floor = next;
    }

    /// Returns the next expected number, or `None` before the first.
    pub fn next(&self) -> Option<u64> {
        self.next.map(|next| self.narrow(next))
    }

    /// Returns the size of the feed's numbers.
    pub const fn width(&self) -> Width {
        self.width
    }

    /// Whether the session has ended.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the session has ended and nothing is missing or lost.
    pub fn is_complete(&self) -> bool {
        self.ended && self.used == 0 && self.stats.lost == 0
    }

    /// Returns the gaps that are not given up, in order: the messages to request again.
    pub fn gaps(&self) -> impl Iterator<Item = Gap> + '_ {
        self.noted().iter().map(|gap| Gap {
            first: self.narrow(gap.first),
            ..*gap
        })
    }

    /// Returns the number of messages that are missing and not given up.
    pub fn outstanding(&self) -> u64 {
        let add = |sum: u64, gap: &Gap| sum.saturating_add(gap.count);
        self.noted().iter().fold(0, add)
    }

    /// Returns the numbers of messages so far.
    pub const fn stats(&self) -> SequenceStats {
        self.stats
    }

    fn noted(&self) -> &[Gap] {
        self.gaps.get(..self.used).unwrap_or_default()
    }

    /// A number of the feed in 64 bits: the one closest to the next expected number.
    fn widen(&self, number: u64) -> u64 {
        match (self.width, self.next) {
            (Width::Bits32, Some(next)) => {
                let ahead = (number as u32).wrapping_sub(next as u32) as i32;
                next.wrapping_add_signed(ahead.into())
            }
            _ => number,
        }
    }

    /// The reverse: the number as the feed has it.
    const fn narrow(&self, number: u64) -> u64 {
        match self.width {
            Width::Bits32 => number as u32 as u64,
            Width::Bits64 => number,
        }
    }

    /// The distance of `number` from the next expected one; negative if it is earlier.
    fn ahead(&self, number: u64) -> i64 {
        let next = self.next.unwrap_or(number);
        number.wrapping_sub(next) as i64
    }

    /// Notes that all messages before `at` were sent. Returns the number of newly missing ones.
    fn expect(&mut self, at: u64) -> u64 {
        let Some(next) = self.next else {
            self.next = Some(at);
            self.floor = at;
            return 0;
        };
        let Ok(count @ 1..) = u64::try_from(self.ahead(at)) else {
            return 0;
        };
        self.stats.missing = self.stats.missing.saturating_add(count);
        self.next = Some(at);
        self.note(self.used, Gap { first: next, count });
        self.raise_floor();
        count
    }

    /// Inserts a gap at its place, and gives up the oldest if there are too many.
    fn note(&mut self, mut place: usize, gap: Gap) {
        if self.used == GAPS {
            // The new gap may itself be the oldest.
            let Some(oldest) = (place > 0).then(|| self.noted().first().copied()).flatten() else {
                return self.give_up(gap);
            };
            self.remove(0);
            place -= 1;
            self.give_up(oldest);
        }
        if let Some(tail) = self.gaps.get_mut(place..=self.used) {
            tail.rotate_right(1);
            if let Some(first) = tail.first_mut() {
                *first = gap;
            }
            self.used += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(tail) = self.gaps.get_mut(place..self.used) {
            tail.rotate_left(1);
            self.used -= 1;
        }
    }

    /// Raises the floor to the end of this gap.
    fn give_up(&mut self, gap: Gap) {
        self.stats.lost = self.stats.lost.saturating_add(gap.count);
        if (gap.end().wrapping_sub(self.floor) as i64) > 0 {
            self.floor = gap.end();
        }
    }

    /// Gives up missing messages outside of the window.
    fn raise_floor(&mut self) {
        let Some(next) = self.next else { return };
        if next.wrapping_sub(self.floor) <= self.window {
            return;
        }
        self.floor = next.wrapping_sub(self.window);
        while let Some(oldest) = self.noted().first().copied() {
            let below = self.floor.wrapping_sub(oldest.first) as i64;
            let Ok(below @ 1..) = u64::try_from(below) else {
                return;
            };
            if below < oldest.count {
                self.stats.lost = self.stats.lost.saturating_add(below);
                let first = self.floor;
                let count = oldest.count - below;
                return self.replace(0, Gap { first, count });
            }
            self.stats.lost = self.stats.lost.saturating_add(oldest.count);
            self.remove(0);
        }
    }

    /// Judges those of the `left` messages from `at` on that have the first one's verdict. Returns their number.
    fn judge(&mut self, at: u64, left: u64) -> (u64, Verdict) {
        if self.next.is_none() {
            self.expect(at);
        }
        match u64::try_from(self.ahead(at)) {
            Ok(_) if self.ended => {
                self.stats.after_end = self.stats.after_end.saturating_add(left);
                (left, Verdict::AfterEnd)
            }
            Ok(_) => (left, self.advance(at, left)),
            Err(_) => self.look_back(at, left),
        }
    }

    fn advance(&mut self, at: u64, count: u64) -> Verdict {
        let missing = self.expect(at);
        self.next = Some(at.wrapping_add(count));
        self.stats.new = self.stats.new.saturating_add(count);
        self.raise_floor();
        match missing {
            0 => Verdict::InOrder,
            missing => Verdict::AfterGap { missing },
        }
    }

    fn look_back(&mut self, at: u64, left: u64) -> (u64, Verdict) {
        let left = left.min(self.ahead(at).unsigned_abs());
        let below = self.floor.wrapping_sub(at) as i64;
        if let Ok(below @ 1..) = u64::try_from(below) {
            let count = left.min(below);
            self.stats.stale = self.stats.stale.saturating_add(count);
            return (count, Verdict::Stale);
        }
        let ends_after = |gap: &Gap| (gap.end().wrapping_sub(at) as i64) > 0;
        let place = self.noted().iter().position(ends_after);
        let gap = place.and_then(|place| Some((place, *self.noted().get(place)?)));
        match gap {
            Some((place, gap)) if (gap.first.wrapping_sub(at) as i64) <= 0 => {
                let count = left.min(gap.end().wrapping_sub(at));
                self.fill(place, gap, at, count);
                (count, Verdict::Filled)
            }
            other => {
                let known = other.map_or(left, |(_, gap)| gap.first.wrapping_sub(at));
                let count = left.min(known);
                self.stats.duplicates = self.stats.duplicates.saturating_add(count);
                (count, Verdict::Duplicate)
            }
        }
    }

    /// Notes that `count` messages of this gap were received, from `at` on.
    fn fill(&mut self, place: usize, gap: Gap, at: u64, count: u64) {
        self.stats.filled = self.stats.filled.saturating_add(count);
        self.stats.new = self.stats.new.saturating_add(count);
        let end = at.wrapping_add(count);
        let before = Gap {
            first: gap.first,
            count: at.wrapping_sub(gap.first),
        };
        let after = Gap {
            first: end,
            count: gap.end().wrapping_sub(end),
        };
        match (before.count, after.count) {
            (0, 0) => self.remove(place),
            (0, _) => self.replace(place, after),
            (_, 0) => self.replace(place, before),
            _ => {
                self.replace(place, before);
                self.note(place + 1, after);
            }
        }
    }

    fn replace(&mut self, place: usize, gap: Gap) {
        if let Some(old) = self.gaps.get_mut(place) {
            *old = gap;
        }
    }
}

impl<const GAPS: usize> Default for SequenceTracker<GAPS> {
    fn default() -> Self {
        Self::new(Width::default())
    }
}

describe!(impl[const GAPS: usize] SequenceTracker<GAPS> as SequenceTracker {
    next,
    gaps = |tracker| tracker.noted(),
    ended = |tracker| tracker.ended,
    stats,
});

/// The messages of a packet, in runs with the same verdict. Runs that are not iterated count as not received.
#[must_use = "messages count as received only once the iterator has passed them"]
pub struct Runs<'t, const GAPS: usize> {
    tracker: &'t mut SequenceTracker<GAPS>,
    at: u64,
    index: u64,
    left: u64,
}

describe!(impl[const GAPS: usize] Runs<'_, GAPS> as Runs {
    at = |runs| runs.at,
    left = |runs| runs.left,
});

impl<const GAPS: usize> Iterator for Runs<'_, GAPS> {
    type Item = Run;

    #[inline]
    fn next(&mut self) -> Option<Run> {
        if self.left == 0 {
            return None;
        }
        let (count, verdict) = self.tracker.judge(self.at, self.left);
        let run = Run {
            index: self.index,
            first: self.tracker.narrow(self.at),
            count,
            verdict,
        };
        self.at = self.at.wrapping_add(count);
        self.index = self.index.saturating_add(count);
        self.left = self.left.saturating_sub(count);
        Some(run)
    }
}

impl<const GAPS: usize> core::iter::FusedIterator for Runs<'_, GAPS> {}
