//! Fixed-block memory pools over memory you own.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "std", loom, test))]
extern crate std;

pub mod error;
pub mod pool;
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub mod region;
mod sync;

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use error::MapPoolError;
pub use error::{
    AllocValueError, AllocValueReason, CheckError, ConfigError, Exhausted, FreeError,
    FreeErrorKind, PushError, ResetError, TooLong, WrongPool,
};
#[cfg(not(loom))]
pub use pool::{Align, AlignTo, StaticPool};
pub use pool::{
    Block, BlockId, Burst, Cache, CacheStats, Census, Pool, PoolBox, PoolConfig, PoolLayout, Stats,
    Stride,
};
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use region::{MapError, MappedRegion, RegionReport};
