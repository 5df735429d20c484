//! The kinds of events in the history of a block.

/// An event in the history of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "some are recorded only with the feature")]
#[non_exhaustive]
#[repr(u8)]
pub enum AuditKind {
    /// Allocated as a block or a box.
    Allocated = 1,
    /// Allocated in a burst.
    AllocatedInBurst,
    /// Allocated by the trait `Allocator`.
    AllocatedAsMemory,
    /// Allocated by a global allocator, such as [`PoolAlloc`](crate::PoolAlloc), which does not know its caller.
    AllocatedGlobally,
    /// Added to a burst.
    IntoBurst,
    /// Removed from a burst.
    FromBurst,
    /// Made a raw block.
    IntoRaw,
    /// Made a handle again, from a raw block.
    FromRaw,
    /// Freed as a raw block.
    FreedRaw,
    /// The return of a raw block was refused, because the block was not a raw block. Its owner did not change.
    RefusedFree,
    /// Freed into the depot.
    Freed,
    /// Freed into the depot by the trait `Allocator`.
    FreedAsMemory,
    /// Freed into the depot by a global allocator.
    FreedGlobally,
    /// Freed into a thread's cache by a global allocator: `CachedAllocs`.
    CachedGlobally,
    /// Freed by a destructor, which does not know its caller.
    Dropped,
    /// Freed into a cache.
    FreedToCache,
    /// Drawn from the depot by a cache.
    Drawn,
    /// Given to the depot by a cache.
    Given,
    /// Reclaimed by a reset after its handle was forgotten.
    Reset,
}
