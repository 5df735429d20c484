//! The metadata of a pool: its layout, and the only code that makes references to it.
//!
//! ```text
//! header            links                      magazines (absent without caches)
//! ┌────────────────┬────┬────┬───┬────┬ pad ┬────┬──────────┬────┬──────────┬───┐
//! │ stack│exch│cold│ l0 │ l1 │ … │ ln │     │ h0 │ ids of 0 │ h1 │ ids of 1 │ … │
//! └────────────────┴────┴────┴───┴────┴─────┴────┴──────────┴────┴──────────┴───┘
//!                   4 bytes per block         4 bytes per block in all
//! ```
//!
//! All zeros is a valid empty pool. A link is 4 bytes per block. Its value, for a block that is
//! - in the free stack: the index of the block below, plus one (0: none);
//! - in use as a raw block: [`RAW`];
//! - lent to a device: the [mark](posted_mark) of a table;
//! - anywhere else: any value but a mark.
//!
//! Links lie beside the blocks, never inside them: a device may still write to a free block, so its bytes are not
//! trusted.
//!
//! Under loom, links and magazines are vectors of loom's types, which are not plain words.

use core::ptr::NonNull;

use crate::pool::Pool;
#[cfg(loom)]
use crate::pool::depot::magazines::Boxed;
use crate::pool::depot::magazines::{MagazineWords, Memory};
use crate::pool::depot::stack::StackWords;
#[cfg(loom)]
use crate::pool::geometry::slot_count;
use crate::pool::geometry::{FIRST_MARK, links_size};
use crate::pool::waiting::Pressure;
use crate::sync::{AtomicU32, AtomicWord, Counter, Word, loom_const};

/// The link of a raw block. No index plus one is this large.
pub(crate) const RAW: u32 = u32::MAX;

/// The maximum number of tables of posted blocks: as many as a word has bits.
pub(crate) const MAX_DEVICES: u32 = Word::BITS;

/// The link of a block that the table with this number has lent to a device.
pub(crate) const fn posted_mark(number: u32) -> u32 {
    RAW - 2 - number
}

/// Whether a link is a mark: of a raw block, or of one that is lent to a device.
pub(crate) const fn is_mark(link: u32) -> bool {
    link >= FIRST_MARK
}

/// The mutable part of a pool that is not per block: on 64-bit targets, each group has cache lines of its own.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(32)))]
pub(crate) struct Header {
    pub(crate) stack: StackWords,
    pub(crate) exchange: Exchange,
    pub(crate) cold: Cold,
    pub(crate) pressure: Pressure,
}

/// The words that an exchange of magazines reads and writes.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Exchange {
    pub(crate) magazines: MagazineWords,
    /// Numbers of blocks in caches and in magazines: see [`HeldCounts`](super::depot::word::HeldCounts). Not a [`Counter`],
    /// because loom checks that it is never too low.
    pub(crate) held: AtomicWord,
    /// Number of allocations that stack and frontier did not count, less those that they counted wrongly.
    pub(crate) uncounted_allocations: Counter,
}

/// The words that only failures, raw blocks and constructors access.
#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C))]
pub(crate) struct Cold {
    pub(crate) exhaustions: Counter,
    pub(crate) refusals: Counter,
    /// Number of raw blocks.
    pub(crate) raw: AtomicWord,
    /// Number of blocks below the frontier that this pool does not account for: those withdrawn for reservations,
    /// and in a reservation, the names below its capacity that do not belong to it.
    pub(crate) lent: AtomicWord,
    /// The numbers of [`Posted`](super::posted::Posted) tables that are in use, a bit each.
    pub(crate) devices: AtomicWord,
    /// Bytes of the region that the pool does not use.
    pub(crate) slack: usize,
    /// Returns the memory when the pool is dropped; null if the pool does not own it.
    /// Written by constructors only, before the pool is shared.
    #[cfg(feature = "std")]
    pub(crate) owner: *mut super::owner::Owner,
    #[cfg(feature = "audit")]
    pub(crate) ledger: super::audit::ledger::Ledger,
}

impl Header {
    loom_const! {
        pub(crate) fn new(slack: usize) -> Self {
            Self {
                stack: StackWords::new(),
                exchange: Exchange {
                    magazines: MagazineWords::new(),
                    held: AtomicWord::new(0),
                    uncounted_allocations: Counter::new(0),
                },
                cold: Cold {
                    exhaustions: Counter::new(0),
                    refusals: Counter::new(0),
                    raw: AtomicWord::new(0),
                    lent: AtomicWord::new(0),
                    devices: AtomicWord::new(0),
                    slack,
                    #[cfg(feature = "std")]
                    owner: core::ptr::null_mut(),
                    #[cfg(feature = "audit")]
                    ledger: super::audit::ledger::Ledger::new(),
                },
                pressure: Pressure::new(),
            }
        }
    }
}

