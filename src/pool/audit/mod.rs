//! The owner and the history of each block (feature `audit`).
//!
//! Every step that changes the owner of a block is recorded: the thread, the place in the code, the kind of
//! event, and its number in one order over all pools. Without the feature, `off` stands in: its functions are
//! empty, and the callers' locations are not passed, so the machine code has no trace of them.
//!
//! ```text
//!  header ──► ledger, allocated at the pool's first event, outside of the pool's memory
//!             ┌────────────────────────────────────────────┬──────────────────────────┬───
//!             │ block 0: last change │ ring of 8 events    │ block 1: last change │ … │ …
//!             └────────────────────────────────────────────┴──────────────────────────┴───
//! ```

mod kind;
pub(crate) mod ledger;
mod report;

pub use kind::AuditKind;
pub use report::{AuditEvent, AuditHistory, AuditReport, AuditThread, Holding};

use core::fmt;
use core::panic::Location;

use crate::pool::Pool;

impl AuditKind {
    /// All of them, in the order of their numbers, with their texts.
    const ALL: [(Self, &str); 19] = [
        (Self::Allocated, "allocated"),
        (Self::AllocatedInBurst, "allocated in a burst"),
        (Self::AllocatedAsMemory, "allocated as memory"),
        (Self::AllocatedGlobally, "allocated by the global allocator"),
        (Self::IntoBurst, "added to a burst"),
        (Self::FromBurst, "removed from a burst"),
        (Self::IntoRaw, "made a raw block"),
        (Self::FromRaw, "made a handle again"),
        (Self::FreedRaw, "freed as a raw block"),
        (Self::RefusedFree, "not freed (refused)"),
        (Self::Freed, "freed"),
        (Self::FreedAsMemory, "freed as memory"),
        (Self::FreedGlobally, "freed by the global allocator"),
        (
            Self::CachedGlobally,
            "freed to a cache by the global allocator",
        ),
        (Self::Dropped, "dropped"),
        (Self::FreedToCache, "freed to a cache"),
        (Self::Drawn, "drawn by a cache"),
        (Self::Given, "given back by a cache"),
        (Self::Reset, "reclaimed by a reset"),
    ];

    /// The kind with this number, if there is one.
    fn numbered(n: usize) -> Option<Self> {
        Some(Self::ALL.get(n.checked_sub(1)?)?.0)
    }

    /// Whether the block is in use after this: in a handle, in a burst, or as a raw block.
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
        matches!(
            self,
            Self::FreedToCache | Self::CachedGlobally | Self::Drawn
        )
    }

    /// Whether this happens inside a global allocator.
    const fn is_global(self) -> bool {
        matches!(
            self,
            Self::AllocatedGlobally | Self::FreedGlobally | Self::CachedGlobally
        )
    }

    /// Whether the user's code called for this.
    const fn has_caller(self) -> bool {
        !matches!(
            self,
            Self::Dropped | Self::Drawn | Self::Given | Self::Reset
        ) && !self.is_global()
    }
}

// Each is at the index of its number, including the last.
const _: () = {
    let mut at = 0;
    while at < AuditKind::ALL.len() {
        assert!(AuditKind::ALL[at].0 as usize == at + 1);
        at += 1;
    }
    assert!(at == AuditKind::Reset as usize);
};

impl fmt::Display for AuditKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.write_str(all.map_or("", |(_, text)| text))
    }
}

/// Events must be recorded while the caller owns the blocks: after they were taken, before they are given.
impl Pool<'_> {
    #[track_caller]
    pub(crate) fn note(&self, id: u32, kind: AuditKind) {
        self.note_all(&[id], kind);
    }

    #[track_caller]
    pub(crate) fn note_all(&self, ids: &[u32], kind: AuditKind) {
        let at = kind.has_caller().then_some(Location::caller());
        let ledger = &self.header().cold.ledger;
        for &id in ids {
            ledger.write(self.capacity(), id, kind, at);
        }
    }

    /// Called before a reset, when no handle exists: blocks in use were forgotten.
    pub(crate) fn note_reset(&mut self) {
        for id in 0..self.depot.capacity() {
            let last = self.header().cold.ledger.last(self.capacity(), id);
            if last.is_some_and(|event| event.kind().is_out() || event.kind().is_cached()) {
                self.note(id, AuditKind::Reset);
            }
        }
    }

    /// Called by `Drop`.
    pub(crate) fn drop_ledger(&mut self) {
        let capacity = self.capacity();
        self.header_mut().cold.ledger.free(capacity);
    }
}
