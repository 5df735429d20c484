//! Counts of requests by size, from which block sizes can be chosen.

use core::fmt;

use crate::sync::{self, Counter, Ordering::Relaxed, Word, wide};

/// Sizes up to this are counted in steps of [`STEP`] bytes, larger ones in four steps for each power of two.
const FINE: usize = 1024;
const STEP: usize = 16;
/// Sizes beyond this have one class in common.
const LARGEST: usize = 1 << 20;

/// Number of classes of small sizes.
const FINE_CLASSES: usize = FINE / STEP;

/// Number of size classes, that of the sizes beyond [`LARGEST`] included.
pub(super) const CLASSES: usize = FINE_CLASSES + 4 * (LARGEST.ilog2() - FINE.ilog2()) as usize + 1;

/// The class of a size, which is at least 1.
#[inline(always)]
pub(super) fn class_of(size: usize) -> usize {
    let last = size.wrapping_sub(1);
    if last < FINE {
        last / STEP
    } else {
        coarse_class_of(last)
    }
}

/// The class of the sizes from `last + 1` on, where `last` is at least [`FINE`].
#[inline(always)]
fn coarse_class_of(last: usize) -> usize {
    let power = last.ilog2();
    // The first three bits: from 4 to 7 in each power of two.
    let step = last >> (power - 2);
    let class = FINE_CLASSES + 4 * (power - FINE.ilog2()) as usize + step - 4;
    class.min(CLASSES - 1)
}

/// The largest size of a class. `None` for the last.
pub(super) fn largest_of(class: usize) -> Option<usize> {
    let Some(coarse) = class.checked_sub(FINE_CLASSES) else {
        return Some((class + 1) * STEP);
    };
    let step = coarse % 4 + 5;
    (class < CLASSES - 1).then(|| (step << (coarse / 4)) * (FINE / 4))
}

/// Requests of each class: those that a pool served, and those that went to the fallback.
pub(super) struct Counts {
    served: [Counter; CLASSES],
    missed: [Counter; CLASSES],
}

/// The answer to a request.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Served,
    Missed,
}

impl Counts {
    pub(super) const fn new() -> Self {
        Self {
            served: [const { Counter::new(0) }; CLASSES],
            missed: [const { Counter::new(0) }; CLASSES],
        }
    }

    #[inline(always)]
    fn counter(&self, class: usize, answer: Answer) -> Option<&Counter> {
        match answer {
            Answer::Served => self.served.get(class),
            Answer::Missed => self.missed.get(class),
        }
    }

    /// Counts a request. The caller is the only thread that counts here, so no atomic instruction is necessary.
    #[inline(always)]
    pub(super) fn count(&self, class: usize, answer: Answer) {
        if let Some(counter) = self.counter(class, answer) {
            counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }

    /// Counts a request, while other threads may do so too.
    pub(super) fn count_shared(&self, class: usize, answer: Answer) {
        if let Some(counter) = self.counter(class, answer) {
            sync::section(|s| counter.fetch_add(s, 1, Relaxed));
        }
    }
}

/// Requests to a [`CachedAllocs`](super::CachedAllocs) by size: how many a pool served, and how many went to the
/// fallback. From [`CachedAllocs::profile`](super::CachedAllocs::profile).
///
/// Sizes up to 1 KiB are counted in steps of 16 bytes, larger ones in steps of a quarter or less, up to 1 MiB. It is
/// displayed as a table of the sizes that occurred, which shows block sizes to choose: `share` is the part of all
/// requests that are no larger.
///
/// ```text
///  bytes up to       served       missed   share
///           16        81902            0  40.9 %
///           64        97310            0  89.6 %
///         1280            0        20818 100.0 %
/// ```
///
/// Here, a pool of blocks of 1280 bytes would serve the rest.
#[derive(Clone)]
pub struct SizeProfile {
    classes: [SizeClass; CLASSES],
}

/// A row of a [`SizeProfile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct SizeClass {
    /// The largest size, in bytes. `None` for the class of all sizes beyond 1 MiB.
    pub largest: Option<usize>,
    /// Requests that a pool served.
    pub served: u64,
    /// Requests that went to the fallback: larger than the largest block, aligned more strictly, or no block was free.
    pub missed: u64,
}

impl SizeProfile {
    pub(super) fn new() -> Self {
        Self {
            classes: core::array::from_fn(|class| SizeClass {
                largest: largest_of(class),
                served: 0,
                missed: 0,
            }),
        }
    }

    pub(super) fn add(&mut self, counts: &Counts) {
        let counters = counts.served.iter().zip(&counts.missed);
        for (class, (served, missed)) in self.classes.iter_mut().zip(counters) {
            class.served = class.served.wrapping_add(wide(served.load(Relaxed)));
            class.missed = class.missed.wrapping_add(wide(missed.load(Relaxed)));
        }
    }

