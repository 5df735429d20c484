//! Who holds which block, since when, and what happened to it before (feature `audit`).
//!
//! Every step that changes who has a block says so here: who, where in the code, what, and its place in
//! one order of events over all pools. Without the feature these calls are empty and the callers'
//! locations are not passed: nothing is left of them in the machine code.
//!
//! ```text
//!  header ──► ledger, made by the pool's first event, outside of its memory budget
//!             ┌────────────────────────────────────────────┬──────────────────────────┬───
//!             │ block 0: last change │ ring of 8 events    │ block 1: last change │ … │ …
//!             └────────────────────────────────────────────┴──────────────────────────┴───
//! ```
//!
//! | file | what |
//! |---|---|
//! | this one | what can happen, and where the pool tells |
//! | `ledger` | what is kept |
//! | `report` | what is shown |

#[cfg(feature = "audit")]
pub(crate) mod ledger;
#[cfg(feature = "audit")]
mod report;

#[cfg(feature = "audit")]
pub use report::{AuditEvent, AuditHistory, AuditReport, AuditThread, Holding};

use core::fmt;

use crate::pool::Pool;

/// What happened to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(not(feature = "audit"), allow(dead_code, unreachable_pub))]
#[non_exhaustive]
#[repr(u8)]
pub enum AuditKind {
    /// Handed out as a block or a box.
    Allocated = 1,
    /// Handed out in a burst.
    AllocatedInBurst,
    /// Handed out as memory of a layout, by an allocator trait.
    AllocatedAsMemory,
    /// Handed out by [`PoolAlloc`](crate::PoolAlloc), whose callers cannot be named.
    AllocatedGlobally,
    /// Added to a burst.
    IntoBurst,
    /// Taken out of a burst.
    FromBurst,
    /// Became a raw block.
    IntoRaw,
    /// Became a handle again, from a raw block.
    FromRaw,
    /// Freed as a raw block.
    FreedRaw,
    /// A raw return was refused: the block was not out as a raw block. It stayed whosever it was.
    RefusedFree,
    /// Freed into the depot.
    Freed,
    /// Freed into the depot as memory of a layout, by an allocator trait.
    FreedAsMemory,
    /// Freed into the depot by [`PoolAlloc`](crate::PoolAlloc).
    FreedGlobally,
    /// Freed by a destructor, which knows of no caller.
    Dropped,
    /// Freed into a cache.
    FreedToCache,
    /// Drawn from the depot by a cache.
    Drawn,
    /// Given to the depot by a cache.
    Given,
    /// Reclaimed by a reset, its handle having been forgotten.
    Reset,
}

#[cfg(feature = "audit")]
impl AuditKind {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 18] = [
        Self::Allocated,
        Self::AllocatedInBurst,
        Self::AllocatedAsMemory,
        Self::AllocatedGlobally,
        Self::IntoBurst,
        Self::FromBurst,
        Self::IntoRaw,
        Self::FromRaw,
        Self::FreedRaw,
        Self::RefusedFree,
        Self::Freed,
        Self::FreedAsMemory,
        Self::FreedGlobally,
        Self::Dropped,
        Self::FreedToCache,
        Self::Drawn,
        Self::Given,
        Self::Reset,
    ];

    /// The kind with this number, if it is one.
    fn numbered(n: usize) -> Option<Self> {
        Self::ALL.get(n.checked_sub(1)?).copied()
    }

    /// Whether someone has the block after this: in a handle, a burst, or as a raw block.
    pub const fn is_out(self) -> bool {
        matches!(
            self,
            Self::Allocated
                | Self::AllocatedInBurst
                | Self::AllocatedAsMemory
                | Self::AllocatedGlobally
                | Self::IntoBurst
                | Self::FromBurst
                | Self::IntoRaw
                | Self::FromRaw
        )
    }

    /// Whether the block is in a cache after this.
    pub const fn is_cached(self) -> bool {
        matches!(self, Self::FreedToCache | Self::Drawn)
    }

    /// Whether this happens inside a global allocator.
    const fn is_global(self) -> bool {
        matches!(self, Self::AllocatedGlobally | Self::FreedGlobally)
    }

    /// Whether there is code of the user's to name.
    const fn has_caller(self) -> bool {
        !matches!(
            self,
            Self::Dropped | Self::Drawn | Self::Given | Self::Reset
        ) && !self.is_global()
    }
}

// Each at the place of its number, the last of them included.
#[cfg(feature = "audit")]
const _: () = {
    let mut at = 0;
    while at < AuditKind::ALL.len() {
        assert!(AuditKind::ALL[at] as usize == at + 1);
        at += 1;
    }
    assert!(at == AuditKind::Reset as usize);
};

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allocated => "allocated",
            Self::AllocatedInBurst => "allocated in a burst",
            Self::AllocatedAsMemory => "allocated as memory",
            Self::AllocatedGlobally => "allocated by the global allocator",
            Self::IntoBurst => "added to a burst",
            Self::FromBurst => "taken out of a burst",
            Self::IntoRaw => "made a raw block",
            Self::FromRaw => "made a handle again",
            Self::FreedRaw => "freed as a raw block",
            Self::RefusedFree => "not freed (refused)",
            Self::Freed => "freed",
            Self::FreedAsMemory => "freed as memory",
            Self::FreedGlobally => "freed by the global allocator",
            Self::Dropped => "dropped",
            Self::FreedToCache => "freed to a cache",
            Self::Drawn => "drawn by a cache",
            Self::Given => "given back by a cache",
            Self::Reset => "reclaimed by a reset",
        })
    }
}

/// Without the feature.
#[cfg(not(feature = "audit"))]
impl Pool<'_> {
    #[inline(always)]
    pub(crate) fn note(&self, _: u32, _: AuditKind) {}

    #[inline(always)]
    pub(crate) fn note_all(&self, _: &[u32], _: AuditKind) {}
}

/// With the feature. Blocks must be told of while the caller owns them: after they were taken, before
/// they are given.
#[cfg(feature = "audit")]
impl Pool<'_> {
    #[track_caller]
    pub(crate) fn note(&self, id: u32, kind: AuditKind) {
        self.note_all(&[id], kind);
    }

    #[track_caller]
    pub(crate) fn note_all(&self, ids: &[u32], kind: AuditKind) {
        let caller = core::panic::Location::caller();
        let at = kind.has_caller().then_some(caller);
        for &id in ids {
            self.header()
                .cold
                .ledger
                .write(self.capacity(), id, kind, at);
        }
    }

    /// Before a reset: no handle is alive, so what is out was forgotten.
    pub(crate) fn note_reset(&mut self) {
        for id in 0..self.depot.capacity() {
            let last = self.header().cold.ledger.last(self.capacity(), id);
            if last.is_some_and(|event| event.kind().is_out() || event.kind().is_cached()) {
                self.note(id, AuditKind::Reset);
            }
        }
    }

    /// For `Drop`.
    pub(crate) fn drop_ledger(&mut self) {
        let capacity = self.capacity();
        self.header_mut().cold.ledger.free(capacity);
    }
}
