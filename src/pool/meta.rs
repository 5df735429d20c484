//! The metadata of a pool: where it lies, and the only code that turns it into references.
//!
//! ```text
//! header          links                      magazines (absent without caches)
//! ┌──────────────┬────┬────┬───┬────┬ pad ┬────┬──────────┬────┬──────────┬───┐
//! │ hot│exch│cold│ l0 │ l1 │ … │ ln │     │ h0 │ ids of 0 │ h1 │ ids of 1 │ … │
//! └──────────────┴────┴────┴───┴────┴─────┴────┴──────────┴────┴──────────┴───┘
//!                 4 bytes a block           4 bytes a block in all
//! ```
//!
//! All zeros is a valid empty pool. A link is 4 bytes a block and means, for a block that is
//! - in the free stack: the index of the block below, plus one (0: none);
//! - out as a raw block: [`RAW`];
//! - anywhere else: nothing (never [`RAW`]).
//!
//! Links lie beside the blocks, never inside them: a device may still be writing to a free block, and
//! nothing in it is trusted.
//!
//! Under loom the same accessors lead to a boxed structure of loom's types.

#[cfg(not(loom))]
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::config::align_up;
use crate::pool::depot::Ids;
use crate::pool::exchange::Slot;
use crate::pool::pressure::Pressure;
#[cfg(not(loom))]
use crate::sync;
use crate::sync::{AtomicU32, AtomicWord, Counter, Ordering, Section, Word};

/// A cache line, in bytes: what hot words are kept apart by, and what blocks are aligned to.
pub(crate) const LINE: usize = if cfg!(target_pointer_width = "64") {
    64
} else {
    32
};

/// The link of a block that is out as a raw block. No index plus one reaches it.
pub(crate) const RAW: u32 = u32::MAX;

/// The mutable part of a pool that is not per block: each group on a cache line of its own where
/// there are caches to speak of.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(32)))]
pub(crate) struct Header {
    pub(crate) hot: Hot,
    pub(crate) exchange: Exchange,
    pub(crate) cold: Cold,
    pub(crate) pressure: Pressure,
}

/// What an allocation without a cache touches.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Hot {
    /// The free stack: see [`word::Shape`](super::word::Shape). Changed by
    /// [`swap_head`](Self::swap_head) alone.
    pub(crate) stack: AtomicWord,
    /// What `stack` was a moment ago: see [`recent_head`](Self::recent_head).
    #[cfg(target_arch = "x86_64")]
    recent: AtomicWord,
    /// Blocks ever handed out: those from here on were never touched.
    pub(crate) frontier: AtomicWord,
    /// Blocks ever pushed, where the stack's word has no room for its depth.
    pub(crate) pushes: Counter,
    /// How often the tag of `stack` wrapped.
    pub(crate) tag_wraps: Counter,
    /// The most blocks that were in use at once.
    pub(crate) peak: Counter,
    /// The depth of the stack below which `peak` rises.
    pub(crate) low_water: Counter,
}

impl Hot {
    /// The head of the stack or an earlier one, with the link of its top block as it was then: enough
    /// to start a compare-and-swap from, which will say if it was not the last.
    ///
    /// On x86_64 a load of the word that a locked instruction has just written waits for that
    /// instruction, so that a free and the allocation after it stand in line. A copy beside it, stored
    /// after each swap by a plain store, is forwarded at once: in `shared/lifo` of `benches/peers` 13.7 ns
    /// instead of 20.6 for the two on Sapphire Rapids. Elsewhere this is a load.
    ///
    /// Who reads that link must load with acquire: the thread that stored this head wrote the link of
    /// its top, or has acquired it, and `swap_head` releases.
    #[inline(always)]
    pub(crate) fn recent_head(&self, order: Ordering) -> Word {
        #[cfg(target_arch = "x86_64")]
        return self.recent.load(order);
        #[cfg(not(target_arch = "x86_64"))]
        return self.stack.load(order);
    }

    /// Replaces the head `from` by `to`, or says what it is. May fail without cause.
    #[inline(always)]
    pub(crate) fn swap_head(
        &self,
        s: Section<'_>,
        from: Word,
        to: Word,
        success: Ordering,
        failure: Ordering,
    ) -> Result<(), Word> {
        self.stack
            .compare_exchange_weak(s, from, to, success, failure)?;
        // Late it may be, and then the next swap that starts from it fails once: the tag tells.
        #[cfg(target_arch = "x86_64")]
        self.recent.store(to, Ordering::Release);
        Ok(())
    }
}

/// What an exchange of magazines touches.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Exchange {
    /// The stacks of full and of empty magazines: see [`word::Slots`](super::word::Slots).
    pub(crate) slots: AtomicWord,
    /// Magazines ever used.
    pub(crate) slots_used: AtomicWord,
    /// Blocks in caches and in magazines: see [`word::Held`](super::word::Held). No [`Counter`]: loom checks
    /// that it never falls below what is there.
    pub(crate) held: AtomicWord,
    /// Allocations that stack and frontier did not count, less what they counted that was none.
    pub(crate) allocations_beside: Counter,
}

