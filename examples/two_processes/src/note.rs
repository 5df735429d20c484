//! The consumer's tally, and the note of it in the shared memory.
//!
//! ```text
//!  word 0         8               16
//!       │ commits │ tally, even   │ tally, odd
//! ```
//!
//! A process can die between any two stores, so the note has two places. A commit writes the place that is not in use,
//! and then the number of commits, which says which place counts: one store makes the whole tally valid.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::memory::{Value, value};

/// What the consumers have counted so far, the dead ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of the next value.
    pub next: u64,
    /// Values counted.
    pub counted: u64,
    /// The sum of the counted values' second words.
    pub sum: u64,
    /// Numbers that never came.
    pub gaps: u64,
    /// Values whose second word does not follow from their number.
    pub wrong: u64,
    /// Values that were seen again and not counted again.
    pub again: u64,
}

const FIELDS: usize = 6;

impl Tally {
    /// Counts a value, unless it was counted already.
    pub fn count(&mut self, seen: Value) {
        let [number, word] = seen;
        // Wrapping: another process may have written to the note.
        if number < self.next {
            self.again = self.again.wrapping_add(1);
            return;
        }
        self.gaps = self.gaps.wrapping_add(number - self.next);
        self.next = number.wrapping_add(1);
        self.counted = self.counted.wrapping_add(1);
        self.sum = self.sum.wrapping_add(word);
        let wrong = seen != value(number);
        self.wrong = self.wrong.wrapping_add(wrong.into());
    }

    fn to_words(self) -> [u64; FIELDS] {
        [
            self.next,
            self.counted,
            self.sum,
            self.gaps,
            self.wrong,
            self.again,
        ]
    }

    fn from_words([next, counted, sum, gaps, wrong, again]: [u64; FIELDS]) -> Self {
        Self {
            next,
            counted,
            sum,
            gaps,
            wrong,
            again,
        }
    }
}

const PLACES: [usize; 2] = [8, 16];

/// The note. The process that owns the ring's consumer writes it; any process may read it once that one has ended.
pub struct Note<'m>(&'m [AtomicU64]);

impl<'m> Note<'m> {
    /// The note in these words; zeros are a note of nothing.
    pub fn new(words: &'m [AtomicU64]) -> Self {
        Self(words)
    }

    /// The last tally that was committed.
    pub fn read(&self) -> Tally {
        // Acquire: pairs with the release of `commit`.
        let place = self.place(self.0[0].load(Acquire));
        Tally::from_words(std::array::from_fn(|i| place[i].load(Relaxed)))
    }

    /// Replaces the note.
    pub fn commit(&self, tally: &Tally) {
        let commits = self.0[0].load(Relaxed).wrapping_add(1);
        for (word, field) in self.place(commits).iter().zip(tally.to_words()) {
            word.store(field, Relaxed);
        }
        // Release: a process that reads this number finds the whole tally.
        self.0[0].store(commits, Release);
    }

    fn place(&self, commits: u64) -> &'m [AtomicU64] {
        &self.0[PLACES[(commits % 2) as usize]..][..FIELDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_once_and_a_missing_one_is_a_gap() {
        let mut tally = Tally::default();
        for number in [0, 1, 1, 0, 4, 5] {
            tally.count(value(number));
        }
        tally.count([6, 0]);
        assert_eq!((tally.counted, tally.again, tally.gaps), (5, 2, 2));
        assert_eq!((tally.next, tally.wrong), (7, 1));
    }

    #[test]
    fn a_commit_that_does_not_end_changes_nothing() {
        let words: Vec<AtomicU64> = (0..64).map(|_| AtomicU64::new(0)).collect();
        let note = Note::new(&words);
        let mut tally = note.read();
        assert_eq!(tally, Tally::default());
        tally.count(value(0));
        note.commit(&tally);
        // A process that died between its stores has written to the other place.
        words[PLACES[0]].store(99, Relaxed);
        assert_eq!(note.read(), tally);
    }
}
