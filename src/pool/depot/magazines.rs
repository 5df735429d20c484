//! One half of the depot: magazines, arrays of block indices that move between caches and the depot as a whole
//! (J. Bonwick and J. Adams, "Magazines and Vmem", USENIX 2001).
//!
//! Magazines lie in numbered slots. A slot is in exactly one of four places: never used, in the stack of
//! full ones, in the stack of empty ones, or owned, by the holder of its [`Magazine`]. Both stacks share one tagged word ([`Tops`]), so that one compare-and-swap trades an empty magazine for a
//! full one, or a full one for an empty one:
//!
//! ```text
//!   full ──► 4 ──► 0            a refill takes 4 and leaves its empty 2:     full ──► 0
//!   empty ─► 1                                                               empty ─► 2 ──► 1
//! ```
//!
//! The argument against ABA is that of the [`stack`](super::stack), with one tag for both stacks that
//! moves with every exchange.
//!
//! **Bound.** The owner chooses the number of slots (at most 65,535; 63 on 32-bit targets), partly filled ones
//! included. A cache that finds no slot for its blocks returns them to the stack as a chain, also with one
//! compare-and-swap; a chain costs a reader one cache miss per block, a magazine one per sixteen. Nothing
//! depends on a free slot.

use core::num::NonZeroU32;
#[cfg(not(loom))]
use core::{marker::PhantomData, ptr::NonNull};

use super::ids::Ids;
use super::word::Tops;
use crate::pool::error::CheckError;
#[cfg(not(loom))]
use crate::pool::geometry::LINE;
use crate::sync::{AtomicU32, AtomicWord, Ordering::*, Section, Word, loom_const};

/// The words of the magazines, which an exchange reads and writes.
pub(crate) struct MagazineWords {
    /// The stacks of full and of empty magazines: see [`Tops`].
    tops: AtomicWord,
    /// Number of slots ever used.
    used: AtomicWord,
}

impl MagazineWords {
    loom_const! {
        /// No slot used.
        pub(crate) fn new() -> Self {
            Self {
                tops: AtomicWord::new(0),
                used: AtomicWord::new(0),
            }
        }
    }

    /// Takes a place in the order of exchanges, without a change.
    pub(super) fn swap_for_the_same(&self) {
        self.tops.swap_for_the_same();
    }
}

/// The right to a slot and the indices in it: its number plus one. Not `Copy`: its holder has exclusive access to
/// the slot.
#[derive(Debug)]
pub(crate) struct Magazine(NonZeroU32);

impl Magazine {
    fn from_plus_one(n: u32) -> Option<Self> {
        NonZeroU32::new(n).map(Self)
    }

    fn plus_one(&self) -> u32 {
        self.0.get()
    }

    fn slot(&self) -> u32 {
        self.0.get() - 1
    }
}

/// A slot's header: the slot below plus one in the low half, the number of indices in the high one.
struct Head(u32);

impl Head {
    fn new(below: u32, len: usize) -> Self {
        Self(below | (len as u32) << 16)
    }

    fn below(&self) -> u32 {
        self.0 & 0xFFFF
    }

    fn len(&self) -> usize {
        (self.0 >> 16) as usize
    }
}

/// The memory of all slots. A slot is its header followed by its indices, so that reading the header also loads the
/// cache line of the first indices.
///
/// Invariant: `first` points at `slots * (size + 1)` words, valid for `'a`. The first word of a slot is
/// accessed as an atomic only, the others by the holder of its [`Magazine`].
#[cfg(not(loom))]
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    first: NonNull<u32>,
    size: usize,
    _words: PhantomData<&'a [AtomicU32]>,
}

#[cfg(not(loom))]
impl<'a> Memory<'a> {
    /// # Safety
    /// The invariant; all `Memory` of these words has the same `size`.
    #[inline(always)]
    pub(crate) unsafe fn new(first: NonNull<u32>, size: usize) -> Self {
        Self {
            first,
            size,
            _words: PhantomData,
        }
    }

    /// # Safety
    /// The slot exists.
    #[inline(always)]
    unsafe fn slot(self, slot: u32) -> NonNull<u32> {
        // SAFETY: the invariant.
        unsafe { self.first.add(slot as usize * (self.size + 1)) }
    }

