//! The metadata line of a packet: 64 bytes, out of band.
//!
//! The first 24 bytes guard memory and are private. The rest is [`PacketMeta`], which the user may change.

use core::mem::offset_of;

use crate::packet::meta::PacketMeta;
use crate::sync::{AtomicU32, Guarded, Ordering::*, Section, section};

/// Bytes of a line, on every target.
pub(crate) const LINE_SIZE: usize = 64;

/// The maximum number of lines of a pool, so that a count and its flags fit a word.
pub(crate) const MAX_LINES: usize = 1 << 29;

/// The largest block: offsets in it are `u16`.
pub(crate) const MAX_BLOCK: usize = u16::MAX as usize;

/// The bits of [`Line::refs`].
///
/// ```text
///   31        30     29       28        16 15         0
///  ┌──────────┬──────┬────────┬───────────┬────────────┐
///  │ EXTERNAL │ SIDE │ SLICED │ parts     │ handles    │
///  └──────────┴──────┴────────┴───────────┴────────────┘
/// ```
///
/// So a packet that owns all of its block has the value 1 here, and one comparison finds the usual case.
pub(crate) mod refs {
    /// One handle of the line.
    pub(crate) const HANDLE: u32 = 1;
    /// The number of handles of the line.
    pub(crate) const HANDLES: u32 = 0xFFFF;
    /// One side line of the block. In the block's own line only.
    pub(crate) const PART: u32 = 1 << 16;
    /// The number of side lines of the block.
    pub(crate) const PARTS: u32 = 0x1FFF << 16;
    /// All that keeps a block in use. In the block's own line.
    pub(crate) const COUNTS: u32 = HANDLES | PARTS;
    /// Some side lines may have the same bytes as others. In the block's own line.
    pub(crate) const SLICED: u32 = 1 << 29;
    /// It is a side line.
    pub(crate) const SIDE: u32 = 1 << 30;
    /// The bytes are external memory. In the block's own line.
    pub(crate) const EXTERNAL: u32 = 1 << 31;
    /// The maximum number of handles of a line.
    pub(crate) const MAX_HANDLES: u32 = HANDLES;
    /// The maximum number of side lines of a block.
    pub(crate) const MAX_PARTS: u32 = PARTS >> 16;
}

/// A mark in [`Control::block`]: the bytes are external memory.
pub(crate) const EXTERNAL_BLOCK: u32 = 1 << 31;

/// A range in a block, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Span {
    pub(crate) start: u16,
    pub(crate) end: u16,
}

impl Span {
    #[inline(always)]
    pub(crate) const fn len(self) -> usize {
        (self.end as usize).wrapping_sub(self.start as usize)
    }
}

/// Where a packet lies in its block.
///
/// Invariant: `window.start <= data.start <= data.end <= window.end`, at most the block's length (or that of the external
/// memory).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Room {
    /// The bytes that the packet owns: head- and tailroom end here.
    pub(crate) window: Span,
    /// The bytes of the packet.
    pub(crate) data: Span,
}

/// The part of a line that guards memory.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Control {
    /// The block, and [`EXTERNAL_BLOCK`].
    pub(crate) block: u32,
    pub(crate) room: Room,
    /// In a chain: the next line, or in the last line the number of segments. Anything elsewhere.
    pub(crate) next: u32,
    /// In the first line of a chain: its length in bytes. Anything elsewhere.
    pub(crate) length: u32,
}

impl Control {
    /// The index of the block.
    #[inline(always)]
    pub(crate) const fn index(&self) -> u32 {
        self.block & !EXTERNAL_BLOCK
    }

    #[inline(always)]
    pub(crate) const fn is_external(&self) -> bool {
        self.block & EXTERNAL_BLOCK != 0
    }
}

/// A metadata line. The protocol: an exclusive handle (a packet, a chain, a burst) writes; shared handles only read, and
/// change `refs`.
#[repr(C, align(64))]
pub(crate) struct Line {
    pub(crate) refs: AtomicU32,
    control: Guarded<Control>,
    meta: Guarded<PacketMeta>,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Line>() == LINE_SIZE && align_of::<Line>() == LINE_SIZE);
