//! A histogram that one writes and many read.

use core::fmt;

use super::Histogram;
use super::count::Count;
use super::shape::Shape;
use crate::sync::{AtomicU32, AtomicWord, Ordering, Word, section, wide};

/// A [`Histogram`] in shared memory: one [`Recorder`] writes, anyone reads while it does.
///
/// Recording is a load and a store of one counter, no locked instruction: only the recorder writes, so
/// nothing can come between the two. All zeros is an empty one: a `static` lies in `.bss`.
///
/// **What a reader sees.** Each counter is a word and is read whole, never torn, and never runs backwards
/// from one reading to the next. A reading as a whole is not one instant: of values recorded while it
/// goes on it has some and not others. All that was recorded before it began (in the sense that the
/// recorder's thread said so to the reader's, by a lock, a channel or a join) is in it. Counts add up,
/// since they are added up in the copy.
///
/// **Width.** A counter is as wide as a pointer, which every target reads and writes at once: on 32-bit
/// targets it stays at 4,294,967,295, and what comes after is counted as lost.
///
/// ```
/// use framepool::time::{AtomicHistogram, Histogram, buckets};
///
/// static LATENCY: AtomicHistogram<7, { buckets(7, 40) }> = AtomicHistogram::new();
///
/// let worker = std::thread::spawn(|| {
///     let mut recorder = LATENCY.recorder().expect("the only one");
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
    #[cfg(loom)]
    touched: AtomicU32,
}

impl<const P: u32, const N: usize> AtomicHistogram<P, N> {
    /// Nothing recorded: all zeros. Large ones are better made in a `static`, or by `boxed`, than on a stack.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(Shape::<P, N>::RANGE > 0) };
        Self {
            counts: [const { AtomicWord::new(0) }; N],
            clamped: AtomicWord::new(0),
            lost: AtomicWord::new(0),
            claimed: AtomicU32::new(0),
        }
    }

    /// Nothing recorded.
    #[cfg(loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: core::array::from_fn(|_| AtomicWord::new(0)),
            clamped: AtomicWord::new(0),
            lost: AtomicWord::new(0),
            claimed: AtomicU32::new(0),
            touched: AtomicU32::new(0),
        }
    }

    /// Nothing recorded, on the heap, without passing through the stack.
    ///
    /// ```
    /// use framepool::time::{AtomicHistogram, buckets};
    ///
    /// // Three digits, every u64: 440 KiB.
    /// let shared = AtomicHistogram::<10, { buckets(10, 64) }>::boxed();
    /// shared.recorder().unwrap().record(7);
    /// ```
    #[cfg(all(feature = "std", not(loom)))]
    #[must_use]
    pub fn boxed() -> std::boxed::Box<Self> {
        const { assert!(Shape::<P, N>::RANGE > 0) };
        // SAFETY: it is atomic integers alone, of which zeros are a value: that of `new`.
        unsafe { crate::time::zeroed::zeroed() }
    }

    /// The right to record; `None` while somebody has it. Dropping it gives it back, and forgetting it
    /// keeps it for ever. O(1), one compare-and-swap.
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
        // Acquire pairs with the release of the last recorder's drop: its counts are the ones to add to.
        let claim = section(|s| {
            self.claimed
                .compare_exchange(s, 0, 1, Ordering::Acquire, Ordering::Relaxed)
        });
        claim.ok().map(|_| Recorder { histogram: self })
    }

    /// Loom reorders accesses only where the other thread's was the last one, of those that a store depends
    /// on: a recorder that loads and then stores hides the readers' loads. An exchange depends on any, and
    /// as it is relaxed it orders nothing.
    #[inline(always)]
    fn touch(&self) {
        #[cfg(loom)]
        section(|s| self.touched.fetch_add(s, 1, Ordering::Relaxed));
    }

    /// Replaces what `into` holds by the counts of now. O(`N`), wait-free, undisturbing: reads alone.
    pub fn read<C: Count>(&self, into: &mut Histogram<P, N, C>) {
        // Relaxed everywhere: each counter is a fact of its own, and no other memory is reached through it.
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

#[cfg(not(loom))]
impl<const P: u32, const N: usize> Default for AtomicHistogram<P, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const P: u32, const N: usize> fmt::Debug for AtomicHistogram<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicHistogram")
            .field("precision", &P)
            .field("buckets", &N)
            .finish_non_exhaustive()
    }
}

/// The one that records into an [`AtomicHistogram`].
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
/// It may move to another thread, and cannot be in two places:
/// ```compile_fail,E0382
/// use framepool::time::{AtomicHistogram, buckets};
/// let shared = AtomicHistogram::<4, { buckets(4, 16) }>::new();
/// let mut recorder = shared.recorder().unwrap();
/// let other = recorder;
/// recorder.record(1);
/// ```
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
        // Relaxed: nobody else writes, so the load sees this recorder's last store (or the last one's, by
        // the claim); readers need the counter alone.
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

/// Adds what fits, and says what does not. Only for the one who writes.
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

impl<const P: u32, const N: usize> fmt::Debug for Recorder<'_, P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("histogram", self.histogram)
            .finish()
    }
}
