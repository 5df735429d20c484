//! Pools that own their memory.

use std::alloc::{self, Layout};
use std::boxed::Box;
use std::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::config::PoolConfig;
use crate::pool::error::ConfigError;

/// The memory of a pool, returned when the pool is dropped.
pub(crate) enum Owner {
    Allocated(#[expect(dead_code, reason = "held to be dropped")] Allocation),
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Mapped(crate::region::MappedRegion),
}

/// Memory of the global allocator.
///
/// # Invariant
/// `start` was allocated with `layout` and is freed by `Drop` only.
pub(crate) struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

impl Allocation {
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn zeroed(size: usize, align: usize) -> Result<Self, ConfigError> {
        let none = ConfigError::OutOfMemory { size };
        let layout = Layout::from_size_align(size, align).map_err(|_| none)?;
        // SAFETY: a pool's layout is never empty.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        match NonNull::new(start) {
            Some(start) => Ok(Self { start, layout }),
            None => Err(none),
        }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: the invariant.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

impl Pool<'static> {
    /// A pool in memory of the global allocator; the pool owns that memory and frees it. For tests, for
    /// tools, and where a mapping is not wanted. The pages may be absent until
    /// [`prefault`](Self::prefault) touches them.
    ///
    /// # Errors
    /// Any [`ConfigError`] except `RegionTooSmall`.
    pub fn allocate(config: PoolConfig) -> Result<Self, ConfigError> {
        let layout = config.layout()?;
        let memory = Allocation::zeroed(layout.size(), layout.align())?;
        // SAFETY: the allocation is zeroed, unshared, and lives as long as the pool, which owns it.
        let pool = unsafe { Self::build_in(memory.start, layout.size(), config, true) }?;
        Ok(pool.owning(Owner::Allocated(memory)))
    }

    pub(super) fn owning(mut self, owner: Owner) -> Self {
        self.own(owner);
        self
    }
}

impl Pool<'_> {
    /// Called at most once for a pool.
    pub(crate) fn own(&mut self, owner: Owner) {
        self.header_mut().cold.owner = Box::into_raw(Box::new(owner));
    }

    /// Takes the memory out, for `Drop`. It is dropped last, because the header lies in it.
    pub(crate) fn take_owner(&mut self) -> Option<Box<Owner>> {
        let owner = core::mem::replace(&mut self.header_mut().cold.owner, core::ptr::null_mut());
        // SAFETY: not null, it was made by `own` from a box, and is taken here only.
        (!owner.is_null()).then(|| unsafe { Box::from_raw(owner) })
    }
}