/// What only failures, raw blocks and constructors touch.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Cold {
    pub(crate) exhaustions: Counter,
    pub(crate) refusals: Counter,
    /// Blocks out as raw blocks.
    pub(crate) raw: AtomicWord,
    /// Blocks handed out once that are not this pool's to account for: withdrawn for reservations, or
    /// in a reservation the names below its capacity that are not in it.
    pub(crate) lent: AtomicWord,
    /// Bytes of the region that serve nothing.
    pub(crate) slack: usize,
    /// Who returns the memory when the pool is dropped; null if that is none of the pool's business.
    /// Written by constructors only, before the pool is shared.
    #[cfg(feature = "std")]
    pub(crate) owner: *mut super::owner::Owner,
    #[cfg(feature = "audit")]
    pub(crate) ledger: super::audit::ledger::Ledger,
}

macro_rules! header_new {
    ($($konst:ident)?) => {
        pub(crate) $($konst)? fn new(slack: usize) -> Self {
            Self {
                hot: Hot {
                    stack: AtomicWord::new(0),
                    #[cfg(target_arch = "x86_64")]
                    recent: AtomicWord::new(0),
                    frontier: AtomicWord::new(0),
                    pushes: Counter::new(0),
                    tag_wraps: Counter::new(0),
                    peak: Counter::new(0),
                    low_water: Counter::new(0),
                },
                exchange: Exchange {
                    slots: AtomicWord::new(0),
                    slots_used: AtomicWord::new(0),
                    held: AtomicWord::new(0),
                    allocations_beside: Counter::new(0),
                },
                cold: Cold {
                    exhaustions: Counter::new(0),
                    refusals: Counter::new(0),
                    raw: AtomicWord::new(0),
                    lent: AtomicWord::new(0),
                    slack,
                    #[cfg(feature = "std")]
                    owner: core::ptr::null_mut(),
                    #[cfg(feature = "audit")]
                    ledger: super::audit::ledger::Ledger::new(),
                },
                pressure: Pressure::new(),
            }
        }
    };
}

impl Header {
    #[cfg(not(loom))]
    header_new!(const);
    #[cfg(loom)]
    header_new!();
}

/// Bytes of header, links and, with caches, magazines.
pub(crate) const fn size_of_parts(capacity: usize, caches: bool) -> usize {
    let links = align_up(4 * capacity, LINE);
    size_of::<Header>() + links + if caches { 4 * capacity } else { 0 }
}

/// Magazines that the metadata has room for: `capacity / (magazine + 1)`, as far as words name them.
pub(crate) const fn slot_count(capacity: u32, magazine: u16) -> u32 {
    if magazine == 0 {
        return 0;
    }
    let room = capacity / (magazine as u32 + 1);
    if room > super::word::MAX_SLOTS as u32 {
        super::word::MAX_SLOTS as u32
    } else {
        room
    }
}

/// What the pool's descriptor points at.
#[cfg(not(loom))]
pub(crate) type Base = Header;

/// What the pool's descriptor points at: loom's atomics are no plain words, so they are boxed.
#[cfg(loom)]
pub(crate) struct Base {
    pub(crate) header: Header,
    links: std::vec::Vec<AtomicU32>,
    heads: std::vec::Vec<AtomicU32>,
    ids: std::vec::Vec<loom::cell::UnsafeCell<std::vec::Vec<u32>>>,
}

#[cfg(loom)]
impl Base {
    pub(crate) fn new(capacity: u32, magazine: u16, slack: usize) -> Self {
        let slots = slot_count(capacity, magazine);
        let ids = || loom::cell::UnsafeCell::new(std::vec![0; magazine as usize]);
        Self {
            header: Header::new(slack),
            links: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            heads: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            ids: (0..slots).map(|_| ids()).collect(),
        }
    }
}

