//! The marks of pages: two bits for each page, in two words at a time.

use core::cell::Cell;

/// Pages that one [`PageWord`] describes.
pub(super) const BITS: usize = usize::BITS as usize;

/// Metadata of [`PageRuns`](super::PageRuns): two words for as many pages as a `usize` has bits.
///
/// Only the allocator reads it. The caller provides the memory for it:
///
/// ```
/// use framepool::region::{PageRuns, PageWord};
///
/// // For 512 pages: 128 bytes.
/// let map = [const { PageWord::new() }; PageRuns::words(512)];
/// assert_eq!(size_of_val(&map), 128);
/// ```
#[repr(C)]
#[derive(Default)]
pub struct PageWord {
    // A bit of each word makes a page's `Mark`.
    body: Cell<usize>,
    head: Cell<usize>,
}

impl PageWord {
    /// Makes metadata of pages that are all free.
    pub const fn new() -> Self {
        Self {
            body: Cell::new(0),
            head: Cell::new(0),
        }
    }

    fn taken(&self) -> usize {
        self.body.get() | self.head.get()
    }

    fn free(&self) -> usize {
        !self.taken()
    }

    fn not_middle(&self) -> usize {
        !self.body.get() | self.head.get()
    }
}

// As `u64`: defmt cuts a `usize` to 32 bits.
describe!(PageWord as PageWord { taken = |word| word.taken() as u64 });

/// The mark of a page. A run is a head and the middles after it; its length is stored nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// In no run: neither bit is set.
    Free,
    /// In a run, after its head: `body` is set.
    Middle,
    /// The first page of a run that a handle owns: both bits are set.
    Owned,
    /// The first page of a raw run: `head` is set.
    Raw,
}

/// The marks of `pages` pages. Marks from that number on are ignored.
#[derive(Clone, Copy)]
pub(super) struct PageMarks<'m> {
    words: &'m [PageWord],
    pages: usize,
}

impl<'m> PageMarks<'m> {
    /// Frees all pages. O(words).
    pub(super) fn new(words: &'m mut [PageWord], pages: usize) -> Self {
        words.fill_with(PageWord::new);
        Self { words, pages }
    }

    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// The mark of a page; past the last one, `Free`.
    pub(super) fn get(&self, page: usize) -> Mark {
        let Some(word) = self.words.get(page / BITS) else {
            return Mark::Free;
        };
        let bit = |of: &Cell<usize>| of.get() >> (page % BITS) & 1 == 1;
        match (bit(&word.body), bit(&word.head)) {
            (false, false) => Mark::Free,
            (true, false) => Mark::Middle,
            (true, true) => Mark::Owned,
            (false, true) => Mark::Raw,
        }
    }

    /// Marks `first..end`.
    pub(super) fn set(&self, first: usize, end: usize, mark: Mark) {
        let mut at = first;
        while at < end {
            let stop = end.min((at / BITS + 1) * BITS);
            let ones = usize::MAX >> (BITS - (stop - at)) << (at % BITS);
            if let Some(word) = self.words.get(at / BITS) {
                let put = |to: &Cell<usize>, set: bool| {
                    to.set(if set {
                        to.get() | ones
                    } else {
                        to.get() & !ones
                    });
                };
                put(&word.body, matches!(mark, Mark::Middle | Mark::Owned));
                put(&word.head, matches!(mark, Mark::Owned | Mark::Raw));
            }
            at = stop;
        }
    }

    /// The first free page at or after `from`, or the number of pages.
    pub(super) fn next_free(&self, from: usize) -> usize {
        self.next(from, PageWord::free)
    }

    /// The first page at or after `from` that is not free, or the number of pages.
    pub(super) fn next_taken(&self, from: usize) -> usize {
        self.next(from, PageWord::taken)
    }

    /// The page after the run that starts at `head`.
    pub(super) fn end_of(&self, head: usize) -> usize {
        self.next(head + 1, PageWord::not_middle)
    }

    fn next(&self, from: usize, bits: impl Fn(&PageWord) -> usize) -> usize {
        let first = from / BITS;
        let mut mask = usize::MAX << (from % BITS);
        for (i, word) in self.words.iter().enumerate().skip(first) {
            let hits = bits(word) & mask;
            if hits != 0 {
                return (i * BITS + hits.trailing_zeros() as usize).min(self.pages);
            }
            mask = usize::MAX;
        }
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn marks_across_words_are_what_was_set_and_the_searches_agree() {
        let pages = 2 * BITS + 7;
        let mut words = [const { PageWord::new() }; 3];
        let map = PageMarks::new(&mut words, pages);
        let edges = [
            0,
            1,
            BITS - 1,
            BITS,
            BITS + 1,
            2 * BITS - 1,
            2 * BITS,
            pages,
        ];
        for first in edges {
            for end in edges.into_iter().filter(|&end| end >= first) {
                for mark in [Mark::Middle, Mark::Owned, Mark::Raw] {
                    map.set(0, pages, Mark::Free);
                    map.set(first, end, mark);
                    let wrong = |&p: &usize| {
                        let within = (first..end).contains(&p);
                        map.get(p) != if within { mark } else { Mark::Free }
                    };
                    assert_eq!((0..pages).filter(wrong).collect::<Vec<_>>(), [0; 0]);
                    let taken = if first == end { pages } else { first };
                    assert_eq!(map.next_taken(0), taken);
                    let free = if first == 0 { end } else { 0 };
                    assert_eq!(map.next_free(0), free);
                    assert_eq!(map.next_free(first), end.max(first));
                }
            }
        }
    }

    #[test]
    fn a_run_ends_where_its_middles_do() {
        let mut words = [const { PageWord::new() }; 2];
        let map = PageMarks::new(&mut words, BITS + 3);
        map.set(BITS - 2, BITS - 1, Mark::Owned);
        map.set(BITS - 1, BITS + 2, Mark::Middle);
        assert_eq!(map.end_of(BITS - 2), BITS + 2);
        map.set(BITS + 2, BITS + 3, Mark::Raw);
        assert_eq!(map.end_of(BITS - 2), BITS + 2);
        assert_eq!(map.end_of(BITS + 2), BITS + 3);
    }

    #[test]
    fn pages_past_the_last_are_free_and_never_found() {
        let mut words = [const { PageWord::new() }; 1];
        let map = PageMarks::new(&mut words, 3);
        map.set(0, 3, Mark::Middle);
        assert_eq!(map.get(1000), Mark::Free);
        for from in [0, 3, 4, BITS, 1000] {
            assert_eq!(map.next_free(from), 3);
        }
        map.set(900, 1000, Mark::Raw);
        assert_eq!(map.pages(), 3);
    }
}
