//! Arbitration between redundant lines: the first copy of each message wins.

use super::sequence::{Run, SequenceTracker, Verdict, Width};

/// Numbers of messages of one line, except for `packets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LineStats {
    /// The number of packets, including heartbeats.
    pub packets: u64,
    /// Messages in these packets.
    pub messages: u64,
    /// Messages that this line delivered first.
    pub won: u64,
    /// Of the won messages, those that filled a gap.
    pub filled: u64,
    /// Messages that another line, or this one, had delivered before.
    pub duplicates: u64,
    /// Messages that are too old to judge, or after the end of the session.
    pub late: u64,
    /// Messages that this line skipped, whether or not it delivered them later.
    pub skipped: u64,
}

/// Arbitrates between redundant lines (A and B, or more) of one session, unit or channel.
///
/// ```text
///   A  1 2 3   5 6 ─┐
///                   ├─► 1 2 3 5 4 6      4 was a gap of A that B filled
///   B  1 2 3 4 5 6 ─┘
/// ```
///
/// ```
/// use framepool::feed::{Arbiter, Width};
///
/// let mut arbiter = Arbiter::<2>::new(Width::Bits32);
/// let mut take = Vec::new();
/// for (line, sequence) in [(0, 1), (1, 1), (0, 2), (0, 4), (1, 2), (1, 3), (1, 4)] {
///     arbiter.accept(line, sequence, 1, |run| {
///         if run.verdict.is_new() {
///             take.push(run.first);
///         }
///     });
/// }
/// assert_eq!(take, [1, 2, 4, 3]);
/// assert_eq!(arbiter.line(0).unwrap().won, 3);
/// assert_eq!((arbiter.line(1).unwrap().filled, arbiter.line(1).unwrap().duplicates), (1, 3));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Arbiter<const LINES: usize = 2, const GAPS: usize = 8> {
    tracker: SequenceTracker<GAPS>,
    lines: [Line; LINES],
}

#[derive(Clone, PartialEq, Eq)]
struct Line {
    stats: LineStats,
    /// The messages of this line alone. Its gaps are not needed.
    own: SequenceTracker<0>,
}

describe!(impl[const LINES: usize, const GAPS: usize] Arbiter<LINES, GAPS> as Arbiter {
    tracker,
    lines = |arbiter| arbiter.lines.each_ref().map(|line| line.stats),
});

impl<const LINES: usize, const GAPS: usize> Arbiter<LINES, GAPS> {
    /// An arbiter that starts with the first message that any line delivers.
    pub const fn new(width: Width) -> Self {
        Self::over(SequenceTracker::new(width))
    }

    /// An arbiter that continues from `tracker`, with its reorder window.
    pub const fn over(tracker: SequenceTracker<GAPS>) -> Self {
        let width = tracker.width();
        Self {
            tracker,
            lines: [const { Line::new() }; LINES],
        }
        .of_width(width)
    }

    const fn of_width(mut self, width: Width) -> Self {
        let mut i = 0;
        while i < LINES {
            self.lines[i].own = SequenceTracker::new(width);
            i += 1;
        }
        self
    }

    /// Judges the messages of a packet from `line`, and calls `each` with every run of them. A packet without
    /// messages is a heartbeat.
    ///
    /// If there is no such line, the messages are judged, but not counted for any line.
    pub fn accept(&mut self, line: usize, first: u64, count: u64, mut each: impl FnMut(Run)) {
        let mut nobody = Line::new();
        let line = self.lines.get_mut(line).unwrap_or(&mut nobody);
        line.arrived(first, count);
        for run in self.tracker.accept(first, count) {
            line.tally(&run);
            each(run);
        }
    }

    /// Returns the counts of a line, or `None` if it does not exist.
    pub fn line(&self, line: usize) -> Option<LineStats> {
        self.lines.get(line).map(|line| line.stats)
    }

    /// Returns the tracker of all lines together.
    pub const fn tracker(&self) -> &SequenceTracker<GAPS> {
        &self.tracker
    }

    /// Ends the session: see [`SequenceTracker::end`].
    pub fn end(&mut self, next: u64) {
        self.tracker.end(next);
    }

    /// Restarts the numbers at `next` on all lines.
    pub fn reset(&mut self, next: u64) {
        self.tracker.reset(next);
        self.lines.iter_mut().for_each(|line| line.own.reset(next));
    }
}

impl Line {
    const fn new() -> Self {
        Self {
            stats: LineStats {
                packets: 0,
                messages: 0,
                won: 0,
                filled: 0,
                duplicates: 0,
                late: 0,
                skipped: 0,
            },
            own: SequenceTracker::new(Width::Bits64),
        }
    }

    fn arrived(&mut self, first: u64, count: u64) {
        self.own.observe(first, count);
        let stats = &mut self.stats;
        stats.packets = stats.packets.saturating_add(1);
        stats.messages = stats.messages.saturating_add(count);
        stats.skipped = self.own.stats().missing;
    }

    fn tally(&mut self, run: &Run) {
        let stats = &mut self.stats;
        let add = |sum: &mut u64| *sum = sum.saturating_add(run.count);
        match run.verdict {
            Verdict::InOrder | Verdict::AfterGap { .. } => add(&mut stats.won),
            Verdict::Filled => {
                add(&mut stats.won);
                add(&mut stats.filled);
            }
            Verdict::Duplicate => add(&mut stats.duplicates),
            Verdict::Stale | Verdict::AfterEnd => add(&mut stats.late),
        }
    }
}
