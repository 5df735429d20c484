//! Magazines: arrays of block indices that cross between caches and the depot whole
//! (J. Bonwick and J. Adams, "Magazines and Vmem", USENIX 2001).
//!
//! Magazines live in numbered slots of the metadata. A slot is in exactly one of four places: never
//! used, in the stack of full ones, in the stack of empty ones, or owned by a [`Cache`](super::Cache),
//! which holds a [`Slot`] for it. Both stacks share one tagged word ([`Slots`]), so that one
//! compare-and-swap trades an empty magazine for a full one, or a full one for an empty one:
//!
//! ```text
//!   full ──► 4 ──► 0            a refill takes 4 and leaves its empty 2:     full ──► 0
//!   empty ─► 1                                                               empty ─► 2 ──► 1
//! ```
//!
//! The argument against ABA is that of [`depot`](super::depot), with one tag for both stacks that
//! moves with every exchange.
//!
//! **Bound.** There are `capacity / (magazine + 1)` slots (at most 65,535; 63 on 32-bit targets),
//! partly filled ones included, which keeps them within 4 bytes a block whatever the number of
//! caches. A cache that finds no slot for its blocks returns them to the stack as a chain, by one
//! compare-and-swap as well; a chain costs a reader a cache miss per block where a magazine costs one
//! per sixteen. Nothing depends on a slot being there.

use core::num::NonZeroU32;

use crate::error::CheckError;
use crate::pool::Pool;
use crate::pool::config::MAX_MAGAZINE;
use crate::pool::depot::Ids;
use crate::pool::meta::slot_count;
use crate::pool::word::{Held, Slots};
use crate::sync::{self, Ordering::*, Section, Word};