    /// All classes, the smallest first, those without requests included.
    pub fn classes(&self) -> &[SizeClass] {
        &self.classes
    }

    /// Number of requests that a pool served.
    pub fn served(&self) -> u64 {
        self.sum(|class| class.served)
    }

    /// Number of requests that went to the fallback.
    pub fn missed(&self) -> u64 {
        self.sum(|class| class.missed)
    }

    /// The requests since an earlier profile of the same allocator. Exact up to `usize::MAX` requests in a class: the
    /// counters wrap there, on targets of 32 bits after 4 billion.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (class, earlier) in since.classes.iter_mut().zip(&earlier.classes) {
            class.served = requests_between(earlier.served, class.served);
            class.missed = requests_between(earlier.missed, class.missed);
        }
        since
    }

    fn sum(&self, of: impl Fn(&SizeClass) -> u64) -> u64 {
        self.classes.iter().map(of).fold(0, u64::wrapping_add)
    }
}

/// The difference of two sums of counters. Each counter may have wrapped between them, so only the bits of a counter count.
#[allow(
    clippy::unnecessary_cast,
    reason = "a word is a u64 on some targets only"
)]
fn requests_between(earlier: u64, later: u64) -> u64 {
    wide(later.wrapping_sub(earlier) as Word)
}

impl fmt::Display for SizeProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, " bytes up to       served       missed   share")?;
        // Wide: the difference to a later profile, or to one of another allocator, may have any numbers.
        let requests = |class: &SizeClass| u128::from(class.served) + u128::from(class.missed);
        let all = self.classes.iter().map(requests).sum::<u128>().max(1);
        let mut so_far = 0;
        for class in self.classes.iter().filter(|class| requests(class) > 0) {
            so_far += requests(class);
            match class.largest {
                Some(largest) => write!(f, "{largest:>12}")?,
                None => write!(f, "      beyond")?,
            }
            let share = so_far * 1000 / all;
            let (whole, tenths) = (share / 10, share % 10);
            let (served, missed) = (class.served, class.missed);
            writeln!(f, " {served:>12} {missed:>12} {whole:>3}.{tenths} %")?;
        }
        Ok(())
    }
}

describe!(SizeProfile as SizeProfile { served, missed });

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn classes_follow_each_other_without_a_gap() {
        assert_eq!(class_of(1), 0);
        let mut smallest = 1;
        for class in 0..CLASSES - 1 {
            let largest = largest_of(class).unwrap();
            assert_eq!((class_of(smallest), class_of(largest)), (class, class));
            let width = largest - smallest + 1;
            assert!(width <= (smallest / 4).max(16), "{smallest}..={largest}");
            smallest = largest + 1;
        }
        assert_eq!(smallest, LARGEST + 1);
        assert_eq!(
            (class_of(smallest), largest_of(CLASSES - 1)),
            (CLASSES - 1, None)
        );
        assert_eq!(class_of(isize::MAX as usize), CLASSES - 1);
        assert_eq!(class_of(0), CLASSES - 1, "never asked, and harmless");
    }

    #[test]
    fn a_profile_shows_the_sizes_that_occurred_and_their_share() {
        let counts = Counts::new();
        (0..3).for_each(|_| counts.count(class_of(16), Answer::Served));
        counts.count(class_of(1280), Answer::Missed);
        counts.count_shared(class_of(usize::MAX), Answer::Missed);
        let mut profile = SizeProfile::new();
        profile.add(&counts);
        assert_eq!((profile.served(), profile.missed()), (3, 2));
        let table = [
            " bytes up to       served       missed   share",
            "          16            3            0  60.0 %",
            "        1280            0            1  80.0 %",
            "      beyond            0            1 100.0 %\n",
        ];
        assert_eq!(profile.to_string(), table.join("\n"));
        let mut later = profile.clone();
        later.add(&counts);
        assert_eq!(later.since(&profile).served(), 3);
        // The wrong way round the numbers wrap, and the table is printed all the same.
        let wrong = profile.since(&later).to_string();
        assert!(wrong.ends_with("100.0 %\n"), "{wrong}");
    }

    #[test]
    fn requests_are_counted_across_the_wrap_of_a_counter() {
        // Of two threads; the second counts few, so that the sum is more than a counter holds.
        let (many, few) = (Counts::new(), Counts::new());
        let profile = || {
            let mut profile = SizeProfile::new();
            profile.add(&many);
            profile.add(&few);
            profile
        };
        let full = |answer| many.counter(0, answer).unwrap().store(Word::MAX, Relaxed);
        full(Answer::Served);
        full(Answer::Missed);
        (0..3).for_each(|_| few.count(0, Answer::Served));
        let before = profile();
        (0..2).for_each(|_| many.count(0, Answer::Served));
        few.count(0, Answer::Served);
        many.count_shared(0, Answer::Missed);
        let since = profile().since(&before);
        assert_eq!((since.served(), since.missed()), (3, 1));
    }
}
