//! A histogram with one writer and many readers.

use super::Histogram;
use super::corrected::{missing, product};
use super::count::Count;
use super::shape::Shape;
use crate::sync::{AtomicU32, AtomicWord, Ordering, Word, loom_const, section, wide};

/// A [`Histogram`] in shared memory: one [`Recorder`] writes, and any thread may read at the same time.
///
/// Recording is a load and a store of one counter, without a locked instruction: only the recorder writes, so
/// no write can come between the two. An empty one is all zeros: a `static` lies in `.bss`.
///
/// **What a reader sees.** Each counter is a word. It is read in one access, and never decreases from one
/// reading to the next. A reading as a whole is not one instant: it may contain some of the values that are
/// recorded while it runs and not others. It contains all values recorded before it began, if the two threads
/// synchronised in between (by a lock, a channel or a join). All statistics of a copy agree with each other.
///
/// **Width.** A counter is as wide as a pointer, which every target accesses at once. On 32-bit targets it
/// stops at 4,294,967,295, and further values are counted as lost.
///
/// ```
/// use framepool::time::{AtomicHistogram, Histogram, buckets};
///
/// static LATENCY: AtomicHistogram<7, { buckets(7, 40) }> = AtomicHistogram::new();
///
/// let worker = std::thread::spawn(|| {
///     let mut recorder = LATENCY.recorder().expect("the only recorder");
///     (1..=1000).for_each(|ns| recorder.record(ns));
/// });
/// let mut seen = Histogram::new();
/// LATENCY.read(&mut seen); // meanwhile
/// assert!(seen.count() <= 1000);
/// worker.join().unwrap();
/// LATENCY.read::<u64>(&mut seen);
/// assert_eq!(seen.count(), 1000);
/// ```
#[repr(C)]
pub struct AtomicHistogram<const P: u32, const N: usize> {
    counts: [AtomicWord; N],
    clamped: AtomicWord,
    lost: AtomicWord,
    /// 1 while there is a recorder.
    claimed: AtomicU32,
}

impl<const P: u32, const N: usize> AtomicHistogram<P, N> {
    loom_const! {
        /// Makes an empty histogram: all zeros. Make a large one in a `static` or by `boxed`, not on a stack.
        #[must_use]
        pub fn new() -> Self {
            const { assert!(Shape::<P, N>::RANGE > 0) };
            Self {
                #[cfg(not(loom))]
                counts: [const { AtomicWord::new(0) }; N],
                #[cfg(loom)]
                counts: core::array::from_fn(|_| AtomicWord::new(0)),
                clamped: AtomicWord::new(0),
                lost: AtomicWord::new(0),
                claimed: AtomicU32::new(0),
            }
        }
    }

    /// Takes the right to record; `None` while there is a recorder. Dropping the recorder returns the right;
    /// after a recorder was forgotten there is never another one. O(1), one compare-and-swap.
    ///
    /// ```
    /// use framepool::time::{AtomicHistogram, buckets};
    ///
    /// let h = AtomicHistogram::<4, { buckets(4, 32) }>::new();
    /// let first = h.recorder().unwrap();
    /// assert!(h.recorder().is_none());
    /// drop(first);
    /// assert!(h.recorder().is_some());
    /// ```
    #[must_use]
    pub fn recorder(&self) -> Option<Recorder<'_, P, N>> {
        // Acquire pairs with the release when the last recorder was dropped: its counts are visible here.
        let claim = section(|s| {
            self.claimed
                .compare_exchange(s, 0, 1, Ordering::Acquire, Ordering::Relaxed)
        });
        claim.ok().map(|_| Recorder { histogram: self })
    }

    /// Loom tries another order only against the last access that a store depends on. The recorder's own load would be
    /// that access, and hide the readers' loads. An exchange depends on all accesses, and a relaxed one orders nothing.
    #[inline(always)]
    fn touch(&self) {
        #[cfg(loom)]
        section(|s| self.claimed.fetch_add(s, 0, Ordering::Relaxed));
    }

    /// Returns the present number of values in the bucket of `value`: [`Histogram::count_at`] without a copy. O(1), one
    /// load.
    ///
    /// ```
    /// use framepool::time::{AtomicHistogram, buckets};
    ///
    /// let h = AtomicHistogram::<4, { buckets(4, 32) }>::new();
    /// h.recorder().unwrap().record_n(7, 3);
    /// assert_eq!((h.count_at(7), h.count_between(0, 100)), (3, 3));
    /// ```
    #[must_use]
    pub fn count_at(&self, value: u64) -> u64 {
        let count = self.counts.get(Shape::<P, N>::place(value));
        // Relaxed, as in `read`.
        count.map_or(0, |count| wide(count.load(Ordering::Relaxed)))
    }

    /// Returns the present number of values in the buckets from that of `low` to that of `high`, both included:
    /// [`Histogram::count_between`] without a copy. Each counter is read once; together they are not one instant.
    /// O(buckets between the two), wait-free.
    #[must_use]
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        let counts = self.counts.get(Shape::<P, N>::places(low, high));
        // Relaxed, as in `read`.
        let counts = counts.unwrap_or_default().iter();
        counts.fold(0_u64, |sum, count| {
            sum.saturating_add(wide(count.load(Ordering::Relaxed)))
        })
    }

    /// Adds the present counts to `into`, whose precision and range may differ, as [`Histogram::merge`] does: to sum up
    /// several workers. O(buckets of both), wait-free; it only loads.
    ///
    /// ```
    /// use framepool::time::{AtomicHistogram, Histogram1, buckets};
    ///
    /// let workers = [const { AtomicHistogram::<7, { buckets(7, 40) }>::new() }; 2];
    /// workers[0].recorder().unwrap().record(70);
    /// workers[1].recorder().unwrap().record(700);
    /// let mut all = Histogram1::new();
    /// workers.iter().for_each(|worker| worker.merge_into(&mut all));
    /// assert_eq!((all.count(), all.min()), (2, Some(68)));
    /// ```
    pub fn merge_into<const Q: u32, const M: usize, C: Count>(
        &self,
        into: &mut Histogram<Q, M, C>,
    ) {
        // Relaxed, as in `read`.
        let read = |word: &AtomicWord| wide(word.load(Ordering::Relaxed));
        let (clamped, lost) = (read(&self.clamped), read(&self.lost));
        let counts = self.counts.iter().inspect(|_| self.touch()).map(read);
        into.add_counts::<P, N>(counts, clamped, lost);
    }

    /// Replaces the contents of `into` by the present counts. O(`N`), wait-free; it only loads.
    pub fn read<C: Count>(&self, into: &mut Histogram<P, N, C>) {
        // Relaxed everywhere: each counter is independent, and no other memory is reached through it.
        let read = |word: &AtomicWord| wide(word.load(Ordering::Relaxed));
        into.clamped = read(&self.clamped);
        into.lost = read(&self.lost);
        for (to, from) in into.counts.iter_mut().zip(&self.counts) {
            self.touch();
            let (count, rest) = C::ZERO.plus(read(from));
            *to = count;
            into.lost = into.lost.saturating_add(rest);
        }
    }
}