/// Ownership of a magazine's slot: its number plus one. Not `Copy`: whoever has it is alone with it.
#[derive(Debug)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    fn from_plus_one(n: u32) -> Option<Self> {
        NonZeroU32::new(n).map(Self)
    }

    fn plus_one(&self) -> u32 {
        self.0.get()
    }

    pub(crate) fn index(&self) -> u32 {
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

/// What was in a full magazine.
pub(crate) struct Unloaded {
    /// Blocks that were in it.
    pub(crate) len: usize,
    /// Those that its taker has room for.
    pub(crate) fits: usize,
    /// Whether the others went to an empty stack: see [`Pool::push_many`].
    pub(crate) awaited: bool,
}

impl Pool<'_> {
    /// The header of the slot that a tagged word names. Current only if the word still is.
    fn head_of(&self, plus_one: u32) -> Head {
        debug_assert!(plus_one != 0);
        // SAFETY: the words name only slots that exist.
        Head(unsafe { self.slot_head(plus_one - 1) }.load(Relaxed))
    }

    /// For walks that trust nothing: the slot that `plus_one` names, if it names one. `visited` counts
    /// the steps of the walk.
    pub(crate) fn checked_slot(
        &self,
        plus_one: u32,
        visited: &mut u32,
    ) -> Result<Option<Slot>, CheckError> {
        let limit = slot_count(self.capacity, self.magazine);
        if plus_one > limit {
            return Err(CheckError::BadIndex {
                found: plus_one,
                limit: limit + 1,
            });
        }
        let slot = Slot::from_plus_one(plus_one);
        *visited += u32::from(slot.is_some());
        if *visited > limit {
            return Err(CheckError::Miscount {
                found: *visited as usize,
                counted: limit as usize,
            });
        }
        Ok(slot)
    }

    /// The slot below plus one, and the number of indices.
    pub(crate) fn slot_contents(&self, slot: &Slot) -> (u32, usize) {
        let head = self.head_of(slot.plus_one());
        (head.below(), head.len())
    }

    fn set_head(&self, slot: &Slot, head: Head) {
        // SAFETY: slots that are owned exist.
        unsafe { self.slot_head(slot.index()) }.store(head.0, Relaxed);
    }

    /// One exchange: `step` looks at both tops and says what they shall be, or that there is
    /// nothing to do.
    fn exchange<R>(
        &self,
        s: Section<'_>,
        mut step: impl FnMut(Slots) -> Option<(u32, u32, R)>,
    ) -> Option<R> {
        let word = &self.header().exchange.slots;
        // Acquire: pairs with the release below, so that headers and indices of a slot that is
        // taken are those its last owner wrote.
        let mut seen = word.load(Acquire);
        loop {
            let (full, empty, result) = step(Slots(seen))?;
            let after = Slots(seen).exchanged(full, empty);
            // Release: the slot that is given, its indices, and what was done to their blocks. Success acquires
            // nothing more: the tag shows that `seen` is what is there still.
            match word.compare_exchange_weak(s, seen, after, Release, Acquire) {
                Ok(_) => return Some(result),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes a full magazine and its length, and leaves `own`, if there is one, among the empty.
    fn take_full(&self, s: Section<'_>, own: &mut Option<Slot>) -> Option<(Slot, usize)> {
        let taken = self.exchange(s, |slots| {
            let full = Slot::from_plus_one(slots.full())?;
            self.prefetch_slot(slots.full());
            let head = self.head_of(slots.full());
            let empty = match &*own {
                Some(own) => {
                    self.set_head(own, Head::new(slots.empty(), 0));
                    own.plus_one()
                }
                None => slots.empty(),
            };
            Some((head.below(), empty, (full, head.len())))
        })?;
        *own = None;
        Some(taken)
    }

    /// Gives a full magazine away and takes an empty one, if there is one.
    fn give_full(&self, s: Section<'_>, own: Slot, len: usize) -> Option<Slot> {
        self.exchange(s, |slots| {
            self.set_head(&own, Head::new(slots.full(), len));
            let below = match slots.empty() {
                0 => 0,
                empty => self.head_of(empty).below(),
            };
            Some((own.plus_one(), below, Slot::from_plus_one(slots.empty())))
        })
        .flatten()
    }

    fn take_empty(&self, s: Section<'_>) -> Option<Slot> {
        let from_stack = self.exchange(s, |slots| {
            let empty = Slot::from_plus_one(slots.empty())?;
            Some((slots.full(), self.head_of(slots.empty()).below(), empty))
        });
        from_stack.or_else(|| self.take_new_slot(s))
    }

    fn take_new_slot(&self, s: Section<'_>) -> Option<Slot> {
        let used = &self.header().exchange.slots_used;
        let limit = slot_count(self.capacity, self.magazine) as Word;
        let mut next = used.load(Relaxed);
        while next < limit {
            match used.compare_exchange_weak(s, next, next + 1, Relaxed, Relaxed) {
                Ok(_) => return Slot::from_plus_one(next as u32 + 1),
                Err(now) => next = now,
            }
        }
        None
    }

    /// Writes to every magazine that was never used: see [`Pool::prefault`].
    pub(crate) fn prefault_magazines(&self) {
        let zeros = [0; MAX_MAGAZINE];
        let zeros = zeros.get(..self.magazine()).unwrap_or_default();
        while let Some(slot) = sync::section(|s| self.take_new_slot(s)) {
            // SAFETY: the slot was just taken, and a magazine fits it.
            unsafe { self.write_slot(&slot, zeros) };
            sync::section(|s| self.give_empty(s, slot));
        }
    }

    fn give_empty(&self, s: Section<'_>, own: Slot) {
        self.exchange(s, |slots| {
            self.set_head(&own, Head::new(slots.empty(), 0));
            Some((slots.full(), own.plus_one(), ()))
        });
    }

    /// Puts a slot that a cache kept for its next flush back.
    pub(crate) fn return_slot(&self, s: Section<'_>, own: &mut Option<Slot>) {
        if let Some(slot) = own.take() {
            self.give_empty(s, slot);
        }
    }

    /// Empties a full magazine into `ids`; what does not fit goes to the stack. `own` is the slot
    /// that the cache keeps for its next flush. That they left the magazines is for the caller to
    /// [tell](Self::tell_held).
    #[inline(never)]
    pub(crate) fn unload(
        &self,
        s: Section<'_>,
        own: &mut Option<Slot>,
        ids: &mut Ids,
    ) -> Option<Unloaded> {
        let (slot, len) = self.take_full(s, own)?;
        let fits = len.min(ids.len());
        // SAFETY: the slot was just taken, and `fits` is within its length.
        unsafe { self.read_slot(&slot, 0, ids.get_mut(..fits).unwrap_or_default()) };
        let mut at = fits;
        let mut awaited = false;
        while at < len {
            // Sixteen at a time: this happens where a small cache shares a pool with large ones.
            let mut some = [const { core::mem::MaybeUninit::uninit() }; 16];
            let n = (len - at).min(some.len());
            let some = some.get_mut(..n).unwrap_or_default();
            // SAFETY: the slot is owned and filled up to `len`; the blocks in it are its owner's.
            unsafe {
                self.read_slot(&slot, at, some);
                awaited |= self.push_many(s, assume_init(some));
            }
            at += n;
        }
        *own = Some(slot);
        Some(Unloaded { len, fits, awaited })
    }

    /// So many more blocks are in caches and in magazines.
    #[inline(never)]
    pub(crate) fn tell_held(&self, s: Section<'_>, cached: isize, in_magazines: isize) {
        let held = &self.header().exchange.held;
        // SeqCst: pairs with `note_peak`, see `note_exchange`.
        held.fetch_add(s, Held::step(cached, in_magazines), SeqCst);
    }

    /// Gives `ids` to the depot as a magazine, or as a chain where they are few or no slot is free.
    /// `cached` is what that and all since its last telling changes in the caller's cache.
    ///
    /// # Safety
    /// The caller owns the blocks, all different, and gives them up.
    pub(crate) unsafe fn load(
        &self,
        s: Section<'_>,
        own: &mut Option<Slot>,
        ids: &[u32],
        cached: isize,
    ) {
        let magazine = self.magazine as usize;
        let worth_it = ids.len() <= magazine && ids.len() * 4 >= magazine && ids.len() > 1;
        let slot = if worth_it {
            own.take().or_else(|| self.take_empty(s))
        } else {
            None
        };
        let Some(slot) = slot else {
            // SAFETY: the caller's promise.
            unsafe { self.push_many(s, ids) };
            return self.tell_held(s, cached, 0);
        };
        // SAFETY: the slot is owned, and the indices fit it.
        unsafe { self.write_slot(&slot, ids) };
        // Told before it can be taken, so that the count never falls below what is there; and before
        // the exchange, so that the line is this core's when that reads and swaps a word in it.
        self.tell_held(s, cached, ids.len() as isize);
        *own = self.give_full(s, slot, ids.len());
    }

    /// Takes blocks out of a full magazine for a caller without a cache; the rest goes to the stack.
    pub(crate) fn break_magazine(&self, s: Section<'_>, ids: &mut Ids) -> Option<Unloaded> {
        let mut own = None;
        let unloaded = self.unload(s, &mut own, ids)?;
        self.tell_held(s, 0, -(unloaded.len as isize));
        self.return_slot(s, &mut own);
        // Neither the stack nor the frontier has counted these.
        let beside = &self.header().exchange.allocations_beside;
        beside.fetch_add(s, unloaded.fits as Word, Relaxed);
        Some(unloaded)
    }
}

/// The indices in `ids`, all of them written.
///
/// # Safety
/// All of them are.
pub(crate) unsafe fn assume_init(ids: &Ids) -> &[u32] {
    // SAFETY: the caller's promise; the layouts are the same.
    unsafe { &*(core::ptr::from_ref(ids) as *const [u32]) }
}