#[cfg(not(loom))]
const _: () = assert!(offset_of!(Line, control) == 4 && offset_of!(Line, meta) == 24);
const _: () = assert!(size_of::<Control>() == 20 && size_of::<PacketMeta>() == 40);
const _: () = assert!(offset_of!(Control, room) == 4 && offset_of!(Control, next) == 12);
const _: () = assert!(offset_of!(Control, length) == 16);

impl Line {
    crate::sync::loom_const! {
        pub(crate) fn new() -> Self {
            const NOWHERE: Span = Span { start: 0, end: 0 };
            Self {
                refs: AtomicU32::new(0),
                control: Guarded::new(Control {
                    block: 0,
                    room: Room { window: NOWHERE, data: NOWHERE },
                    next: 0,
                    length: 0,
                }),
                meta: Guarded::new(PacketMeta::NEW),
            }
        }
    }

    /// Writes the whole line.
    ///
    /// # Safety
    /// The caller owns the line, and every range in it is the packet's.
    #[inline(always)]
    pub(crate) unsafe fn begin(&self, refs: u32, block: u32, room: Room, meta: PacketMeta) {
        // Relaxed: the line is the caller's.
        self.refs.store(refs, Relaxed);
        let control = Control {
            block,
            room,
            next: 0,
            length: 0,
        };
        // SAFETY: the caller owns the line.
        unsafe {
            self.control.to_write().write(control);
            self.meta.to_write().write(meta);
        }
    }

    /// # Safety
    /// The caller has a handle of the line, or owns it.
    #[inline(always)]
    pub(crate) unsafe fn control(&self) -> Control {
        // SAFETY: nothing writes while the caller's handle may read.
        unsafe { *self.control.to_read() }
    }

    /// # Safety
    /// The caller has the one handle of the line, or owns it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the line is a cell")]
    pub(crate) unsafe fn control_mut(&self) -> &mut Control {
        // SAFETY: the caller's promise: the access is exclusive.
        unsafe { &mut *self.control.to_write() }
    }

    /// # Safety
    /// As for [`control`](Self::control), for the life of the reference.
    #[inline(always)]
    pub(crate) unsafe fn meta(&self) -> &PacketMeta {
        // SAFETY: as in `control`.
        unsafe { &*self.meta.to_read() }
    }

    /// # Safety
    /// As for [`control_mut`](Self::control_mut), for the life of the reference.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the line is a cell")]
    pub(crate) unsafe fn meta_mut(&self) -> &mut PacketMeta {
        // SAFETY: as in `control_mut`.
        unsafe { &mut *self.meta.to_write() }
    }

    /// Whether the line's handle is the only one, and the line is the block's own, which has no other.
    #[inline(always)]
    pub(crate) fn is_sole(&self) -> bool {
        // Acquire: pairs with the releases in `remove`: what ended handles read and wrote happens before this.
        self.refs.load(Acquire) == refs::HANDLE
    }

    /// Counts one more `of` (a handle or a part) if there are fewer than `max`. Returns whether it did. `flags` are set as
    /// well.
    pub(crate) fn add(&self, of: u32, field: u32, max: u32, flags: u32) -> bool {
        section(|s| {
            let mut seen = self.refs.load(Relaxed);
            while (seen & field) / of < max {
                // Relaxed: the caller has a handle, which keeps line and block. The owner of the new handle gets it from
                // the caller, by a way that synchronises.
                let now = seen.wrapping_add(of) | flags;
                match (self.refs).compare_exchange_weak(s, seen, now, Relaxed, Relaxed) {
                    Ok(_) => return true,
                    Err(actual) => seen = actual,
                }
            }
            false
        })
    }

    /// Counts one `of` less. Returns the value before.
    pub(crate) fn remove(&self, s: Section<'_>, of: u32) -> u32 {
        // Release: what the ended handle read and wrote happens before what the next owner does. Acquire: the last one
        // is that owner.
        self.refs.fetch_add(s, of.wrapping_neg(), AcqRel)
    }
}