impl<const P: u32, const N: usize> Default for AtomicHistogram<P, N> {
    fn default() -> Self {
        Self::new()
    }
}

describe!(impl[const P: u32, const N: usize] AtomicHistogram<P, N> as AtomicHistogram {
    precision = |_| P,
    buckets = |_| N,
});

/// The right to record into an [`AtomicHistogram`].
///
/// ```
/// use framepool::time::{AtomicHistogram, Histogram, buckets};
///
/// let shared = AtomicHistogram::<4, { buckets(4, 16) }>::new();
/// let mut recorder = shared.recorder().unwrap();
/// recorder.record(7);
/// recorder.record_n(9, 2);
/// let mut copy = Histogram::<4, { buckets(4, 16) }>::new();
/// shared.read(&mut copy);
/// assert_eq!(copy.count(), 3);
/// ```
///
/// It may move to another thread, and cannot be copied:
/// ```compile_fail,E0382
/// use framepool::time::{AtomicHistogram, buckets};
/// let shared = AtomicHistogram::<4, { buckets(4, 16) }>::new();
/// let mut recorder = shared.recorder().unwrap();
/// let other = recorder;
/// recorder.record(1);
/// ```
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Recorder<'h, const P: u32, const N: usize> {
    histogram: &'h AtomicHistogram<P, N>,
}

impl<const P: u32, const N: usize> Recorder<'_, P, N> {
    /// Counts one value. O(1): a load and a store.
    #[inline(always)]
    pub fn record(&mut self, value: u64) {
        let Some(count) = self.histogram.counts.get(Shape::<P, N>::index(value)) else {
            return self.record_above(1);
        };
        self.histogram.touch();
        // Relaxed: only this recorder writes, so the load sees its last store (or, through the claim, the previous
        // recorder's); readers need nothing but the counter.
        match count.load(Ordering::Relaxed).checked_add(1) {
            Some(sum) => count.store(sum, Ordering::Relaxed),
            None => self.lose(1),
        }
    }

    /// Counts a value `n` times. O(1).
    pub fn record_n(&mut self, value: u64, n: u64) {
        match self.histogram.counts.get(Shape::<P, N>::index(value)) {
            Some(count) => match add(count, n) {
                0 => {}
                rest => self.lose(rest),
            },
            None => self.record_above(n),
        }
    }

    /// Counts a value and, in addition, the values that were not measured because this one took too long: see
    /// [`Histogram::record_corrected`]. O(`value / interval`), and at most O(`N`).
    pub fn record_corrected(&mut self, value: u64, interval: u64) {
        self.record(value);
        missing::<P, N>(value, interval, |value, times| self.record_n(value, times));
    }

    /// [`record_corrected`](Self::record_corrected), `n` times. The cost is that of one.
    pub fn record_n_corrected(&mut self, value: u64, n: u64, interval: u64) {
        self.record_n(value, n);
        missing::<P, N>(value, interval, |value, times| {
            product(n, times, |n| self.record_n(value, n));
        });
    }

    #[cold]
    #[inline(never)]
    fn record_above(&mut self, n: u64) {
        add(&self.histogram.clamped, n);
        if let Some(last) = self.histogram.counts.last() {
            let rest = add(last, n);
            self.lose(rest);
        }
    }

    #[cold]
    #[inline(never)]
    fn lose(&mut self, n: u64) {
        add(&self.histogram.lost, n);
    }
}

/// Adds `n` and returns the part that did not fit. For the recorder only: it loads and then stores.
fn add(count: &AtomicWord, n: u64) -> u64 {
    // Relaxed: as in `record`.
    let had = count.load(Ordering::Relaxed);
    let (sum, rest) = Count::plus(had, n);
    let sum: Word = sum;
    count.store(sum, Ordering::Relaxed);
    rest
}

impl<const P: u32, const N: usize> Drop for Recorder<'_, P, N> {
    fn drop(&mut self) {
        // Release pairs with the acquire of the next claim.
        self.histogram.claimed.store(0, Ordering::Release);
    }
}
