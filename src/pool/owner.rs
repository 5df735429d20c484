//! Pools that own their memory.

use std::alloc::{self, Layout};
use std::boxed::Box;
use std::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::config::PoolConfig;
use crate::pool::error::ConfigError;

/// The memory of a pool, returned when the pool is dropped.
pub(crate) enum Owner {
    Allocated(Allocation),
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Mapped(crate::region::MappedRegion),
}

impl Owner {
    /// Bytes of the memory.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Allocated(memory) => memory.layout.size(),
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Self::Mapped(region) => region.len(),
        }
    }
}

/// Memory of the global allocator.
///
/// # Invariant
/// `start` was allocated with `layout` and is freed by `Drop` only.
pub(crate) struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: by the invariant it owns the memory, which any thread may free.
unsafe impl Send for Allocation {}

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

    /// Makes the pool live until the process ends: for global allocators and other statics. Nothing is freed, and what
    /// the pool owns stays. Allocates the descriptor, 32 bytes.
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool: &'static Pool<'static> = Pool::allocate(PoolConfig::new(2048, 64))?.leak();
    /// let block = std::thread::spawn(|| pool.alloc()).join().unwrap()?;
    /// assert_eq!(block.len(), 2048);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leak(self) -> &'static mut Self {
        Box::leak(Box::new(self))
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

    /// Takes the memory out, for `Drop`. It is dropped last, because the header lies in it. `None` if raw blocks
    /// keep the memory in use.
    pub(crate) fn take_owner(&mut self) -> Option<Box<Owner>> {
        let owner = core::mem::replace(&mut self.header_mut().cold.owner, core::ptr::null_mut());
        if owner.is_null() {
            return None;
        }
        // SAFETY: it was made by `own` from a box, and is taken here only.
        self.keep_if_raw(unsafe { Box::from_raw(owner) })
    }
}