    /// # Safety
    /// The slot exists.
    #[inline(always)]
    unsafe fn head(self, slot: u32) -> &'a AtomicU32 {
        // SAFETY: the caller's promise; this word of a slot is accessed as an atomic only.
        unsafe { self.slot(slot).cast().as_ref() }
    }

    #[inline(always)]
    fn ids(self, magazine: &Magazine) -> NonNull<u32> {
        // SAFETY: a slot that is owned exists; the indices follow its header.
        unsafe { self.slot(magazine.slot()).add(1) }
    }

    /// Prefetches the cache lines of a magazine that is about to be taken, because another core wrote them. A hint:
    /// another thread may own the slot by now.
    ///
    /// # Safety
    /// The slot exists.
    #[inline]
    unsafe fn prefetch(self, slot: u32) {
        // SAFETY: the caller's promise; nothing is read.
        let first = unsafe { self.slot(slot) }.cast::<u8>();
        for line in 0..=4 * self.size / LINE {
            crate::sync::prefetch(first.as_ptr().wrapping_add(line * LINE));
        }
    }

    /// # Safety
    /// `ids` are at most `size`.
    #[inline]
    unsafe fn write(self, magazine: &Magazine, ids: &[u32]) {
        debug_assert!(ids.len() <= self.size);
        // SAFETY: the holder of a `Magazine` has exclusive access to its indices; the length is the caller's promise.
        unsafe {
            self.ids(magazine)
                .copy_from_nonoverlapping(NonNull::from(ids).cast(), ids.len())
        }
    }

    /// # Safety
    /// The magazine has indices up to that position.
    #[inline]
    unsafe fn read(self, magazine: &Magazine, from: usize, into: &mut Ids) {
        debug_assert!(from + into.len() <= self.size);
        // SAFETY: as in `write`.
        unsafe {
            self.ids(magazine)
                .add(from)
                .copy_to_nonoverlapping(NonNull::from(&mut *into).cast(), into.len())
        }
    }
}

/// A slot under loom, which checks that one thread at a time accesses the indices.
#[cfg(loom)]
pub(crate) struct Boxed {
    head: AtomicU32,
    ids: loom::cell::UnsafeCell<std::vec::Vec<u32>>,
}

#[cfg(loom)]
impl Boxed {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            head: AtomicU32::new(0),
            ids: loom::cell::UnsafeCell::new(std::vec![0; size]),
        }
    }
}

#[cfg(loom)]
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a>(pub(crate) &'a [Boxed]);

#[cfg(loom)]
impl<'a> Memory<'a> {
    unsafe fn head(self, slot: u32) -> &'a AtomicU32 {
        &self.0[slot as usize].head
    }

    unsafe fn prefetch(self, _: u32) {}

    unsafe fn write(self, magazine: &Magazine, ids: &[u32]) {
        let write = |slot: *mut std::vec::Vec<u32>| {
            // SAFETY: loom checks that the caller's access to the slot is exclusive.
            let slot = unsafe { &mut *slot };
            slot[..ids.len()].copy_from_slice(ids);
        };
        self.0[magazine.slot() as usize].ids.with_mut(write);
    }

    unsafe fn read(self, magazine: &Magazine, from: usize, into: &mut Ids) {
        self.0[magazine.slot() as usize].ids.with(|slot| {
            // SAFETY: as in `write`.
            for (into, id) in into.iter_mut().zip(&unsafe { &*slot }[from..]) {
                into.write(*id);
            }
        });
    }
}

/// Magazines of up to `size` indices: a view, made on use from their words and their memory.
///
/// Invariant: `memory` has `slots` slots, and the words name no others.
#[derive(Clone, Copy)]
pub(crate) struct Magazines<'a> {
    words: &'a MagazineWords,
    memory: Memory<'a>,
    slots: u32,
}

impl<'a> Magazines<'a> {
    /// # Safety
    /// `memory` has `slots` slots of `size` indices; all views of these words have the same memory and the
    /// same numbers.
    #[inline(always)]
    pub(crate) unsafe fn new(words: &'a MagazineWords, memory: Memory<'a>, slots: u32) -> Self {
        Self {
            words,
            memory,
            slots,
        }
    }

    /// Whether there is a full magazine.
    pub(crate) fn has_full(self) -> bool {
        self.tops().full() != 0
    }

    pub(crate) fn tops(self) -> Tops {
        Tops(self.words.tops.load(Relaxed))
    }

    /// The header of the slot that a tagged word names. Current only if the word still is.
    fn head_of(self, plus_one: u32) -> Head {
        debug_assert!(plus_one != 0);
        // SAFETY: the words name only slots that exist.
        Head(unsafe { self.memory.head(plus_one - 1) }.load(Relaxed))
    }

    fn set_head(self, magazine: &Magazine, head: Head) {
        // SAFETY: slots that are owned exist.
        unsafe { self.memory.head(magazine.slot()) }.store(head.0, Relaxed);
    }

