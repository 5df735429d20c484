//! Pools that own their memory.

use std::alloc::{self, Layout};
use std::boxed::Box;
use std::ptr::NonNull;

use crate::pool::error::ConfigError;
#[cfg(all(feature = "mmap", target_os = "linux"))]
use crate::pool::error::MapPoolError;
use crate::pool::{Pool, PoolConfig};
#[cfg(all(feature = "mmap", target_os = "linux"))]
use crate::region::{MappedRegion, RegionReport};

/// Who returns the memory of a pool when it is dropped.
pub(crate) enum Owner {
    Allocated(#[expect(dead_code, reason = "held to be dropped")] Allocation),
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Mapped(MappedRegion),
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
    /// A pool in memory of the global allocator, which it owns and frees. For tests, tools and where
    /// mapping is unwanted: nothing is known of the pages behind it; [`prefault`](Self::prefault)
    /// touches them.
    ///
    /// # Errors
    /// Any [`ConfigError`] but `RegionTooSmall`.
    pub fn allocate(config: PoolConfig) -> Result<Self, ConfigError> {
        let layout = config.layout()?;
        let memory = Allocation::zeroed(layout.size(), layout.align())?;
        // SAFETY: the allocation is zeroed, unshared, and lives as long as the pool, which owns it.
        let pool = unsafe { Self::build_in(memory.start, layout.size(), config, true) }?;
        Ok(pool.owning(Owner::Allocated(memory)))
    }

    /// A pool in a mapping of its own: 2 MiB pages if there are any, else transparent huge pages, else
    /// base pages, prefaulted, blocks and metadata. [`region_report`](Self::region_report) says what
    /// it became and why; [`over_mapping`](Self::over_mapping) takes a mapping made to measure.
    ///
    /// # Errors
    /// [`MapPoolError`]: the configuration or the mapping failed.
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::map(PoolConfig::new(2048, 4096))?;
    /// println!("{}", pool.region_report().unwrap());
    /// # Ok::<(), framepool::MapPoolError>(())
    /// ```
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub fn map(config: PoolConfig) -> Result<Self, MapPoolError> {
        let layout = config.layout().map_err(MapPoolError::Config)?;
        let region = MappedRegion::builder(layout.size())
            .map()
            .map_err(MapPoolError::Map)?;
        // SAFETY: a new anonymous mapping is zeroed; the pool owns it from now on.
        let pool = unsafe { Self::build_in(region.as_ptr(), region.len(), config, true) };
        Ok(pool
            .map_err(MapPoolError::Config)?
            .owning(Owner::Mapped(region)))
    }

    /// A pool over all of a mapping, which it owns. O(capacity), as for [`Pool::new`].
    ///
    /// # Errors
    /// Any [`ConfigError`] but `OutOfMemory`, with the mapping.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub fn over_mapping(
        region: MappedRegion,
        config: PoolConfig,
    ) -> Result<Self, (ConfigError, MappedRegion)> {
        // Whoever had the mapping may have written to it: it is not taken for zeroed.
        // SAFETY: the mapping is valid and unshared; the pool owns it from now on.
        match unsafe { Self::build_in(region.as_ptr(), region.len(), config, false) } {
            Ok(pool) => Ok(pool.owning(Owner::Mapped(region))),
            Err(e) => Err((e, region)),
        }
    }

    fn owning(mut self, owner: Owner) -> Self {
        self.own(owner);
        self
    }
}

impl Pool<'_> {
    /// Once for each pool.
    pub(crate) fn own(&mut self, owner: Owner) {
        self.header_mut().cold.owner = Box::into_raw(Box::new(owner));
    }

    /// The owner, for `Drop`: it goes last, with the memory that the header lies in.
    pub(crate) fn take_owner(&mut self) -> Option<Box<Owner>> {
        let owner = core::mem::replace(&mut self.header_mut().cold.owner, core::ptr::null_mut());
        // SAFETY: not null, it was made by `owning` from a box, and is taken here only.
        (!owner.is_null()).then(|| unsafe { Box::from_raw(owner) })
    }

    /// What memory the pool got and why, if it owns a mapping.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub fn region_report(&self) -> Option<&RegionReport> {
        // SAFETY: written before the pool was shared, and alive until it is dropped.
        match unsafe { self.header().cold.owner.as_ref() }? {
            Owner::Mapped(region) => Some(region.report()),
            Owner::Allocated(_) => None,
        }
    }
}