/// Bytes of header, links and, with caches, magazines.
pub(crate) const fn size_of_parts(capacity: usize, caches: bool) -> usize {
    let magazines = if caches { 4 * capacity } else { 0 };
    size_of::<Base>() + links_size(capacity) + magazines
}

/// What the pool's descriptor points at: the header, which links and magazines follow.
#[repr(C)]
pub(crate) struct Base {
    pub(crate) header: Header,
    #[cfg(loom)]
    links: std::vec::Vec<AtomicU32>,
    #[cfg(loom)]
    magazines: std::vec::Vec<Boxed>,
}

/// # Safety (of all)
/// `base` points at the metadata of a pool of that shape.
#[cfg(not(loom))]
impl Base {
    #[inline(always)]
    pub(crate) unsafe fn links(base: NonNull<Self>) -> NonNull<AtomicU32> {
        // SAFETY: the links follow the header in the same object.
        unsafe { base.add(1).cast() }
    }

    #[inline(always)]
    pub(crate) unsafe fn magazines<'a>(
        base: NonNull<Self>,
        capacity: u32,
        magazine: u16,
    ) -> Memory<'a> {
        // SAFETY: the magazines follow the links and their padding: `capacity` words, and
        // `slot_count * (magazine + 1)` is no more.
        unsafe {
            let links = links_size(capacity as usize);
            let first = Self::links(base).byte_add(links);
            Memory::new(first.cast(), magazine as usize)
        }
    }

    /// Writes the header and, unless `zeroed`, the links. Magazines are never read before they are written.
    ///
    /// # Safety
    /// `metadata` is aligned to a line, and has room for the parts of `capacity` and `magazine`.
    pub(crate) unsafe fn write(
        metadata: NonNull<u8>,
        zeroed: bool,
        capacity: u32,
        _magazine: u16,
        slack: usize,
    ) -> NonNull<Self> {
        let base: NonNull<Self> = metadata.cast();
        let header = Header::new(slack);
        // SAFETY: the metadata starts aligned, with the header and then the links.
        unsafe {
            base.write(Self { header });
            if !zeroed {
                let links = Self::links(base).cast::<u8>();
                links.write_bytes(0, 4 * capacity as usize);
            }
        }
        base
    }
}

#[cfg(loom)]
impl Base {
    pub(crate) unsafe fn links(base: NonNull<Self>) -> NonNull<AtomicU32> {
        // SAFETY: the caller's promise.
        NonNull::from(unsafe { base.as_ref() }.links.as_slice()).cast()
    }

    pub(crate) unsafe fn magazines<'a>(base: NonNull<Self>, _: u32, _: u16) -> Memory<'a> {
        // SAFETY: the caller's promise.
        Memory(&unsafe { base.as_ref() }.magazines)
    }

    /// Boxed, and freed by the pool's `Drop`.
    pub(crate) unsafe fn write(
        _: NonNull<u8>,
        _: bool,
        capacity: u32,
        magazine: u16,
        slack: usize,
    ) -> NonNull<Self> {
        let slots = 0..slot_count(capacity, magazine);
        let base = Self {
            header: Header::new(slack),
            links: (0..capacity).map(|_| AtomicU32::new(0)).collect(),
            magazines: slots.map(|_| Boxed::new(magazine as usize)).collect(),
        };
        NonNull::from(std::boxed::Box::leak(std::boxed::Box::new(base)))
    }
}

impl Pool<'_> {
    #[inline(always)]
    pub(crate) fn header(&self) -> &Header {
        self.depot.header()
    }

    /// The header, for an owner with exclusive access.
    pub(crate) fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as in `Depot::header`, and `&mut self` excludes every handle and every other caller.
        unsafe { &mut (*self.depot.base.as_ptr()).header }
    }

    /// The link of a block.
    ///
    /// # Safety
    /// `id` is less than the capacity.
    #[inline(always)]
    pub(crate) unsafe fn link(&self, id: u32) -> &AtomicU32 {
        // SAFETY: the caller's promise.
        unsafe { self.depot.stack().link(id) }
    }
}