    /// One exchange: `step` computes the new tops from the old ones, or returns `None` if there is nothing to do.
    fn exchange<R>(
        self,
        s: Section<'_>,
        mut step: impl FnMut(Tops) -> Option<(u32, u32, R)>,
    ) -> Option<R> {
        let word = &self.words.tops;
        // Acquire: pairs with the release below, so that headers and indices of a slot that is taken are those
        // that its last owner wrote.
        let mut seen = word.load(Acquire);
        loop {
            let (full, empty, result) = step(Tops(seen))?;
            let after = Tops(seen).exchanged(full, empty);
            // Release: the slot that is given, its indices, and what was written to their blocks. Success acquires
            // nothing more: the tag shows that the word is still `seen`.
            match word.compare_exchange_weak(s, seen, after, Release, Acquire) {
                Ok(_) => return Some(result),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes a full magazine. Returns it and its length, and leaves `own`, if there is one, among the empty.
    pub(crate) fn take_full(
        self,
        s: Section<'_>,
        own: &mut Option<Magazine>,
    ) -> Option<(Magazine, usize)> {
        let taken = self.exchange(s, |tops| {
            let full = Magazine::from_plus_one(tops.full())?;
            // SAFETY: the words name only slots that exist.
            unsafe { self.memory.prefetch(full.slot()) };
            let head = self.head_of(tops.full());
            let empty = match &*own {
                Some(own) => {
                    self.set_head(own, Head::new(tops.empty(), 0));
                    own.plus_one()
                }
                None => tops.empty(),
            };
            Some((head.below(), empty, (full, head.len())))
        })?;
        *own = None;
        Some(taken)
    }

    /// Gives a full magazine away and takes an empty one, if there is one. The blocks of the first `len` indices
    /// pass to the thread that takes the full one.
    pub(crate) fn give_full(self, s: Section<'_>, own: Magazine, len: usize) -> Option<Magazine> {
        self.exchange(s, |tops| {
            self.set_head(&own, Head::new(tops.full(), len));
            let below = match tops.empty() {
                0 => 0,
                empty => self.head_of(empty).below(),
            };
            Some((own.plus_one(), below, Magazine::from_plus_one(tops.empty())))
        })
        .flatten()
    }

    /// Gives a full magazine away, and takes none for it. The blocks of the first `len` indices pass to the thread that
    /// takes it.
    #[cfg(all(feature = "heap", feature = "spin", feature = "std", not(loom)))]
    pub(crate) fn push_full(self, s: Section<'_>, own: Magazine, len: usize) {
        self.exchange(s, |tops| {
            self.set_head(&own, Head::new(tops.full(), len));
            Some((own.plus_one(), tops.empty(), ()))
        });
    }

    /// Takes an empty magazine, or one never used.
    pub(crate) fn take_empty(self, s: Section<'_>) -> Option<Magazine> {
        let from_stack = self.exchange(s, |tops| {
            let empty = Magazine::from_plus_one(tops.empty())?;
            Some((tops.full(), self.head_of(tops.empty()).below(), empty))
        });
        from_stack.or_else(|| self.take_new(s))
    }

    /// Takes a magazine that was never used.
    pub(crate) fn take_new(self, s: Section<'_>) -> Option<Magazine> {
        let used = &self.words.used;
        let mut next = used.load(Relaxed);
        while next < self.slots as Word {
            match used.compare_exchange_weak(s, next, next + 1, Relaxed, Relaxed) {
                Ok(_) => return Magazine::from_plus_one(next as u32 + 1),
                Err(now) => next = now,
            }
        }
        None
    }

    /// Gives an empty magazine away.
    pub(crate) fn give_empty(self, s: Section<'_>, own: Magazine) {
        self.exchange(s, |tops| {
            self.set_head(&own, Head::new(tops.empty(), 0));
            Some((tops.full(), own.plus_one(), ()))
        });
    }

    /// Copies indices into a magazine.
    ///
    /// # Safety
    /// `ids` are at most a magazine.
    #[inline]
    pub(crate) unsafe fn write(self, magazine: &Magazine, ids: &[u32]) {
        // SAFETY: the caller's promise.
        unsafe { self.memory.write(magazine, ids) }
    }

    /// Reads `into.len()` indices of a magazine from position `from` on.
    ///
    /// # Safety
    /// The magazine has indices up to that position.
    #[inline]
    pub(crate) unsafe fn read(self, magazine: &Magazine, from: usize, into: &mut Ids) {
        // SAFETY: the caller's promise.
        unsafe { self.memory.read(magazine, from, into) }
    }

    /// The magazine that `plus_one` names, if it names one; for walks over possibly corrupt metadata. `visited` counts
    /// the steps of the walk.
    pub(crate) fn checked(
        self,
        plus_one: u32,
        visited: &mut u32,
    ) -> Result<Option<Magazine>, CheckError> {
        let limit = self.slots;
        if plus_one > limit {
            return Err(CheckError::BadIndex {
                found: plus_one,
                limit: limit + 1,
            });
        }
        let magazine = Magazine::from_plus_one(plus_one);
        *visited += u32::from(magazine.is_some());
        if *visited > limit {
            return Err(CheckError::Miscount {
                found: *visited as usize,
                counted: limit as usize,
            });
        }
        Ok(magazine)
    }

    /// The slot below a magazine plus one, and the number of its indices.
    pub(crate) fn contents(self, magazine: &Magazine) -> (u32, usize) {
        let head = self.head_of(magazine.plus_one());
        (head.below(), head.len())
    }
}
