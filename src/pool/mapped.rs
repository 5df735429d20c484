//! Pools in mappings that they own.

use core::fmt;

use crate::pool::Pool;
use crate::pool::config::PoolConfig;
use crate::pool::error::ConfigError;
use crate::pool::owner::Owner;
use crate::region::{MapError, MappedRegion, RegionReport};

impl Pool<'static> {
    /// A pool in a mapping of its own, with blocks and metadata prefaulted: 2 MiB pages if available, else
    /// transparent huge pages, else base pages. [`region_report`](Self::region_report) says which, and
    /// why. For other mappings, see [`over_mapping`](Self::over_mapping).
    ///
    /// # Errors
    /// [`MapPoolError`]: the configuration is invalid, or the mapping failed.
    ///
    /// ```
    /// use framepool::{Pool, PoolConfig};
    ///
    /// let pool = Pool::map(PoolConfig::new(2048, 4096))?;
    /// println!("{}", pool.region_report().unwrap());
    /// # Ok::<(), framepool::MapPoolError>(())
    /// ```
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

    /// A pool over all of a mapping; the pool owns the mapping. O(capacity), as for [`Pool::new`].
    ///
    /// # Errors
    /// [`OverMappingError`] with the mapping in it. The reason is any [`ConfigError`] except `OutOfMemory`.
    ///
    /// ```
    /// use framepool::{MappedRegion, Pool, PoolConfig};
    ///
    /// let region = MappedRegion::builder(1 << 20).map()?;
    /// let refused = Pool::over_mapping(region, PoolConfig::new(2048, 1 << 20)).unwrap_err();
    /// println!("{refused}");
    /// // The mapping comes back, and `?` turns another refusal into an error of the caller.
    /// let pool = Pool::over_mapping(refused.into_inner(), PoolConfig::fill(2048))?;
    /// assert!(pool.capacity() > 400);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn over_mapping(
        region: MappedRegion,
        config: PoolConfig,
    ) -> Result<Self, OverMappingError> {
        // Not taken for zeroed: its previous owner may have written to it.
        // SAFETY: the mapping is valid and unshared; the pool owns it from now on.
        match unsafe { Self::build_in(region.as_ptr(), region.len(), config, false) } {
            Ok(pool) => Ok(pool.owning(Owner::Mapped(region))),
            Err(reason) => Err(OverMappingError { reason, region }),
        }
    }
}

impl Pool<'_> {
    /// The report of the mapping: which memory the kernel granted, and why. `None` if the pool does not own
    /// a mapping.
    pub fn region_report(&self) -> Option<&RegionReport> {
        // SAFETY: written before the pool was shared, and alive until it is dropped.
        match unsafe { self.header().cold.owner.as_ref() }? {
            Owner::Mapped(region) => Some(region.report()),
            Owner::Allocated(_) => None,
        }
    }
}

/// A pool could not be made over a mapping. The error holds the mapping.
#[derive(Debug)]
#[must_use = "the error holds the mapping; dropping it unmaps the memory"]
pub struct OverMappingError {
    reason: ConfigError,
    region: MappedRegion,
}

impl OverMappingError {
    /// The reason.
    pub fn reason(&self) -> ConfigError {
        self.reason
    }

    /// Returns the mapping, unchanged.
    pub fn into_inner(self) -> MappedRegion {
        self.region
    }
}

impl fmt::Display for OverMappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for OverMappingError {}

/// A pool in a mapping of its own could not be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MapPoolError {
    /// The configuration is invalid.
    Config(ConfigError),
    /// The mapping failed.
    Map(MapError),
}

impl fmt::Display for MapPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(e) => e.fmt(f),
            Self::Map(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for MapPoolError {}
