//! The memory of a heap as a mapping, made at the heap's first use.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::NonNull;

use super::statics::State;
use crate::heap::regions::NewRegion;
use crate::heap::{Heap, Spin};
use crate::{MapBuilder, MapError, RegionReport};

/// A request for the memory of a [`ThreadHeap`](super::ThreadHeap), which maps it at its first use, and the heap's state.
/// [`thread_heap!`](crate::thread_heap!) declares it for you.
pub struct ThreadHeapMapping {
    pub(super) state: State,
    pub(super) heap: Heap<Spin>,
    builder: MapBuilder,
    /// Invariant: written once, under the heap's lock, before the set-up is published; after that only read.
    granted: UnsafeCell<Option<Result<RegionReport, MapError>>>,
}

// SAFETY: by the invariant of `granted` nothing reads it while it is written. The rest is `Sync`.
unsafe impl Sync for ThreadHeapMapping {}

impl ThreadHeapMapping {
    /// Maps what the builder says, which has to be at least one byte and at most 64 GiB, without a
    /// [node](MapBuilder::node) and [threads](MapBuilder::prefault_threads): those need an allocator. A child of a fork
    /// gets a [copy](MapBuilder::fork), as of all that refers to it. In a constant, another builder is a compile error.
    ///
    /// # Panics
    /// Outside of constants, with another builder.
    pub const fn new(builder: MapBuilder) -> Self {
        assert!(
            builder.requested() > 0 && builder.requested() as u64 <= 64 << 30,
            "a heap has from 1 byte to 64 GiB"
        );
        assert!(
            builder.is_bare(),
            "a heap is mapped by the thread that uses it first, without a node and other threads"
        );
        assert!(
            builder.is_copied_on_fork(),
            "the child of a fork needs the heap"
        );
        Self {
            state: State::new(),
            heap: Heap::new(),
            builder,
            granted: UnsafeCell::new(None),
        }
    }

    /// Maps the memory. Called once, under the heap's lock, before the set-up is published.
    pub(super) fn map(&self) -> Option<NewRegion> {
        let (memory, granted) = match self.builder.map_bare() {
            Ok((memory, report)) => (Some(memory), Ok(report)),
            Err(error) => (None, Err(error)),
        };
        // SAFETY: by the invariant nothing else accesses it now.
        unsafe { *self.granted.get() = Some(granted) };
        let bytes = NonNull::from(memory?);
        Some(NewRegion {
            start: bytes.cast(),
            len: bytes.len(),
            zeroed: true,
            merge: false,
        })
    }

    /// # Safety
    /// The heap was set up, before on this thread or published to it.
    pub(super) unsafe fn granted(
        &'static self,
    ) -> Option<Result<&'static RegionReport, &'static MapError>> {
        // SAFETY: the caller's promise, and the invariant: it is only read from then on.
        let granted = unsafe { &*self.granted.get() };
        granted.as_ref().map(Result::as_ref)
    }
}

impl fmt::Debug for ThreadHeapMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHeapMapping")
            .field("builder", &self.builder)
            .finish_non_exhaustive()
    }
}
