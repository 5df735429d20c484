//! Mappings of Linux.

mod builder;
mod error;
mod hints;
pub mod iova;
mod lock;
mod mapped;
mod mapping;
mod numa;
mod prefault;
mod report;
#[cfg(target_has_atomic = "64")]
pub mod shared;
mod smaps;

pub use builder::MapBuilder;
pub use error::{MapError, Refused, ReleaseError};
pub use hints::{Fork, HintError};
pub use iova::{Iova, IovaError, IovaRange, PhysAddr};
pub use lock::{Lock, LockError};
pub use mapped::MappedRegion;
pub use numa::{NodeError, NodeRun, online_nodes};
pub use prefault::{PrefaultError, Progress};
pub use report::{PageSize, Placed, RegionReport, Residency, Stage, Step};
#[cfg(target_has_atomic = "64")]
pub use shared::{
    AccessError, AttachError, Seal, SharedBuilder, SharedError, SharedRegion, SharedStage,
};