#[cfg(not(loom))]
impl Pool<'_> {
    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: by the invariant of `Pool`, `base` points at a header that lives as long as the
        // pool; its shared words are atomics, the rest is written before the pool is shared.
        unsafe { self.base().as_ref() }
    }

    /// The header, for an owner that no one else can reach.
    pub(crate) fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as in `header`, and `&mut self` excludes every handle and every other caller.
        unsafe { self.base().as_mut() }
    }

    #[inline(always)]
    fn links(&self) -> NonNull<AtomicU32> {
        // SAFETY: by the invariant of `Pool`, the links follow the header in the same object.
        unsafe { self.base().add(1).cast() }
    }

    /// The link of a block.
    ///
    /// # Safety
    /// `id` is less than the capacity.
    #[inline(always)]
    pub(crate) unsafe fn link(&self, id: u32) -> &AtomicU32 {
        // SAFETY: by the invariant of `Pool`, `capacity` zeroed or since written links are there;
        // the caller stays below it.
        unsafe { self.links().add(id as usize).as_ref() }
    }

    #[inline(always)]
    fn magazines(&self) -> NonNull<u32> {
        let links = align_up(4 * self.capacity(), LINE);
        // SAFETY: by the invariant of `Pool`, the magazines follow the links and their padding.
        unsafe { self.links().byte_add(links).cast() }
    }

    /// The first word of a magazine: its header, with the indices right behind it, so that reading
    /// the one has brought the other's cache line.
    ///
    /// # Safety
    /// `slot` is less than [`slot_count`].
    #[inline(always)]
    unsafe fn slot(&self, slot: u32) -> NonNull<u32> {
        let first = slot as usize * (self.magazine() + 1);
        // SAFETY: by the invariant of `Pool`, `capacity` words are there, and
        // `slot_count * (magazine + 1) <= capacity`.
        unsafe { self.magazines().add(first) }
    }

    /// The header of a magazine: the slot below it in its stack plus one, and its length.
    ///
    /// # Safety
    /// `slot` is less than [`slot_count`].
    #[inline(always)]
    pub(crate) unsafe fn slot_head(&self, slot: u32) -> &AtomicU32 {
        // SAFETY: the caller's promise; this word of a slot is reached as an atomic only.
        unsafe { self.slot(slot).cast().as_ref() }
    }

    #[inline(always)]
    unsafe fn slot_ids(&self, slot: &Slot) -> NonNull<u32> {
        // SAFETY: a slot that is owned exists; the indices follow its header.
        unsafe { self.slot(slot.index()).add(1) }
    }

    /// Asks for the cache lines of a magazine that is about to be taken, all at once: they were
    /// written by another core. A hint; the slot may be someone else's by now.
    #[inline]
    pub(crate) fn prefetch_slot(&self, plus_one: u32) {
        if plus_one == 0 {
            return;
        }
        // SAFETY: the words name only slots that exist; nothing is read.
        let first = unsafe { self.slot(plus_one - 1) }.cast::<u8>();
        for line in 0..=4 * self.magazine() / LINE {
            sync::prefetch(first.as_ptr().wrapping_add(line * LINE));
        }
    }

    /// Copies indices into a magazine.
    ///
    /// # Safety
    /// `ids` are at most a magazine. (Having the `Slot` is being alone with it.)
    #[inline]
    pub(crate) unsafe fn write_slot(&self, slot: &Slot, ids: &[u32]) {
        debug_assert!(ids.len() <= self.magazine());
        // SAFETY: the owner of a slot is alone with its indices; the length is the caller's promise.
        unsafe {
            self.slot_ids(slot)
                .copy_from_nonoverlapping(NonNull::from(ids).cast(), ids.len())
        }
    }

    /// Reads the indices of a magazine from position `from` on, as many as `into` holds.
    ///
    /// # Safety
    /// The magazine was filled that far.
    #[inline]
    pub(crate) unsafe fn read_slot(&self, slot: &Slot, from: usize, into: &mut Ids) {
        debug_assert!(from + into.len() <= self.magazine());
        // SAFETY: as in `write_slot`.
        unsafe {
            self.slot_ids(slot)
                .add(from)
                .copy_to_nonoverlapping(NonNull::from(&mut *into).cast(), into.len())
        }
    }
}

#[cfg(loom)]
impl Pool<'_> {
    pub(crate) fn header(&self) -> &Header {
        // SAFETY: by the invariant of `Pool`, `base` lives as long as the pool.
        unsafe { &(*self.base().as_ptr()).header }
    }

    pub(crate) fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as in `header`, and `&mut self` excludes everyone else.
        unsafe { &mut (*self.base().as_ptr()).header }
    }

    pub(crate) unsafe fn link(&self, id: u32) -> &AtomicU32 {
        // SAFETY: as in `header`.
        unsafe { &self.base().as_ref().links[id as usize] }
    }

    pub(crate) fn prefetch_slot(&self, _: u32) {}

    pub(crate) unsafe fn slot_head(&self, slot: u32) -> &AtomicU32 {
        // SAFETY: as in `header`.
        unsafe { &self.base().as_ref().heads[slot as usize] }
    }

    pub(crate) unsafe fn write_slot(&self, slot: &Slot, ids: &[u32]) {
        // SAFETY: as in `header`; loom checks that the caller is alone with the slot.
        unsafe {
            self.base().as_ref().ids[slot.index() as usize]
                .with_mut(|slot| (&mut *slot)[..ids.len()].copy_from_slice(ids));
        }
    }

    pub(crate) unsafe fn read_slot(&self, slot: &Slot, from: usize, into: &mut Ids) {
        // SAFETY: as in `write_slot`.
        unsafe {
            self.base().as_ref().ids[slot.index() as usize].with(|slot| {
                for (into, id) in into.iter_mut().zip(&(&*slot)[from..]) {
                    into.write(*id);
                }
            });
        }
    }
}
